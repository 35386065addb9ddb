"""Pure. How much of everything is measured: enough to say something, or just enough to see that it works."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Size:
    """Counts of letters, readers and rounds. `marks` says whether times are worth anything."""

    marks: bool
    rounds: int
    unsigned: int
    signed: int
    far: int
    source: int
    peer: int
    slow_peer: int
    far_peer: int
    rates: tuple[int, ...]
    paced_readers: int
    paced_seconds: float
    crawl_ms: float
    million: int
    clicked: int
    renders: int
    saves: int
    openssl_seconds: int


FULL: Final = Size(
    marks=True, rounds=3, unsigned=10_000, signed=6_000, far=4_000, source=10_000, peer=2_500, slow_peer=150,
    far_peer=300, rates=(14, 100, 500), paced_readers=20_000, paced_seconds=20, crawl_ms=10_000, million=1_000_000,
    clicked=10_000, renders=15, saves=9, openssl_seconds=2,
)  # fmt: skip
SHORT: Final = Size(
    marks=False, rounds=1, unsigned=300, signed=200, far=120, source=300, peer=100, slow_peer=5, far_peer=40,
    rates=(100,), paced_readers=2_000, paced_seconds=2, crawl_ms=500, million=3_000, clicked=500, renders=2, saves=1,
    openssl_seconds=1,
)  # fmt: skip
