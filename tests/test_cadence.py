from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.cadence import (
    Reading,
    cutoff_for,
    due_of,
    instant,
    next_nominal,
    nominal_dates,
    plan,
    plan_ahead,
    reading,
    say_distance,
    say_instant,
)
from biweekly.config import Cutoff, ScheduleConfig

ZONES: Final = (
    "America/New_York", "Europe/Stockholm", "Asia/Dushanbe", "Asia/Kathmandu", "America/Nuuk", "Pacific/Apia",
    "Australia/Lord_Howe", "Africa/Casablanca",
)  # fmt: skip
TWELVE_YEARS: Final = 313
DAY: Final = timedelta(days=1)


def rhythm(
    anchor: date = date(2026, 11, 26), *, zone: str = "UTC", at: time = time(9), cutoff: Cutoff | None = None,
    every_weeks: int = 2,
) -> ScheduleConfig:  # fmt: skip
    return ScheduleConfig(
        anchor=anchor, timezone=zone, at=at, cutoff=cutoff or Cutoff(weekday=1, at=time(12)), every_weeks=every_weeks
    )


def twelve_years(schedule: ScheduleConfig, since: date) -> Sequence[date]:
    return list(islice(nominal_dates(schedule, since=since), TWELVE_YEARS))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", [time(0), time(2, 30), time(9), time(23, 59)])
@pytest.mark.parametrize("since", [date(2009, 1, 1), date(2026, 1, 1)])
def test_issues_are_a_fortnight_apart_and_on_time_for_twelve_years(zone: str, at: time, since: date) -> None:
    schedule = rhythm(zone=zone, at=at)
    dates = twelve_years(schedule, since)
    assert {later - one for one, later in pairwise(dates)} == {timedelta(days=14)}
    assert {one.weekday() for one in dates} == {3}
    dues = [due_of(one, schedule) for one in dates]
    assert all(one < later for one, later in pairwise(dues))
    for nominal, due in zip(dates, dues, strict=True):
        local = due.astimezone(schedule.zone)
        if reading(nominal, at, schedule.zone) is Reading.GAP:
            assert timedelta(0) < local.replace(tzinfo=None) - datetime.combine(nominal, at) <= DAY
        else:
            assert (local.date(), local.time(), local.fold) == (nominal, at, 0)


@pytest.mark.parametrize("year", [2026, 2032, 2037])
def test_a_year_of_53_weeks_shifts_nothing(year: int) -> None:
    assert date(year, 12, 28).isocalendar().week == 53
    dates = list(islice(nominal_dates(rhythm(date(2026, 1, 6)), since=date(year, 12, 1)), 6))
    assert {later - one for one, later in pairwise(dates)} == {timedelta(days=14)}


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("America/New_York", date(2027, 3, 14), time(2, 30), "2027-03-14T03:30:00-04:00"),
        ("Europe/Berlin", date(2027, 3, 28), time(2, 30), "2027-03-28T03:30:00+02:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-04T02:45:00+11:00"),
        ("America/Nuuk", date(2024, 3, 30), time(23, 30), "2024-03-31T00:30:00-01:00"),
        ("Africa/Casablanca", date(2026, 3, 22), time(2, 30), "2026-03-22T03:30:00+01:00"),
        ("Pacific/Apia", date(2011, 12, 30), time(9), "2011-12-31T09:00:00+14:00"),
    ],
)
def test_an_hour_that_the_clocks_jump_over_is_moved_by_the_jump(zone: str, day: date, at: time, expected: str) -> None:
    place = ZoneInfo(zone)
    assert reading(day, at, place) is Reading.GAP
    assert instant(day, at, place).astimezone(place).isoformat() == expected


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Europe/Stockholm", date(2027, 10, 31), time(2, 30), "2027-10-31T00:30:00+00:00"),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30:00+00:00"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30:00+00:00"),
        ("Australia/Lord_Howe", date(2027, 4, 4), time(1, 45), "2027-04-03T14:45:00+00:00"),
        ("Africa/Casablanca", date(2026, 2, 15), time(2, 30), "2026-02-15T01:30:00+00:00"),
    ],
)
def test_an_hour_that_comes_twice_means_the_first(zone: str, day: date, at: time, expected: str) -> None:
    place = ZoneInfo(zone)
    assert reading(day, at, place) is Reading.FOLD
    assert instant(day, at, place).isoformat() == expected
    assert instant(day, at.replace(fold=1), place).isoformat() == expected


def test_an_issue_in_a_gap_is_not_dropped() -> None:
    schedule = rhythm(date(2027, 2, 28), zone="America/New_York", at=time(2, 30))
    assert list(islice(nominal_dates(schedule, since=date(2027, 2, 28)), 3)) == [
        date(2027, 2, 28), date(2027, 3, 14), date(2027, 3, 28),
    ]  # fmt: skip


