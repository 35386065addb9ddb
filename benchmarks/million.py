"""A list of a million: imported, frozen, mailed; and the memory that mailing it takes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import machine
from benchmarks.sizes import Size
from benchmarks.table import Row
from benchmarks.workshop import Plan, Workshop, biweekly, checked, issue_of, write_roster

_NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
_DOMAINS: Final = tuple(
    [f"large{n % 3}.example" for n in range(700)] + [f"d{n}.example" for n in range(300)]
)  # fmt: skip
_LOOK_EVERY: Final = 0.1  # seconds


def million(shop: Workshop, size: Size) -> Iterator[Row]:
    """Import, freeze and mail the same list, in this order."""
    readers = size.million
    root = shop.publication(Plan(0, reports=1, words=60))
    yield _imported(root, readers)
    yield from _frozen(shop, root, readers)
    yield from _mailed(shop, root, readers)


# --- import ----------------------------------------------------------------------------------------------------------


def _imported(root: Path, readers: int) -> Row:
    roster = root / "subscribers" / "everybody.csv"
    write_roster(roster, readers, _DOMAINS)
    machine.say(f"  importing {readers:,}")
    watch = machine.Watch()
    biweekly(root, "subscribers", "import", str(roster), "--apply")
    seconds = watch.seconds()
    roster.unlink()
    rate = readers / seconds
    return Row(
        f"import of {readers:,} shuffled addresses", f"{rate:,.0f}/s", "", rate, "/s", floor=60_000, goal=100_000,
        note=f"{seconds:.1f} s from command to prompt",
    )  # fmt: skip


# --- freeze ----------------------------------------------------------------------------------------------------------


def _frozen(shop: Workshop, root: Path, readers: int) -> Iterator[Row]:
    from biweekly.model.issue import IssueId
    from biweekly.model.mailing import MailingKind
    from biweekly.publication import open_publication
    from biweekly.store import reading
    from biweekly.store.books import Books
    from biweekly.wiring import open_store

    copy = shop.folder / "frozen"
    subprocess.run(["cp", "-r", str(root), str(copy)], check=True)  # noqa: S607 - quicker than a copy by hand
    machine.say(f"  freezing {readers:,}")
    engine = open_store(open_publication(copy, environ={}))
    began = time.perf_counter()
    Books(engine, "main").enter_and_begin(
        IssueId("i"), MailingKind.REGULAR, ("0" * 64, "w", b""), expected=readers, now=_NOW
    )
    seconds = time.perf_counter() - began
    with reading(engine) as connection:
        size = connection.exec_driver_sql(
            "SELECT sum(pgsize) FROM dbstat WHERE name IN ('audience', 'uq_audience_subscriber')"
        ).scalar_one()
        lanes = connection.exec_driver_sql("SELECT count(*) FROM lane").scalar_one()
    engine.dispose()
    shop.clear(copy)
    yield Row(
        f"freeze an audience of {readers:,}", f"{seconds:.2f} s", "", seconds, "s", floor=5, goal=3, less=True,
        note=f"{lanes} lanes",
    )  # fmt: skip
    place = size / readers
    yield Row("  bytes a place", f"{place:.0f} B", "", place, "B", goal=80, less=True)


# --- memory ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sight:
    """A look at the sender: letters that had arrived, and the MB that it held."""

    letters: int
    memory_mb: float


def _mailed(shop: Workshop, root: Path, readers: int) -> Iterator[Row]:
    issue = issue_of(root)
    machine.say(f"  mailing {readers:,}")
    with shop.sinks.open() as sink:
        with (root / "config.toml").open("a") as config:
            config.write(f'\n[[relay]]\nhost = "127.0.0.1"\nport = {sink.port}\nconnections = 10\ntls = "none"\n')
        command = [
            sys.executable, "-m", "biweekly", "-C", str(root), "send", issue, "--live", "--confirm",
            f"{issue}:{readers}",
        ]  # fmt: skip
        with (root / "talk").open("w") as talk:
            watch, began = machine.Watch(), time.monotonic()
            process = subprocess.Popen(command, stdout=talk, stderr=talk)
            sights = _look(process, lambda: sink.counts.letters if sink.counts is not None else 0)
        seconds, counts = watch.seconds(), sink.counts
        foreign = watch.foreign(sights.cpu + machine.cpu_of(sink.pid))
    told = (root / "talk").read_text()
    checked(process.returncode == 0, f"mailing {readers:,} ended with {process.returncode}:\n{told}")
    if counts is not None:
        checked(counts.letters == readers, f"{readers:,} were mailed and {counts.letters:,} letters arrived")
    early, late = sights.at(readers // 10), sights.at(readers)
    loud = machine.loud(foreign)
    yield Row(
        f"memory, {readers:,} recipients", f"{sights.peak_mb:.0f} MB", "", sights.peak_mb, "MB", floor=100, goal=60,
        less=True, note=f"{readers / seconds:,.0f}/s from command to account" + (f"; {loud}" if loud else ""),
    )  # fmt: skip
    if early and late:
        yield Row("  held at a tenth, and at the end", f"{early:.0f} MB, {late:.0f} MB", "", late / early)
    if counts is not None:
        first = counts.first - began
        yield Row("  command to first letter", f"{first:.1f} s", "", first, "s", floor=8, less=True)
    shop.clear(root)


class _Sights:
    """What was seen of a sender from start to end."""

    def __init__(self) -> None:
        self.seen: list[Sight] = []
        self.peak_mb = 0.0
        self.cpu = 0.0

    def at(self, letters: int) -> float | None:
        """Return the memory held when so many letters had arrived, or shortly before the end."""
        later = [one.memory_mb for one in self.seen if one.letters >= letters]
        return later[0] if later else (self.seen[-1].memory_mb if self.seen else None)


def _look(process: "subprocess.Popen[bytes]", letters: Callable[[], int]) -> _Sights:
    sights, ended = _Sights(), 0
    while not ended:
        sights.seen.append(Sight(letters(), _memory_or_none(machine.memory_of, process.pid)))
        sights.peak_mb = max(sights.peak_mb, _memory_or_none(machine.peak_of, process.pid))
        time.sleep(_LOOK_EVERY)
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    # Not its ru_maxrss: that begins with what this very process held when it started the other.
    sights.cpu = used.ru_utime + used.ru_stime
    sights.seen = [one for one in sights.seen if one.memory_mb]
    return sights


def _memory_or_none(ask: Callable[[int], float], pid: int) -> float:
    try:
        return ask(pid)
    except OSError:
        return 0.0
