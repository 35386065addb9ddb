"""Edge: filesystem. What had left when everything stopped: 16 bytes before a letter's content, 16 when its reply comes.

Each sender appends to a file of its own with write(2). The record survives the death of the process at any moment, and
not a power cut: a journal counts only on the same boot of the same machine. The sender keeps the file locked for life,
so that whoever can lock it knows that its writer is dead.
"""

import os
import secrets
import struct
import sys
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from biweekly.errors import StoreError
from biweekly.model.mailing import Lane, MailingId, Spot

HANDED: Final = 0
_RECORD: Final = struct.Struct("<IIHBBI")  # mailing, pos, reply code (0: handed), lane, round, CRC-32 of the rest
_BODY: Final = struct.Struct("<IIHBB")
# POSIX locks belong to a process: a second one in the same process would be given, and closing it would drop both.
_ours: Final[set[str]] = set()


@dataclass(frozen=True, slots=True)
class Holder:
    """A sender's name in the ledger: machine and boot, process, and the journal it writes."""

    boot: str
    pid: int
    journal: str

    def __str__(self) -> str:
        """Write the name as the ledger keeps it."""
        return f"{self.boot}/{self.pid}/{self.journal}"

    @classmethod
    def parse(cls, name: str) -> "Holder":
        """Read a name back."""
        boot, pid, journal = name.split("/")
        return cls(boot, int(pid), journal)


@dataclass(frozen=True, slots=True)
class Records:
    """The last record of each spot: 0 for handed over, else the relay's reply code.

    `torn` where the file ends in part of a record: whose it was cannot be told.
    """

    last: Mapping[Spot, int]
    torn: bool


def boot_id() -> str | None:
    """Tell this boot of this machine from every other; None where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None


class Journal:
    """A sender's own journal, open for appending and locked."""

    def __init__(self, folder: Path) -> None:
        """Open a new one; raises StoreError `journal-unwritable`."""
        name = secrets.token_hex(8)
        # Where boots cannot be told apart every journal belongs to a boot of its own, and is never believed.
        self.holder = Holder(boot_id() or f"unknown-{name}", os.getpid(), name)
        self.path = folder / f"{name}.journal"
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            lock(self._file)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        _ours.add(name)

    def handed(self, mailing: MailingId, spot: Spot) -> None:
        """Say that a letter's content is about to leave. If this raises, it must not leave."""
        self._append(mailing, spot, HANDED)

    def answered(self, mailing: MailingId, spot: Spot, code: int) -> None:
        """Say what the relay answered."""
        self._append(mailing, spot, code)

    def close(self, *, forget: bool) -> None:
        """Let go of the file; with `forget`, remove it, because everything in it has been committed."""
        if forget:
            self.path.unlink(missing_ok=True)
        os.close(self._file)
        _ours.discard(self.holder.journal)

    def _append(self, mailing: MailingId, spot: Spot, code: int) -> None:
        body = _BODY.pack(mailing, spot.pos, code, spot.lane, spot.round)
        record = body + zlib.crc32(body).to_bytes(4, "little")
        try:
            written = os.write(self._file, record)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if written != len(record):
            raise _unwritable(self.path, OSError("only part of a record could be written"))


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the journal cannot be written, so nothing is sent: {error.strerror or error}", code="journal-unwritable",
        place=str(path), hint="make room on the disk, then biweekly resume",
    )  # fmt: skip


def read(folder: Path, holder: Holder, mailing: MailingId) -> Records | None:
    """Return what a dead sender's journal says of a mailing, or None where it cannot be believed.

    It cannot where it was written on another boot, is missing, or holds a damaged record before its end.
    """
    if holder.boot != boot_id():
        return None
    try:
        raw = (folder / f"{holder.journal}.journal").read_bytes()
    except OSError:
        return None
    last: dict[Spot, int] = {}
    whole = len(raw) - len(raw) % _RECORD.size
    for of, pos, code, lane, opened, checksum in _RECORD.iter_unpack(raw[:whole]):
        if zlib.crc32(_BODY.pack(of, pos, code, lane, opened)) != checksum:
            return None
        if of == mailing:
            last[Spot(Lane(lane), pos, opened)] = code
    return Records(last, torn=whole < len(raw))


def is_dead(folder: Path, holder: Holder) -> bool:
    """Whether a sender is proven dead: its journal is on this boot of this machine and nobody holds it locked."""
    if holder.boot != boot_id() or holder.journal in _ours:
        return False
    try:
        file = os.open(folder / f"{holder.journal}.journal", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        lock(file)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(file)


def sweep(folder: Path, *, still_named: Collection[str]) -> None:
    """Remove the journals of dead senders that the ledger names no more."""
    here = boot_id() or ""
    for path in folder.glob("*.journal"):
        if path.stem not in still_named and is_dead(folder, Holder(here, 0, path.stem)):
            path.unlink(missing_ok=True)


def lock(file: int) -> None:
    """Lock an open file for this process, not for its children; OSError where another process has it."""
    if sys.platform == "win32":
        raise OSError("sending needs a POSIX system")
    import fcntl

    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
