"""Pure. Letters over one open session, without I/O: bytes in; bytes and answers out (RFC 5321 3.3, 2920, 3030).

How many letters are on their way at once depends on what the relay offers:

```
nothing          MAIL . RCPT . DATA . content.         one letter, one command at a time
PIPELINING       MAIL RCPT DATA . content. MAIL RCPT DATA . ...    the next envelope goes behind this content
CHUNKING too     [RSET] MAIL RCPT BDAT content  [RSET] MAIL RCPT BDAT content  ...    a window of whole letters
```

The dialogue alone knows how far each letter came, so it alone says what a lost connection means for it:
RelayUnavailable before the first byte of its content, DeliveryInDoubt from then until a complete, valid reply came
(RFC 1047). Two things undo a handing over: that the relay refused to begin (RSET or MAIL out of sequence) and did not
take the content, and that it said 421 to an earlier letter and hung up, for then it has read no further.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from biweekly.errors import RelayUnavailable, TransportError
from biweekly.model.mailing import Letter, Phase, Reply
from biweekly.transports.commands import END_OF_CONTENT, command, for_data
from biweekly.transports.envelope import CLOSING, GO_AHEAD, Capabilities, mail, rcpt, unfit
from biweekly.transports.flight import PHASES, Answered, Event, Flight, GoAhead, Verb, not_begun
from biweekly.transports.replies import Conceal, Garbled, ReplyParser, Said, as_it_is

_RSET: Final = command("RSET")
_DATA: Final = command("DATA")
_MOST_WINDOW: Final = 16


class Dialogue:
    """One open session. Feed it what arrives, write what `to_send` gives, do what its events say.

    Never raises for what a relay does. Once `closed`, nothing more may be written, and `failure` says why where it was
    not we who took leave.
    """

    def __init__(
        self, capabilities: Capabilities, parser: ReplyParser, *, window: int = 2, conceal: Conceal = as_it_is
    ) -> None:
        """`window` is how many whole letters may be on their way where the relay takes BDAT, 1 to 16."""
        self.capabilities = capabilities
        self.closed = False
        self.failure: RelayUnavailable | None = None
        self.replies_read = 0
        self.window = min(window, _MOST_WINDOW)
        self._said_bytes = 0
        self._parser = parser
        self._conceal = conceal
        self._by_chunks = capabilities.pipelining and capabilities.chunking
        self._out: list[bytes] = []
        self._expected: deque[tuple[Verb, Flight | None]] = deque()
        self._flights: deque[Flight] = deque()
        self._invited: Flight | None = None
        self._must_reset = False
        # Why no more letters are taken; the session ends with the last that is on its way.
        self._farewell: str | None = None
        self._said_closing = False

    # --- what we want --------------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more letters may be submitted now."""
        if self.closed or self._farewell is not None or self._leaving:
            return 0
        flying = len(self._flights)
        if self._by_chunks:
            return max(0, self.window - flying)
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
        return PHASES[self._expected[0][0]] if self._expected else None

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
        flight = Flight(letter)
        size = letter.size_bytes
        say: list[tuple[Verb, bytes]] = [
            (Verb.MAIL, mail(letter, self.capabilities, size)),
            (Verb.RCPT, rcpt(letter)),
            (Verb.BDAT, command("BDAT", f"{size} LAST")) if self._by_chunks else (Verb.DATA, _DATA),
        ]
        # A chunk goes out unasked: what an earlier letter left behind at the relay must never get it (RFC 3030).
        if self._must_reset or (self._by_chunks and self._flights):
            say.insert(0, (Verb.RSET, _RSET))
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
            self._said_bytes += size
            flight.ends_at = self._said_bytes
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
        written = [*letter.content, END_OF_CONTENT] if letter.clean else for_data(letter.content)
        self._out += written
        self._said_bytes += sum(map(len, written))
        flight.ends_at = self._said_bytes
        self._expected.append((Verb.DOT, flight))

    def quit(self) -> bool:
        """Take leave between letters; False where it is not the time for it."""
        if self.closed or self._flights or self._expected:
            return False
        self._say(Verb.QUIT, None, command("QUIT"))
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
            events += self.lost("relay-protocol", f"the relay sent {error.words(self._conceal)}")
        return events

    def lost(self, code: str, why: str, *, by_relay: bool = False) -> list[Event]:
        """Say what it means for each letter on its way that the connection ended or cannot be trusted any more.

        A refusal that was already read is the letter's answer. Of the others, those whose content had begun to leave
        are in doubt, and the rest have not been sent. `by_relay` says that the connection ended from the other side.
        """
        if self.closed:
            return []
        if by_relay and self._said_closing and self._farewell is not None:
            return self._end("relay-closed", self._farewell, unread=True)
        doing = f"waiting for its answer to {self._expected[0][0].value}" if self._expected else "resting"
        return self._end(code, f"{why} while {doing}")

    def _end(self, code: str, why: str, *, unread: bool = False) -> list[Event]:
        if not self._leaving:
            self.failure = RelayUnavailable(why, code=code)
        self.closed = True
        self._out.clear()
        self._expected.clear()
        self._invited = None
        fates: list[Event] = [Answered(one.letter, one.fate(code, why, unread=unread)) for one in self._flights]
        self._flights.clear()
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
        if (verb is Verb.DOT or verb is Verb.BDAT) and unsent > self._said_bytes - flight.ends_at:
            self._early(verb, flight, said, events)
            return
        self._expected.popleft()
        if kind == 2 and (verb is Verb.MAIL or verb is Verb.RCPT or verb is Verb.RSET):  # noqa: PLR2004 - success
            flight.reader_taken = verb is Verb.RCPT or flight.reader_taken
            if verb is Verb.MAIL:
                flight.untried = None  # it began after all
            if flight.unsaid:
                following, line = flight.unsaid.popleft()
                self._say(following, flight, line)
        elif kind == 3 and not (verb is Verb.DATA and code == GO_AHEAD):  # noqa: PLR2004 - go on
            raise Garbled(f"{self._reply(said, PHASES[verb])} in answer to {verb.value}")
        else:
            _ROWS[verb](self, verb, flight, said, events)

    def _unasked(self, said: Said, events: list[Event]) -> None:
        """Between letters, or after 354 and before the content: a goodbye, or a second thought."""
        flight = self._invited
        if flight is not None and said.code // 100 in (4, 5):
            flight.verdict = self._reply(said, Phase.CONTENT)
        words = self._reply(said, Phase.MAIL)
        if said.code // 100 in (4, 5):
            events += self._end("relay-closed", f"the relay refused to go on: {words}")
        else:
            events += self.lost("relay-protocol", f"the relay answered {words} unasked")

    def _closing(self, verb: Verb, flight: Flight, said: Said, events: list[Event]) -> None:
        """421: this connection is over. Said to a letter that was begun it is its answer.

        The relay must hang up now (RFC 5321 section 3.8), and what stands behind is not read. Where that is content,
        whether it does hang up is waited for: one that goes on may yet take a letter.
        """
        reply = self._reply(said, PHASES[verb])
        if verb is Verb.RSET or verb is Verb.MAIL:
            flight.untried = flight.untried or reply
        elif flight.untried is None:
            flight.verdict = flight.verdict or reply
        self._farewell = self._farewell or f"the relay refused to go on: {reply}"
        self._said_closing = True
        if not any(one.handed for one in self._flights if one is not flight):
            events += self._end("relay-closed", self._farewell, unread=True)
            return
        self._expected.popleft()
        if verb is Verb.DOT or verb is Verb.BDAT:
            self._settle(flight, flight.verdict or not_begun(flight.untried or reply), events)

    def _early(self, verb: Verb, flight: Flight, said: Said, events: list[Event]) -> None:
        """A reply before all of the content had left: a refusal is one, anything else cannot be."""
        if said.code // 100 not in (4, 5):
            words = self._reply(said, PHASES[verb])
            events += self.lost("relay-protocol", f"the relay answered {words} before the end of content")
        elif verb is Verb.BDAT:
            # The length of a chunk was announced: refused, it is read all the same and thrown away (RFC 3030).
            self._expected.popleft()
            self._content_answered(verb, flight, said, events)
        else:
            flight.verdict = flight.verdict or self._reply(said, PHASES[verb])
            events += self._end("relay-closed", "the relay refused the content half-way")

    def _refused(self, verb: Verb, flight: Flight, said: Said, events: list[Event]) -> None:
        """RSET, MAIL or RCPT was refused."""
        reply = self._reply(said, PHASES[verb])
        if verb is Verb.RSET or (verb is Verb.MAIL and said.code == _BAD_SEQUENCE):
            # It says nothing about the letter: the relay and we do not agree on where we are.
            if not flight.handed:
                events += self._end("relay-closed", f"the relay refused to go on: {reply}")
                return
            flight.untried = flight.untried or reply
            if verb is Verb.MAIL:
                self._farewell = f"the relay refused to go on: {reply}"
        elif flight.untried is None or verb is Verb.MAIL:
            flight.verdict = flight.verdict or reply
        if not self.capabilities.pipelining:
            self._must_reset = verb is not Verb.MAIL
            self._settle(flight, flight.verdict or reply, events)

    def _data_answered(self, verb: Verb, flight: Flight, said: Said, events: list[Event]) -> None:
        if said.code != GO_AHEAD:
            if said.code // 100 == 2:  # noqa: PLR2004 - nothing was taken yet
                raise Garbled(f"{self._reply(said, Phase.DATA)} in answer to DATA")
            flight.verdict = flight.verdict or self._reply(said, PHASES[verb])
            self._must_reset = flight.reader_taken or flight.verdict.phase is not Phase.MAIL
            self._settle(flight, flight.verdict, events)
        elif flight.verdict is None:
            self._invited = flight
            events.append(GoAhead(flight.letter))
        elif flight.reader_taken:
            # MAIL refused, yet the reader taken and content asked for: a dot would mail that reader an empty letter.
            events += self._end("relay-protocol", "the relay asked for the content of a refused letter")
        else:
            self._say(Verb.LONE_DOT, flight, END_OF_CONTENT)

    def _lone_dot_answered(self, _: Verb, flight: Flight, said: Said, events: list[Event]) -> None:
        self._must_reset = True
        self._settle(flight, flight.verdict or self._reply(said, Phase.DATA), events)

    def _content_answered(self, verb: Verb, flight: Flight, said: Said, events: list[Event]) -> None:
        taken = said.code // 100 == 2  # noqa: PLR2004 - the class of success
        answer: Reply | TransportError
        if flight.verdict is not None:
            answer = flight.verdict
        elif flight.untried is not None and not taken:
            answer = not_begun(flight.untried)
        else:
            answer = self._reply(said, PHASES[verb])
        # A refusal ends the transaction too; not every relay knows it. A next envelope already said takes its chance.
        self._must_reset = (not taken or flight.verdict is not None) and len(self._flights) == 1
        self._settle(flight, answer, events)

    # --- small steps ---------------------------------------------------------------------------------------------

    def _settle(self, flight: Flight, answer: Reply | TransportError, events: list[Event]) -> None:
        self._flights.popleft()
        events.append(Answered(flight.letter, answer))
        if self._farewell is not None and not self._flights:
            events += self._end("relay-closed", self._farewell)

    def _say(self, verb: Verb, flight: Flight | None, line: bytes) -> None:
        self._expected.append((verb, flight))
        self._out.append(line)
        self._said_bytes += len(line)

    @property
    def _leaving(self) -> bool:
        return bool(self._expected) and self._expected[-1][0] is Verb.QUIT

    def _reply(self, said: Said, phase: Phase) -> Reply:
        return said.reply(phase, self._conceal)


_BAD_SEQUENCE: Final = 503

# What is left of a reply once success on the way and nonsense are dealt with.
# ruff: noqa: SLF001 - the rows are the class's own
_ROWS: Final = {
    Verb.RSET: Dialogue._refused,
    Verb.MAIL: Dialogue._refused,
    Verb.RCPT: Dialogue._refused,
    Verb.DATA: Dialogue._data_answered,
    Verb.DOT: Dialogue._content_answered,
    Verb.BDAT: Dialogue._content_answered,
    Verb.LONE_DOT: Dialogue._lone_dot_answered,
}
