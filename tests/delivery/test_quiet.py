"""Quiet hours by the publication's own clock, over midnight and when the clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from biweekly.delivery.quiet import hours, never

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NIGHT = (time(20), time(8))
zones = st.sampled_from([STOCKHOLM, ZoneInfo("America/New_York"), ZoneInfo("Asia/Tashkent"), ZoneInfo("UTC")])
clock_times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=STOCKHOLM)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-26 19:59:59", None),
        ("2026-11-26 20:00", "2026-11-27 08:00"),
        ("2026-11-26 23:59", "2026-11-27 08:00"),
        ("2026-11-27 00:00", "2026-11-27 08:00"),
        ("2026-11-27 07:59:59", "2026-11-27 08:00"),
        ("2026-11-27 08:00", None),
    ],
)
def test_a_night_goes_over_midnight(now: str, until: str | None) -> None:
    assert hours(NIGHT, STOCKHOLM)(at(now)) == (until and at(until))


@pytest.mark.parametrize(("now", "quiet"), [("11:59", False), ("12:00", True), ("13:59", True), ("14:00", False)])
def test_a_noon_stays_within_its_day(now: str, quiet: bool) -> None:
    found = hours((time(12), time(14)), STOCKHOLM)(at(f"2026-11-26 {now}"))
    assert found == (at("2026-11-26 14:00") if quiet else None)


def test_without_hours_or_with_empty_ones_it_is_never_quiet() -> None:
    assert hours(None, STOCKHOLM) is never
    assert hours((time(8), time(8)), STOCKHOLM)(at("2026-11-26 08:00")) is None


def test_it_is_the_wall_clock_that_counts_before_and_after_summer_time() -> None:
    for day in ("2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"):
        assert hours(NIGHT, STOCKHOLM)(at(f"{day} 07:59")) == at(f"{day} 08:00")
        assert hours(NIGHT, STOCKHOLM)(at(f"{day} 08:00")) is None


@given(clock_times, clock_times, zones, instants)
# The hour that comes twice, and the one that does not come at all.
@example(time(20), time(2, 30), STOCKHOLM, datetime(2026, 10, 25, 1, 15, tzinfo=UTC))
@example(time(20), time(2, 30), STOCKHOLM, datetime(2026, 3, 29, 0, 59, tzinfo=UTC))
def test_while_it_is_quiet_its_end_is_to_come_within_a_day(
    begins: time, ends: time, zone: ZoneInfo, now: datetime
) -> None:
    quiet = hours((begins, ends), zone)
    until = quiet(now)
    if until is None:
        return
    assert now < until <= now + timedelta(days=1, hours=1)
    assert until.tzinfo is UTC
    # All of the time until then is quiet, but for what the clocks skip or say twice.
    middle = now + (until - now) / 2
    changes = now.astimezone(zone).utcoffset() != until.astimezone(zone).utcoffset()
    assert quiet(middle) is not None or changes
