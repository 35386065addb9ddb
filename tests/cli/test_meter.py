"""How far a mailing is: share, rate and time left, wide and narrow, on a terminal and in a file."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.cli.meter import Course, Meter, fitted, line, percent, rate_in_words, share_of, time_in_words
from biweekly.errors import StoreError
from biweekly.model.issue import IssueId
from biweekly.model.mailing import Mailing, MailingId, MailingKind, MailingState, Tally

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MAILING = Mailing(
    MailingId(1), "main", IssueId("2026-11-26"), MailingKind.REGULAR, "e", MailingState.SENDING, 2_000, None, NOW, NOW,
    None,
)  # fmt: skip
counts = st.integers(0, 2_000_000)


def tally(*, accepted: int = 0, waiting: int = 0, failed: int = 0, uncertain: int = 0, planned: int = 2_000) -> Tally:
    to_go = planned - accepted - waiting - failed - uncertain
    return Tally(planned, to_go, accepted, waiting, failed, uncertain, 0)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    parts = [draw(counts) for _ in range(6)]
    return Tally(sum(parts), *parts)


# --- the rate ----------------------------------------------------------------------------------------------------


@given(st.floats(0.2, 500), st.floats(0.05, 5))
def test_an_even_pace_is_its_own_rate_from_the_first_look_on(rate: float, every: float) -> None:
    course = Course()
    course.note(0, 0.0)
    assert (course.rate, course.left(5)) == (None, None)
    for number in range(1, 30):
        course.note(round(number * every * rate), number * every)
        assert course.rate == pytest.approx(rate, abs=1.01 / every)


def test_a_pace_that_changes_is_believed_after_a_while() -> None:
    course = Course()
    for second in range(60):
        course.note(100 * second, float(second))
    for second in range(60, 65):
        course.note(5_900, float(second))
    assert course.rate is not None
    assert 20 < course.rate < 80
    for second in range(65, 160):
        course.note(5_900, float(second))
    assert course.rate < 0.1
    assert course.left(100_000) is None


def test_the_time_left_is_what_is_to_go_at_that_rate() -> None:
    course = Course()
    course.note(0, 0.0)
    course.note(50, 1.0)
    assert course.left(500) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("rate", "words"),
    [(None, ""), (1234.4, "1,234/s"), (141.2, "141/s"), (1.44, "1.4/s"), (0.63, "38/min"), (0.005, "18/h"), (0, "0/h")],
)
def test_a_rate_is_said_in_the_unit_that_gives_a_number(rate: float | None, words: str) -> None:
    assert rate_in_words(rate) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 s"), (8.2, "9 s"), (60, "1 min"), (200, "4 min"), (3_599, "1 h 00 min"), (3_901, "1 h 06 min"),
     (86_400 * 3, "3 d")],
)  # fmt: skip
def test_a_while_is_said_roughly_and_never_too_short(seconds: float, words: str) -> None:
    assert time_in_words(seconds) == words


# --- the share ---------------------------------------------------------------------------------------------------


@given(tallies())
def test_a_hundred_percent_are_said_only_once_nobody_is_to_go_or_waits(found: Tally) -> None:
    over = found.to_go + found.waiting == 0
    assert (percent(share_of(found)) == "100 %") == over


def test_a_line_says_what_is_known_and_nothing_else() -> None:
    course = Course()
    assert line(tally(), course) == "sending: 0% of 2,000 · 0 accepted"
    course.note(0, 0.0)
    course.note(1_000, 10.0)
    assert line(tally(accepted=990, failed=3, waiting=7), course) == (
        "sending: 49% of 2,000 · 990 accepted · 3 failed · 7 waiting · 100/s · 10 s left"
    )
    assert line(tally(accepted=2_000), course) == "sending: 100% of 2,000 · 2,000 accepted"


# --- the bar -----------------------------------------------------------------------------------------------------


@given(tallies(), st.floats(0.01, 10_000), st.integers(1, 250))
def test_a_bar_never_needs_more_room_than_there_is(found: Tally, rate: float, width: int) -> None:
    course = Course()
    course.note(0, 0.0)
    course.note(round(rate * 100), 100.0)
    before, bar, after = fitted(found, course, width)
    assert bar == 0 or (bar >= 10 and len(before) + 1 + bar + 1 + len(after) < width)
    assert percent(share_of(found)) in before
    assert f"of {found.planned:,}" in after
    for count, word in ((found.failed, "failed"), (found.waiting, "waiting"), (found.uncertain, "uncertain")):
        assert not count or f"{count:,} {word}" in after


def test_where_it_is_narrow_counts_of_nobody_go_first() -> None:
    course = Course()
    course.note(0, 0.0)
    course.note(860, 6.0)
    found = tally(accepted=857, failed=3)
    assert fitted(found, course, 120) == (
        "Sending  43 %",
        40,
        "860 of 2,000 · 3 failed · 0 waiting · 143/s · 8 s left",
    )
    assert fitted(found, course, 72) == ("Sending  43 %", 14, "860 of 2,000 · 3 failed · 143/s · 8 s left")
    assert fitted(found, course, 60) == ("43 %", 11, "860 of 2,000 · 3 failed · 143/s · 8 s left")
    worse = tally(accepted=830, failed=10, waiting=20, uncertain=20)
    assert fitted(worse, course, 66) == ("43 %", 0, "860 of 2,000 · 10 failed · 20 waiting · 20 uncertain · 143/s")
    assert fitted(found, course, 30) == ("43 %", 0, "860 of 2,000 · 3 failed")


# --- telling -----------------------------------------------------------------------------------------------------


class Told:
    """A mailing whose account is what the test says, and a clock to go with it."""

    def __init__(self) -> None:
        self.tally = tally()
        self.now = 0.0
        self.there = True
        self.meter = Meter(lambda: MAILING if self.there else None, lambda _: self.tally, monotonic=lambda: self.now)

    def at(self, now: float, *, accepted: int, last: bool = False) -> None:
        self.now, self.tally = now, tally(accepted=accepted)
        self.meter.look(last=last)


def test_elsewhere_it_is_a_line_for_each_tenth_or_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told()
    told.at(0, accepted=0)
    told.at(1, accepted=199)
    assert capsys.readouterr().err == ""
    told.at(2, accepted=200)
    assert capsys.readouterr().err == "sending: 10% of 2,000 · 200 accepted · 95/s · 19 s left\n"
    told.at(20, accepted=399)
    told.at(31.9, accepted=399)
    assert capsys.readouterr().err == ""
    told.at(32, accepted=399)
    assert capsys.readouterr().err.startswith("sending: 19% of 2,000 · 399 accepted")
    told.at(33, accepted=2_000, last=True)
    told.at(33, accepted=2_000, last=True)
    assert capsys.readouterr().err == "sending: 100% of 2,000 · 2,000 accepted\n"


def test_a_mailing_that_had_outcomes_is_counted_from_there(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told()
    told.at(0, accepted=1_500)
    told.at(1, accepted=1_520)
    assert capsys.readouterr().err == ""
    told.at(2, accepted=1_700)
    assert capsys.readouterr().err == "sending: 85% of 2,000 · 1,700 accepted · 104/s · 3 s left\n"


def test_as_long_as_there_is_no_mailing_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told()
    told.there = False
    told.at(0, accepted=0, last=True)
    assert capsys.readouterr().err == ""


def test_a_database_that_does_not_answer_stops_no_sending(capsys: pytest.CaptureFixture[str]) -> None:
    def locked(_: Mailing) -> Tally:
        raise StoreError("in use", code="database-locked")

    with Meter(lambda: MAILING, locked):
        pass
    assert capsys.readouterr().err == ""
