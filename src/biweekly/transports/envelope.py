"""Pure. One letter's envelope: RSET where needed, MAIL, RCPT, DATA, pipelined or in lockstep (RFC 5321 3.3, 2920)."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Self

from biweekly.errors import AddressError
from biweekly.model.mailing import Letter, Phase, Reply
from biweekly.transports.commands import command, path
from biweekly.transports.replies import Garbled, Said

GO_AHEAD: Final = 354
CLOSING: Final = 421  # may come at any time (RFC 5321 section 3.8)
_MOST_DIGITS: Final = 20  # of a SIZE (RFC 1870 section 4)
_PHASES: Final = {"RSET": Phase.MAIL, "MAIL": Phase.MAIL, "RCPT": Phase.RCPT, "DATA": Phase.DATA}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the relay offers (RFC 5321 section 4.1.1.1). `most_bytes` is its SIZE limit, None where it names none."""

    size: bool = False
    most_bytes: int | None = None
    pipelining: bool = False
    smtputf8: bool = False
    starttls: bool = False
    mechanisms: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lines: tuple[str, ...]) -> Self:
        """Read the lines of an EHLO reply after the first."""
        offered = {words[0]: words[1:] for line in lines if (words := line.upper().split())}
        limit = next(iter(offered.get("SIZE", [])), "")
        known = limit.isascii() and limit.isdigit() and len(limit) <= _MOST_DIGITS
        return cls(
            size="SIZE" in offered,
            most_bytes=(int(limit) or None) if known else None,
            pipelining="PIPELINING" in offered,
            smtputf8="SMTPUTF8" in offered,
            starttls="STARTTLS" in offered,
            mechanisms=frozenset(offered.get("AUTH", [])),
        )


def unfit(letter: Letter, capabilities: Capabilities) -> Reply | None:
    """Answer in the relay's place where a letter is sure to fail here, and alone; None where it may be tried."""
    if _needs_utf8(letter) and not capabilities.smtputf8:
        words = "not sent: the relay takes no address with letters beyond ASCII (SMTPUTF8)"
        return Reply(550, words, Phase.MAIL, "5.6.7")
    limit = capabilities.most_bytes
    if limit is not None and letter.size_bytes > limit:
        words = f"not sent: the letter has {letter.size_bytes} bytes and the relay takes {limit}"
        return Reply(552, words, Phase.MAIL, "5.3.4")
    try:
        command("MAIL", f"FROM:{path(letter.mail_from)}")
    except AddressError as error:
        return Reply(501, f"not sent: {error}", Phase.MAIL, "5.1.7")
    try:
        command("RCPT", f"TO:{path(letter.rcpt_to)}")
    except AddressError as error:
        return Reply(553, f"not sent: {error}", Phase.RCPT, "5.1.3")
    return None if letter.rcpt_to else Reply(553, "not sent: there is no address", Phase.RCPT, "5.1.3")


def _needs_utf8(letter: Letter) -> bool:
    return letter.needs_smtputf8 or not (letter.mail_from + letter.rcpt_to).isascii()


class Move(Enum):
    """What follows from a reply to the envelope."""

    WAIT = auto()  # more replies are to come
    CONTENT = auto()  # the relay waits for the content
    LONE_DOT = auto()  # it waits for content, but nobody is to get it: send the end of content alone
    SETTLED = auto()  # `verdict` is the letter's answer and the session goes on
    HANG_UP = auto()  # `verdict` is the letter's answer and the session is over
    UNTRIED = auto()  # the session is over, with `verdict`'s words, before anything was said about this letter


class Envelope:
    """The commands of one letter and the replies they got.

    `verdict` is the first refusal. `open` says that the relay holds a transaction which a RSET must end before another
    letter. A pipelined refusal is told only after every reply was read.
    """

    def __init__(self, letter: Letter, capabilities: Capabilities, *, must_reset: bool) -> None:
        size = f" SIZE={letter.size_bytes}" if capabilities.size else ""
        utf8 = " SMTPUTF8" if _needs_utf8(letter) else ""
        self.verdict: Reply | None = None
        self.open = must_reset
        self._reader_taken = False
        self._at_once = capabilities.pipelining
        self._awaited: deque[str] = deque()
        self._unsaid: deque[tuple[str, bytes]] = deque([
            *([("RSET", command("RSET"))] if must_reset else []),
            ("MAIL", command("MAIL", f"FROM:{path(letter.mail_from)}{size}{utf8}")),
            ("RCPT", command("RCPT", f"TO:{path(letter.rcpt_to)}")),
            ("DATA", command("DATA")),
        ])  # fmt: skip

    @property
    def phase(self) -> Phase:
        """The phase of the next reply."""
        return _PHASES[self._awaited[0]] if self._awaited else Phase.DATA

    def to_send(self) -> bytes:
        """Give the commands that may be said now: all in one write with PIPELINING, one at a time without."""
        out = bytearray()
        while self._unsaid and (self._at_once or not self._awaited):
            verb, line = self._unsaid.popleft()
            self._awaited.append(verb)
            out += line
        return bytes(out)

    def take(self, said: Said) -> Move:
        """Take one reply; Garbled where it cannot be a reply to the command it stands for."""
        verb = self._awaited.popleft() if self._awaited else "DATA"
        reply = said.reply(_PHASES[verb])
        if said.code == CLOSING:
            untried = self.verdict is None and reply.phase is Phase.MAIL
            self.verdict = self.verdict or reply
            return Move.UNTRIED if untried else Move.HANG_UP
        if verb == "DATA":
            return self._data(reply)
        match said.code // 100:
            case 2:
                self.open = verb != "RSET"
                self._reader_taken |= verb == "RCPT"
            case 3:
                raise Garbled(f"{reply} in answer to {verb}")
            case _ if verb == "RSET":
                self.verdict = reply
                return Move.UNTRIED
            case _:
                self.verdict = self.verdict or reply
                return Move.WAIT if self._awaited else Move.SETTLED
        return Move.WAIT

    def _data(self, reply: Reply) -> Move:
        if reply.code != GO_AHEAD:
            if reply.code // 100 in (2, 3):
                raise Garbled(f"{reply} in answer to DATA")
            self.verdict = self.verdict or reply
            return Move.SETTLED
        if self.verdict is None:
            return Move.CONTENT
        # MAIL refused, yet the reader taken and content asked for: a dot would mail that reader an empty letter.
        return Move.HANG_UP if self._reader_taken else Move.LONE_DOT
