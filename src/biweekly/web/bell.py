"""Shell. The bell of the preview: watches the publication's files and tells open pages when one was saved."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Final

KEEP_ALIVE_SECONDS: Final = 15.0
_STEP_MS: Final = 40
_MOST_MS: Final = 300
_ABSENT_SECONDS: Final = 0.5


class Bell:
    """Counts saves. A page that has seen another count than the present one is out of date."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = False
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits. Belongs to the event loop's own thread."""
        self.count += 1
        self._rung.set()
        self._rung = asyncio.Event()

    def close(self) -> None:
        """End all streams, so that the server can stop at once."""
        self.closed = True
        self.ring()

    async def stream(self, seen: int) -> AsyncIterator[str]:
        """Server-sent events: `changed` with the count as its id, and a comment now and then to keep the line open."""
        yield "retry: 500\n\n"
        while not self.closed:
            if self.count != seen:
                seen = self.count
                yield f"id: {seen}\nevent: changed\ndata: {seen}\n\n"
                continue
            rung = self._rung
            try:
                await asyncio.wait_for(rung.wait(), KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"

    async def watch(self, root: Path, folders: Iterable[str]) -> None:
        """Ring at every save below these folders and at every change of a setting in the root itself.

        A folder that comes to be or goes away makes the watch begin anew.
        """
        from watchfiles import awatch

        names = tuple(folders)
        while True:
            present = _present(root, names)
            inside = asyncio.create_task(self._watch_inside(present))
            try:
                async for changes in awatch(root, recursive=False, step=_STEP_MS, debounce=_MOST_MS, watch_filter=None):
                    touched = {Path(path).name for _, path in changes}
                    if any(not name.startswith(".") and (name in names or name.endswith(".toml")) for name in touched):
                        self.ring()
                    if _present(root, names) != present:
                        break
            except FileNotFoundError:
                # The whole publication is being moved or replaced.
                await asyncio.sleep(_ABSENT_SECONDS)
            finally:
                inside.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await inside

    async def _watch_inside(self, folders: Sequence[Path]) -> None:
        from watchfiles import awatch

        if not folders:
            return
        with contextlib.suppress(FileNotFoundError):
            async for changes in awatch(*folders, step=_STEP_MS, debounce=_MOST_MS, watch_filter=None):
                if any(not Path(path).name.startswith(".") for _, path in changes):
                    self.ring()


def _present(root: Path, names: Iterable[str]) -> tuple[Path, ...]:
    return tuple(root / name for name in names if (root / name).is_dir())
