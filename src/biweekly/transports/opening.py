"""Pure. How a session begins, as a state table without I/O: greeting, EHLO, STARTTLS, login (RFC 5321, 3207, 4954).

```
BANNER -> EHLO [-> HELO] [-> STARTTLS -> HANDSHAKE -> EHLO] [-> AUTH] -> READY
CLOSED from anywhere: a refusal, a lost connection, something that is no SMTP
```

Nothing of a letter is said here, so whatever goes wrong is RelayUnavailable: safe to try again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from biweekly.errors import RelayUnavailable
from biweekly.model.mailing import Phase
from biweekly.transports.commands import command
from biweekly.transports.envelope import Capabilities
from biweekly.transports.replies import Garbled, ReplyParser, Said, clean
from biweekly.transports.sasl import Login, Way, WrongAnswer, choose, from_wire, to_wire


class State(StrEnum):
    """What is awaited: of the relay, or of us (HANDSHAKE, READY). Reads on after "while"."""

    BANNER = "waiting for its greeting"
    EHLO = "waiting for its answer to EHLO"
    HELO = "waiting for its answer to HELO"
    STARTTLS = "waiting for its answer to STARTTLS"
    HANDSHAKE = "shaking hands for TLS"
    AUTH = "waiting for its answer to the login"
    READY = "resting between letters"
    CLOSED = "the session was over"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a session must be before a letter is told.

    `implicit_tls` begins with the handshake, `starttls` insists on it; `private` says that the relay is on this
    machine, the one place where a password may go without TLS. `nonce` is fresh randomness for the login.
    """

    implicit_tls: bool = False
    starttls: bool = False
    private: bool = False
    login: Login | None = None
    nonce: str = "no-nonce"


class Opening:
    """The beginning of one session. Feed it what arrives, send what `to_send` gives, look at `state`.

    `receive` and `lost` raise RelayUnavailable and nothing else, whatever the relay says; then the connection must be
    closed without another byte.
    """

    def __init__(self, terms: Terms) -> None:
        self.state = State.HANDSHAKE if terms.implicit_tls else State.BANNER
        self.capabilities = Capabilities()
        self.replies_read = 0
        self.parser = ReplyParser()
        self._terms = terms
        self._name = "[127.0.0.1]"
        self._encrypted = False
        self._way: Way | None = None
        self._out = bytearray()

    @property
    def phase(self) -> Phase:
        """The phase whose reply is awaited."""
        return _PHASES[self.state]

    def introduce_as(self, name: str) -> None:
        """Set the name for EHLO, known once the connection stands."""
        self._name = name

    def to_send(self) -> bytes:
        """Give what must be written now, once."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def receive(self, piece: bytes) -> None:
        """Take bytes from the relay."""
        if self.state is State.CLOSED or not piece:
            return
        if self.state is State.HANDSHAKE:
            raise self._failure("relay-tls", "the relay sent text where the TLS handshake begins")
        self.parser.feed(piece)
        try:
            while self.state is not State.READY and (said := self.parser.next()) is not None:
                self.replies_read += 1
                _TABLE.get((self.state, said.code // 100), Opening._unexpected)(self, said)
        except Garbled as error:
            self.lost("relay-protocol", f"the relay sent {error.words(self.conceal)}")

    def lost(self, code: str, why: str) -> None:
        """Raise what it means that the connection ended, a limit was passed, or what came was no SMTP."""
        raise self._failure(code, f"{why} while {self.state}")

    def secured(self) -> None:
        """Begin again inside TLS: nothing said before it counts (RFC 3207 section 4.2)."""
        self._encrypted = True
        self.capabilities = Capabilities()
        self.parser = ReplyParser()
        if self._terms.implicit_tls:
            self.state = State.BANNER
        else:
            self._say(State.EHLO, command("EHLO", self._name))

    def conceal(self, words: str) -> str:
        """Take every secret of ours out of the relay's words."""
        return self._terms.login.conceal(words) if self._terms.login else words

    # --- the rows ------------------------------------------------------------------------------------------------

    def _unexpected(self, said: Said) -> None:
        words = said.reply(self.phase, self.conceal)
        if said.code // 100 not in (4, 5):
            self.lost("relay-protocol", f"the relay answered {words}")
        code, what = _REFUSALS.get(self.state, ("relay-refused", "the session"))
        if self.state is State.AUTH and said.code // 100 == 4:  # noqa: PLR2004 - for now, says the relay
            code = "relay-refused"
        raise self._failure(code, f"the relay refused {what}: {words}")

    def _greeted(self, _: Said) -> None:
        self._say(State.EHLO, command("EHLO", self._name))

    def _ehlo_refused(self, said: Said) -> None:
        if self._terms.starttls or self._terms.login:
            self._unexpected(said)  # HELO could offer neither
        self._say(State.HELO, command("HELO", self._name))

    def _introduced(self, said: Said) -> None:
        self.capabilities = Capabilities.of(said.lines[1:]) if self.state is State.EHLO else Capabilities()
        login = self._terms.login
        if self._terms.starttls and not self._encrypted:
            if not self.capabilities.starttls:
                raise self._failure("relay-tls", "the relay does not offer STARTTLS")
            self._say(State.STARTTLS, command("STARTTLS"))
        elif login is None:
            self.state = State.READY
        elif not (self._encrypted or self._terms.private):
            raise self._failure("relay-tls", "a password is never sent to another machine without TLS")
        else:
            self._log_in(login)

    def _log_in(self, login: Login) -> None:
        offered = self.capabilities.mechanisms
        self._way = choose(login, offered, nonce=self._terms.nonce)
        if self._way is None:
            wanted = "AUTH XOAUTH2" if login.token else "AUTH SCRAM-SHA-256, PLAIN or LOGIN"
            there = ", ".join(sorted(offered)) or "no login at all"
            raise self._failure("relay-login-refused", f"the relay does not offer {wanted}; it offers {there}")
        first = self._way.begin()
        argument = self._way.name if first is None else f"{self._way.name} {to_wire(first)}"
        self._say(State.AUTH, command("AUTH", argument))

    def _challenged(self, said: Said) -> None:
        if self._way is None or said.code != _CHALLENGE:
            self._unexpected(said)
            return
        try:
            answer = self._way.respond(from_wire(said.lines[0]))
        except WrongAnswer as error:
            self.lost("relay-protocol", f"the relay sent {clean(self.conceal(str(error)))}")
            return
        # An empty answer is an empty line here, unlike in AUTH itself (RFC 4954 section 4).
        self._say(State.AUTH, command("" if not answer else to_wire(answer)))

    def _logged_in(self, said: Said) -> None:
        try:
            if self._way is not None:
                self._way.confirm(_evidence(said.lines[0]))
        except WrongAnswer as error:
            why = f"the relay gave {clean(self.conceal(str(error)))}"
            raise self._failure("relay-login-refused", why) from None
        self.state = State.READY

    def _may_encrypt(self, _: Said) -> None:
        if self.parser.pending:
            raise self._failure("relay-tls", "the relay, or somebody between, sent text after its answer to STARTTLS")
        self.state = State.HANDSHAKE

    # --- small steps ---------------------------------------------------------------------------------------------

    def _say(self, state: State, line: bytes) -> None:
        self.state = state
        self._out += line

    def _failure(self, code: str, why: str) -> RelayUnavailable:
        self.state = State.CLOSED
        self._out.clear()
        return RelayUnavailable(why, code=code, hint=HINTS.get(code))


