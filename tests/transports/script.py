"""What a scripted relay is told to do, and the account that it keeps: the oracle of every test of sending."""

import hashlib
import json
import os
import random
import re
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

EVERYTHING: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "ENHANCEDSTATUSCODES")  # for letters by DATA
WITH_CHUNKING: Final = (*EVERYTHING, "CHUNKING")
LOCKSTEP: Final = tuple(one for one in EVERYTHING if one != "PIPELINING")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    `to` is searched in the recipient (from RCPT on); `nth` is the n-th letter of the server, counted by MAIL from 1;
    `chance` rolls the seeded die; `times` is how often at most. `after_bytes` counts the content read before a fault
    at `content`, and anywhere else what of the ordinary reply (at `tls`: of the handshake) is said before it.
    `seconds` is how long a `wait` takes.
    """

    at: str
    do: str
    text: str = ""
    to: str | None = None
    nth: int | None = None
    chance: float = 1.0
    times: int | None = None
    after_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Greylist:
    """Each recipient that `to` is found in is put off at first, and taken `seconds` later, or at its second try."""

    to: str = ""
    seconds: float | None = None
    text: str = "451 4.7.1 greylisted, come back later"


@dataclass(frozen=True)
class Throttle:
    """No more than `most` recipients of a domain in `seconds`; what is over is answered `text` (421 hangs up)."""

    domain: str
    most: int
    seconds: float
    text: str = "450 4.7.28 an unusual rate of mail from you"


@dataclass(frozen=True)
class Habits:
    """How a relay always behaves, faults apart.

    `crawl` is for how many seconds the answer to a domain's content is thought over; `close_after` how many letters a
    connection carries before it is told 421; `proof_with_consent` sends SCRAM's proof in the 235 instead of before it.
    """

    offer: tuple[str, ...] = EVERYTHING
    login: tuple[str, str] | None = None
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    proof_with_consent: bool = False
    greylist: Greylist | None = None
    throttles: tuple[Throttle, ...] = ()
    crawl: Mapping[str, float] = field(default_factory=dict)
    close_after: int | None = None
    latency: float = 0.0

    def offers(self, capability: str) -> bool:
        return any(one.partition("=")[0] == capability for one in self.offer)

    @property
    def most_bytes(self) -> int | None:
        """The limit of SIZE, None where there is none."""
        limits = [one.partition("=")[2] for one in self.offer if one.startswith("SIZE=")]
        return int(limits[0]) or None if limits else None


@dataclass(frozen=True)
class Accepted:
    """A letter as it arrived, with its transparency dots taken out; `at` is on this process's own clock, in seconds."""

    message_id: str
    mail_from: str
    recipients: tuple[str, ...]
    content: bytes
    at: float = field(default=0.0, compare=False)


@dataclass
class Connection:
    """What one client wrote: its command lines, and every byte before and inside TLS.

    `out_of_turn` are commands before which, or behind which, the client wrote more than the relay allows it to
    (RFC 2920 section 3.1).
    """

    commands: list[str] = field(default_factory=list)
    in_clear: bytearray = field(default_factory=bytearray)
    in_tls: bytearray = field(default_factory=bytearray)
    out_of_turn: list[str] = field(default_factory=list)


class Script:
    """Says what goes wrong next. The die is seeded, so that it can be said again."""

    def __init__(self, faults: Sequence[Fault], habits: Habits, *, seed: int) -> None:
        self.faults = list(faults)
        self.letters = 0
        self._habits = habits
        self._die = random.Random(seed)  # noqa: S311 - faults are to be repeatable
        self._happened: Counter[int] = Counter()
        self._first_seen: dict[str, float] = {}
        self._taken: dict[str, deque[float]] = {}

    def fault_at(self, phase: str, recipient: str | None) -> Fault | None:
        """Return the first fault that is due here."""
        for index, fault in enumerate(self.faults):
            if (
                fault.at == phase
                and (fault.to is None or (recipient is not None and re.search(fault.to, recipient)))
                and (fault.nth is None or fault.nth == self.letters)
                and (fault.times is None or self._happened[index] < fault.times)
                and (fault.chance >= 1 or self._die.random() < fault.chance)
            ):
                self._happened[index] += 1
                return fault
        return None

    def put_off(self, recipient: str) -> str | None:
        """Return the reply that puts a recipient off for now."""
        now = time.monotonic()
        grey = self._habits.greylist
        if grey is not None and re.search(grey.to, recipient):
            met = recipient in self._first_seen
            first = self._first_seen.setdefault(recipient, now)
            if not met or (grey.seconds is not None and now < first + grey.seconds):
                return grey.text
        domain = domain_of(recipient)
        for throttle in self._habits.throttles:
            if throttle.domain == domain:
                recent = self._taken.setdefault(domain, deque())
                while recent and recent[0] <= now - throttle.seconds:
                    recent.popleft()
                if len(recent) >= throttle.most:
                    return throttle.text
                recent.append(now)
        return None


class Account:
    """Who was accepted. With a file, each acceptance is a line of JSON in it before its 250 is said."""

    def __init__(self, record: Path | None, *, keep_content: bool) -> None:
        self.accepted: list[Accepted] = []
        self._keep_content = keep_content
        self._file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if record else None

    def enter(self, mail_from: str, recipients: Sequence[str], content: bytes) -> None:
        found = re.search(rb"(?im)^message-id:\s*(\S+)", content)
        one = Accepted(
            found[1].decode("utf-8", "replace") if found else "", mail_from, tuple(recipients),
            content if self._keep_content else b"", time.monotonic(),
        )  # fmt: skip
        if self._file is not None:
            line = {
                "message_id": one.message_id, "mail_from": mail_from, "recipients": one.recipients,
                "size": len(content), "sha256": hashlib.sha256(content).hexdigest(),
            }  # fmt: skip
            os.write(self._file, json.dumps(line).encode() + b"\n")
        self.accepted.append(one)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read_record(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the acceptances of a record; a line that a killed server did not finish is none."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield json.loads(line)


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()
