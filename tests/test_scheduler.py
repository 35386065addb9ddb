"""The alarm wakes, with the real APScheduler: at the start, at every poll, at the moment named, and after any error."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from biweekly import scheduler
from biweekly.errors import BiweeklyError, RelayUnavailable, StoreError
from biweekly.scheduler import Alarm, utc_now

SOON, NEVER = timedelta(milliseconds=10), timedelta(hours=1)
PATIENCE = 30.0


def no_trouble(error: BiweeklyError) -> None:
    raise AssertionError(error)


@contextmanager
def watching(
    what_is_due: Callable[[datetime], datetime | None], *, poll: timedelta,
    trouble: Callable[[BiweeklyError], None] = no_trouble, clock: Callable[[], datetime] = utc_now,
) -> Iterator[Alarm]:  # fmt: skip
    """An alarm that keeps watch in a thread of its own until the block ends."""
    alarm = Alarm(what_is_due, trouble=trouble, poll=poll, clock=clock)
    stop = threading.Event()
    thread = threading.Thread(target=alarm.run, args=(stop,))
    thread.start()
    try:
        yield alarm
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Questions:
    """Answers questions from a list, the last answer for ever, and lets a test wait for the n-th."""

    def __init__(self, *answers: datetime | timedelta | BaseException | None) -> None:
        self._answers = answers
        self._asked = threading.Condition()
        self.moments: list[datetime] = []

    def __call__(self, now: datetime) -> datetime | None:
        with self._asked:
            answer = self._answers[min(len(self.moments), len(self._answers) - 1)]
            self.moments.append(now)
            self._asked.notify_all()
        if isinstance(answer, BaseException):
            raise answer
        return now + answer if isinstance(answer, timedelta) else answer

    def wait_for(self, number: int) -> None:
        with self._asked:
            assert self._asked.wait_for(lambda: len(self.moments) >= number, PATIENCE), f"asked {len(self.moments)}"


def test_it_asks_at_the_start_with_the_clocks_own_time() -> None:
    now = datetime(2026, 11, 26, 8, tzinfo=UTC)
    ask = Questions(None)
    with watching(ask, poll=NEVER, clock=lambda: now):
        ask.wait_for(1)
    assert ask.moments == [now]


def test_it_asks_again_at_every_poll() -> None:
    ask = Questions(None)
    with watching(ask, poll=SOON):
        ask.wait_for(5)


def test_it_asks_again_at_the_moment_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_AT_ONCE", timedelta(0))
    ask = Questions(SOON, SOON, SOON, None)
    with watching(ask, poll=NEVER):
        ask.wait_for(4)
    assert all(later - earlier >= SOON for earlier, later in zip(ask.moments, ask.moments[1:], strict=False))


def test_what_is_overdue_is_asked_about_again_and_never_in_a_busy_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_AT_ONCE", SOON)
    ask = Questions(timedelta(days=-1), timedelta(0), None)
    with watching(ask, poll=NEVER):
        ask.wait_for(3)
    assert ask.moments[2] - ask.moments[0] >= SOON * 2


def test_a_moment_beyond_the_next_poll_needs_no_wake() -> None:
    ask = Questions(NEVER * 2)
    with watching(ask, poll=NEVER) as alarm:
        ask.wait_for(1)
        assert alarm._scheduler.get_job("wake") is None


def test_the_poll_is_half_a_minute_and_outlives_every_late_start() -> None:
    ask = Questions(None)
    with watching(ask, poll=scheduler.POLL) as alarm:
        ask.wait_for(1)
        job = alarm._scheduler.get_job("poll")
        assert (job.trigger.interval, job.misfire_grace_time, job.coalesce) == (timedelta(seconds=30), None, True)
        assert type(alarm._scheduler._jobstores["default"]).__name__ == "MemoryJobStore"


def test_one_question_at_a_time_and_stopping_waits_for_its_answer() -> None:
    began, answer, overlaps = threading.Event(), threading.Event(), []
    under_way = threading.Lock()

    def what_is_due(_: datetime) -> None:
        if not under_way.acquire(blocking=False):
            overlaps.append(1)
            return
        began.set()
        answer.wait(PATIENCE)
        under_way.release()

    alarm = Alarm(what_is_due, trouble=no_trouble, poll=SOON)
    stop = threading.Event()
    thread = threading.Thread(target=alarm.run, args=(stop,))
    thread.start()
    assert began.wait(PATIENCE)
    alarm._ring()  # as a second alarm would
    stop.set()
    thread.join(0.05)
    assert thread.is_alive()
    answer.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert overlaps == []


def test_a_trouble_is_told_once_until_it_is_another_or_has_passed() -> None:
    gone, locked = RelayUnavailable("gone", code="relay-unreachable"), StoreError("locked", code="database-locked")
    told: list[BiweeklyError] = []
    ask = Questions(gone, gone, locked, locked, None, locked, None)
    with watching(ask, poll=SOON, trouble=told.append):
        ask.wait_for(7)
    assert told == [gone, locked, locked]


def test_an_error_in_the_program_does_not_stop_the_clock(caplog: pytest.LogCaptureFixture) -> None:
    ask = Questions(ZeroDivisionError("of all things"), None)
    with caplog.at_level(logging.ERROR, "biweekly.clock"), watching(ask, poll=SOON):
        ask.wait_for(3)
    assert "of all things" in caplog.text


def test_a_clock_that_is_set_back_does_not_put_the_next_question_off(caplog: pytest.LogCaptureFixture) -> None:
    hours = count()
    ask = Questions(None)

    def clock() -> datetime:
        """A clock that somebody sets back by an hour whenever one looks."""
        return utc_now() - next(hours) * NEVER

    with caplog.at_level(logging.WARNING, "biweekly.clock"), watching(ask, poll=SOON, clock=clock) as alarm:
        ask.wait_for(1)
        # What APScheduler's own timer does when the wall clock is set back under it.
        alarm._scheduler.modify_job("poll", next_run_time=utc_now() + NEVER)
        asked = len(ask.moments)
        ask.wait_for(asked + 2)
    assert "the clock was set by -" in caplog.text


def test_a_steady_clock_is_not_called_set(caplog: pytest.LogCaptureFixture) -> None:
    ask = Questions(None)
    with caplog.at_level(logging.WARNING, "biweekly.clock"), watching(ask, poll=SOON):
        ask.wait_for(5)
    assert caplog.text == ""


def test_the_clock_on_the_wall_is_aware_and_utc() -> None:
    assert utc_now().tzinfo is UTC
