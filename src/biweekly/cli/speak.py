"""Shell. How commands talk: data to stdout, talk to stderr, JSON as one document, errors with place and cure."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biweekly.errors import BiweeklyError

if TYPE_CHECKING:
    from biweekly.publication import Publication


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands before every command: the folder named with -C, if any."""

    directory: Path | None

    def publication(self) -> "Publication":
        """Open the publication this command is about."""
        from biweekly.publication import find_root, open_publication

        folder = self.directory if self.directory is not None else find_root(Path.cwd())
        return open_publication(folder, environ=os.environ)


def say(text: str = "") -> None:
    """Talk to the person: progress, advice, what comes next."""
    print(text, file=sys.stderr, flush=True)


def show(text: str = "") -> None:
    """Print data."""
    print(text, flush=True)


def show_json(schema: str, document: Mapping[str, Any]) -> None:
    """Print one JSON document whose first key names its schema, `biweekly/<name>/1`."""
    show(json.dumps({"schema": f"biweekly/{schema}/1", **document}, ensure_ascii=False, indent=2, default=str))


def show_json_line(schema: str, document: Mapping[str, Any]) -> None:
    """Print one JSON document in one line, for those that come one after the other."""
    show(json.dumps({"schema": f"biweekly/{schema}/1", **document}, ensure_ascii=False, default=str))


def complain(error: BiweeklyError) -> None:
    """Print an error: code, place, cause, cure."""
    place = f"{error.place}: " if error.place else ""
    say(f"{paint('error', 'red')} {error.code}: {place}{error.message}")
    if error.hint:
        say(f"  help: {error.hint}")


def usage_problem(error: Exception) -> int | None:
    """Print what typer says of a wrong call and return its exit code; None for an error that is not about usage."""
    show_itself = getattr(error, "show", None)
    if show_itself is None:
        return None
    show_itself(file=sys.stderr)
    return int(getattr(error, "exit_code", 2))


def paint(text: str, colour: str) -> str:
    """Colour a word on a terminal that wants colour; the word alone must be enough (NO_COLOR is honoured)."""
    codes = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
        return text
    return f"\033[{codes[colour]}m{text}\033[0m"
