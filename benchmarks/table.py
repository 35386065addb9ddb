"""Pure. The rows of the table: a figure of ours beside its peer's, the floor that it holds, the goal it reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

_WIDTHS: Final = (44, 19, 34, 9, 9, 9)
_HEADS: Final = ("what", "ours", "peer", "score", "floor", "goal", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `score` is what floor and goal are about, in `unit`; with `less`, less of it is better.

    A row that is no figure of the design has neither floor nor goal. `note` says what else one should know.
    """

    what: str
    ours: str
    peer: str = ""
    score: float | None = None
    unit: str = "x"
    floor: float | None = None
    goal: float | None = None
    less: bool = False
    note: str = ""

    @property
    def met(self) -> str:
        """What was reached: "goal", "floor", or "neither"; nothing where there is nothing to reach."""
        if self.score is None or (self.floor is None and self.goal is None):
            return ""
        if self._reaches(self.goal):
            return "goal"
        return "floor" if self._reaches(self.floor) else "neither"

    def _reaches(self, mark: float | None) -> bool:
        if mark is None or self.score is None:
            return False
        return self.score <= mark if self.less else self.score >= mark


def head() -> str:
    """Return the head of the table."""
    return _line(_HEADS)


def line(row: Row, *, marked: bool) -> str:
    """Return a row as text; without marks it says what was measured and not what that is worth."""
    sign = "≤ " if row.less else ""
    cells = (
        row.what, row.ours, row.peer, _number(row.score, row.unit), _number(row.floor, row.unit, sign),
        _number(row.goal, row.unit, sign), row.met if marked else "",
    )  # fmt: skip
    return _line(cells) + (f"\n    {row.note}" if row.note else "")


def _line(cells: Sequence[str]) -> str:
    return "  ".join([*(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)), cells[-1]]).rstrip()


def _number(value: float | None, unit: str, sign: str = "") -> str:
    if value is None:
        return ""
    if unit == "%":
        return f"{sign}{value:.1%}" if value < 1 else f"{sign}{value:.0%}"
    digits = 2 if value < 10 else 0  # two digits that say something
    return f"{sign}{value:,.{digits}f}{'' if unit == 'x' else ' '}{unit}"


def ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """Return the median of the ratios of rounds, each of one round: slow drift of the machine hits both alike."""
    return median(one / other for one, other in zip(ours, peers, strict=True))


def per_second(rates: Sequence[float]) -> str:
    """Write the middle of some rates."""
    return f"{median(rates):,.0f}/s"
