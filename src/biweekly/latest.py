"""Pure. Which reports are the latest: one verdict for each, with its reason in a sentence.

*Latest* is a set, not a window of dates: ready, past its embargo, received before the cut-off and not sent yet. Dates
only order it. The floor of three issues back is a guard on when a report was received, and says so where it bites.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from biweekly.model.issue import IssueId, Kind, Report, ReportId, Section, Status

FLOOR_ISSUES: Final = 3


class Reason(StrEnum):
    """Why a report is out, as a word that can be counted."""

    DRAFT = "draft"
    HOLD = "on hold"
    WITHDRAWN = "withdrawn"
    UNTITLED = "without a title"
    SKIPPED = "skipped"
    REMOVED = "taken out by hand"
    SENT = "already sent"
    KIND = "without a section for its kind"
    EMBARGO = "under embargo"
    FUTURE = "dated in the future"
    LATE = "received after the cut-off"
    EXPIRED = "expired"
    OLD = "older than the floor"
    SET_ASIDE = "set aside"


# What a pin cannot lift: the report itself is not for readers, or not yet.
FIRM: Final = frozenset(
    {
        Reason.DRAFT,
        Reason.HOLD,
        Reason.WITHDRAWN,
        Reason.UNTITLED,
        Reason.SKIPPED,
        Reason.EMBARGO,
        Reason.FUTURE,
        Reason.SET_ASIDE,
    }
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a report is judged by.

    `day` is the issue's date; `cutoff` is aware (composing by hand: now); nothing received before `floor` comes in by
    itself; `zone` is the publication's; `sent` names the issue in which a report went out. `missed` is the cut-off of
    the issue before, None where there was none: what is dated before it and came after it is late.
    """

    sections: tuple[Section, ...]
    day: date
    cutoff: datetime
    floor: datetime
    zone: tzinfo = UTC
    sent: Mapping[ReportId, IssueId] = field(default_factory=dict)
    missed: datetime | None = None

    def has(self, section: str) -> bool:
        """Whether a section is configured."""
        return any(one.title == section for one in self.sections)

    def place_of(self, section: str) -> int:
        """Where a section stands in the configured order; an unknown one stands behind all others."""
        return next((at for at, one in enumerate(self.sections) if one.title == section), len(self.sections))


@dataclass(frozen=True, slots=True)
class Verdict:
    """In (`reason` is None) or out, and the sentence that says why."""

    reason: Reason | None
    why: str

    @property
    def included(self) -> bool:
        """Whether the report is among the latest."""
        return self.reason is None


_STATUS: Final[Mapping[Status, Verdict]] = {
    Status.DRAFT: Verdict(Reason.DRAFT, 'it is a draft; status = "ready" in its file lets it in'),
    Status.HOLD: Verdict(Reason.HOLD, "it is on hold"),
    Status.WITHDRAWN: Verdict(Reason.WITHDRAWN, "it has been withdrawn"),
}


def floor_of(day: date, cutoff: datetime, *, period: timedelta, zone: tzinfo) -> datetime:
    """The floor three issues back from the issue's date, or from the cut-off where that comes first.

    Without the second, an issue planned for next season would find everything of this one too old.
    """
    try:
        return min(datetime.combine(day, time(), zone), cutoff) - FLOOR_ISSUES * period
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def judge(report: Report, terms: Terms) -> Verdict:
    """Say whether a report is among the latest. Asks nothing about a standing issue; `compose.plan` does."""
    received = report.received or terms.cutoff
    ready = Verdict(None, f"ready, received on {_moment(received, terms)}{_remark(report, terms, received)}")
    return next(_objections(report, terms, received), ready)


