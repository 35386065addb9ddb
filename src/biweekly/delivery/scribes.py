"""Conduct. Letters written ahead, on threads, where they are signed: a signature costs more than all the rest."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from biweekly.errors import RenderError
from biweekly.model.mailing import Letter, Place

_CHUNK: Final = 6

Written = tuple[Place, Letter | RenderError]


class Scribes:
    """Write letters for the places they are given; what they have is theirs until it is taken or given back."""

    def __init__(
        self, write: Callable[[Place], Letter], *, threads: int, more: Callable[[], Place | None],
        wrote: Callable[[], None],
    ) -> None:  # fmt: skip
        """`more` gives the next place, `wrote` hears that there is something to take. 0 threads write when asked."""
        self._write = write
        self._threads = threads
        self._more = more
        self._wrote = wrote
        self._ready: deque[Written] = deque()
        self._at_work: list[Sequence[Place]] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="scribe") if threads else None
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._ready) + sum(map(len, self._at_work))

    def take(self) -> Written | None:
        """Return a place with its letter, or what is wrong with it; None where there is none now."""
        if self._pool is None:
            place = self._more()
            return None if place is None else (place, written(self._write, place))
        taken = self._ready.popleft() if self._ready else None
        self._begin()
        return taken

    def _begin(self) -> None:
        """Give idle threads work, a little ahead of what is taken."""
        while self._pool is not None and len(self) < 2 * _CHUNK * self._threads:
            places: list[Place] = []
            while len(places) < _CHUNK and (place := self._more()) is not None:
                places.append(place)
            if not places:
                return
            self._at_work.append(places)
            task = asyncio.get_running_loop().create_task(self._work(self._pool, places))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, pool: ThreadPoolExecutor, places: Sequence[Place]) -> None:
        loop = asyncio.get_running_loop()
        letters = await loop.run_in_executor(pool, lambda: [written(self._write, place) for place in places])
        self._at_work.remove(places)
        self._ready.extend(zip(places, letters, strict=True))
        self._wrote()

    def clear(self) -> Iterator[Place]:
        """Give every place back. Whatever is still being written is of no use any more."""
        for task in self._tasks:
            task.cancel()
        for place, _ in self._ready:
            yield place
        for places in self._at_work:
            yield from places
        self._ready.clear()
        self._at_work.clear()

    def dismiss(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def written(write: Callable[[Place], Letter], place: Place) -> Letter | RenderError:
    """Write a letter; a reader's words that break it are that reader's alone."""
    try:
        return write(place)
    except RenderError as error:
        return error
