"""What happens by itself at the cut-off and at the hour, on the real calendar; composing and mailing are played."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import Engine

from biweekly.config import Cutoff, ScheduleConfig
from biweekly.errors import BiweeklyError, IssueError, Refused, RelayUnavailable, StoreError
from biweekly.model.issue import IssueId
from biweekly.model.mailing import Mailing, MailingId, MailingKind, MailingState
from biweekly.model.occurrence import MilestoneKind, MilestoneState, Occurrence, OccurrenceState
from biweekly.services.fortnight import AHEAD, Doors, Fortnight
from biweekly.store.desk import LEASE, Desk, history

NOMINAL, NEXT = date(2026, 11, 26), date(2026, 12, 10)
ISSUE = IssueId("2026-11-26")
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
CUTOFF = datetime(2026, 11, 24, 11, tzinfo=UTC)  # Tuesday noon in Stockholm
DUE = datetime(2026, 11, 26, 8, tzinfo=UTC)  # Thursday at nine in Stockholm
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def rhythm(
    *, automatic: bool = False, at: time = time(9), anchor: date = NOMINAL, cutoff: Cutoff | None = None,
    every_weeks: int = 2,
) -> ScheduleConfig:  # fmt: skip
    return ScheduleConfig(
        anchor=anchor, timezone="Europe/Stockholm", at=at, automatic=automatic, every_weeks=every_weeks,
        cutoff=cutoff or Cutoff(weekday=1, at=time(12)),
    )  # fmt: skip


@dataclass
class World:
    """What is around the fortnight. `ready` is false where no report is; an error stands for what goes wrong."""

    engine: Engine
    schedule: ScheduleConfig | None = field(default_factory=rhythm)
    ready: bool = True
    composing: BiweeklyError | None = None
    scheduling: BiweeklyError | None = None
    working: BiweeklyError | None = None
    next_work: datetime | None = None
    mailings: dict[IssueId, Mailing] = field(default_factory=dict)
    composed: list[tuple[date, datetime]] = field(default_factory=list)
    worked: list[datetime] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def desk(self) -> Desk:
        return Desk(self.engine, "main")

    def fortnight(self) -> Fortnight:
        """As a new process would have it."""
        doors = Doors(
            calendar=self.desk, compose=self.compose, schedule=self.freeze,
            mailing=lambda nominal, issue: self.mailings.get(issue or IssueId(nominal.isoformat())),
            work=self.work, say=self.said.append,
        )  # fmt: skip
        return Fortnight(doors, self.schedule)

    def tick(self, *moments: datetime) -> datetime | None:
        """Look at each of these moments, each time as a new process."""
        return [self.fortnight().tick(now) for now in moments][-1]

    def compose(self, nominal: date, cutoff: datetime) -> IssueId | None:
        if self.composing is not None:
            raise self.composing
        self.composed.append((nominal, cutoff))
        return IssueId(nominal.isoformat()) if self.ready else None

    def freeze(self, issue: IssueId, due: datetime) -> None:
        if self.scheduling is not None:
            raise self.scheduling
        self.put(MailingState.SCHEDULED, due, issue)

    def put(self, state: MailingState, due: datetime | None = DUE, issue: IssueId = ISSUE, reason: str = "") -> None:
        self.mailings[issue] = Mailing(
            MailingId(1), "main", issue, MailingKind.REGULAR, "e", state, 0, due, None, None, None, reason or None
        )

    def work(self, now: datetime) -> datetime | None:
        self.worked.append(now)
        if self.working is not None:
            raise self.working
        return self.next_work

    def row(self, nominal: date = NOMINAL) -> Occurrence:
        return next(one for one in self.desk.occurrences() if one.nominal == nominal)

    def milestones(self, nominal: date = NOMINAL) -> tuple[MilestoneState, MilestoneState]:
        found = self.desk.milestones(self.row(nominal).id)
        return found[MilestoneKind.COMPOSE].state, found[MilestoneKind.SEND].state

    def about(self, nominal: date = NOMINAL) -> Sequence[str]:
        return [line for line in self.said if line.startswith(f"issue of {nominal}")]


@pytest.fixture
def world(sqlite_engine: Engine) -> World:
    made = World(sqlite_engine)
    made.tick(START)
    return made


# --- the calendar --------------------------------------------------------------------------------------------------


def test_without_a_schedule_scheduled_mailings_are_still_worked_on(sqlite_engine: Engine) -> None:
    world = World(sqlite_engine, schedule=None, next_work=DUE)
    fortnight = world.fortnight()
    assert [fortnight.tick(START), fortnight.tick(START + DAY)] == [DUE, DUE]
    assert world.worked == [START, START + DAY]
    assert len(world.said) == 1
    assert "no [schedule]" in world.said[0]
    assert world.desk.occurrences() == []


def test_the_next_issues_stand_in_the_calendar_and_the_first_is_said(world: World) -> None:
    assert [one.nominal for one in world.desk.occurrences()] == [NOMINAL + n * 14 * DAY for n in range(AHEAD)]
    assert world.said == ["next issue 2026-11-26 09:00 Europe/Stockholm (08:00 UTC), in 5 days 20 h"]


def test_a_new_publication_has_missed_nothing(sqlite_engine: Engine) -> None:
    world = World(sqlite_engine)
    world.tick(DUE + MINUTE)
    assert world.desk.occurrences()[0].nominal == NEXT
    assert world.about() == []


def test_it_asks_to_be_woken_for_whatever_comes_first(world: World) -> None:
    assert world.tick(START) == CUTOFF
    world.next_work = START + MINUTE
    assert world.tick(START) == START + MINUTE
    world.next_work = DUE
    assert world.tick(START) == CUTOFF


def test_the_next_issue_is_said_again_only_when_it_is_another(sqlite_engine: Engine) -> None:
    world = World(sqlite_engine)
    fortnight = world.fortnight()
    for now in (START, START + DAY, CUTOFF, DUE, DUE + DAY):
        fortnight.tick(now)
    assert [line.split()[2] for line in world.said if line.startswith("next issue")] == ["2026-11-26", "2026-12-10"]


def test_another_date_in_the_schedule_takes_the_old_ones_off(world: World) -> None:
    world.schedule = rhythm(anchor=date(2026, 12, 3))
    world.tick(START + HOUR)
    states = {one.nominal: one.state for one in world.desk.occurrences()}
    assert states[NOMINAL] is OccurrenceState.CANCELLED
    assert states[date(2026, 12, 3)] is OccurrenceState.PLANNED
    world.tick(DUE + DAY)
    assert world.composed == []


# --- by hand -------------------------------------------------------------------------------------------------------


def test_a_draft_is_composed_at_the_cut_off_once_and_waits_for_a_person(world: World) -> None:
    world.tick(CUTOFF - SECOND)
    assert world.composed == []
    assert world.tick(CUTOFF) == DUE
    world.tick(CUTOFF + SECOND, CUTOFF + HOUR)
    assert world.composed == [(NOMINAL, CUTOFF)]
    assert (world.row().state, world.row().issue) == (OccurrenceState.COMPOSED, ISSUE)
    assert world.mailings == {}
    assert world.about() == [f"issue of {NOMINAL}: composed as {ISSUE}; biweekly schedule {ISSUE} lets it go out"]


def test_what_nobody_scheduled_is_missed_and_said(world: World) -> None:
    world.tick(CUTOFF, DUE - SECOND, DUE)
    assert world.row().state is OccurrenceState.MISSED
    assert world.about()[-1] == (
        f"issue of {NOMINAL}: missed: {ISSUE} was composed and nobody scheduled it; "
        f"biweekly send {ISSUE} mails it by hand"
    )


def test_what_somebody_scheduled_is_done_when_its_hour_has_come(world: World) -> None:
    world.tick(CUTOFF)
    world.put(MailingState.COOLING_OFF)
    world.tick(DUE)
    assert (world.row().state, world.milestones()) == (
        OccurrenceState.DONE, (MilestoneState.DONE, MilestoneState.DONE),
    )  # fmt: skip
    assert world.worked[-1] == DUE


def test_what_was_scheduled_before_the_cut_off_is_not_composed_again(world: World) -> None:
    world.put(MailingState.SCHEDULED)
    world.tick(CUTOFF)
    assert (world.composed, world.row().state) == ([], OccurrenceState.SCHEDULED)
    world.tick(DUE)
    assert world.row().state is OccurrenceState.DONE


def test_where_nothing_is_ready_there_is_no_draft_and_no_miss(world: World) -> None:
    world.ready = False
    world.tick(CUTOFF, DUE)
    assert (world.row().state, world.row().issue) == (OccurrenceState.SKIPPED, None)
    assert "nothing was ready at the cut-off" in world.about()[0]
    assert "skipped" in world.about()[1]


def test_a_draft_that_cannot_be_composed_is_said_with_its_place(world: World) -> None:
    world.composing = IssueError("no such key", code="issue-unreadable", place="issues/2026-11-26/issue.toml:3")
    world.tick(CUTOFF)
    assert "issues/2026-11-26/issue.toml:3: no such key" in world.about()[0]
    world.tick(DUE)
    assert world.row().state is OccurrenceState.MISSED
    assert "no such key" in (world.row().reason or "")


# --- automatic -----------------------------------------------------------------------------------------------------


def test_an_automatic_issue_is_frozen_at_the_cut_off_for_its_hour(world: World) -> None:
    world.schedule = rhythm(automatic=True)
    world.tick(CUTOFF)
    assert world.mailings[ISSUE].due == DUE
    assert world.row().state is OccurrenceState.SCHEDULED
    world.tick(DUE)
    assert world.row().state is OccurrenceState.DONE
    assert world.composed == [(NOMINAL, CUTOFF)]


def test_what_stands_in_the_way_of_an_automatic_issue_is_said_and_a_person_must_look(world: World) -> None:
    world.schedule = rhythm(automatic=True)
    world.scheduling = Refused("no relay is configured", code="no-relay")
    world.tick(CUTOFF)
    assert (world.row().state, world.milestones()[0]) == (OccurrenceState.COMPOSED, MilestoneState.FAILED)
    assert f"not scheduled: no relay is configured; put it right, then biweekly schedule {ISSUE}" in world.about()[0]
    world.scheduling = None
    world.tick(CUTOFF + HOUR)
    assert world.mailings == {}
    world.tick(DUE)
    assert world.row().state is OccurrenceState.MISSED


def test_a_person_who_puts_it_right_in_time_is_enough(world: World) -> None:
    world.schedule = rhythm(automatic=True)
    world.scheduling = Refused("no relay is configured", code="no-relay")
    world.tick(CUTOFF)
    world.put(MailingState.SCHEDULED)
    world.tick(DUE)
    assert world.row().state is OccurrenceState.DONE


@pytest.mark.parametrize("late", [timedelta(0), MINUTE, 2 * HOUR])
def test_an_automatic_issue_that_is_late_by_less_than_the_limit_goes_at_once(world: World, late: timedelta) -> None:
    world.schedule = rhythm(automatic=True)
    world.tick(DUE + late)
    assert world.mailings[ISSUE].due == DUE + late + 3 * MINUTE
    assert world.row().state is OccurrenceState.DONE


def test_a_person_who_took_an_automatic_issue_back_is_not_overruled(world: World) -> None:
    world.schedule = rhythm(automatic=True)
    world.tick(CUTOFF)
    world.mailings.clear()
    world.tick(CUTOFF + HOUR, DUE, DUE + HOUR)
    assert world.mailings == {}
    assert world.row().state is OccurrenceState.MISSED


def test_two_automatic_issues_that_would_hold_the_same_reports_are_not_both_frozen(world: World) -> None:
    world.schedule = rhythm(automatic=True)
    world.tick(CUTOFF)
    world.schedule = rhythm(automatic=True, anchor=date(2026, 11, 27))
    world.tick(CUTOFF + HOUR)
    assert list(world.mailings) == [ISSUE]
    assert "may hold the same reports" in world.about(date(2026, 11, 27))[0]


# --- late ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("automatic", [True, False])
@pytest.mark.parametrize("late", [2 * HOUR + SECOND, DAY, 13 * DAY])
def test_a_machine_that_slept_past_the_limit_mails_nothing_and_says_so(
    world: World, late: timedelta, automatic: bool
) -> None:
    world.schedule = rhythm(automatic=automatic)
    world.tick(DUE + late)
    assert NOMINAL not in dict(world.composed)
    assert ISSUE not in world.mailings
    assert (world.row().state, world.milestones()) == (
        OccurrenceState.MISSED, (MilestoneState.MISSED, MilestoneState.MISSED),
    )  # fmt: skip
    assert len(world.about()) == 1
    assert "nothing is mailed" in world.about()[0]


def test_each_issue_that_passed_in_a_long_sleep_is_said(world: World) -> None:
    world.tick(DUE + 100 * DAY)
    missed = [one.nominal for one in world.desk.occurrences() if one.state is OccurrenceState.MISSED]
    assert missed == [NOMINAL + n * 14 * DAY for n in range(8)]
    assert all(len(world.about(one)) == 1 for one in missed)


def test_a_draft_more_than_two_days_late_is_left_to_a_person(world: World) -> None:
    world.schedule = rhythm(cutoff=Cutoff(weekday=0, at=time(8)))
    world.tick(START, datetime(2026, 11, 25, 7, 0, 1, tzinfo=UTC))
    assert (world.composed, world.milestones()[0]) == ([], MilestoneState.MISSED)
    assert "biweekly issue compose makes the draft by hand" in world.about()[0]
    world.tick(DUE)
    assert world.row().state is OccurrenceState.MISSED


@pytest.mark.parametrize("state", [MailingState.MISSED, MailingState.CANCELLED])
def test_a_mailing_that_never_went_is_no_done_issue(world: World, state: MailingState) -> None:
    world.tick(CUTOFF)
    world.put(state, reason="the clock stood still")
    world.tick(DUE)
    assert world.row().state is (OccurrenceState.MISSED if state is MailingState.MISSED else OccurrenceState.SKIPPED)
    assert "the clock stood still" in world.about()[-1]


def test_a_scheduled_mailing_past_the_limit_is_missed_as_the_sender_will_say(world: World) -> None:
    world.put(MailingState.SCHEDULED)
    world.tick(CUTOFF, DUE + 2 * HOUR + SECOND)
    assert world.row().state is OccurrenceState.MISSED


# --- clocks and processes ------------------------------------------------------------------------------------------


def test_a_clock_set_back_composes_and_schedules_nothing_twice(world: World) -> None:
    world.schedule = rhythm(automatic=True)
    for now in (CUTOFF, CUTOFF - DAY, CUTOFF, DUE, CUTOFF - HOUR, CUTOFF, DUE - SECOND, DUE, DUE + HOUR):
        world.tick(now)
    assert world.composed == [(NOMINAL, CUTOFF)]
    assert world.row().state is OccurrenceState.DONE
    assert [one.what for one in history(world.engine, "2026-11-26")] == ["compose done", "send done"]


def test_a_clock_ten_years_ahead_that_comes_back_has_called_nothing_missed_for_good(world: World) -> None:
    world.tick(START + 3650 * DAY, START + HOUR, CUTOFF)
    assert world.composed[-1] == (NOMINAL, CUTOFF)
    assert world.row().state is OccurrenceState.COMPOSED


@pytest.mark.parametrize(
    "trouble", [StoreError("locked", code="database-locked"), RelayUnavailable("gone", code="relay-unreachable")]
)
def test_what_passes_by_itself_is_tried_again_at_the_next_look(world: World, trouble: BiweeklyError) -> None:
    world.composing = trouble
    with pytest.raises(type(trouble)):
        world.tick(CUTOFF)
    assert world.milestones()[0] is MilestoneState.PENDING
    world.composing = None
    world.tick(CUTOFF + MINUTE)
    assert world.row().state is OccurrenceState.COMPOSED


def test_what_passes_by_itself_while_freezing_leaves_the_draft_and_is_tried_again(world: World) -> None:
    world.schedule = rhythm(automatic=True)
    world.scheduling = StoreError("locked", code="database-locked")
    with pytest.raises(StoreError):
        world.tick(CUTOFF)
    world.scheduling = None
    world.tick(CUTOFF + MINUTE)
    assert world.mailings[ISSUE].due == DUE


def test_a_process_that_died_after_freezing_left_nothing_to_do_twice(world: World) -> None:
    world.schedule = rhythm(automatic=True)
    assert world.desk.take(now=CUTOFF) is not None
    world.freeze(ISSUE, DUE)
    world.tick(CUTOFF + MINUTE)
    assert world.row().state is OccurrenceState.PLANNED
    world.tick(CUTOFF + LEASE + MINUTE)
    assert (world.row().state, world.composed) == (OccurrenceState.SCHEDULED, [])


def test_an_error_in_the_program_leaves_the_milestone_to_the_next_process(world: World) -> None:
    def break_down(_nominal: date, _cutoff: datetime) -> IssueId | None:
        raise ZeroDivisionError

    fortnight = world.fortnight()
    fortnight._doors = Doors(
        calendar=world.desk, compose=break_down, schedule=world.freeze, mailing=lambda *_: None, work=world.work,
        say=world.said.append,
    )  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        fortnight.tick(CUTOFF)
    world.tick(CUTOFF + LEASE + MINUTE)
    assert world.row().state is OccurrenceState.COMPOSED


def test_the_trouble_of_a_mailing_is_raised_after_everything_else_was_done(world: World) -> None:
    world.working = RelayUnavailable("gone", code="relay-unreachable")
    with pytest.raises(RelayUnavailable):
        world.tick(CUTOFF)
    assert world.row().state is OccurrenceState.COMPOSED
