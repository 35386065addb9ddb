"""Pure. The dates that a page prints. A few forms are read and nothing is guessed: what is not there stays empty.

A general date finder reads a date into almost anything ("May I introduce"); these forms are whole lines or stand in
brackets with the word "issue", so that prose is never taken for one.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from biweekly.reports.habits import MONTHS

_MONTH: Final = rf"(?P<month>{'|'.join(sorted(map(re.escape, MONTHS), key=len, reverse=True))})\.?"
_CLOCK: Final = r"(?:,?\s+(?:at\s+)?\d{1,2}[:.]\d\d(?:[:.]\d\d)?(?:\s?[ap]\.?m\.?)?(?:\s+[A-Z]{2,5})?)?"
# "(8/22/2012 issue of the Review)" is month first; "(the 22/08/2012 issue of the Review)" is day first.
ISSUE: Final = re.compile(
    r"\(\s*(?P<the>the\s+)?(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<year>\d{4})\s+issue\b[^()\n]{0,80}\)", re.IGNORECASE
)
_DATELINE: Final = re.compile(
    rf"\w{{2,12}},?\s+(?P<day>\d{{1,2}})\.?\s+{_MONTH},?\s+(?P<year>\d{{4}}){_CLOCK}", re.IGNORECASE
)
_MONTH_DAY: Final = rf"{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?"
_DAY_MONTH: Final = rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+{_MONTH}"
# A publication named after the date, as in "May 6th, 2015, The Review".
_TAIL: Final = r"(?P<tail>\s*,\s*(?:in\s+)?(?:the\s+)?[^\W\d_][^.!?\n]{1,60})?"
_DAY_LINES: Final = tuple(
    re.compile(
        rf"(?:published\s*:?\s*(?:on\s+)?)?{form}(?:\s*,?\s+(?P<year>\d{{4}})){maybe}{_CLOCK}{_TAIL}", re.IGNORECASE
    )
    for form, maybe in ((_MONTH_DAY, "?"), (_DAY_MONTH, ""))
)  # fmt: skip
_ISO: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?:[T ]\d\d:\d\d\S*)?")
# "Coastal Review, April 24, 2020": where a text was printed first, and when.
_OUTLET: Final = re.compile(
    rf"(?P<outlet>[^\W\d_][^.!?\n]{{1,70}}?),\s+(?:{_MONTH_DAY}\s*,?\s+(?P<year>\d{{4}}))\.?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Printed:
    """A date as printed: a day, or the part of one (`--11-19`, ISO 8601) where no year is given.

    Neither is set where the words look like a date and name no day that exists.
    """

    day: date | None
    partial: str | None = None
    outlet: str | None = None
    names_publication: bool = False


def issue_day(found: re.Match[str]) -> date | None:
    """Read the date of an `ISSUE` bracket. "the" marks day first; a month over 12 can only be a day."""
    first, second, year = int(found["a"]), int(found["b"]), int(found["year"])
    readings = ((second, first), (first, second)) if found["the"] else ((first, second), (second, first))
    return next((day for month, number in readings if (day := _day(year, month, number))), None)


def read_dateline(line: str) -> date | None:
    """Read `Wednesday, 22 August 2012 12:32` where it is the whole line. The hour has no zone and is left out."""
    found = _DATELINE.fullmatch(line.strip())
    return _day(int(found["year"]), _month(found), int(found["day"])) if found else None


def read_day(line: str) -> Printed | None:
    """Read a whole line that is a date: `October 22nd, 2015, The Review`, `9 February 2024`, `May 6th` (no year)."""
    line = line.strip()
    if len(line) > 100:  # noqa: PLR2004 - no date line is as long as that
        return None
    if iso := _ISO.fullmatch(line):
        return Printed(_day(int(iso["year"]), int(iso["month"]), int(iso["day"])))
    if day := read_dateline(line):
        return Printed(day)
    for form in _DAY_LINES:
        if found := form.fullmatch(line):
            return _printed(found, bool(found["tail"]))
    return None


def read_outlet(line: str) -> Printed | None:
    """Read `Coastal Review, April 24, 2020`: where and when a text was first printed."""
    found = _OUTLET.fullmatch(line.strip()) if len(line) <= 120 else None  # noqa: PLR2004 - the same
    if found is None:
        return None
    day = _day(int(found["year"]), _month(found), int(found["day"]))
    return Printed(day, outlet=found["outlet"].strip()) if day else None


def _printed(found: re.Match[str], names_publication: bool) -> Printed:
    month, number = _month(found), int(found["day"])
    if found["year"]:
        return Printed(_day(int(found["year"]), month, number), names_publication=names_publication)
    # 2000 was a leap year, so that 29 February is a day here.
    exists = _day(2000, month, number) is not None
    return Printed(None, f"--{month:02}-{number:02}" if exists else None, names_publication=names_publication)


def _month(found: re.Match[str]) -> int:
    return MONTHS[found["month"].lower()]


def _day(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None
