"""Shell. `init`: start a publication in an empty or new folder."""

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from biweekly.cli import speak
from biweekly.errors import BiweeklyError, ConfigError, Refused, UsageError

if TYPE_CHECKING:
    from biweekly.services.founding import Founding

app = typer.Typer(add_completion=False)


@app.command()
def init(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A new or empty folder; the one you are in by default.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The publication's name.")] = None,
    sender: Annotated[str | None, typer.Option("--from", metavar="ADDR", help="The address it is sent from.")] = None,
    timezone: Annotated[str | None, typer.Option(metavar="PLACE", help="Such as Europe/Stockholm.")] = None,
    postal_address: Annotated[str | None, typer.Option(metavar="TEXT", help="Printed in every issue.")] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; take the defaults.")] = False,
) -> None:
    """Start a publication in an empty or new folder.

    Asks four questions on a terminal; Enter keeps what stands in brackets. Writes a configuration and empty folders,
    no reports, issues or people.

    Example: biweekly init review --from editors@review.example
    """
    from biweekly.services.founding import Founding

    home = ctx.obj.directory / (directory or "") if ctx.obj.directory else directory or Path()
    _refuse_what_is_there(home)
    given = {"name": name, "sender": sender, "timezone": timezone, "postal_address": postal_address}
    start = replace(Founding(timezone=_zone_of_this_machine()), **{k: v for k, v in given.items() if v is not None})
    if not no_input and sys.stdin.isatty():
        start = _ask(start, given)
    _judge(start)
    _write(home, start)
    _say_what_comes_next(home, start)


def _refuse_what_is_there(home: Path) -> None:
    from biweekly.services.founding import FOLDERS

    try:
        if (home / "config.toml").exists():
            raise Refused(
                "there is a publication already", code="publication-exists", place=str(home),
                hint="name another folder: biweekly init DIR",
            )  # fmt: skip
        there = sorted(home.iterdir()) if home.exists() else []
    except OSError as error:
        raise _unwritable(home, error) from error
    # What an init that was interrupted left behind is not in the way.
    ours = {one for one in there if one.name in FOLDERS and one.is_dir() and not any(one.iterdir())}
    alien = [one for one in there if not one.name.startswith(".") and one not in ours]
    if alien:
        raise UsageError(
            f"the folder is not empty: it holds {alien[0].name}", code="folder-not-empty", place=str(home),
            hint="name an empty or new folder: biweekly init DIR",
        )  # fmt: skip


def _zone_of_this_machine() -> str:
    """The place this machine's clock is set to; UTC where that cannot be found out."""
    named = [os.environ.get("TZ", "").removeprefix(":")]
    _, _, place = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    for one in (*named, place):
        try:
            ZoneInfo(one)
        except (ValueError, OSError, KeyError):
            continue
        return one if one not in {"", "localtime", "Etc/UTC"} else "UTC"
    return "UTC"


def _ask(start: "Founding", given: dict[str, str | None]) -> "Founding":
    questions = {
        "name": "Name of the publication",
        "sender": "Sent from which address",
        "timezone": "Time zone",
        "postal_address": "Postal address, printed in every issue",
    }
    speak.say("Four questions; Enter keeps what stands in brackets. Everything can be changed in config.toml.")
    answered = start
    for key, question in questions.items():
        while given[key] is None:
            answer = typer.prompt(question, default=getattr(start, key), err=True)
            answered = replace(answered, **{key: answer})
            try:
                _judge(answered)
            except BiweeklyError as error:
                speak.complain(error)
            else:
                break
    return answered


def _judge(start: "Founding") -> None:
    """Refuse an answer that would make a publication nobody can open or send from."""
    from email.utils import parseaddr

    from biweekly.audience.validate import require
    from biweekly.services.founding import write_config

    require(parseaddr(start.sender)[1] or start.sender)
    write_config(start, today=datetime.now(UTC).date())


def _write(home: Path, start: "Founding") -> None:
    from biweekly.services.founding import FOLDERS, files

    today = datetime.now(ZoneInfo(start.timezone)).date()
    try:
        for folder in FOLDERS:
            (home / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files(start, today=today).items():
            if name == ".gitignore" and (home / name).exists():
                text = _joined((home / name).read_text("utf-8"), text)  # noqa: PLW2901 - the same file, both texts
                (home / name).write_text(text, "utf-8")
                continue
            with (home / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except (OSError, UnicodeDecodeError) as error:
        raise _unwritable(home, error) from error


def _joined(there: str, ours: str) -> str:
    """What git ignored before, and what it should ignore from now on, each line once."""
    known = set(there.splitlines())
    new = "".join(f"{line}\n" for line in ours.splitlines() if line not in known)
    return there if not new else f"{there.rstrip()}\n{new}".lstrip()


def _unwritable(home: Path, error: OSError | UnicodeDecodeError) -> ConfigError:
    cause = error.strerror if isinstance(error, OSError) else "the .gitignore there is no UTF-8 text"
    return ConfigError(
        f"no publication can be made here: {cause}", code="folder-unwritable", place=str(home),
        hint="name a folder that you may write to: biweekly init DIR",
    )  # fmt: skip


def _say_what_comes_next(home: Path, start: "Founding") -> None:
    from biweekly.services.founding import is_placeholder

    speak.say(f"A publication is ready in {home}.")
    if is_placeholder(start.sender):
        speak.say("Its name and address are placeholders: nothing leaves this machine until config.toml has real ones.")
    speak.say("")
    speak.say("What comes next:")
    if home != Path():
        speak.say(f"  cd {home}")
    for line in (
        "biweekly reports import FILE...          take in manuscripts",
        "biweekly issue compose                   gather them into an issue",
        "biweekly preview                         see it, and change it, in a browser",
        "biweekly subscribers import FILE         read a list of subscribers",
        "biweekly doctor config                   what is missing before real mail",
    ):
        speak.say(f"  {line}")
