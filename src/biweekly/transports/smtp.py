"""Edge: sockets and TLS. Letters to a relay over SMTP, one after another on one connection."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

from biweekly.config import RelayConfig
from biweekly.errors import ConfigError, RelayUnavailable
from biweekly.model.mailing import Letter, Reply
from biweekly.transports.commands import Login, own_name
from biweekly.transports.dialogue import HINTS, Answered, Dialogue, GoAhead, Ready, Secure, Terms
from biweekly.transports.wire import Timeouts, Wire

USUAL: Final = Timeouts()


class SmtpTransport:
    """An open session with a relay. Made by `open_smtp`."""

    def __init__(self, wire: Wire, timeouts: Timeouts) -> None:
        self._wire = wire
        self._timeouts = timeouts
        self._busy = False

    def __repr__(self) -> str:
        return f"<SmtpTransport {self._wire.place} {'closed' if self.closed else 'open'}>"

    @property
    def closed(self) -> bool:
        """Whether another must be opened: after an error, a cancellation, or an answer with which the relay hung up."""
        return self._wire.over

    async def submit(self, letter: Letter, *, handed: Callable[[], None]) -> Reply:
        """Hand a letter over; see `contracts.Transport`.

        RelayUnavailable: `relay-closed`, `relay-protocol` or `relay-timeout`. DeliveryInDoubt: `delivery-in-doubt`.
        A letter that is sure to fail here alone (SMTPUTF8, SIZE, an address that cannot be written) is answered
        without asking the relay. Cancelled, or where `handed` raises, the connection is cut and no dot leaves.
        """
        wire, dialogue = self._wire, self._wire.dialogue
        if self._busy:
            raise RuntimeError("one connection takes one letter at a time")
        if self.closed:
            why = wire.failure.message if wire.failure else "the session was over"
            raise RelayUnavailable(why, code="relay-closed", place=wire.place)
        self._busy = True
        try:
            reply = await self._converse(letter, handed)
        except BaseException:
            # Whatever it is, from Ctrl-C to a full disk: the only safe thing left to do is to say no more.
            wire.cut()
            raise
        finally:
            self._busy = False
        if dialogue.closed:
            wire.cut()
        return reply

    async def close(self) -> None:
        """Take leave and close; never raises."""
        wire = self._wire
        try:
            if not self.closed and not self._busy:
                wire.dialogue.quit()
                wire.flush()
                await wire.event()
        except RelayUnavailable:
            pass  # it left without a word, and so do we
        finally:
            wire.cut()
            # One turn of the loop lets the socket close.
            await asyncio.sleep(0)

    async def _converse(self, letter: Letter, handed: Callable[[], None]) -> Reply:
        wire, dialogue = self._wire, self._wire.dialogue
        limit = self._timeouts.letter
        try:
            async with asyncio.timeout(limit.total_seconds()) as patience:
                for event in dialogue.submit(letter):
                    if isinstance(event, Answered):
                        return event.reply
                wire.flush()
                while not isinstance(event := await wire.event(), Answered):
                    if isinstance(event, GoAhead) and dialogue.invited:
                        await self._send_content(letter, handed)
                        break
                else:
                    return event.reply
        except TimeoutError:
            if not patience.expired():
                raise  # it is what `handed` raised
            wire.overdue(limit)
        while not isinstance(event := await wire.event(), Answered):
            pass
        return event.reply

    async def _send_content(self, letter: Letter, handed: Callable[[], None]) -> None:
        handed()
        for block in self._wire.dialogue.content(letter):
            self._wire.write(block)
            await self._wire.drained()


async def open_smtp(
    relay: RelayConfig, *, password: str | None = None, ehlo_name: str | None = None, timeouts: Timeouts = USUAL
) -> SmtpTransport:
    """Connect to a relay, greet, secure, log in once.

    `ehlo_name` is this machine's full name where it has one; else the address of the connection is given. Raises
    RelayUnavailable in the relay's words: `relay-unreachable`, `relay-refused`, `relay-tls`, `relay-login-refused`,
    `relay-protocol`, `relay-closed`, `relay-timeout`; ConfigError `ca-file-unreadable`, `password-missing` or
    `bad-ehlo-name`.
    """
    host, place = relay.host.strip("[]"), f"{relay.host}:{relay.port}"
    if relay.user is not None and password is None:
        raise ConfigError(
            "a user without a password", code="password-missing", key="relay.password_file",
            hint="write the password into the file that password_file names",
        )  # fmt: skip
    terms = Terms(
        implicit_tls=relay.tls == "implicit",
        starttls=relay.tls == "starttls",
        private=relay.on_loopback,
        login=Login(relay.user, password) if relay.user is not None and password is not None else None,
    )
    context = None if relay.tls == "none" else tls_context(relay.ca_file)
    wire = Wire(Dialogue(terms), timeouts, place=place)
    try:
        async with asyncio.timeout(timeouts.opening.total_seconds()):
            own_ip = await _connect(wire, host, relay.port, timeouts)
            wire.dialogue.introduce_as(own_name(ehlo_name, own_ip=own_ip, remote=not relay.on_loopback))
            if context is not None and terms.implicit_tls:
                await wire.secure(context, host=host)
            while not isinstance(event := await wire.event(), Ready):
                if isinstance(event, Secure) and context is not None:
                    await wire.secure(context, host=host)
    except TimeoutError as error:
        wire.cut()
        why = f"the relay did not open a session within {timeouts.opening.total_seconds():g} s"
        raise RelayUnavailable(why, code="relay-timeout", place=place) from error
    except BaseException:
        wire.cut()
        raise
    return SmtpTransport(wire, timeouts)


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


async def _connect(wire: Wire, host: str, port: int, timeouts: Timeouts) -> str:
    """Connect and return the address this end has."""
    limit = timeouts.connect.total_seconds()
    try:
        async with asyncio.timeout(limit) as patience:
            transport, _ = await asyncio.get_running_loop().create_connection(lambda: wire, host, port)
    except (OSError, UnicodeError) as error:
        why = f"no connection within {limit:g} s" if patience.expired() else f"no connection: {error}"
        raise RelayUnavailable(
            why, code="relay-unreachable", place=wire.place, hint=HINTS["relay-unreachable"]
        ) from error
    return str(transport.get_extra_info("sockname")[0])
