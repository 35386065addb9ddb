"""Edge: sockets and TLS. Letters to a relay over SMTP, as many on their way at once as the relay takes."""

import asyncio
import contextlib
import secrets
import ssl
import time
from typing import Final

from biweekly.config import RelayConfig
from biweekly.contracts import Ear
from biweekly.errors import ConfigError, RelayUnavailable, TransportError
from biweekly.model.mailing import Letter, Phase
from biweekly.transports.commands import own_name
from biweekly.transports.dialogue import Dialogue
from biweekly.transports.flight import Answered, Event
from biweekly.transports.opening import HINTS, Opening, Terms
from biweekly.transports.sasl import Login
from biweekly.transports.wire import Timeouts, Wire

USUAL: Final = Timeouts()
_BLOCK_BYTES: Final = 64 * 1024
# A window of two letters keeps a near relay busy; a far one needs more of them on the way.
_NEAR_WINDOW, _FAR_WINDOW = 2, 6
_FAR: Final = 0.004  # seconds from a letter's last byte to its answer


class SmtpTransport:
    """An open session with a relay. Made by `open_smtp`; what comes of letters is told to its `ear`."""

    def __init__(self, wire: Wire, ear: Ear) -> None:
        opening = wire.opening
        self._wire = wire
        self._ear = ear
        self._dialogue = Dialogue(opening.capabilities, opening.parser, window=_NEAR_WINDOW, conceal=opening.conceal)
        self._left_at = 0.0
        self._gathering = False
        self._draining = False
        self._gone: asyncio.Future[None] | None = None
        wire.hearer = self
        if opening.parser.pending:
            self.heard(b"")

    def __repr__(self) -> str:
        return f"<SmtpTransport {self._wire.place} {'closed' if self.closed else 'open'}>"

    # --- what a sender calls -------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more letters may be submitted now."""
        return 0 if self._wire.cut_off else self._dialogue.room

    @property
    def closed(self) -> bool:
        """Whether another must be opened: after a loss, an error, or an answer with which the relay hung up."""
        return self._wire.cut_off or self._dialogue.closed

    @property
    def failure(self) -> RelayUnavailable | None:
        """Why it is closed, where it was not we who took leave."""
        return self._dialogue.failure

    def submit(self, letter: Letter) -> None:
        """Hand a letter over; see `contracts.Transport`.

        A letter that is sure to fail here alone (SMTPUTF8, 8BITMIME, SIZE, an address that cannot be written) is
        answered without asking the relay.
        """
        dialogue = self._dialogue
        was_idle = dialogue.phase is None
        try:
            refusal = dialogue.submit(letter, handed=self._ear.handed)
        except Exception:
            self.cut()
            raise
        if refusal is not None:
            self._ear.answered(letter, refusal)
        elif not self._gathering:
            self._write(dialogue.to_send())
            if was_idle:
                self._expect()

    async def close(self) -> None:
        """Take leave and close; never raises."""
        try:
            if not self.closed and self._dialogue.quit():
                self._gone = asyncio.get_running_loop().create_future()
                self._write(self._dialogue.to_send())
                self._expect()
                await self._gone
        finally:
            self.cut()
            # One turn of the loop lets the socket close.
            await asyncio.sleep(0)

    def cut(self) -> None:
        """Say no more, at once: no dot leaves after this. What was handed over and not answered is in doubt."""
        self._wire.cut()
        self._tell(self._dialogue.lost("relay-closed", "the connection was cut"))

    # --- what the wire calls -------------------------------------------------------------------------------------

    def heard(self, piece: bytes) -> None:
        """Take what came, tell what it means, and write what is said next."""
        dialogue = self._dialogue
        read = dialogue.replies_read
        resting = dialogue.phase is None
        events = dialogue.receive(piece, unsent=self._wire.unsent())
        if dialogue.closed:
            self._wire.cut()
        try:
            # What the sender submits meanwhile leaves in the same write.
            self._gathering = True
            self._tell(events)
            self._ear.stirred()
        except Exception:  # noqa: BLE001 - the sender knows; the only safe thing left to do here is to say no more
            with contextlib.suppress(Exception):
                self.cut()
            with contextlib.suppress(Exception):
                self._ear.stirred()
            return
        finally:
            self._gathering = False
        self._write(dialogue.to_send())
        if resting or dialogue.replies_read != read:
            self._expect()

    def drained(self) -> None:
        """All has left: from now on it is the answer that is awaited."""
        if self._draining:
            self._expect()

    def overdue(self) -> bool:
        """Whether the relay has had its time. Under TLS nobody says when all has left, so it is looked at here."""
        if self._draining and self._wire.unsent() == 0:
            self._expect()
            return False
        return True

    def lost(self, code: str, why: str) -> None:
        """Let the dialogue say what it means for each letter."""
        events = self._dialogue.lost(code, why, by_relay=code == "relay-closed")
        self._wire.cut()
        with contextlib.suppress(Exception):  # the sender knows, and there is nothing left to close
            self._tell(events)
            self._ear.stirred()

    # --- small steps ---------------------------------------------------------------------------------------------

    def _tell(self, events: list[Event]) -> None:
        dialogue, ear = self._dialogue, self._ear
        if dialogue.closed and self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        if dialogue.failure is not None:
            dialogue.failure.place = self._wire.place
        for number, event in enumerate(events):
            if isinstance(event, Answered):
                if isinstance(event.answer, TransportError):
                    event.answer.place = self._wire.place
                elif self._left_at and dialogue.window < _FAR_WINDOW and time.monotonic() - self._left_at > _FAR:
                    dialogue.window = _FAR_WINDOW
                try:
                    ear.answered(event.letter, event.answer)
                except Exception:
                    # Its trouble with one letter takes no answer from the others.
                    self._tell([one for one in events[number + 1 :] if isinstance(one, Answered)])
                    raise
            elif dialogue.invited(event.letter):
                ear.handed(event.letter)
                dialogue.content(event.letter)

    def _write(self, pieces: list[bytes]) -> None:
        if pieces:
            self._wire.write(pieces)
            self._left_at = time.monotonic()

    def _expect(self) -> None:
        """Set the limit for the reply that is awaited first; the content itself gets time to leave."""
        phase = self._dialogue.phase
        if phase is None:
            self._wire.rest()
            return
        unsent = self._wire.unsent() if phase is Phase.CONTENT else 0
        self._draining = unsent > 0
        if self._draining:
            self._wire.expect(self._wire.timeouts.block.total_seconds() * (1 + unsent // _BLOCK_BYTES))
        else:
            self._wire.expect(self._wire.timeouts.of(phase))


async def open_smtp(
    relay: RelayConfig,
    ear: Ear,
    *,
    login: Login | None = None,
    ehlo_name: str | None = None,
    timeouts: Timeouts = USUAL,
) -> SmtpTransport:
    """Connect to a relay, greet, secure, log in once.

    `ehlo_name` is this machine's full name where it has one; else the address of the connection is given. Raises
    RelayUnavailable in the relay's words: `relay-unreachable`, `relay-refused`, `relay-tls`, `relay-login-refused`,
    `relay-protocol`, `relay-closed`, `relay-timeout`; ConfigError `ca-file-unreadable`, `password-missing` or
    `bad-ehlo-name`.
    """
    host, place = relay.host.strip("[]"), relay.name
    if relay.user is not None and login is None:
        raise ConfigError(
            "a user without a password", code="password-missing", key="relay.password_file",
            hint="write the password into the file that password_file names",
        )  # fmt: skip
    terms = Terms(
        implicit_tls=relay.tls == "implicit", starttls=relay.tls == "starttls", private=relay.on_loopback,
        login=login if relay.user is not None else None, nonce=secrets.token_urlsafe(24),
    )  # fmt: skip
    context = None if relay.tls == "none" else tls_context(relay.ca_file)
    wire = Wire(Opening(terms), timeouts, place=place)
    try:
        async with asyncio.timeout(timeouts.opening.total_seconds()):
            await _connect(wire, host, relay.port, timeouts)
            wire.opening.introduce_as(own_name(ehlo_name, own_ip=wire.own_ip, remote=not relay.on_loopback))
            await wire.open(context, host=host)
    except TimeoutError as error:
        wire.cut()
        why = f"the relay did not open a session within {timeouts.opening.total_seconds():g} s"
        raise RelayUnavailable(why, code="relay-timeout", place=place) from error
    except BaseException:
        wire.cut()
        raise
    return SmtpTransport(wire, ear)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Make the context that verifies a relay: its certificate, its name, TLS 1.2 or newer.

    `ca_file` replaces the system's authorities. ConfigError `ca-file-unreadable`.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"no certificates can be read: {error}", code="ca-file-unreadable", key="relay.ca_file", place=ca_file,
            hint="name a file of certificates in PEM form",
        ) from error  # fmt: skip
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _connect(wire: Wire, host: str, port: int, timeouts: Timeouts) -> None:
    limit = timeouts.connect.total_seconds()
    try:
        async with asyncio.timeout(limit) as patience:
            await asyncio.get_running_loop().create_connection(lambda: wire, host, port)
    except (OSError, UnicodeError) as error:
        why = f"no connection within {limit:g} s" if patience.expired() else f"no connection: {error}"
        raise RelayUnavailable(
            why, code="relay-unreachable", place=wire.place, hint=HINTS["relay-unreachable"]
        ) from error
