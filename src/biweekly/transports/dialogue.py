"""Pure. Letters over one open session, without I/O: bytes in; bytes and answers out (RFC 5321 3.3, 2920, 3030).

How many letters are on their way at once depends on what the relay offers:

```
nothing          MAIL . RCPT . DATA . content.         one letter, one command at a time
PIPELINING       MAIL RCPT DATA . content. MAIL RCPT DATA . ...    the next envelope goes behind this content
CHUNKING too     [RSET] MAIL RCPT BDAT content  [RSET] MAIL RCPT BDAT content  ...    a window of whole letters
```

The dialogue alone knows how far each letter came, so it alone says what a lost connection means for it:
RelayUnavailable before the first byte of its content, DeliveryInDoubt from then until a complete, valid reply came
(RFC 1047).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from biweekly.errors import DeliveryInDoubt, RelayUnavailable, TransportError
from biweekly.model.mailing import Letter, Phase, Reply
from biweekly.transports.commands import END_OF_CONTENT, command, for_data
from biweekly.transports.envelope import CLOSING, GO_AHEAD, Capabilities, mail, rcpt, unfit
from biweekly.transports.replies import Garbled, ReplyParser, Said


class _Verb(StrEnum):
    """What a reply is awaited to. `DOT` is the end of content after DATA, `LONE_DOT` one that ends a refused letter."""

    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "the content"
    BDAT = "BDAT"
    LONE_DOT = "the end of a refused letter"
    QUIT = "QUIT"


_PHASES: Final = {
    _Verb.RSET: Phase.MAIL, _Verb.MAIL: Phase.MAIL, _Verb.RCPT: Phase.RCPT, _Verb.DATA: Phase.DATA,
    _Verb.DOT: Phase.CONTENT, _Verb.BDAT: Phase.CONTENT, _Verb.LONE_DOT: Phase.DATA, _Verb.QUIT: Phase.QUIT,
}  # fmt: skip
_RSET: Final = command("RSET")
_DATA: Final = command("DATA")
_MOST_WINDOW: Final = 16


@dataclass(frozen=True, slots=True)
class GoAhead:
    """The relay waits for this letter's content: call `content` now, or hang up."""

    letter: Letter


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a letter. After a TransportError the session is `closed`."""

    letter: Letter
    answer: Reply | TransportError


Event = GoAhead | Answered


class _Flight:
    """A letter on its way: the first refusal it got, and how far it came."""

    __slots__ = ("handed", "letter", "reader_taken", "unsaid", "untried", "verdict")

    def __init__(self, letter: Letter) -> None:
        self.letter = letter
        self.verdict: Reply | None = None
        self.untried: Reply | None = None
        self.reader_taken = False
        self.handed = False
        self.unsaid: deque[tuple[_Verb, bytes]] = deque()


class Concealing(Protocol):
    """Takes secrets out of a relay's words."""

    def __call__(self, words: str) -> str: ...  # noqa: D102


def _as_it_is(words: str) -> str:
    return words