def test_the_anchor_may_be_any_issue_past_or_to_come() -> None:
    expected = twelve_years(rhythm(date(2026, 11, 26)), date(2026, 1, 1))
    for anchor in (date(1999, 11, 18), date(2026, 12, 10), date(2050, 12, 22)):
        assert (anchor - date(2026, 11, 26)).days % 14 == 0
        assert twelve_years(rhythm(anchor), date(2026, 1, 1)) == expected


def test_the_next_date_can_be_today_or_strictly_later() -> None:
    schedule = rhythm()
    assert next_nominal(schedule, after=date(2026, 11, 26)) == date(2026, 11, 26)
    assert next_nominal(schedule, after=date(2026, 11, 26), inclusive=False) == date(2026, 12, 10)
    assert next_nominal(schedule, after=date(2026, 11, 27)) == date(2026, 12, 10)


def test_the_calendar_ends_without_an_error() -> None:
    assert list(nominal_dates(rhythm(date(9999, 12, 23)), since=date(9999, 12, 1))) == [
        date(9999, 12, 9), date(9999, 12, 23),
    ]  # fmt: skip
    assert next(nominal_dates(rhythm(), since=date.min)) >= date.min


@given(
    anchor=st.dates(date(1990, 1, 1), date(2060, 1, 1)),
    since=st.dates(date(1990, 1, 1), date(2060, 1, 1)),
    weeks=st.integers(1, 52),
)
def test_dates_keep_the_phase_of_the_anchor(anchor: date, since: date, weeks: int) -> None:
    schedule = rhythm(anchor, every_weeks=weeks)
    first, second = islice(nominal_dates(schedule, since=since), 2)
    assert timedelta(0) <= first - since < timedelta(weeks=weeks)
    assert (first - anchor).days % (weeks * 7) == 0
    assert second - first == timedelta(weeks=weeks)
    assert next_nominal(schedule, after=first) == first
    assert next_nominal(schedule, after=first, inclusive=False) == second


@given(
    nominal=st.dates(date(2005, 1, 1), date(2037, 12, 31)),
    zone=st.sampled_from(ZONES),
    at=st.times().map(lambda one: one.replace(second=0, microsecond=0)),
    weekday=st.integers(0, 6),
    by=st.times().map(lambda one: one.replace(second=0, microsecond=0)),
)
def test_the_cut_off_is_the_last_of_its_weekday_before_the_hour(
    nominal: date, zone: str, at: time, weekday: int, by: time
) -> None:
    schedule = rhythm(nominal, zone=zone, at=at, cutoff=Cutoff(weekday=weekday, at=by))
    due, cutoff = due_of(nominal, schedule), cutoff_for(nominal, schedule)
    days = [nominal + DAY * offset for offset in range(-16, 3)]
    candidates = [instant(day, by, schedule.zone) for day in days if day.weekday() == weekday]
    assert cutoff == max(one for one in candidates if one < due)


def test_a_cut_off_on_the_day_itself_is_before_the_hour() -> None:
    morning = rhythm(cutoff=Cutoff(weekday=3, at=time(8)))
    evening = rhythm(cutoff=Cutoff(weekday=3, at=time(9)))
    assert cutoff_for(date(2026, 11, 26), morning) == datetime(2026, 11, 26, 8, tzinfo=UTC)
    assert cutoff_for(date(2026, 11, 26), evening) == datetime(2026, 11, 19, 9, tzinfo=UTC)


def test_a_plan_holds_date_hour_and_cut_off() -> None:
    (one,) = plan(rhythm(zone="Asia/Tbilisi"), since=date(2026, 11, 20), count=1)
    assert (one.nominal, one.due, one.cutoff) == (
        date(2026, 11, 26),
        datetime(2026, 11, 26, 5, tzinfo=UTC),
        datetime(2026, 11, 24, 8, tzinfo=UTC),
    )


def test_planning_ahead_names_what_passed_and_what_is_to_come() -> None:
    now = datetime(2026, 11, 26, 9, tzinfo=UTC)
    found = plan_ahead(rhythm(), since=date(2026, 11, 1), now=now, count=2)
    assert [one.nominal.isoformat() for one in found] == ["2026-11-12", "2026-11-26", "2026-12-10", "2026-12-24"]


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (timedelta(days=1, hours=23, minutes=5), "in 1 day 23 h"),
        (timedelta(days=14), "in 14 days"),
        (timedelta(hours=2, minutes=4), "in 2 h 4 min"),
        (timedelta(minutes=4, seconds=59), "in 4 min"),
        (timedelta(seconds=30), "now"),
        (-timedelta(hours=3), "3 h ago"),
    ],
)
def test_distances_are_said_in_two_units(wait: timedelta, words: str) -> None:
    assert say_distance(wait) == words


def test_an_instant_is_said_with_its_zone_and_utc() -> None:
    at = datetime(2026, 11, 26, 5, tzinfo=UTC)
    assert say_instant(at, ZoneInfo("Asia/Tbilisi")) == "2026-11-26 09:00 Asia/Tbilisi (05:00 UTC)"
