"""Pure. A mailing, its places, the letters for them, a relay's reply, and what became of each place."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NewType

from biweekly.model.issue import IssueId, VariantName
from biweekly.model.subscriber import SubscriberId

MailingId = NewType("MailingId", int)
Lane = NewType("Lane", int)


class MailingKind(StrEnum):
    """`regular` exists at most once for an issue; a `test` is never counted."""

    REGULAR = "regular"
    CORRECTION = "correction"
    STOP_PRESS = "stop_press"
    TEST = "test"


class MailingState(StrEnum):
    """Where a mailing stands; an issue's words in `design` are derived from these."""

    SCHEDULED = "scheduled"
    COOLING_OFF = "cooling_off"
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"
    MISSED = "missed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Mailing:
    """An edition and an audience. `stamp` is the letters' Date, fixed in the commit that froze the audience."""

    id: MailingId
    newsletter: str
    issue: IssueId
    kind: MailingKind
    edition: str
    state: MailingState
    planned: int
    due: datetime | None
    stamp: datetime | None
    started: datetime | None
    finished: datetime | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """Where in the frozen audience a place is; `round` counts from 0 and only a person opens another."""

    lane: Lane
    pos: int
    round: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """One reader's place in a mailing, claimed and ready to be tried.

    `attempts` counts the tries so far; `began` is when it was first tried (None: never). `address` is in the form for
    the wire, `mailable` false where the reader has left or been suppressed since planning, `was_waiting` true where
    it was claimed from the waiting rows and not from beyond the cursor.
    """

    spot: Spot
    subscriber: SubscriberId
    address: str
    name: str
    domain: str
    variant: VariantName
    attempts: int = 0
    began: datetime | None = None
    mailable: bool = True
    was_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A variant addressed to one reader, ready for the wire.

    `content` are the finished bytes: CRLF line ends, no line over 998 octets. `clean` says of them, checked before,
    that they are 7-bit, that no line begins with a dot and that the last line ends: then nothing need be looked for.
    """

    spot: Spot
    mail_from: str
    rcpt_to: str
    content: tuple[bytes, ...]
    needs_smtputf8: bool = False
    clean: bool = False

    @property
    def size_bytes(self) -> int:
        """The size to declare (RFC 1870)."""
        return sum(map(len, self.content))


class Phase(StrEnum):
    """Where in the dialogue a reply came or a connection was lost."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    QUIT = "quit"


class Scope(StrEnum):
    """Whose fault a refusal is (RFC 3463 read as docs/running.md explains)."""

    READER = "reader"
    MESSAGE = "message"
    DOMAIN = "domain"
    SENDER = "sender"


@dataclass(frozen=True, slots=True)
class Reply:
    """A relay's answer (RFC 5321 section 4.2). `enhanced` is `5.1.1` where the relay gave one (RFC 2034)."""

    code: int
    text: str
    phase: Phase
    enhanced: str | None = None

    def __str__(self) -> str:
        """Read like a line of the dialogue."""
        return f"{self.code} {self.enhanced + ' ' if self.enhanced else ''}{self.text}"


class OutcomeState(IntEnum):
    """What became of a place, as stored. The word people read is `.word`."""

    ACCEPTED = 1
    REFUSED = 2
    EXPIRED = 3
    SKIPPED = 4
    IN_DOUBT = 5

    @property
    def word(self) -> str:
        """The word for pages, reports and the log."""
        return _WORDS[self]


_WORDS = {
    OutcomeState.ACCEPTED: "accepted",
    OutcomeState.REFUSED: "failed",
    OutcomeState.EXPIRED: "failed",
    OutcomeState.SKIPPED: "skipped",
    OutcomeState.IN_DOUBT: "uncertain",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Final for this round. `code` is the reply's, 0 where there was none; `reply` the relay's words, or a reason."""

    state: OutcomeState
    at: datetime
    code: int = 0
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: due again at `until`. `attempts` counts the tries so far, this one included where it was one."""

    until: datetime
    attempts: int
    code: int = 0
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """A claimed place and what became of it."""

    place: Place
    fate: Outcome | Wait

    @property
    def attempts(self) -> int:
        """Count the tries, this one included where the place was tried at all."""
        if isinstance(self.fate, Wait):
            return self.fate.attempts
        return self.place.attempts + (self.fate.state is not OutcomeState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Ruled:
    """A place that a person has ruled on: the round that this opened, and what it begins or ends with."""

    spot: Spot
    subscriber: SubscriberId
    domain: str
    fate: Outcome | Wait


@dataclass(frozen=True, slots=True)
class Failed:
    """The places of a mailing whose standing outcome is a failure, and how many of these readers are gone since."""

    refused: int
    expired: int
    gone: int

    @property
    def places(self) -> int:
        """How many there are."""
        return self.refused + self.expired


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts that add up: planned = to_go + accepted + waiting + failed + uncertain + skipped."""

    planned: int
    to_go: int
    accepted: int
    waiting: int
    failed: int
    uncertain: int
    skipped: int

    @property
    def adds_up(self) -> bool:
        """Whether every planned place is in exactly one state."""
        parts = self.to_go + self.accepted + self.waiting + self.failed + self.uncertain + self.skipped
        return parts == self.planned and min(self.to_go, self.waiting) >= 0

    def __str__(self) -> str:
        """Write the sum, as the last line of a report does."""
        return (
            f"accepted {self.accepted} + waiting {self.waiting} + failed {self.failed} + uncertain {self.uncertain}"
            f" + skipped {self.skipped} + to go {self.to_go} = {self.planned} planned"
        )
