"""The rows of pace: what survives a restart, and slots that hold for every sender together."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from biweekly.delivery.pace import Pace, slow_down, unhindered
from biweekly.store.paces import PaceBook

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


@pytest.fixture
def book(engine: Engine) -> PaceBook:
    return PaceBook(engine)


def test_whoever_has_no_row_was_never_slowed_down(book: PaceBook) -> None:
    assert book.read("lane", ["a", "b"]) == {"a": Pace(), "b": Pace()}
    assert book.read("lane", []) == {}


def test_a_pace_comes_back_as_it_was_kept_but_for_what_the_configuration_says(book: PaceBook) -> None:
    slow = slow_down(unhindered(14.0), seen=9.0, why="450 4.7.28 too fast", now=NOW)
    book.keep("lane", "big.example", slow)
    assert book.read("lane", ["big.example"])["big.example"] == Pace(
        None, slow.rate, slow.too_fast, slow.since, slow.rest, slow.rest_until, slow.why
    )
    book.keep("lane", "big.example", Pace())
    assert book.read("lane", ["big.example"])["big.example"] == Pace()


def test_a_relay_and_a_lane_of_one_name_are_two(book: PaceBook) -> None:
    book.keep("relay", "one", Pace(rate=5.0))
    assert book.read("lane", ["one"])["one"] == Pace()
    assert book.read("relay", ["one"])["one"] == Pace(rate=5.0)


def test_a_long_complaint_is_kept_in_short(book: PaceBook) -> None:
    book.keep("lane", "a", Pace(why="4.7.28 " * 1_000))
    assert len(book.read("lane", ["a"])["a"].why) == 500


def test_slots_begin_now_and_come_one_behind_the_other(book: PaceBook) -> None:
    assert book.reserve("relay", "one", 10, rate=10.0, now=NOW) == NOW
    assert book.reserve("relay", "one", 5, rate=10.0, now=NOW) == NOW + timedelta(seconds=1)
    assert book.reserve("relay", "two", 5, rate=10.0, now=NOW) == NOW
    later = NOW + timedelta(minutes=1)
    assert book.reserve("relay", "one", 1, rate=10.0, now=later) == later


def test_slots_and_pace_of_a_row_leave_each_other_alone(book: PaceBook) -> None:
    book.keep("lane", "a", Pace(rate=5.0))
    book.reserve("lane", "a", 5, rate=5.0, now=NOW)
    assert book.read("lane", ["a"])["a"] == Pace(rate=5.0)
    book.keep("lane", "a", Pace(rate=2.0))
    assert book.reserve("lane", "a", 1, rate=2.0, now=NOW) == NOW + timedelta(seconds=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(asked=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3_000)), min_size=1, max_size=15))
def test_no_two_reservations_overlap_and_none_is_in_the_past(book: PaceBook, asked: list[tuple[int, int]]) -> None:
    # A row of its own for each example: rows outlive it.
    now, end, name = NOW, NOW, uuid4()
    for slots, passed in asked:
        now += timedelta(milliseconds=passed)
        first = book.reserve("lane", str(name), slots, rate=20.0, now=now)
        assert first == max(now, end)
        end = first + timedelta(milliseconds=50 * slots)


def test_several_senders_at_once_share_one_rate(book: PaceBook) -> None:
    with ThreadPoolExecutor(4) as pool:
        firsts = list(pool.map(lambda _: book.reserve("relay", "one", 2, rate=20.0, now=NOW), range(12)))
    assert sorted(firsts) == [NOW + timedelta(milliseconds=100 * n) for n in range(12)]


def test_what_a_relay_took_is_counted_by_day_in_utc(book: PaceBook) -> None:
    today = NOW.date()
    assert book.accepted_on("one", today) == 0
    book.count_accepted("one", 5, now=NOW)
    book.count_accepted("one", 3, now=NOW + timedelta(hours=1))
    book.count_accepted("two", 7, now=NOW)
    late = datetime(2026, 11, 27, 0, 30, tzinfo=timezone(timedelta(hours=5)))  # the evening before, by UTC
    book.count_accepted("one", 2, now=late)
    assert (book.accepted_on("one", today), book.accepted_on("two", today)) == (10, 7)
    assert book.accepted_on("one", today + timedelta(days=1)) == 0