class Dialogue:
    """One open session. Feed it what arrives, write what `to_send` gives, do what its events say.

    Never raises for what a relay does. Once `closed`, nothing more may be written, and `failure` says why where it was
    not we who took leave.
    """

    def __init__(
        self, capabilities: Capabilities, parser: ReplyParser, *, window: int = 2, conceal: Concealing = _as_it_is
    ) -> None:
        """`window` is how many whole letters may be on their way where the relay takes BDAT, 1 to 16."""
        self.capabilities = capabilities
        self.closed = False
        self.failure: RelayUnavailable | None = None
        self.replies_read = 0
        self.window = min(window, _MOST_WINDOW)
        # How many bytes were said after the last content's end: more than these unsent, and the end has not left.
        self.said_after = 0
        self._parser = parser
        self._conceal = conceal
        self._by_chunks = capabilities.pipelining and capabilities.chunking
        self._out: list[bytes] = []
        self._expected: deque[tuple[_Verb, _Flight | None]] = deque()
        self._flights: deque[_Flight] = deque()
        self._invited: _Flight | None = None
        self._must_reset = False

    # --- what we want --------------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more letters may be submitted now."""
        if self.closed or (self._expected and self._expected[-1][0] is _Verb.QUIT):
            return 0
        flying = len(self._flights)
        if self._by_chunks:
            return self.window - flying
        if flying == 0:
            return 1
        first = self._flights[0]
        return int(flying == 1 and self.capabilities.pipelining and first.handed and first.verdict is None)

    @property
    def idle(self) -> bool:
        """Whether no letter is on its way."""
        return not self._flights

    @property
    def phase(self) -> Phase | None:
        """The phase whose reply is awaited; None between letters."""
        return _PHASES[self._expected[0][0]] if self._expected else None

    def to_send(self) -> list[bytes]:
        """Give what must be written now, once."""
        out, self._out = self._out, []
        return out

    def submit(self, letter: Letter, *, handed: Callable[[Letter], None]) -> Reply | None:
        """Begin a letter. What is sure to fail, and alone, is answered here without a byte to the relay.

        By chunks its content leaves at once, and `handed` is called just before; if that raises, nothing was said.
        Only while there is `room`.
        """
        if self.room <= 0:
            raise RuntimeError("a letter was begun without room for it")
        if (refusal := unfit(letter, self.capabilities)) is not None:
            return refusal
        if self._by_chunks:
            handed(letter)
        flight = _Flight(letter)
        size = letter.size_bytes
        say: list[tuple[_Verb, bytes]] = [
            (_Verb.MAIL, mail(letter, self.capabilities, size)),
            (_Verb.RCPT, rcpt(letter)),
            (_Verb.BDAT, command("BDAT", f"{size} LAST")) if self._by_chunks else (_Verb.DATA, _DATA),
        ]
        # A chunk goes out unasked: what an earlier letter left behind at the relay must never get it (RFC 3030).
        if self._must_reset or (self._by_chunks and self._flights):
            say.insert(0, (_Verb.RSET, _RSET))
            self._must_reset = False
        self._flights.append(flight)
        if self.capabilities.pipelining:
            for verb, line in say:
                self._say(verb, flight, line)
        else:
            flight.unsaid.extend(say[1:])
            self._say(say[0][0], flight, say[0][1])
        if self._by_chunks:
            flight.handed = True
            self._out += letter.content
            self.said_after = 0
        return None

    def invited(self, letter: Letter) -> bool:
        """Whether the relay still waits for this letter's content: it may have thought better of it since GoAhead."""
        return not self.closed and self._invited is not None and self._invited.letter is letter

    def content(self, letter: Letter) -> None:
        """Say a letter's content after GoAhead; from here on a loss leaves it in doubt."""
        flight = self._invited
        if flight is None or flight.letter is not letter:
            raise RuntimeError("content was to be sent that nobody asked for")
        self._invited = None
        flight.handed = True
        self._out += (*letter.content, END_OF_CONTENT) if letter.clean else for_data(letter.content)
        self._expected.append((_Verb.DOT, flight))
        self.said_after = 0

    def quit(self) -> bool:
        """Take leave between letters; False where it is not the time for it."""
        if self.closed or self._flights or self._expected:
            return False
        self._say(_Verb.QUIT, None, command("QUIT"))
        return True

    # --- what arrives --------------------------------------------------------------------------------------------

    def receive(self, piece: bytes, *, unsent: int = 0) -> list[Event]:
        """Take bytes from the relay and return what they mean for the letters, in order.

        `unsent` is how many bytes of what was to be written have not left this process: no reply is one to them.
        """
        if self.closed:
            return []
        events: list[Event] = []
        parser = self._parser
        try:
            if piece:
                parser.feed(piece)
            while not self.closed and (said := parser.next()) is not None:
                self.replies_read += 1
                self._take(said, unsent, events)
        except Garbled as error:
            events += self.lost("relay-protocol", f"the relay sent {self._conceal(str(error))}")
        return events

    def lost(self, code: str, why: str) -> list[Event]:
        """Say what it means for each letter on its way that the connection ended or cannot be trusted any more.

        A refusal that was already read is the letter's answer. Of the others, those whose content had begun to leave
        are in doubt, and the rest have not been sent.
        """
        if self.closed:
            return []
        doing = f"waiting for its answer to {self._expected[0][0].value}" if self._expected else "resting"
        return self._end(code, f"{why} while {doing}")

    def _end(self, code: str, why: str, *, said_closing: bool = False) -> list[Event]:
        self.closed = True
        self._out.clear()
        self._expected.clear()
        self._invited = None
        fates: list[Event] = [
            Answered(one.letter, one.verdict or _fate(one, code, why, untried=said_closing)) for one in self._flights
        ]
        self._flights.clear()
        self.failure = RelayUnavailable(why, code=code)
        return fates

    # --- one reply -----------------------------------------------------------------------------------------------

    def _take(self, said: Said, unsent: int, events: list[Event]) -> None:
        if not self._expected:
            self._unasked(said, events)
            return
        verb, flight = self._expected[0]
        code, kind = said.code, said.code // 100
        if flight is None:
            self.closed = True  # to QUIT anything is an answer
            return
        if code == CLOSING:
            self._closing(verb, flight, said, events)
            return
        if (verb is _Verb.DOT or verb is _Verb.BDAT) and unsent > self.said_after:
            self._early(verb, flight, said, events)
            return
        self._expected.popleft()
        if kind == 2 and (verb is _Verb.MAIL or verb is _Verb.RCPT or verb is _Verb.RSET):  # noqa: PLR2004 - success
            flight.reader_taken = verb is _Verb.RCPT or flight.reader_taken
            if flight.unsaid:
                following, line = flight.unsaid.popleft()
                self._say(following, flight, line)
        elif kind == 3 and not (verb is _Verb.DATA and code == GO_AHEAD):  # noqa: PLR2004 - go on
            raise Garbled(f"{said.reply(_PHASES[verb])} in answer to {verb.value}")
        else:
            _ROWS[verb](self, verb, flight, said, events)

    def _unasked(self, said: Said, events: list[Event]) -> None:
        """Between letters, or after 354 and before the content: a goodbye, or a second thought."""
        flight = self._invited
        if flight is not None and said.code // 100 in (4, 5):
            flight.verdict = self._reply(said, Phase.CONTENT)
        words = self._conceal(str(said.reply(Phase.MAIL)))
        if said.code // 100 in (4, 5):
            events += self._end("relay-closed", f"the relay refused to go on: {words}")
        else:
            events += self.lost("relay-protocol", f"the relay answered {words} unasked")

    def _closing(self, verb: _Verb, flight: _Flight, said: Said, events: list[Event]) -> None:
        """421: this connection is over. Said to this letter it is its answer; what stood behind it is not read."""
        untried = verb in (_Verb.RSET, _Verb.MAIL) and flight.verdict is None and not flight.handed
        if not untried and flight.verdict is None:
            flight.verdict = self._reply(said, _PHASES[verb])
        words = self._conceal(str(said.reply(_PHASES[verb])))
        events += self._end("relay-closed", f"the relay refused to go on: {words}", said_closing=True)

    def _early(self, verb: _Verb, flight: _Flight, said: Said, events: list[Event]) -> None:
        """A reply before all of the content had left: a refusal is one, anything else cannot be."""
        if said.code // 100 in (4, 5):
            flight.verdict = flight.verdict or self._reply(said, _PHASES[verb])
            events += self._end("relay-closed", "the relay refused the content half-way")
        else:
            words = self._conceal(str(said.reply(_PHASES[verb])))
            events += self.lost("relay-protocol", f"the relay answered {words} before the end of content")

    def _refused(self, verb: _Verb, flight: _Flight, said: Said, events: list[Event]) -> None:
        """RSET, MAIL or RCPT was refused."""
        reply = self._reply(said, _PHASES[verb])
        if verb is _Verb.RSET or (verb is _Verb.MAIL and said.code == _BAD_SEQUENCE):
            # It says nothing about the letter: the relay and we do not agree on where we are.
            if not flight.handed:
                events += self._end("relay-closed", f"the relay refused to go on: {reply}")
                return
            flight.untried = flight.untried or reply
        else:
            flight.verdict = flight.verdict or reply
        if not self.capabilities.pipelining:
            self._must_reset = verb is not _Verb.MAIL
            self._settle(flight, flight.verdict or reply, events)

    def _data_answered(self, verb: _Verb, flight: _Flight, said: Said, events: list[Event]) -> None:
        if said.code != GO_AHEAD:
            if said.code // 100 == 2:  # noqa: PLR2004 - nothing was taken yet
                raise Garbled(f"{said.reply(Phase.DATA)} in answer to DATA")
            flight.verdict = flight.verdict or self._reply(said, _PHASES[verb])
            self._must_reset = flight.reader_taken or flight.verdict.phase is not Phase.MAIL
            self._settle(flight, flight.verdict, events)
        elif flight.verdict is None:
            self._invited = flight
            events.append(GoAhead(flight.letter))
        elif flight.reader_taken:
            # MAIL refused, yet the reader taken and content asked for: a dot would mail that reader an empty letter.
            events += self._end("relay-protocol", "the relay asked for the content of a refused letter")
        else:
            self._expected.append((_Verb.LONE_DOT, flight))
            self._out.append(END_OF_CONTENT)

    def _lone_dot_answered(self, _: _Verb, flight: _Flight, said: Said, events: list[Event]) -> None:
        self._must_reset = True
        self._settle(flight, flight.verdict or self._reply(said, Phase.DATA), events)

    def _content_answered(self, verb: _Verb, flight: _Flight, said: Said, events: list[Event]) -> None:
        taken = said.code // 100 == 2  # noqa: PLR2004 - the class of success
        answer: Reply | TransportError
        if flight.verdict is not None:
            answer = flight.verdict
        elif flight.untried is not None and not taken:
            answer = RelayUnavailable(f"the relay refused to go on: {flight.untried}", code="relay-closed")
        else:
            answer = self._reply(said, _PHASES[verb])
        # A refusal ends the transaction too; not every relay knows it. A next envelope already said takes its chance.
        self._must_reset = not taken and len(self._flights) == 1
        self._settle(flight, answer, events)

    # --- small steps ---------------------------------------------------------------------------------------------

    def _settle(self, flight: _Flight, answer: Reply | TransportError, events: list[Event]) -> None:
        self._flights.popleft()
        events.append(Answered(flight.letter, answer))

    def _say(self, verb: _Verb, flight: _Flight | None, line: bytes) -> None:
        self._expected.append((verb, flight))
        self._out.append(line)
        self.said_after += len(line)

    def _reply(self, said: Said, phase: Phase) -> Reply:
        reply = said.reply(phase)
        if self._conceal is _as_it_is:
            return reply
        words = self._conceal(reply.text)
        return reply if words == reply.text else replace(reply, text=words)


def _fate(flight: _Flight, code: str, why: str, *, untried: bool) -> TransportError:
    if flight.handed and not untried:
        return DeliveryInDoubt(why, code="delivery-in-doubt", hint="biweekly resolve settles what is uncertain")
    return RelayUnavailable(why, code=code)


_BAD_SEQUENCE: Final = 503

# What is left of a reply once success on the way and nonsense are dealt with.
# ruff: noqa: SLF001 - the rows are the class's own
_ROWS: Final = {
    _Verb.RSET: Dialogue._refused,
    _Verb.MAIL: Dialogue._refused,
    _Verb.RCPT: Dialogue._refused,
    _Verb.DATA: Dialogue._data_answered,
    _Verb.DOT: Dialogue._content_answered,
    _Verb.BDAT: Dialogue._content_answered,
    _Verb.LONE_DOT: Dialogue._lone_dot_answered,
}
