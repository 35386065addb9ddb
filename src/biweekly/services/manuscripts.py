"""Conduct. Taking manuscripts in: each is opened, read, filed; what cannot be is set aside and the rest go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from biweekly.errors import ReportError
from biweekly.model.issue import Report, SetAside


class Read(Protocol):
    """Reads a source's bytes by its name."""

    def __call__(self, name: str, raw: bytes) -> Sequence[Report | SetAside]:
        """Return what it holds; never raises for what a file can hold."""
        ...


class File(Protocol):
    """Puts a report into the folder."""

    def __call__(self, report: Report, raw: bytes, *, source: str) -> str:
        """Return the name of the file that now holds it; a ReportError says why there is none."""
        ...


class Deed(StrEnum):
    """What became of a report that was read."""

    READ = "read"
    """A dry run: nothing was written."""
    FILED = "filed"
    BESIDE = "beside"
    """An editor's file was in its place; the newer text waits beside it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A report that was read: from which source, and where it is now."""

    source: str
    report: Report
    deed: Deed
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """What an import came to."""

    taken: tuple[Taken, ...]
    set_aside: tuple[SetAside, ...]


def take_in(
    sources: Sequence[str],
    *,
    open_source: Callable[[str], bytes],
    read: Read,
    file: File | None,
) -> Intake:
    """Import sources one after another, in their order; without `file` it is a dry run.

    Two reports of one import never share an id: the later one gets a number, unless both come from the same bytes,
    where the second is the first again.
    """
    taken: list[Taken] = []
    set_aside: list[SetAside] = []
    ids: dict[str, bytes] = {}
    for source in sources:
        try:
            raw = open_source(source)
        except ReportError as error:
            set_aside.append(_aside(source, error))
            continue
        for one in read(source, raw):
            if isinstance(one, SetAside):
                set_aside.append(one)
                continue
            report = _with_its_own_id(one, raw, ids)
            try:
                taken.append(_filed(report, raw, source, file))
            except ReportError as error:
                set_aside.append(_aside(source, error))
    return Intake(tuple(taken), tuple(set_aside))


def _filed(report: Report, raw: bytes, source: str, file: File | None) -> Taken:
    if file is None:
        return Taken(source, report, Deed.READ)
    name = file(report, raw, source=source)
    beside = name.endswith(".incoming.md")
    return Taken(source, report, Deed.BESIDE if beside else Deed.FILED, name)


def _with_its_own_id(report: Report, raw: bytes, ids: dict[str, bytes]) -> Report:
    name, number = report.id, 1
    while ids.setdefault(name, raw) != raw:
        number += 1
        name = type(report.id)(f"{report.id}-{number}")
    return report if name == report.id else replace(report, id=name)


def _aside(source: str, error: ReportError) -> SetAside:
    return SetAside(source, error.code, error.message, error.line, error.hint)
