"""Edge: the clock. An alarm, and nothing more: it wakes, asks "what is due?", and is told when to wake again.

APScheduler runs in memory with two jobs: a poll, and a wake at the earliest moment named. Neither its job store nor its
recurring triggers know of an issue, so a false alarm, a missed one or a second alarm clock do no harm.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from biweekly.errors import BiweeklyError

POLL: Final = timedelta(seconds=30)
_AT_ONCE: Final = timedelta(seconds=1)  # the shortest wait, so that what stays due never turns into a busy loop
_JUMP: Final = timedelta(seconds=5)
_POLL_JOB: Final = "poll"
_WAKE_JOB: Final = "wake"
_LOG: Final = logging.getLogger("biweekly.clock")


def utc_now() -> datetime:
    """Ask the wall clock."""
    return datetime.now(UTC)


class Alarm:
    """Asks `what_is_due` at the start, every `poll`, and at the moment it named last; never twice at once.

    A trouble that a person can act on is handed to `trouble`, the first time it comes; any other error is logged. The
    alarm goes on after either. `woke` hears of it each `poll` while the alarm keeps watch, also in a long mailing.
    """

    def __init__(
        self,
        what_is_due: Callable[[datetime], datetime | None],
        *,
        trouble: Callable[[BiweeklyError], None],
        poll: timedelta = POLL,
        clock: Callable[[], datetime] = utc_now,
        woke: Callable[[], None] = lambda: None,
    ) -> None:
        """`clock` answers the wall-clock time; intervals are measured by the monotonic clock."""
        self._what_is_due = what_is_due
        self._trouble = trouble
        self._poll = poll
        self._clock = clock
        self._woke = woke
        self._ringing = threading.Lock()
        self._said: str | None = None
        self._scheduler: Any = None

    def run(self, stop: threading.Event) -> None:
        """Keep watch until `stop` is set, then wait for the question under way to be answered."""
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        # A long mailing keeps the poll waiting for hours, which APScheduler would say every time.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._set_poll()
        self._scheduler.start()
        try:
            self._woke()
            offset = self._offset()
            while not stop.wait(self._poll.total_seconds()):
                if abs((now := self._offset()) - offset) > _JUMP:
                    # APScheduler waits for wall-clock times: after a jump back its poll would rest for as long.
                    _LOG.warning("the clock was set by %+.0f s", (now - offset).total_seconds())
                    self._set_poll()
                offset = now
                self._woke()
        finally:
            self._scheduler.shutdown(wait=True)

    def _set_poll(self) -> None:
        self._scheduler.add_job(
            self._ring, "interval", seconds=self._poll.total_seconds(), id=_POLL_JOB, replace_existing=True,
            next_run_time=datetime.now(UTC),
        )  # fmt: skip

    def _ring(self) -> None:
        # One question at a time: whoever asks now will be told about everything that is due.
        if not self._ringing.acquire(blocking=False):
            return
        try:
            wake = self._ask()
        finally:
            self._ringing.release()
        if wake is not None:
            self._set_wake(wake)

    def _ask(self) -> datetime | None:
        try:
            wake = self._what_is_due(self._clock())
        except BiweeklyError as error:
            words = str(error)
            if words != self._said:
                self._trouble(error)
            self._said = words
            return None
        except Exception:  # noqa: BLE001 - whatever it is, the next issue still has to go out
            # What nobody has thought of must not stop the clock; the poll tries again.
            _LOG.exception("the clock goes on after an error in the program")
            return None
        self._said = None
        return wake

    def _set_wake(self, wake: datetime) -> None:
        wait = max(wake - self._clock(), _AT_ONCE)
        if wait < self._poll and self._scheduler.running:
            self._scheduler.add_job(
                self._ring, "date", run_date=datetime.now(UTC) + wait, id=_WAKE_JOB, replace_existing=True
            )

    def _offset(self) -> timedelta:
        """How far the wall clock is from the monotonic one: it changes only when the wall clock is set."""
        return self._clock() - datetime.fromtimestamp(time.monotonic(), UTC)
