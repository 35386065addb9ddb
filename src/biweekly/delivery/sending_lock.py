"""Edge: filesystem. One sender at a time on SQLite: a lock of the operating system, freed by its holder's death."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from biweekly.delivery.journal import lock
from biweekly.errors import Refused

# A POSIX lock is given again to the process that has it; two senders in one process must still exclude each other.
_held: Final[set[Path]] = set()
_turn: Final = threading.Lock()


@contextmanager
def sole_sender(path: Path) -> Iterator[None]:
    """Hold the right to send; raises Refused `another-sender` where someone has it."""
    with _turn:
        if path in _held:
            raise _refusal(path, "this very process")
        file = _take(path)
        _held.add(path)
    try:
        yield
    finally:
        with _turn:
            _held.discard(path)
            os.close(file)


def _take(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        lock(file)
        with suppress(OSError):  # who it is helps people only; a full disk is no reason not to have the lock
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
    except OSError as error:
        os.close(file)
        raise _refusal(path, _holder_of(path)) from error
    return file


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
