"""A publication worked by its commands in this very process, with a relay on loopback where one is wanted."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, update

from biweekly.cli.frame import run
from biweekly.publication import Publication, open_publication
from biweekly.store import tables, writing
from biweekly.wiring import open_store

REPORT = """+++
title = "{title}"
section = "Field Reports"
+++

{title}: the road was open again, and nobody could say for how long.
"""
NOW = datetime.now(UTC).replace(microsecond=0)
READERS = ("anna@d1.example", "bek@d2.example", "cholpon@d3.example")


@dataclass
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one document."""
        return json.loads(self.out)


@dataclass
class Paper:
    """The publication. Its commands run here, and what they say is caught."""

    root: Path
    talk: pytest.CaptureFixture[str]

    def run(self, *words: str, expect: int = 0) -> Said:
        """Run a command to its end and look at its exit code."""
        self.talk.readouterr()
        code = run(["-C", str(self.root), *words])
        said = self.talk.readouterr()
        assert code == expect, f"{words} ended with {code}:\n{said.out}\n{said.err}"
        return Said(code, said.out, said.err)

    @property
    def publication(self) -> Publication:
        return open_publication(self.root, environ={})

    def configure(self, text: str) -> None:
        """Write more into config.toml."""
        with (self.root / "config.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")

    def set_schedule(self, text: str | None) -> None:
        """Put other lines under [schedule], or take it out."""
        path = self.root / "config.toml"
        section = "" if text is None else f"[schedule]\n{text}\n"
        path.write_text(re.sub(r"(?ms)^\[schedule\]$.*?(?=^$)", section, path.read_text()))

    def use_relay(self, port: int, *, more: str = "") -> None:
        self.configure(f'[[relay]]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nconnections = 1\n{more}')

    def subscribe(self, *addresses: str) -> None:
        roster = self.root / "subscribers" / "invented.csv"
        roster.write_text("\n".join(["email,name", *(f"{one},Somebody" for one in addresses)]) + "\n")
        self.run("subscribers", "import", str(roster), "--apply")

    def compose(self, *, title: str = "A bridge opens", date: str | None = None) -> str:
        """Write a manuscript and compose an issue of it."""
        name = title.lower().replace(" ", "-")
        (self.root / "reports" / f"{name}.md").write_text(REPORT.format(title=title))
        words = ["issue", "compose", "--json", *(["--date", date] if date else [])]
        issue: str = self.run(*words).json["issue"]
        return issue

    def confirm(self, issue: str, count: int = len(READERS)) -> tuple[str, ...]:
        """The words of a live send."""
        return ("send", issue, "--live", "--confirm", f"{issue}:{count}")

    def change(self, table: Table, **values: Any) -> None:
        """Turn the clock, as far as the rows of a table know of it."""
        engine = open_store(self.publication)
        with writing(engine) as connection:
            connection.execute(update(table).values(**values))
        engine.dispose()

    def end_waits(self) -> None:
        """Make whoever waits due now: what is tested is what commands say, not how long they wait."""
        self.change(tables.waiting, next_at=NOW)


def found(root: Path, talk: pytest.CaptureFixture[str], *, readers: tuple[str, ...] = READERS) -> Paper:
    """Found a publication in Stockholm whose next issue is a week ahead."""
    assert run(["init", str(root), "--no-input", "--timezone", "Europe/Stockholm"]) == 0
    paper = Paper(root, talk)
    anchor = (NOW + timedelta(days=7)).date()
    paper.set_schedule(f'anchor = {anchor}\nat = "09:00"\ntimezone = "Europe/Stockholm"\ncutoff = "Tue 12:00"')
    if readers:
        paper.subscribe(*readers)
    return paper
