"""A new relay: a little more each day for two weeks, none before it begins."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.delivery.warmup import left_on

BEGINS = date(2026, 11, 12)


@pytest.mark.parametrize(
    ("day", "left"),
    [(-1, 0), (0, 1_000), (1, 2_000), (2, 4_000), (13, 8_192_000), (14, None), (400, None)],
)
def test_each_day_has_twice_as_many_until_it_is_warm(day: int, left: int | None) -> None:
    assert left_on(BEGINS + timedelta(days=day), begins=BEGINS, first_day=1_000, taken=0) == left


@given(st.integers(-30, 30), st.integers(1, 10_000), st.integers(0, 10_000_000), st.integers(0, 10_000))
def test_what_was_taken_is_gone_and_never_more_than_the_day_allows(
    day: int, first_day: int, taken: int, more: int
) -> None:
    now = BEGINS + timedelta(days=day)
    whole, left, later = (
        left_on(now, begins=BEGINS, first_day=first_day, taken=count) for count in (0, taken, taken + more)
    )
    if whole is None:
        assert left is None
        return
    assert left == max(0, whole - taken)
    assert later is not None
    assert 0 <= later <= left
    tomorrow = left_on(now + timedelta(days=1), begins=BEGINS, first_day=first_day, taken=0)
    assert tomorrow is None or tomorrow in (0, first_day, whole * 2)
