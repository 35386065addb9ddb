"""Pure. Who gets a mailing in which lane: the largest recipient domains alone, the small ones together."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOST_LANES: Final = 62  # and two for those who are mailed first: 64 in all
_MOST_OWN: Final = 48
_OWN_FROM: Final = 200  # readers at one domain before it is worth a lane of its own
_SHARED_SIZE: Final = 5_000  # readers of small domains to a shared lane, roughly


@dataclass(frozen=True, slots=True)
class Lanes:
    """A name for each lane, by its number, and the lane of each domain."""

    names: tuple[str, ...]
    of_domain: Mapping[str, int]


def assign_lanes(readers: Mapping[str, int]) -> Lanes:
    """Divide recipient domains into at most 62 lanes.

    `readers` counts readers by domain. A domain gets a lane of its own where it has at least 200 readers and a
    hundredth of the list; the rest share lanes by a hash of their name, so that a domain keeps its lane from one
    mailing to the next. Asks no DNS.
    """
    total = sum(readers.values())
    threshold = max(_OWN_FROM, total // 100)
    large = sorted((d for d, n in readers.items() if n >= threshold), key=lambda d: (-readers[d], d))[:_MOST_OWN]
    own = {domain: number for number, domain in enumerate(large)}
    small = total - sum(readers[domain] for domain in large)
    shared = min(MOST_LANES - len(large), max(1, -(-small // _SHARED_SIZE))) if small else 0
    of_domain = {
        domain: own[domain] if domain in own else len(large) + zlib.crc32(domain.encode()) % shared
        for domain in readers
    }
    return Lanes((*large, *(f"others {number + 1}" for number in range(shared))), of_domain)
