"""Pure. An issue's place in the calendar: its nominal date, and the milestones that lead to its mailing."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NewType

from biweekly.model.issue import IssueId

OccurrenceId = NewType("OccurrenceId", int)


class OccurrenceState(StrEnum):
    """Where an occurrence stands.

    `done`: its hour has passed and a mailing was there (whose own state says what became of it); `missed`: it should
    have gone out and nothing was mailed; `skipped`: there was nothing to mail; `cancelled`: the schedule no longer has
    this date.
    """

    PLANNED = "planned"
    COMPOSED = "composed"
    SCHEDULED = "scheduled"
    DONE = "done"
    MISSED = "missed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class MilestoneKind(StrEnum):
    """`compose` is due at the cut-off, `send` at the hour."""

    COMPOSE = "compose"
    SEND = "send"


class MilestoneState(StrEnum):
    """`working`: somebody has taken it and not answered yet; only `pending` and `working` ones can still be settled."""

    PENDING = "pending"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    MISSED = "missed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Planned:
    """A date of the schedule: the nominal local date is its identity, the two instants are computed from it."""

    nominal: date
    due: datetime
    cutoff: datetime


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A row of the calendar. `reason` says why it is missed, skipped or cancelled, or what stood in its way."""

    id: OccurrenceId
    nominal: date
    due: datetime
    state: OccurrenceState
    issue: IssueId | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something to do for an occurrence at a time. `settled` is when; while `working`, when it was taken."""

    kind: MilestoneKind
    due: datetime
    state: MilestoneState
    settled: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A milestone that this process alone has, and its occurrence. `taken` tells this taking from every other."""

    occurrence: Occurrence
    kind: MilestoneKind
    due: datetime
    cutoff: datetime
    compose: MilestoneState
    taken: datetime


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of a milestone and of its occurrence; `None` leaves what is there.

    `closes` settles the occurrence's other milestones in the same way: nothing is left to do for it.
    """

    milestone: MilestoneState
    note: str
    occurrence: OccurrenceState | None = None
    issue: IssueId | None = None
    reason: str | None = None
    closes: bool = False


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which subject, and when."""

    at: datetime
    who: str
    what: str
    subject: str
    detail: str