def _evidence(text: str) -> bytes:
    """What a relay may say in base64 along with its consent (RFC 4954 section 4); plain words are none."""
    word = text.rpartition(" ")[2]
    try:
        return from_wire(word)
    except WrongAnswer:
        return b""


_CHALLENGE: Final = 334

HINTS: Final[Mapping[str, str]] = {
    "relay-unreachable": "check host and port of [[relay]] in config.toml",
    "relay-tls": 'check tls, port and ca_file of [[relay]] in config.toml: 465 is "implicit", 587 is "starttls"',
    "relay-login-refused": ("check user and password_file (or token_file, token_command) of [[relay]] in config.toml"),
}

_PHASES: Final[Mapping[State, Phase]] = {
    State.BANNER: Phase.BANNER,
    State.EHLO: Phase.EHLO,
    State.HELO: Phase.EHLO,
    State.STARTTLS: Phase.STARTTLS,
    State.HANDSHAKE: Phase.STARTTLS,
    State.AUTH: Phase.AUTH,
    State.READY: Phase.MAIL,
    State.CLOSED: Phase.QUIT,
}

_REFUSALS: Final[Mapping[State, tuple[str, str]]] = {
    State.STARTTLS: ("relay-tls", "STARTTLS"),
    State.AUTH: ("relay-login-refused", "the login"),
}

# What a reply of a class (its first digit) means in a state; what is not here was not expected.
# ruff: noqa: SLF001 - the rows are the class's own
_TABLE: Final[Mapping[tuple[State, int], Callable[[Opening, Said], None]]] = {
    (State.BANNER, 2): Opening._greeted,
    (State.EHLO, 2): Opening._introduced,
    (State.EHLO, 5): Opening._ehlo_refused,
    (State.HELO, 2): Opening._introduced,
    (State.STARTTLS, 2): Opening._may_encrypt,
    (State.AUTH, 2): Opening._logged_in,
    (State.AUTH, 3): Opening._challenged,
}
