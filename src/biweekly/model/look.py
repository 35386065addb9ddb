"""Pure. One thing that was looked at: what was found, and its cure where it needs one."""

from dataclasses import dataclass
from enum import StrEnum

from biweekly.model.issue import Finding, Level, Result


class Standing(StrEnum):
    """How something stands that others keep, such as a record: four answers, and none of them another's."""

    EXISTS = "exists"
    MISSING = "missing"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Look:
    """A finding with its cure; `standing` where it is about something that others keep."""

    finding: Finding
    cure: str = ""
    standing: Standing | None = None


def look(
    what: str, message: str, *, place: str = "", ok: bool = True, level: Level = Level.BLOCK, cure: str = ""
) -> Look:
    """Say of one thing whether it is good; a bad one matters as much as `level` says."""
    return Look(Finding(what, level, Result.PASS if ok else Result.FAIL, place, message), cure)


def look_at(
    what: str, standing: Standing, message: str, *, place: str, level: Level = Level.BLOCK, cure: str = ""
) -> Look:
    """Say how something stands. What could not be found out is no failure, and needs no cure but another try."""
    result = {Standing.EXISTS: Result.PASS, Standing.UNKNOWN: Result.UNKNOWN}.get(standing, Result.FAIL)
    return Look(Finding(what, level, result, place, message), cure if result is Result.FAIL else "", standing)
