"""Pure. How fast a relay or a lane may be mailed: a rate that is kept, halved where somebody complains, and regained.

A `Pace` is a row (it survives a restart and holds across machines); a `Throttle` is its clock in one sender.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

SLOWEST: Final = 0.1  # letters a second
FIRST_REST: Final = timedelta(seconds=30)
LONGEST_REST: Final = timedelta(minutes=15)
_AGAIN_WITHIN: Final = timedelta(minutes=10)
_EASE_AFTER: Final = timedelta(seconds=60)
_EASE_BY: Final = 1.25
_FREE_FROM: Final = 4.0  # times the rate that was too fast: by then nobody has complained for a long while
_BURST_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one relay or lane may be mailed. Rates are letters a second; None is as fast as it takes them.

    `permitted` is the configured rate, `rate` the one that holds now. `too_fast` is the rate at which somebody last
    complained, `since` when the rate last changed, `rest_until` when it may be tried again, `why` the complaint.
    """

    permitted: float | None = None
    rate: float | None = None
    too_fast: float | None = None
    since: datetime | None = None
    rest: timedelta = timedelta(0)
    rest_until: datetime | None = None
    why: str = ""

    def resting(self, now: datetime) -> bool:
        """Whether nothing may be sent for now."""
        return self.rest_until is not None and now < self.rest_until


def unhindered(permitted: float | None) -> Pace:
    """Return the pace of a relay or lane that nobody has complained about."""
    return Pace(permitted=permitted, rate=permitted)


def permit(pace: Pace, permitted: float | None) -> Pace:
    """Apply what the configuration says today to a pace from the past."""
    if pace.too_fast is None:
        return replace(pace, permitted=permitted, rate=permitted)
    rate = pace.rate if permitted is None or pace.rate is None else min(pace.rate, permitted)
    return replace(pace, permitted=permitted, rate=permitted if rate is None else rate)


def slow_down(pace: Pace, *, seen: float, why: str, now: datetime) -> Pace:
    """Halve the rate and rest: somebody said that it was too fast. `seen` is the rate it was going at.

    Complaints that come while it rests are about letters sent before, and change nothing.
    """
    if pace.resting(now):
        return pace
    going = seen if pace.rate is None else min(seen, pace.rate)
    last = pace.rest_until or pace.since
    soon = last is not None and now - last < _AGAIN_WITHIN and pace.rest > timedelta(0)
    rest = min(pace.rest * 2, LONGEST_REST) if soon else FIRST_REST
    return replace(
        pace, rate=max(going / 2, min(SLOWEST, going)), too_fast=going, since=now, rest=rest, rest_until=now + rest,
        why=why,
    )  # fmt: skip


def ease(pace: Pace, *, now: datetime) -> Pace:
    """Go a little faster where nobody has complained for a minute, up to what is permitted."""
    if pace.rate is None or pace.too_fast is None or pace.since is None:
        return pace
    if pace.resting(now) or now - max(pace.since, pace.rest_until or pace.since) < _EASE_AFTER:
        return pace
    rate = pace.rate * _EASE_BY
    if pace.permitted is not None and rate >= pace.permitted:
        return replace(unhindered(pace.permitted), since=now)
    if pace.permitted is None and rate >= pace.too_fast * _FREE_FROM:
        return replace(unhindered(None), since=now)
    return replace(pace, rate=rate, since=now, rest_until=None)


class Throttle:
    """The clock of a rate in one sender. Times are seconds of a monotonic clock.

    `granted` slots were reserved in the books before, so that all senders together keep the rate.
    """

    __slots__ = ("_gap", "_left", "_next")

    def __init__(self) -> None:
        self._next = 0.0
        self._gap = 0.0
        self._left = 0

    @property
    def left(self) -> int:
        """How many granted slots have not been used."""
        return self._left

    def grant(self, slots: int, *, begins: float, gap: float) -> None:
        """Allow so many letters more, `gap` seconds apart, from `begins` on."""
        self._next = max(self._next, begins) if self._left else begins
        self._gap, self._left = gap, self._left + slots

    def forget(self) -> None:
        """Drop what was granted: another rate holds now."""
        self._left = 0

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next slot, 0 where it is there, None where none is granted."""
        return max(0.0, self._next - now) if self._left else None

    def use(self, now: float) -> None:
        """Use a slot. What was not used is made up for a quarter of a second, not longer."""
        self._next = max(self._next, now - _BURST_SECONDS) + self._gap
        self._left -= 1
