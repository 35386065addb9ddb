"""Edge: filesystem. One sender at a time on SQLite: a lock of the operating system, freed by its holder's death."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from biweekly.delivery.journal import lock
from biweekly.errors import Refused

# A POSIX lock is given again to the process that has it; two senders in one process must still exclude each other.
_held: Final[set[Path]] = set()


@contextmanager
def sole_sender(path: Path) -> Iterator[None]:
    """Hold the right to send; raises Refused `another-sender` where someone has it."""
    if path in _held:
        raise _refusal(path, "this very process")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            lock(file)
        except OSError as error:
            raise _refusal(path, _holder_of(path)) from error
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
    finally:
        os.close(file)


def _holder_of(path: Path) -> str:
    # Only where another process holds the lock: closing a file drops this process's own lock on it.
    try:
        pid = path.read_text("ascii").strip()
    except OSError:
        pid = ""
    return f"process {pid}" if pid else "another process"


def _refusal(path: Path, who: str) -> Refused:
    return Refused(
        f"{who} is sending from this publication; two senders at once would mail people twice", code="another-sender",
        place=str(path), hint="biweekly status",
    )  # fmt: skip
