"""How fast a relay or lane may be mailed: kept, halved, rested and regained, and never above what is permitted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from biweekly.delivery.pace import (
    FIRST_REST,
    LONGEST_REST,
    SLOWEST,
    Pace,
    Throttle,
    ease,
    permit,
    slow_down,
    unhindered,
)

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
rates = st.floats(0.01, 10_000)
permissions = st.none() | rates


def complained(pace: Pace, *, seen: float = 100.0, now: datetime = NOW) -> Pace:
    return slow_down(pace, seen=seen, why="450 4.7.28 too fast", now=now)


# --- one complaint -----------------------------------------------------------------------------------------------


def test_nobody_has_complained_and_it_goes_as_fast_as_is_permitted() -> None:
    assert unhindered(None).rate is None
    assert unhindered(14.0).rate == 14.0
    assert not unhindered(14.0).resting(NOW)


@given(permissions, rates)
def test_a_complaint_halves_the_rate_it_was_going_at_and_rests(permitted: float | None, seen: float) -> None:
    slower = complained(unhindered(permitted), seen=seen)
    going = seen if permitted is None else min(seen, permitted)
    assert slower.rate is not None
    assert slower.rate == pytest.approx(max(going / 2, min(SLOWEST, going)))
    assert slower.rate <= going
    assert (slower.rest, slower.rest_until) == (FIRST_REST, NOW + FIRST_REST)
    assert slower.resting(NOW)
    assert not slower.resting(NOW + FIRST_REST)
    assert slower.why == "450 4.7.28 too fast"


def test_a_complaint_about_what_was_sent_before_the_rest_changes_nothing() -> None:
    slower = complained(unhindered(None))
    assert complained(slower, now=NOW + FIRST_REST / 2) is slower


def test_rests_double_and_are_bounded_however_long_it_goes_on() -> None:
    pace, now, rests = unhindered(None), NOW, []
    for _ in range(12):
        pace = complained(pace, now=now)
        rests.append(pace.rest)
        now += pace.rest + timedelta(seconds=5)
    doubled = [FIRST_REST * 2**n for n in range(5)]
    assert rests == [*doubled, *[LONGEST_REST] * 7]


def test_after_a_long_peace_a_rest_is_short_again() -> None:
    pace = complained(complained(unhindered(None)), now=NOW + MINUTE)
    assert pace.rest == FIRST_REST * 2
    assert complained(pace, now=NOW + timedelta(hours=1)).rest == FIRST_REST


# --- regaining ---------------------------------------------------------------------------------------------------


def test_a_minute_of_peace_after_the_rest_makes_it_a_quarter_faster() -> None:
    slower = complained(unhindered(None), seen=80.0)
    rested = NOW + FIRST_REST
    assert ease(slower, now=rested + MINUTE - timedelta(seconds=1)) is slower
    faster = ease(slower, now=rested + MINUTE)
    assert faster.rate == 50.0
    assert ease(faster, now=rested + MINUTE + timedelta(seconds=59)) is faster
    assert ease(faster, now=rested + 2 * MINUTE).rate == 62.5


@pytest.mark.parametrize("permitted", [None, 14.0])
def test_in_the_end_it_is_as_free_as_it_was(permitted: float | None) -> None:
    pace, now = complained(unhindered(permitted), seen=10.0), NOW
    for _ in range(30):
        now += MINUTE * 2
        pace = ease(pace, now=now)
    assert replace(pace, since=None) == unhindered(permitted)


@given(permissions, permissions, rates)
def test_what_the_configuration_says_today_holds_for_a_pace_from_the_past(
    before: float | None, today: float | None, seen: float
) -> None:
    free = permit(unhindered(before), today)
    assert (free.permitted, free.rate) == (today, today)
    slow = complained(unhindered(before), seen=seen)
    kept = permit(slow, today)
    assert kept.rate is not None
    assert kept.rate == min(slow.rate or 0, today if today is not None else 10_000)
    assert (kept.rest_until, kept.why) == (slow.rest_until, slow.why)


class Life(RuleBasedStateMachine):
    """A relay or lane that complains and is at peace, at any moments, while the configuration changes."""

    @initialize(permitted=permissions)
    def begin(self, permitted: float | None) -> None:
        self.now = NOW
        self.pace = unhindered(permitted)

    @rule(seen=rates)
    def complain(self, seen: float) -> None:
        before = self.pace
        self.pace = complained(before, seen=seen, now=self.now)
        if not before.resting(self.now):
            assert self.pace.rate is not None
            assert self.pace.rate <= (seen if before.rate is None else before.rate)

    @rule()
    def look(self) -> None:
        before = self.pace
        self.pace = ease(before, now=self.now)
        if self.pace.rate is not None and before.rate is not None:
            assert before.rate <= self.pace.rate <= before.rate * 1.25 + 1e-9 or self.pace.rate == self.pace.permitted

    @rule(permitted=permissions)
    def configure(self, permitted: float | None) -> None:
        self.pace = permit(self.pace, permitted)

    @rule(seconds=st.integers(1, 3_000))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def it_is_never_above_what_is_permitted(self) -> None:
        if self.pace.permitted is not None:
            assert self.pace.rate is not None
            assert self.pace.rate <= self.pace.permitted

    @invariant()
    def it_never_stands_still_for_ever(self) -> None:
        assert self.pace.rate is None or self.pace.rate > 0
        assert timedelta(0) <= self.pace.rest <= LONGEST_REST
        assert self.pace.rest_until is None or self.pace.rest_until <= self.now + LONGEST_REST


TestLife = Life.TestCase


# --- the clock ---------------------------------------------------------------------------------------------------


def test_without_a_grant_there_is_no_slot() -> None:
    assert Throttle().wait(0.0) is None


@given(st.floats(0.5, 500), st.lists(st.floats(0, 0.5), max_size=300))
def test_slots_come_at_the_rate_and_what_was_not_used_is_made_up_for_a_quarter_of_a_second(
    rate: float, pauses: list[float]
) -> None:
    throttle, now, used, promised = Throttle(), 0.0, [], 0.0
    for pause in pauses:
        now += pause
        if not throttle.left:
            # As the books promise them: none before all that were promised earlier.
            slots, begins = max(1, int(rate)), max(now, promised)
            throttle.grant(slots, begins=begins, gap=1 / rate)
            promised = begins + slots / rate
        while throttle.wait(now) == 0.0:
            throttle.use(now)
            used.append(now)
    for first in range(len(used)):
        for last in range(first, len(used)):
            assert last - first + 1 <= (used[last] - used[first] + 0.25) * rate + 2 + 1e-6


def test_a_slot_that_is_to_come_says_how_long_it_takes() -> None:
    throttle = Throttle()
    throttle.grant(2, begins=5.0, gap=0.5)
    assert throttle.wait(4.0) == 1.0
    throttle.use(5.0)
    assert throttle.wait(5.0) == 0.5
    throttle.use(5.5)
    assert (throttle.wait(6.0), throttle.left) == (None, 0)


def test_another_rate_forgets_what_was_granted() -> None:
    throttle = Throttle()
    throttle.grant(10, begins=0.0, gap=0.1)
    throttle.forget()
    assert throttle.wait(1.0) is None
