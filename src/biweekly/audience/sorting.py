"""Edge: filesystem. Puts a list of any length in order of its hashes without holding it in memory.

A database's unique index takes sorted rows two to three times as fast as shuffled ones, and equal hashes, the same
mailbox twice, come to stand together.
"""

import itertools
import marshal
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import IO, Final

from biweekly.audience.row import Entry

_SIZE: Final = struct.Struct("<Q")
_HELD: Final = 20_000
_PARTS: Final = 64  # by the first six bits of the hash, which are as good as random


def in_order(entries: Iterable[Entry], *, held: int = _HELD) -> Iterator[Entry]:
    """Yield the entries by hash, then by line. Beyond `held` of them, they wait in files that have no name."""
    source = iter(entries)
    batch = list(itertools.islice(source, held))
    following = list(itertools.islice(source, held))
    if not following:
        batch.sort()
        yield from batch
        return
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(_PARTS)]
        while batch:
            _divide(batch, files)
            batch, following = following, list(itertools.islice(source, held))
        for file in files:
            file.seek(0)
            yield from sorted(_read_back(file))


def _divide(batch: Sequence[Entry], files: Sequence[IO[bytes]]) -> None:
    parts: list[list[Entry]] = [[] for _ in files]
    for entry in batch:
        parts[entry[0][0] >> 2].append(entry)
    for part, file in zip(parts, files, strict=True):
        if part:
            # Version 2 keeps no table of objects met before, and whole pieces are read far faster than by `load`.
            piece = marshal.dumps(part, 2)
            file.write(_SIZE.pack(len(piece)))
            file.write(piece)


def _read_back(file: IO[bytes]) -> Iterator[Entry]:
    while size := file.read(_SIZE.size):
        yield from marshal.loads(file.read(*_SIZE.unpack(size)))  # noqa: S302 - this very module wrote it
