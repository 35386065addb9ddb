"""A publication worked by its commands, and a relay as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

RELAY = Path(__file__).parent.parent / "transports" / "relay.py"
PATIENCE = 60.0

CAPTURE = """Thursday, 19 November 2026

A BRIDGE AT QORA DOVON OPENS WITHOUT CEREMONY

Published in Field Reports

By Marta Lindqvist (11/19/2026 issue of the Example Review)

The bridge at Qora Dovon carried its first lorries on Monday, four years late and without a minister in sight.

The bridge at Qora Dovon carried its first lorries on Monday, four years late and without a minister in sight. Drivers
who had waited since dawn said that nobody had told them which papers would be asked for on the far side.

Traders in the bazaar expect prices of flour to fall before the winter. The customs post has one window and a stove.

Read 112 times

Visit also

The Example Review is a biweekly publication of nobody in particular.
"""


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Look again and again until something has happened; a test that waits for nothing fails by name."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.002)


@dataclass
class RelayProcess:
    """The scripted server as a process of its own, with its record of what it accepted."""

    process: subprocess.Popen[str]
    port: int
    record: Path

    def accepted(self) -> Counter[str]:
        """How often each recipient's letter was accepted."""
        found: Counter[str] = Counter()
        if self.record.exists():
            for line in self.record.read_text().splitlines():
                found.update(json.loads(line)["recipients"])
        return found

    def count(self) -> int:
        """How many letters were accepted."""
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0


@dataclass
class House:
    """A publication in a folder, worked by its commands as people do."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        """The words of a command in this publication."""
        return [sys.executable, "-m", "biweekly", "-C", str(self.root), *words]

    def run(self, *words: str, expect: int | None = 0, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and look at its exit code; nothing may ever show a traceback."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, env={**os.environ, **self.environ}, input=stdin,
            check=False, timeout=PATIENCE * 5,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        if expect is not None:
            assert done.returncode == expect, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: str, expect: int | None = 0) -> Any:
        """Run a command for its one JSON document."""
        return json.loads(self.run(*words, "--json", expect=expect).stdout)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **self.environ},
        )  # fmt: skip

    def add_config(self, text: str) -> None:
        """Write more into config.toml."""
        with (self.root / "config.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")

    def use_relay(self, port: int, *, connections: int = 4, batch: int = 20) -> None:
        """Send through a relay on loopback."""
        self.add_config(f'[[relay]]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nconnections = {connections}')
        self.add_config(f"[delivery]\nbatch = {batch}")

    def use_database(self, url: str) -> None:
        """Keep people and outcomes there."""
        self.add_config(f"[database]\nurl = {json.dumps(url)}")

    def subscribe(self, count: int) -> list[str]:
        """Import that many invented people, every fifth of them text only; returns their addresses."""
        addresses = [f"reader{n}@d{n % 7}.example" for n in range(count)]
        rows = [f"{a},Reader {n},{'text' if n % 5 == 0 else 'html'}" for n, a in enumerate(addresses)]
        roster = self.root / "subscribers" / "invented.csv"
        roster.write_text("\n".join(["email,name,variant", *rows]) + "\n")
        self.run("subscribers", "import", str(roster), "--apply")
        return addresses

    def compose(self) -> str:
        """Import a captured page and compose an issue of it; returns the issue's id."""
        page = self.root / "incoming.txt"
        page.write_text(CAPTURE)
        self.run("reports", "import", str(page))
        page.unlink()
        issue: str = self.json("issue", "compose")["issue"]
        return issue

    def states(self, issue: str) -> dict[str, str]:
        """What the report says of each address."""
        rows = self.run("report", issue, "--csv").stdout.splitlines()
        assert rows[0] == "address,variant,lane,state,attempts,code,at"
        return {cells[0]: cells[3] for cells in (row.split(",") for row in rows[1:])}


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9, and see it gone."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
