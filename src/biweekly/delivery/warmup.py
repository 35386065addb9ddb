"""Pure. Warming a new relay up: a little more each day, so that providers learn who is sending."""

from datetime import date
from typing import Final

_TIMES_A_DAY: Final = 2
_DAYS: Final = 14


def left_on(day: date, *, begins: date, first_day: int, taken: int) -> int | None:
    """Return how many letters more a relay may get on a day, None once it is warm.

    `first_day` letters on the day it begins, twice as many on each day after, for two weeks; none before it begins.
    """
    passed = (day - begins).days
    if passed >= _DAYS:
        return None
    if passed < 0:
        return 0
    return max(0, first_day * int(_TIMES_A_DAY**passed) - taken)
