"""Edge: filesystem. One log for each issue: JSON lines, by subscriber number and domain, never an address.

A line is written after the commit it tells of. What a crash kept from being written is filled in from the ledger, so
that the log accounts for every place without the database. Each line is documented in docs/log.md.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from biweekly.delivery.discretion import without_addresses
from biweekly.errors import StoreError
from biweekly.model.mailing import MailingId, Outcome, OutcomeState, Ruled, Settled, Spot, Wait
from biweekly.model.subscriber import SubscriberId

EVENTS = {
    OutcomeState.ACCEPTED: "accepted",
    OutcomeState.REFUSED: "refused",
    OutcomeState.EXPIRED: "expired",
    OutcomeState.SKIPPED: "skipped",
    OutcomeState.IN_DOUBT: "uncertain",
}
_PLACE_EVENTS = frozenset(EVENTS.values())
_PAGE = 5_000


class IssueLog:
    """The log of one issue, opened for appending."""

    def __init__(self, path: Path) -> None:
        """Open it; a torn last line, left by a crash, is closed so that it spoils no other."""
        self.path = path
        self._mark = path.with_suffix(".behind")
        self._lost = False
        try:
            # Without a buffer: what could not be written must not turn up later, in the midst of other lines.
            self._file = path.open("ab", buffering=0)
            self._torn = path.stat().st_size > 0 and _last_byte(path) != b"\n"
        except OSError as error:
            raise StoreError(
                f"the log cannot be written: {error.strerror}", code="log-unwritable", place=str(path),
                hint="make room on the disk, or give the folder back to this user",
            ) from error  # fmt: skip

    def tell(self, event: str, *, mailing: MailingId, at: datetime, **facts: Any) -> None:
        """Write what happened to a mailing as a whole."""
        told = {name: without_addresses(one) if isinstance(one, str) else one for name, one in facts.items()}
        self._write([_dump({"at": _when(at), "mailing": mailing, "event": event, **told})])

    def settled(self, mailing: MailingId, ones: Iterable[Settled]) -> None:
        """Write what became of places: their outcome, or that they wait after a try."""
        lines = []
        for one in ones:
            place, fate = one.place, one.fate
            if isinstance(fate, Outcome):
                lines.append(outcome_line(mailing, place.spot, place.subscriber, place.domain, fate, one.attempts))
            elif fate.attempts > place.attempts:
                words = without_addresses(fate.reply, subscriber=place.subscriber, reader=place.address)
                lines.append(waiting_line(mailing, place.spot, place.subscriber, place.domain, fate, words))
        self._write(lines)

    def ruled(self, mailing: MailingId, ones: Iterable[Ruled]) -> None:
        """Write what a person ruled about places: what they ended with, or that they wait in another round."""
        self._write([
            outcome_line(mailing, one.spot, one.subscriber, one.domain, one.fate, 0)
            if isinstance(one.fate, Outcome)
            else waiting_line(mailing, one.spot, one.subscriber, one.domain, one.fate, one.fate.reply)
            for one in ones
        ])  # fmt: skip

    def fill(self, mailing: MailingId, ledger: Iterable[tuple[Spot, SubscriberId, str, Outcome, int]]) -> int:
        """Add the lines that the ledger has and the log has not; returns how many."""
        there = _Marks()
        for line in read(self.path):
            if line.get("mailing") == mailing and line.get("event") in _PLACE_EVENTS:
                there.add(Spot(line["lane"], line["pos"], line["round"]))
        self._lost = False
        missing, page = 0, list[bytes]()
        for row in ledger:
            if row[0] not in there:
                page.append(outcome_line(mailing, *row))
            if len(page) == _PAGE:
                self._write(page)
                missing, page = missing + _PAGE, []
        self._write(page)
        if not self._lost:
            self._mark.unlink(missing_ok=True)
        return missing + len(page)

    @property
    def behind(self) -> bool:
        """Whether a line could not be written, now or by an earlier process."""
        return self._lost or self._mark.exists()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        rest = memoryview((b"\n" if self._torn else b"") + b"".join(lines))
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
                self._torn = True
            self._torn = False
        except OSError:
            # The ledger is the truth; a full disk must not stop the account of what was sent. `fill` mends it.
            self._lost = True
            with suppress(OSError):
                self._mark.touch()


class _Marks:
    """A set of spots that stays small at a million: bits for the first round, a set for the rest."""

    def __init__(self) -> None:
        self._first: dict[int, bytearray] = defaultdict(bytearray)
        self._later: set[Spot] = set()

    def add(self, spot: Spot) -> None:
        if spot.round:
            self._later.add(spot)
            return
        bits = self._first[spot.lane]
        byte = spot.pos // 8
        if byte >= len(bits):
            bits.extend(bytes(byte + 1024 - len(bits)))
        bits[byte] |= 1 << spot.pos % 8

    def __contains__(self, spot: Spot) -> bool:
        if spot.round:
            return spot in self._later
        bits = self._first.get(spot.lane, b"")
        byte = spot.pos // 8
        return byte < len(bits) and bool(bits[byte] >> spot.pos % 8 & 1)


def outcome_line(
    mailing: MailingId, spot: Spot, subscriber: SubscriberId, domain: str, fate: Outcome, attempts: int
) -> bytes:
    """Write an outcome as a line of the log."""
    return _dump({
        "at": _when(fate.at), "mailing": mailing, "event": EVENTS[fate.state], "lane": spot.lane, "pos": spot.pos,
        "round": spot.round, "subscriber": subscriber, "domain": domain, "attempts": attempts, "code": fate.code,
        "reply": without_addresses(fate.reply),
    })  # fmt: skip


def waiting_line(
    mailing: MailingId, spot: Spot, subscriber: SubscriberId, domain: str, fate: Wait, words: str
) -> bytes:
    """Write that a place waits as a line of the log; its `at` is when it is due."""
    return _dump({
        "at": _when(fate.until), "mailing": mailing, "event": "waiting", "lane": spot.lane, "pos": spot.pos,
        "round": spot.round, "subscriber": subscriber, "domain": domain, "attempts": fate.attempts,
        "code": fate.code, "reply": words,
    })  # fmt: skip


def read(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a log that are whole; a torn one is passed over."""
    with path.open("rb") as file:
        for raw in file:
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line


def _dump(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _when(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
