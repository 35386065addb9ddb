"""Shell. How far a mailing is: its share, its rate and the time left, as a bar on a terminal and as lines elsewhere."""

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.model.issue import IssueId
    from biweekly.model.mailing import Mailing, Tally
    from biweekly.wiring import Office

_LOOK_EVERY: Final = 0.5  # seconds
_TELL_SHARE: Final = 0.1
_TELL_SECONDS: Final = 30.0
_MEMORY_SECONDS: Final = 10.0  # over which the rate is smoothed
_NARROWEST_BAR: Final = 10
_WIDEST_BAR: Final = 40


class Course:
    """How fast letters are tried: a rate smoothed over about ten seconds. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._letters = 0.0
        self._seconds = 0.0

    def note(self, tried: int, at: float) -> None:
        """Take note of how many were tried by now."""
        if self._last is not None:
            passed = max(0.0, at - self._last[1])
            memory = math.exp(-passed / _MEMORY_SECONDS)
            self._letters = self._letters * memory + max(0, tried - self._last[0])
            self._seconds = self._seconds * memory + passed
        self._last = (tried, at)

    @property
    def rate(self) -> float | None:
        """Letters a second; None as long as nothing is known."""
        return self._letters / self._seconds if self._seconds > 0 else None

    def left(self, to_go: int) -> float | None:
        """Return the seconds until everybody was tried once; None where that cannot be told."""
        rate = self.rate
        return to_go / rate if rate is not None and rate * 86400 * 7 > to_go else None


def share_of(tally: "Tally") -> float:
    """Return which share of a mailing is final: neither to go nor waiting."""
    return (tally.planned - tally.to_go - tally.waiting) / tally.planned if tally.planned else 1.0


def percent(share: float) -> str:
    """Write a share; 100 % is said only of everybody."""
    return f"{math.floor(share * 100 + 1e-9)} %"


def rate_in_words(rate: float | None) -> str:
    """Write a rate: `141/s`, `1.4/s`, `38/min`; nothing where it is not known."""
    if rate is None:
        return ""
    if rate >= 1:
        return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"  # noqa: PLR2004 - where a tenth is news
    return f"{rate * 60:.0f}/min" if rate >= 1 / 60 else f"{rate * 3600:.0f}/h"


def time_in_words(seconds: float) -> str:
    """Write a while: `8 s`, `4 min`, `1 h 05 min`, `3 d`."""
    whole = max(1, math.ceil(seconds))
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole} s"
    minutes = -(-whole // 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02} min" if hours < 48 else f"{hours // 24} d"  # noqa: PLR2004 - two days


def pace_words(course: Course, tally: "Tally") -> list[str]:
    """Write rate and time left, as far as they are known, while there is somebody to go."""
    if not tally.to_go:
        return []
    left = course.left(tally.to_go)
    words = [rate_in_words(course.rate), "" if left is None else f"{time_in_words(left)} left"]
    return [word for word in words if word]


def line(tally: "Tally", course: Course) -> str:
    """Write how far a mailing is, in one line of a log."""
    counts = (("accepted", tally.accepted), ("failed", tally.failed), ("waiting", tally.waiting),
              ("uncertain", tally.uncertain), ("skipped", tally.skipped))  # fmt: skip
    told = [f"{count:,} {word}" for word, count in counts if count or word == "accepted"]
    share = percent(share_of(tally)).replace(" ", "")
    return " · ".join([f"sending: {share} of {tally.planned:,}", *told, *pace_words(course, tally)])


def fitted(tally: "Tally", course: Course, width: int) -> tuple[str, int, str]:
    """Divide a terminal's line: the words before the bar, the bar's width (0: no room), the words after it.

    Where it is narrow, counts of nobody go first, then the word before the bar, the time, the rate, and the bar.
    """
    done = tally.planned - tally.to_go - tally.waiting
    share = f"{percent(share_of(tally)):>5}"
    counts = [(tally.failed, "failed"), (tally.waiting, "waiting"), (tally.uncertain, "uncertain")]
    always = [f"{count:,} {word}" for count, word in counts if count]
    zeros = [f"{count:,} {word}" for count, word in counts if count or word != "uncertain"]
    of, pace = f"{done:,} of {tally.planned:,}", pace_words(course, tally)
    choices = [
        (f"Sending {share}", [of, *zeros, *pace]), (f"Sending {share}", [of, *always, *pace]),
        (share.strip(), [of, *always, *pace]), (share.strip(), [of, *always, *pace[:1]]),
        (share.strip(), [of, *always]),
    ]  # fmt: skip
    for before, after in choices:
        words = " · ".join(after)
        room = width - len(before) - len(words) - 3
        if room >= _NARROWEST_BAR:
            return before, min(room, _WIDEST_BAR), words
    bare = [(before, " · ".join(after)) for before, after in choices]
    before, words = next((one for one in bare if len(one[0]) + len(one[1]) + 2 <= width), bare[-1])
    return before, 0, words


class Meter:
    """Looks twice a second how far a mailing is, from a thread of its own, and shows it. It only reads rows."""

    def __init__(
        self, find: Callable[[], "Mailing | None"], account: Callable[["Mailing"], "Tally"], *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`find` returns the mailing once there is one."""
        self._find = find
        self._account = account
        self._monotonic = monotonic
        self._mailing: Mailing | None = None
        self._course = Course()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)
        self._live: Any = None
        self._told: tuple[float, float] | None = None
        self._said = ""

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Show where it stands at the end, and take the bar away."""
        self._over.set()
        self._thread.join()
        self.look(last=True)
        if self._live is not None:
            self._live.stop()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            self.look()

    def look(self, *, last: bool = False) -> None:
        """Read where the mailing stands, and show it where that is due."""
        from biweekly.errors import BiweeklyError

        # A database that does not answer in time is the sender's to complain of.
        with suppress(BiweeklyError):
            self._mailing = self._mailing or self._find()
            if self._mailing is None:
                return
            tally, now = self._account(self._mailing), self._monotonic()
            self._course.note(tally.planned - tally.to_go, now)
            if _on_terminal():
                self._draw(tally)
            else:
                self._tell(tally, now, last=last)

    def _tell(self, tally: "Tally", now: float, *, last: bool) -> None:
        share = share_of(tally)
        if self._told is None:
            self._told = (share, now)
        since, at = self._told
        words = line(tally, self._course)
        if last or share - since > _TELL_SHARE - 1e-9 or now - at >= _TELL_SECONDS:
            self._told = (share, now)
            if words != self._said:
                speak.say(words)
            self._said = words

    def _draw(self, tally: "Tally") -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        if self._live is None:
            console = Console(stderr=True, highlight=False)
            self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
            self._live.start()
        before, width, after = fitted(tally, self._course, self._live.console.width)
        grid = Table.grid(padding=(0, 1))
        bar = [ProgressBar(total=1.0, completed=share_of(tally), width=width)] if width else []
        grid.add_row(before, *bar, after)
        self._live.update(grid, refresh=True)


@contextmanager
def progress_of(office: "Office", issue: "IssueId", *, anew: bool) -> Iterator[None]:
    """Show how far an issue's mailing is until the block ends; `anew`: of the one that is about to begin."""
    known = {one.id for one in office.books.of_issue(issue)} if anew else set()

    def find() -> "Mailing | None":
        found: Sequence[Mailing] = office.books.of_issue(issue)
        return next((one for one in found if one.id not in known and one.started is not None), None)

    with Meter(find, lambda mailing: office.books.tally(mailing.id)):
        yield


def _on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
