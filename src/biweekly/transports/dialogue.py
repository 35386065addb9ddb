"""Pure. The SMTP client as a state table without I/O: bytes in; bytes and events out (RFC 5321, 3207, 4954).

```
BANNER -> EHLO [-> HELO] [-> STARTTLS -> HANDSHAKE -> EHLO] [-> AUTH] -> READY        the session
READY -> ENVELOPE -> INVITED -> CONTENT -> ANSWER -> READY                           a letter
         ENVELOPE [-> LONE_DOT] -> READY                                             refused before its content
READY -> QUIT -> CLOSED        CLOSED from anywhere: a 421, a lost connection, something that is no SMTP
```

The dialogue alone knows how far a letter came, so it alone says what a lost connection means: RelayUnavailable before
the first byte of content, DeliveryInDoubt from then until a complete, valid reply came (RFC 1047).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from biweekly.errors import DeliveryInDoubt, RelayUnavailable, TransportError
from biweekly.model.mailing import Letter, Phase, Reply
from biweekly.transports.commands import END_OF_CONTENT, Login, command, content_blocks
from biweekly.transports.envelope import CLOSING, Capabilities, Envelope, Move, unfit
from biweekly.transports.replies import Garbled, ReplyParser, Said


class State(StrEnum):
    """What is awaited: of the relay, or of us (READY, HANDSHAKE, CONTENT). Reads on after "while"."""

    BANNER = "waiting for its greeting"
    EHLO = "waiting for its answer to EHLO"
    HELO = "waiting for its answer to HELO"
    STARTTLS = "waiting for its answer to STARTTLS"
    HANDSHAKE = "shaking hands for TLS"
    AUTH = "waiting for its answer to the login"
    READY = "resting between letters"
    ENVELOPE = "waiting for its answer to the envelope"
    LONE_DOT = "ending a refused letter"
    INVITED = "about to send the content"
    CONTENT = "sending the content"
    ANSWER = "waiting for its answer to the content"
    QUIT = "taking leave"
    CLOSED = "the session was over"


@dataclass(frozen=True, slots=True)
class Secure:
    """The relay agreed: shake hands now, then call `secured`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open for letters."""


@dataclass(frozen=True, slots=True)
class GoAhead:
    """The envelope stands: send what `content` yields."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The letter's own reply, whatever it is. The session may be `closed` with it."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Gone:
    """Leave was taken."""


Event = Secure | Ready | GoAhead | Answered | Gone


@dataclass(frozen=True, slots=True)
class Terms:
    """How a session must be before a letter is told.

    `implicit_tls` begins with the handshake, `starttls` insists on it; `private` says that the relay is on this
    machine, the one place where a password may go without TLS.
    """

    implicit_tls: bool = False
    starttls: bool = False
    private: bool = False
    login: Login | None = None


