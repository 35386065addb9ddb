"""Edge: filesystem. The built-in catch-all: answers like a relay and keeps letters in a folder."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final

from biweekly.contracts import Ear
from biweekly.errors import RelayUnavailable
from biweekly.model.mailing import Letter, Phase, Reply

GREYLISTED_FOR: Final = timedelta(minutes=4)
_NAME: Final = re.compile(r"(\d{6,})\.eml")
_GREYLIST: Final = "greylist"


@dataclass(frozen=True, slots=True)
class Caught:
    """A letter in the mailbox, by what its headers say."""

    number: int
    path: Path
    to: str
    subject: str
    date: str
    size_bytes: int


class Mailbox:
    """A transport into a folder of numbered .eml files, byte for byte what a relay would have got.

    Plays two parts by the local part of the address: `bounce...` is no such mailbox, `greylist...` is told to come
    back, and taken once `greylisted_for` has passed since its first try, also after a restart.
    """

    def __init__(
        self,
        folder: Path,
        ear: Ear,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        greylisted_for: timedelta = GREYLISTED_FOR,
    ) -> None:
        self.failure: RelayUnavailable | None = None
        self._folder = folder
        self._ear = ear
        self._clock = clock
        self._greylisted_for = greylisted_for
        self._last = 0

    @property
    def room(self) -> int:
        """One letter at a time, each answered at once."""
        return 0 if self.closed else 1

    @property
    def closed(self) -> bool:
        """Whether the folder could not be written."""
        return self.failure is not None

    def submit(self, letter: Letter) -> None:
        """Store a letter; see `contracts.Transport`. RelayUnavailable `mailbox-unwritable`."""
        answer: Reply | RelayUnavailable
        try:
            kept = self._prepare(letter)
        except OSError as error:
            answer = self.failure = RelayUnavailable(
                f"the built-in mailbox cannot be written: {error}", code="mailbox-unwritable", place=str(self._folder),
                hint="make room, or make the folder writable",
            )  # fmt: skip
        else:
            answer = kept if isinstance(kept, Reply) else self._store(letter, kept)
        self._ear.answered(letter, answer)

    async def close(self) -> None:
        """Do nothing: no connection is kept."""

    def cut(self) -> None:
        """Do nothing: no letter is ever on its way."""

    def _prepare(self, letter: Letter) -> Reply | Path:
        """Refuse a letter, or write its draft."""
        local = letter.rcpt_to.partition("@")[0].lower()
        if local.startswith("bounce"):
            return Reply(550, "no such mailbox here", Phase.RCPT, "5.1.1")
        if local.startswith("greylist") and self._too_early(letter.rcpt_to):
            return Reply(451, "greylisted, please try again later", Phase.RCPT, "4.7.1")
        return self._draft(letter)

    def _store(self, letter: Letter, draft: Path) -> Reply:
        try:
            self._ear.handed(letter)
            return self._file(draft)
        finally:
            draft.unlink(missing_ok=True)

    def _too_early(self, address: str) -> bool:
        now = self._clock()
        folder = self._folder / _GREYLIST
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The name is a hash, so that erasing a person leaves no address behind.
        mark = folder / hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
        try:
            began = datetime.fromtimestamp(float(mark.read_text("ascii")), UTC)
        except (FileNotFoundError, ValueError, OverflowError):
            mark.write_text(str(now.timestamp()), "ascii")
            return True
        return now < began + self._greylisted_for

    def _draft(self, letter: Letter) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".{os.getpid()}-{id(self)}.part"
        try:
            with draft.open("wb") as file:
                file.writelines(letter.content)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return draft

    def _file(self, draft: Path) -> Reply:
        """Give the draft the next free number. A link appears whole or not at all, and never over another."""
        number = self._last or max((one.number for one in _numbered(self._folder)), default=0)
        while True:
            number += 1
            try:
                os.link(draft, self._folder / f"{number:06d}.eml")
            except FileExistsError:
                continue
            except OSError as error:
                return Reply(452, f"not stored: {error.strerror}", Phase.CONTENT, "4.3.1")
            self._last = number
            return Reply(250, f"stored as {number}", Phase.CONTENT, "2.0.0")


@dataclass(frozen=True, slots=True)
class _Numbered:
    number: int
    path: Path


async def open_mailbox(
    folder: Path,
    ear: Ear,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    greylisted_for: timedelta = GREYLISTED_FOR,
) -> Mailbox:
    """Open the mailbox in a folder, which is made with the first letter."""
    return Mailbox(folder, ear, clock=clock, greylisted_for=greylisted_for)


def list_caught(folder: Path, *, newest: int | None = None) -> list[Caught]:
    """List what was caught, oldest first; only the `newest` so many where that is given."""
    found = sorted(_numbered(folder), key=lambda one: one.number)
    return [_introduce(one) for one in (found if newest is None else found[max(0, len(found) - newest) :])]


def read_caught(folder: Path, number: int) -> bytes | None:
    """Return a caught letter's bytes, None where there is no such number."""
    try:
        return (folder / f"{number:06d}.eml").read_bytes()
    except FileNotFoundError:
        return None


def _numbered(folder: Path) -> list[_Numbered]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a name is enough, and there may be very many
    except FileNotFoundError:
        return []
    return [_Numbered(int(found[1]), folder / name) for name in names if (found := _NAME.fullmatch(name))]


def _introduce(one: _Numbered) -> Caught:
    with one.path.open("rb") as file:
        headers = BytesHeaderParser(policy=policy.default).parse(file)
        size_bytes = file.seek(0, os.SEEK_END)
    to, subject, date = (str(headers.get(name, "")) for name in ("To", "Subject", "Date"))
    return Caught(one.number, one.path, to, subject, date, size_bytes)