def _objections(report: Report, terms: Terms, received: datetime) -> Iterator[Verdict]:
    """Everything that keeps a report out, the weightiest first."""
    if report.status in _STATUS:
        yield _STATUS[report.status]
    if not (report.title or "").strip():
        yield Verdict(Reason.UNTITLED, "it has no title")
    if report.id in terms.sent:
        yield Verdict(Reason.SENT, f"it was sent in issue {terms.sent[report.id]}")
    if report.kind in {Kind.EVENT, Kind.NOTICE} and not terms.has(report.section):
        yield Verdict(Reason.KIND, f"{_article(report.kind)} goes in only where its section is configured")
    yield from _holds(report, terms)
    if received > terms.cutoff:
        yield Verdict(
            Reason.LATE,
            f"it was received on {_moment(received, terms)}, after the cut-off of {_moment(terms.cutoff, terms)}",
        )
    if report.expires is not None and report.expires < terms.day:
        yield Verdict(Reason.EXPIRED, f"it expired on {_written(report.expires)}")
    if received < terms.floor:
        yield Verdict(
            Reason.OLD,
            f"it was received on {_moment(received, terms)}, more than three issues back; "
            "write its line into issue.toml to take it all the same",
        )


def _holds(report: Report, terms: Terms) -> Iterator[Verdict]:
    if report.embargo_until is not None and report.embargo_until > terms.cutoff:
        yield Verdict(Reason.EMBARGO, f"it is under embargo until {_moment(report.embargo_until, terms)}")
    day = _day_of(report.published, terms)
    # The issue's own date is no secret before its day: reports often carry the date of the issue they are written for.
    if day is not None and day > _local(terms.cutoff, terms).date() and day != terms.day:
        yield Verdict(
            Reason.FUTURE,
            f"warning: it is dated {_written(day)}, which is still to come, and that counts as an embargo",
        )


def _remark(report: Report, terms: Terms, received: datetime) -> str:
    remarks = []
    day = _day_of(report.published, terms)
    missed = terms.missed
    if day is not None and missed is not None and received > missed and day < _local(missed, terms).date():
        remarks.append(f"late: it is dated {_written(day)} and missed the last cut-off, of {_moment(missed, terms)}")
    if report.section and not terms.has(report.section):
        remarks.append(
            f'its section "{report.section}" is not configured, so it stands in "{section_of(report, terms)}"'
        )
    if report.published is None:
        remarks.append("it has no date and is placed by when it was received")
    return "".join(f"; {one}" for one in remarks)


def section_of(report: Report, terms: Terms) -> str:
    """The section a report goes to: its own where that is configured, else the one that suits its kind.

    A digest suits the first section with "digest" in its title; a report the first without.
    """
    titles = [one.title for one in terms.sections]
    if report.section in titles:
        return report.section
    digests = [one for one in titles if "digest" in one.casefold()]
    others = [one for one in titles if one not in digests]
    ordered = digests + others if report.kind is Kind.DIGEST else others + digests
    return ordered[0] if ordered else report.section


Rank = tuple[int, bool, int, float, str, str]


def rank(report: Report, terms: Terms, *, section: str, pinned: bool) -> Rank:
    """The total order: section, pinned, weight (the heavier the earlier), newest first, author, id."""
    when = report.published if report.published is not None else (report.received or terms.cutoff)
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(), terms.zone)
    author = report.authors[0].name.casefold() if report.authors else "\uffff"
    return terms.place_of(section), not pinned, -report.weight, -when.timestamp(), author, report.id


def count_reasons(verdicts: Iterable[Verdict]) -> str:
    """Why they are out, counted: "2 draft, 1 under embargo"."""
    counted = Counter(one.reason for one in verdicts if one.reason is not None)
    return ", ".join(f"{counted[reason]} {reason.value}" for reason in Reason if counted[reason])


def _article(kind: Kind) -> str:
    return f"an {kind.value}" if kind is Kind.EVENT else f"a {kind.value}"


def _written(day: date) -> str:
    return f"{day.day} {day:%B} {day.year}"


def _moment(at: datetime, terms: Terms) -> str:
    local = _local(at, terms)
    return f"{_written(local.date())} at {local:%H:%M}"


def _local(at: datetime, terms: Terms) -> datetime:
    """The same instant on the publication's wall clock; in the calendar's first and last hours on its own."""
    try:
        return at.astimezone(terms.zone)
    except OverflowError:
        return at


def _day_of(published: date | datetime | None, terms: Terms) -> date | None:
    return _local(published, terms).date() if isinstance(published, datetime) else published