class Dialogue:
    """One session with one relay. Feed it what arrives, send what `to_send` gives, do what its events say.

    `receive` and `lost` raise RelayUnavailable or DeliveryInDoubt and nothing else, whatever the relay says; after
    either, and whenever `closed` is true, the connection must be closed without another byte.
    """

    def __init__(self, terms: Terms) -> None:
        self.state = State.HANDSHAKE if terms.implicit_tls else State.BANNER
        self.capabilities = Capabilities()
        self.replies_read = 0
        self._terms = terms
        self._name = "[127.0.0.1]"
        self._encrypted = False
        self._parser = ReplyParser()
        self._out = bytearray()
        self._must_reset = False
        self._envelope: Envelope | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing more may be said."""
        return self.state is State.CLOSED

    @property
    def invited(self) -> bool:
        """Whether the relay still waits for the content: it may have thought better of it since GoAhead."""
        return self.state is State.INVITED

    @property
    def phase(self) -> Phase:
        """The phase whose reply is awaited."""
        if self.state is State.ENVELOPE and self._envelope is not None:
            return self._envelope.phase
        return _PHASES[self.state]

    def introduce_as(self, name: str) -> None:
        """Set the name for EHLO, known once the connection stands."""
        self._name = name

    def to_send(self) -> bytes:
        """Give what must be written now, once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    # --- what arrives --------------------------------------------------------------------------------------------

    def receive(self, piece: bytes, *, unsent: bool = False) -> list[Event]:
        """Take bytes from the relay and return what they mean.

        `unsent` says that some of what was to be written has not left this process: then no reply is one to it.
        """
        if self.closed or not piece:
            return []
        if self.state is State.HANDSHAKE:
            raise self._failure("relay-tls", "the relay sent text where the TLS handshake begins")
        if self.state is State.ANSWER and unsent:
            self.state = State.CONTENT
        self._parser.feed(piece)
        events: list[Event] = []
        try:
            while not self.closed and (said := self._parser.next()) is not None:
                self.replies_read += 1
                events += self._take(said)
        except Garbled as error:
            return events + self.lost("relay-protocol", f"the relay sent {self._conceal(str(error))}")
        return events

    def lost(self, code: str, why: str) -> list[Event]:
        """Say what it means that the connection ended, a limit was passed, or what came was no SMTP.

        A refusal that was already read is the letter's answer; else raises RelayUnavailable with `code`, or
        DeliveryInDoubt `delivery-in-doubt`.
        """
        if self.state is State.QUIT:
            self.state = State.CLOSED
            return [Gone()]
        if self._envelope is not None and self._envelope.verdict is not None:
            return self._answer(self._envelope.verdict, hang_up=True)
        raise self._failure(code, f"{why} while {self.state}")

    def secured(self) -> None:
        """Begin again inside TLS: nothing said before it counts (RFC 3207 section 4.2)."""
        self._encrypted = True
        self.capabilities = Capabilities()
        self._parser = ReplyParser()
        if self._terms.implicit_tls:
            self.state = State.BANNER
        else:
            self._say(State.EHLO, command("EHLO", self._name))

    # --- what we want --------------------------------------------------------------------------------------------

    def submit(self, letter: Letter) -> list[Event]:
        """Begin a letter. What is sure to fail, and alone, is answered here without a byte to the relay."""
        if self.state is not State.READY:
            raise RuntimeError(f"a letter was begun while {self.state}")
        if (refusal := unfit(letter, self.capabilities)) is not None:
            return [Answered(refusal)]
        self._envelope = Envelope(letter, self.capabilities, must_reset=self._must_reset)
        self._say(State.ENVELOPE, self._envelope.to_send())
        return []

    def content(self, letter: Letter) -> Iterator[bytes]:
        """Yield the letter's content after GoAhead, in blocks; from here on a loss is in doubt.

        The end of content is in the last block. Stops where the relay answered early: it must hear no more.
        """
        if self.state is not State.INVITED:
            raise RuntimeError(f"content was to be sent while {self.state}")
        self.state = State.CONTENT
        held = b""
        for block in content_blocks(letter.content):
            if held:
                yield held
                if self.state is not State.CONTENT:
                    return
            held = block
        self.state = State.ANSWER
        yield held

    def quit(self) -> None:
        """Take leave between letters."""
        if self.state is State.READY:
            self._say(State.QUIT, command("QUIT"))

    # --- the session's rows --------------------------------------------------------------------------------------

    def _take(self, said: Said) -> list[Event]:
        row = _TABLE.get((self.state, said.code // 100), Dialogue._unexpected)
        return row(self, said)

    def _unexpected(self, said: Said) -> list[Event]:
        words = self._conceal(str(said.reply(self.phase)))
        if said.code // 100 not in (4, 5) or self.state in (State.CONTENT, State.ANSWER):
            return self.lost("relay-protocol", f"the relay answered {words}")
        code, what = _REFUSALS.get(self.state, ("relay-refused", "the session"))
        if self.state is State.AUTH and said.code // 100 == 4:  # noqa: PLR2004 - for now, says the relay
            code = "relay-refused"
        raise self._failure(code, f"the relay refused {what}: {words}")

    def _greeted(self, _: Said) -> list[Event]:
        self._say(State.EHLO, command("EHLO", self._name))
        return []

    def _ehlo_refused(self, said: Said) -> list[Event]:
        if self._terms.starttls or self._terms.login:
            return self._unexpected(said)  # HELO could offer neither
        self._say(State.HELO, command("HELO", self._name))
        return []

    def _introduced(self, said: Said) -> list[Event]:
        self.capabilities = Capabilities.of(said.lines[1:]) if self.state is State.EHLO else Capabilities()
        login = self._terms.login
        if self._terms.starttls and not self._encrypted:
            if not self.capabilities.starttls:
                raise self._failure("relay-tls", "the relay does not offer STARTTLS")
            self._say(State.STARTTLS, command("STARTTLS"))
        elif login is None:
            return self._opened(said)
        elif not (self._encrypted or self._terms.private):
            raise self._failure("relay-tls", "a password is never sent to another machine without TLS")
        elif "PLAIN" not in self.capabilities.mechanisms:
            offered = ", ".join(sorted(self.capabilities.mechanisms)) or "no login at all"
            raise self._failure("relay-login-refused", f"the relay does not offer AUTH PLAIN; it offers {offered}")
        else:
            self._say(State.AUTH, command("AUTH", f"PLAIN {login.plain()}"))
        return []

    def _may_encrypt(self, _: Said) -> list[Event]:
        if self._parser.pending:
            raise self._failure("relay-tls", "the relay, or somebody between, sent text after its answer to STARTTLS")
        self.state = State.HANDSHAKE
        return [Secure()]

    def _opened(self, _: Said) -> list[Event]:
        self.state = State.READY
        return [Ready()]

    def _left(self, _: Said) -> list[Event]:
        self.state = State.CLOSED
        return [Gone()]

    # --- a letter's rows -----------------------------------------------------------------------------------------

    def _envelope_answered(self, said: Said) -> list[Event]:
        envelope = self._standing()
        match envelope.take(said):
            case Move.WAIT:
                self._out += envelope.to_send()
            case Move.CONTENT:
                self.state = State.INVITED
                return [GoAhead()]
            case Move.LONE_DOT:
                self._say(State.LONE_DOT, END_OF_CONTENT)
            case Move.UNTRIED:
                return self._unexpected(said)
            case (Move.SETTLED | Move.HANG_UP) as move if envelope.verdict is not None:
                self._must_reset = envelope.open
                return self._answer(envelope.verdict, hang_up=move is Move.HANG_UP)
        return []

    def _lone_dot_answered(self, said: Said) -> list[Event]:
        refusal = self._standing().verdict or said.reply(Phase.DATA)
        self._must_reset = True
        return self._answer(refusal, hang_up=said.code == CLOSING)

    def _refused_early(self, said: Said) -> list[Event]:
        return self._answer(said.reply(Phase.CONTENT), hang_up=True)

    def _content_answered(self, said: Said) -> list[Event]:
        # A refusal ends the transaction too; not every relay knows it.
        self._must_reset = said.code // 100 != 2  # noqa: PLR2004 - the class of success
        return self._answer(said.reply(Phase.CONTENT), hang_up=said.code == CLOSING)

    def _answer(self, reply: Reply, *, hang_up: bool) -> list[Event]:
        self._envelope = None
        self.state = State.CLOSED if hang_up else State.READY
        return [Answered(replace(reply, text=self._conceal(reply.text)))]

    # --- small steps ---------------------------------------------------------------------------------------------

    def _standing(self) -> Envelope:
        if self._envelope is None:
            raise RuntimeError("a reply to an envelope without one")
        return self._envelope

    def _say(self, state: State, line: bytes) -> None:
        self.state = state
        self._out += line

    def _conceal(self, words: str) -> str:
        return self._terms.login.conceal(words) if self._terms.login else words

    def _failure(self, code: str, why: str) -> TransportError:
        """End the session and say what that means for the letter."""
        in_doubt = self.state in (State.CONTENT, State.ANSWER)
        self.state = State.CLOSED
        self._envelope = None
        self._out.clear()
        if in_doubt:
            return DeliveryInDoubt(why, code="delivery-in-doubt", hint="biweekly resolve settles what is uncertain")
        return RelayUnavailable(why, code=code, hint=HINTS.get(code))


HINTS: Final[Mapping[str, str]] = {
    "relay-unreachable": "check host and port of [[relay]] in config.toml",
    "relay-tls": 'check tls, port and ca_file of [[relay]] in config.toml: 465 is "implicit", 587 is "starttls"',
    "relay-login-refused": "check user and password_file of [[relay]] in config.toml",
}

_PHASES: Final[Mapping[State, Phase]] = {
    State.BANNER: Phase.BANNER,
    State.EHLO: Phase.EHLO,
    State.HELO: Phase.EHLO,
    State.STARTTLS: Phase.STARTTLS,
    State.HANDSHAKE: Phase.STARTTLS,
    State.AUTH: Phase.AUTH,
    State.READY: Phase.MAIL,
    State.ENVELOPE: Phase.MAIL,
    State.LONE_DOT: Phase.DATA,
    State.INVITED: Phase.DATA,
    State.CONTENT: Phase.CONTENT,
    State.ANSWER: Phase.CONTENT,
    State.QUIT: Phase.QUIT,
    State.CLOSED: Phase.QUIT,
}

_REFUSALS: Final[Mapping[State, tuple[str, str]]] = {
    State.STARTTLS: ("relay-tls", "STARTTLS"),
    State.AUTH: ("relay-login-refused", "the login"),
    State.READY: ("relay-closed", "to go on"),
    State.ENVELOPE: ("relay-closed", "to go on"),
}

# What a reply of a class (its first digit) means in a state; what is not here was not expected.
# ruff: noqa: SLF001 - the rows are the class's own
_TABLE: Final[Mapping[tuple[State, int], Callable[[Dialogue, Said], list[Event]]]] = {
    (State.BANNER, 2): Dialogue._greeted,
    (State.EHLO, 2): Dialogue._introduced,
    (State.EHLO, 5): Dialogue._ehlo_refused,
    (State.HELO, 2): Dialogue._introduced,
    (State.STARTTLS, 2): Dialogue._may_encrypt,
    (State.AUTH, 2): Dialogue._opened,
    **dict.fromkeys(((State.ENVELOPE, kind) for kind in (2, 3, 4, 5)), Dialogue._envelope_answered),
    **dict.fromkeys(((State.LONE_DOT, kind) for kind in (2, 3, 4, 5)), Dialogue._lone_dot_answered),
    **dict.fromkeys(((State.INVITED, kind) for kind in (4, 5)), Dialogue._refused_early),
    **dict.fromkeys(((State.CONTENT, kind) for kind in (4, 5)), Dialogue._refused_early),
    (State.ANSWER, 2): Dialogue._content_answered,
    (State.ANSWER, 4): Dialogue._content_answered,
    (State.ANSWER, 5): Dialogue._content_answered,
    **dict.fromkeys(((State.QUIT, kind) for kind in (2, 3, 4, 5)), Dialogue._left),
}
