"""Conduct. The fortnight: what happens by itself at the cut-off and at the hour, and what is said when it does not.

Rows decide and the clock only wakes: `tick` may be called at any moment, by any number of processes, as often as one
likes, with a clock that jumps. Nothing here mails anybody: at the cut-off an issue is composed (and, where the
publication is automatic, frozen and scheduled); mailings begin at their own time, by the sender's work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from biweekly.cadence import Rhythm, plan_ahead, say_distance, say_instant
from biweekly.errors import BiweeklyError, StoreError, TransportError
from biweekly.model.issue import IssueId
from biweekly.model.mailing import Mailing, MailingState
from biweekly.model.occurrence import (
    MilestoneKind,
    MilestoneState,
    Occurrence,
    OccurrenceState,
    Planned,
    Ruling,
    Taken,
)

AHEAD: Final = 6
COMPOSE_LATE: Final = timedelta(days=2)
# Scheduling refuses a time less than two minutes off; an automatic issue that is late by less than its limit goes then.
_SOON: Final = timedelta(minutes=3)
_LONGEST_GAP: Final = timedelta(days=366)
_TO_COME: Final = (MailingState.SCHEDULED, MailingState.COOLING_OFF)
_COMING: Final = (OccurrenceState.PLANNED, OccurrenceState.COMPOSED, OccurrenceState.SCHEDULED)
_NEVER_WENT: Final = (MailingState.MISSED, MailingState.CANCELLED)


class Calendar(Protocol):
    """What is asked of the database (`store.desk.Desk`)."""

    def materialise(self, planned: Sequence[Planned], *, now: datetime) -> int: ...  # noqa: D102 - said at the Desk
    def newest(self) -> date | None: ...  # noqa: D102
    def next_due(self) -> datetime | None: ...  # noqa: D102
    def occurrences(self, *, since: date | None = None) -> Sequence[Occurrence]: ...  # noqa: D102
    def take(self, *, now: datetime) -> Taken | None: ...  # noqa: D102
    def settle(self, taken: Taken, ruling: Ruling, *, now: datetime) -> bool: ...  # noqa: D102
    def put_back(self, taken: Taken) -> None: ...  # noqa: D102


class Terms(Rhythm, Protocol):
    """What is asked of `[schedule]`."""

    @property
    def late_limit(self) -> timedelta:
        """Later than this after the hour, nothing is mailed."""
        ...

    @property
    def automatic(self) -> bool:
        """Whether what was composed is also scheduled, without a person."""
        ...


@dataclass(frozen=True, slots=True)
class Doors:
    """The world, as far as the fortnight needs it.

    `compose` makes the draft of a nominal date from what had arrived by the cut-off, keeping a draft that stands, and
    returns its issue, None where nothing was ready. `schedule` freezes an issue and sets its time. `mailing` finds the
    regular mailing of an occurrence: of the issue named, where one is, or of an issue for that date. `work` begins what
    is due, carries what is under way and returns when to look again. `say` tells the people who watch.
    """

    calendar: Calendar
    compose: Callable[[date, datetime], IssueId | None]
    schedule: Callable[[IssueId, datetime], None]
    mailing: Callable[[date, IssueId | None], Mailing | None]
    work: Callable[[datetime], datetime | None]
    say: Callable[[str], None]


class Fortnight:
    """The service. Without `[schedule]` nothing happens by itself, and scheduled mailings are still begun."""

    def __init__(self, doors: Doors, schedule: Terms | None) -> None:
        """Work through these doors only."""
        self._doors = doors
        self._schedule = schedule
        self._told: datetime | None = None

    def tick(self, now: datetime) -> datetime | None:
        """Do everything that is due, and return when the next thing is: the earliest milestone, mailing or retry.

        Raises StoreError where the database does not answer, and after everything else was done what stands in the way
        of a mailing, such as a relay that refuses the login; nothing is lost then, and the next tick goes on.
        """
        schedule = self._schedule
        if schedule is None:
            if self._told is None:
                self._doors.say("no [schedule] in config.toml: nothing happens by itself; scheduled mailings go out")
            self._told = now
            return self._doors.work(now)
        self._plan(schedule, now)
        while (taken := self._doors.calendar.take(now=now)) is not None:
            self._settle(schedule, taken, now)
        self._tell(schedule, now)
        looks = (self._doors.work(now), self._doors.calendar.next_due())
        return min((at for at in looks if at is not None), default=None)

    def _tell(self, schedule: Terms, now: datetime) -> None:
        """Say which issue comes next, whenever that is another one than before."""
        rows = self._doors.calendar.occurrences(since=now.date() - timedelta(days=1))
        due = next((one.due for one in rows if one.due > now and one.state in _COMING), None)
        if due is not None and due != self._told:
            self._doors.say(f"next issue {say_instant(due, schedule.zone)}, {say_distance(due - now)}")
            self._told = due

    # -- planning ------------------------------------------------------------------------------------------------------

    def _plan(self, schedule: Terms, now: datetime) -> None:
        """Keep the next issues on the calendar, and those that passed while nothing ran, so that each miss is said."""
        today = now.astimezone(schedule.zone).date()
        newest = self._doors.calendar.newest()
        since = today if newest is None else max(min(newest, today), today - _LONGEST_GAP)
        planned = plan_ahead(schedule, since=since, now=now, count=AHEAD)
        if newest is None:
            # A new publication has missed nothing.
            planned = tuple(one for one in planned if one.due > now)
        self._doors.calendar.materialise(planned, now=now)

    # -- settling ------------------------------------------------------------------------------------------------------

    def _settle(self, schedule: Terms, taken: Taken, now: datetime) -> None:
        try:
            ruling = self._rule(schedule, taken, now)
        except (StoreError, TransportError):
            # Not this issue's fault: it is due again as soon as the database answers.
            self._doors.calendar.put_back(taken)
            raise
        if self._doors.calendar.settle(taken, ruling, now=now):
            self._doors.say(f"issue of {taken.occurrence.nominal}: {ruling.note}")

    def _rule(self, schedule: Terms, taken: Taken, now: datetime) -> Ruling:
        mailing = self._doors.mailing(taken.occurrence.nominal, taken.occurrence.issue)
        if mailing is not None:
            return _rule_by_mailing(mailing, taken, late_limit=schedule.late_limit, now=now)
        late = now - taken.occurrence.due
        if late > schedule.late_limit:
            note = (
                f"missed: nobody looked until {say_instant(now, schedule.zone)}, {_hours(late)} late; nothing is mailed"
            )
            return Ruling(MilestoneState.MISSED, note, OccurrenceState.MISSED, reason=note, closes=True)
        if taken.kind is MilestoneKind.SEND:
            return _rule_without_mailing(taken)
        if now - taken.due > COMPOSE_LATE:
            note = (
                f"not composed: the cut-off of {say_instant(taken.due, schedule.zone)} passed more than two days before"
                " anybody looked; biweekly issue compose makes the draft by hand"
            )
            return Ruling(MilestoneState.MISSED, note, reason=note)
        return self._compose(schedule, taken, now)

    def _compose(self, schedule: Terms, taken: Taken, now: datetime) -> Ruling:
        occurrence = taken.occurrence
        try:
            issue = self._doors.compose(occurrence.nominal, taken.due)
        except BiweeklyError as error:
            _pass_on_what_passes(error)
            note = f"not composed: {_words(error)}; put it right, then biweekly issue compose"
            return Ruling(MilestoneState.FAILED, note, reason=note)
        if issue is None:
            note = "nothing was ready at the cut-off, so there is no draft"
            return Ruling(MilestoneState.DONE, note, reason=note)
        if not schedule.automatic:
            note = f"composed as {issue}; biweekly schedule {issue} lets it go out"
            return Ruling(MilestoneState.DONE, note, OccurrenceState.COMPOSED, issue=issue)
        return self._schedule_it(schedule, occurrence, issue, now)

    def _schedule_it(self, schedule: Terms, occurrence: Occurrence, issue: IssueId, now: datetime) -> Ruling:
        """Freeze what was composed by itself. What stands in the way is said, and a person has to look."""
        due = max(occurrence.due, now + _SOON)
        trouble = self._another_to_come(occurrence, now)
        if trouble is None and (mailing := self._doors.mailing(occurrence.nominal, issue)) is None:
            try:
                self._doors.schedule(issue, due)
            except BiweeklyError as error:
                _pass_on_what_passes(error)
                trouble = _words(error)
        elif trouble is None and mailing is not None:
            due = mailing.due or due
        if trouble is not None:
            note = f"composed as {issue}, not scheduled: {trouble}; put it right, then biweekly schedule {issue}"
            return Ruling(MilestoneState.FAILED, note, OccurrenceState.COMPOSED, issue=issue, reason=note)
        note = f"composed as {issue}, and scheduled for {say_instant(due, schedule.zone)}"
        return Ruling(MilestoneState.DONE, note, OccurrenceState.SCHEDULED, issue=issue)

    def _another_to_come(self, occurrence: Occurrence, now: datetime) -> str | None:
        """A frozen issue that has not gone out holds the same reports: only an edited schedule makes two overlap."""
        for one in self._doors.calendar.occurrences(since=now.date() - timedelta(days=1)):
            if one.id == occurrence.id or one.state is not OccurrenceState.SCHEDULED:
                continue
            mailing = self._doors.mailing(one.nominal, one.issue)
            if mailing is not None and mailing.state in _TO_COME:
                return f"the issue {mailing.issue} is still to go out and may hold the same reports"
        return None


def _rule_by_mailing(mailing: Mailing, taken: Taken, *, late_limit: timedelta, now: datetime) -> Ruling:
    """A mailing stands, made by a person or by the cut-off: its own state says what there is to say."""
    issue = mailing.issue
    never_began = mailing.state in _NEVER_WENT and mailing.started is None
    if never_began or (_is_waiting(mailing) and now - (mailing.due or now) > late_limit):
        word = "cancelled" if mailing.state is MailingState.CANCELLED else "missed"
        note = f"its mailing {issue} was {word}{f': {mailing.reason}' if mailing.reason else ''}; nothing is mailed"
        state = OccurrenceState.SKIPPED if word == "cancelled" else OccurrenceState.MISSED
        return Ruling(MilestoneState.MISSED, note, state, issue=issue, reason=note, closes=True)
    if taken.kind is MilestoneKind.COMPOSE:
        note = f"{issue} is {_standing(mailing)} already, so nothing was composed"
        return Ruling(MilestoneState.DONE, note, OccurrenceState.SCHEDULED, issue=issue)
    return Ruling(MilestoneState.DONE, f"{issue} is {_standing(mailing)}", OccurrenceState.DONE, issue=issue)


def _rule_without_mailing(taken: Taken) -> Ruling:
    """The hour has come and nothing is scheduled: nothing is mailed, and it is said why."""
    occurrence = taken.occurrence
    if occurrence.issue is not None:
        why = occurrence.reason or f"{occurrence.issue} was composed and nobody scheduled it"
        note = f"missed: {why}; biweekly send {occurrence.issue} mails it by hand"
        return Ruling(MilestoneState.MISSED, note, OccurrenceState.MISSED, reason=note)
    if taken.compose is MilestoneState.DONE:
        note = f"skipped: {occurrence.reason or 'nothing was ready'}, and nothing was scheduled since"
        return Ruling(MilestoneState.DONE, note, OccurrenceState.SKIPPED, reason=note)
    note = f"missed: {occurrence.reason or 'no issue was composed'}"
    return Ruling(MilestoneState.MISSED, note, OccurrenceState.MISSED, reason=note)


def _pass_on_what_passes(error: BiweeklyError) -> None:
    if isinstance(error, StoreError | TransportError):
        raise error


def _is_waiting(mailing: Mailing) -> bool:
    return mailing.state in _TO_COME


def _standing(mailing: Mailing) -> str:
    return mailing.state.replace("_", " ")


def _words(error: BiweeklyError) -> str:
    return f"{error.place}: {error.message}" if error.place else error.message


def _hours(late: timedelta) -> str:
    return say_distance(late).removeprefix("in ")
