"""Pure. A letter on its way: what is awaited for it, how far it came, and what a loss means for it."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from biweekly.errors import DeliveryInDoubt, RelayUnavailable, TransportError
from biweekly.model.mailing import Letter, Phase, Reply


class Verb(StrEnum):
    """What a reply is awaited to. `DOT` is the end of content after DATA, `LONE_DOT` one that ends a refused letter."""

    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "the content"
    BDAT = "BDAT"
    LONE_DOT = "the end of a refused letter"
    QUIT = "QUIT"


PHASES: Final = {
    Verb.RSET: Phase.MAIL, Verb.MAIL: Phase.MAIL, Verb.RCPT: Phase.RCPT, Verb.DATA: Phase.DATA,
    Verb.DOT: Phase.CONTENT, Verb.BDAT: Phase.CONTENT, Verb.LONE_DOT: Phase.DATA, Verb.QUIT: Phase.QUIT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GoAhead:
    """The relay waits for this letter's content: call `content` now, or hang up."""

    letter: Letter


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a letter. After a TransportError the session is `closed`, or takes no more and closes soon."""

    letter: Letter
    answer: Reply | TransportError


Event = GoAhead | Answered


class Flight:
    """A letter on its way.

    `verdict` is the first refusal it got, `untried` one that says nothing about it, `handed` whether its content began
    to leave, and `ends_at` where in all that was said that content ends.
    """

    __slots__ = ("ends_at", "handed", "letter", "reader_taken", "unsaid", "untried", "verdict")

    def __init__(self, letter: Letter) -> None:
        self.letter = letter
        self.verdict: Reply | None = None
        self.untried: Reply | None = None
        self.reader_taken = False
        self.handed = False
        self.ends_at = 0
        self.unsaid: deque[tuple[Verb, bytes]] = deque()

    def fate(self, code: str, why: str, *, unread: bool) -> Reply | TransportError:
        """What it means that no more replies come; `unread` where the relay has not read what was said of it."""
        if self.verdict is not None:
            return self.verdict
        if self.untried is not None and unread:
            return not_begun(self.untried)
        if self.handed and not unread:
            return DeliveryInDoubt(why, code="delivery-in-doubt", hint="biweekly resolve settles what is uncertain")
        return RelayUnavailable(why, code=code)


def not_begun(reply: Reply) -> RelayUnavailable:
    """Say that a relay refused to begin, for a reason that has nothing to do with the letter."""
    return RelayUnavailable(f"the relay refused to go on: {reply}", code="relay-closed")
