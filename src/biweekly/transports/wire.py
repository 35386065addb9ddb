"""Edge: sockets and TLS. Carries one session's bytes, within limits of time."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, cast

from biweekly.errors import RelayUnavailable
from biweekly.model.mailing import Phase
from biweekly.transports.opening import HINTS, Opening, State

# What a TLS record may add to what is waiting to leave: so much more unsent says nothing about the words in it.
_TLS_SLACK = 256


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a relay may take (RFC 5321 section 4.5.3.2).

    Each is counted from when the reply is first awaited and not from the last byte, so that a relay that drips gains
    nothing; `opening` bounds a whole greeting, `block` is for every 64 KiB of a letter. `answer` counts after the dot:
    a relay may be delivering then, and giving up early would make doubles.
    """

    connect: timedelta = timedelta(seconds=30)
    handshake: timedelta = timedelta(seconds=60)
    # The five minutes of RFC 5321 are for hosts found by MX; what takes submissions answers or is broken.
    banner: timedelta = timedelta(seconds=60)
    command: timedelta = timedelta(seconds=300)
    data: timedelta = timedelta(seconds=120)
    block: timedelta = timedelta(seconds=180)
    answer: timedelta = timedelta(seconds=600)
    quit: timedelta = timedelta(seconds=5)
    opening: timedelta = timedelta(seconds=600)

    def of(self, phase: Phase) -> float:
        """The limit for the reply of a phase, in seconds."""
        match phase:
            case Phase.BANNER:
                return self.banner.total_seconds()
            case Phase.DATA:
                return self.data.total_seconds()
            case Phase.CONTENT:
                return self.answer.total_seconds()
            case Phase.QUIT:
                return self.quit.total_seconds()
            case _:
                return self.command.total_seconds()


class Hearer(Protocol):
    """Whoever has the session once it is open."""

    def heard(self, piece: bytes) -> None:
        """Bytes came."""
        ...

    def drained(self) -> None:
        """All that was written has left."""
        ...

    def overdue(self) -> bool:
        """A limit was passed: whether that is the end, or another was set."""
        ...

    def lost(self, code: str, why: str) -> None:
        """The connection ended, or a limit was passed for good."""
        ...


class Wire(asyncio.Protocol):
    """A connection: first its opening, then whatever `hearer` makes of it."""

    def __init__(self, opening: Opening, timeouts: Timeouts, *, place: str) -> None:
        self.opening = opening
        self.place = place
        self.hearer: Hearer | None = None
        self.timeouts = timeouts
        self.cut_off = False
        self._failure: RelayUnavailable | None = None
        self._stir: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        # The TCP connection under TLS: its buffer tells what has really left this process.
        self._ground: asyncio.Transport | None = None
        self._deadline: float | None = None
        self._limit = 0.0
        self._alarm: asyncio.Handle | None = None
        self._rings_at = 0.0

    # --- what the loop calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; let the buffer's size tell whether anything is left in this process."""
        self._transport = self._ground = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)

    def data_received(self, data: bytes) -> None:
        """Hand bytes on, and on the spot write what is said next."""
        if self.cut_off:
            return
        if self.hearer is not None:
            self.hearer.heard(data)
        else:
            self._judge(lambda: self.opening.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the session say what the loss means."""
        if not self.cut_off:
            self._over("relay-closed", _loss_words(exc))
        self.cut()

    def resume_writing(self) -> None:
        """All that was written has left."""
        if self.hearer is not None and not self.cut_off:
            self.hearer.drained()

    # --- what a session calls ------------------------------------------------------------------------------------

    async def open(self, context: ssl.SSLContext | None, *, host: str) -> None:
        """Greet, secure, log in; RelayUnavailable says why not."""
        if context is not None and self.opening.state is State.HANDSHAKE:
            await self._secure(context, host)
        while self.opening.state is not State.READY:
            if self.opening.state is State.HANDSHAKE and context is not None:
                await self._secure(context, host)
            else:
                await self._next_reply()
        self.rest()

    @property
    def own_ip(self) -> str:
        """The address that this end has."""
        return str(self._standing().get_extra_info("sockname")[0])

    def expect(self, seconds: float) -> None:
        """Set the limit for what is awaited, from now on. Cheap: a timer is set anew only when one rings."""
        loop = asyncio.get_running_loop()
        self._limit = seconds
        self._deadline = loop.time() + seconds
        if self._alarm is None or self._rings_at > self._deadline:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm, self._rings_at = loop.call_at(self._deadline, self._ring), self._deadline

    def rest(self) -> None:
        """Await nothing."""
        self._deadline = None

    def write(self, pieces: list[bytes]) -> None:
        """Write, unless the connection is gone."""
        if pieces and self._transport is not None and not self.cut_off and not self._transport.is_closing():
            self._transport.writelines(pieces)

    def unsent(self) -> int:
        """How many bytes of what was written have not left this process."""
        if self._ground is None:
            return 0
        size = self._ground.get_write_buffer_size()
        return size if self._ground is self._transport else max(0, size - _TLS_SLACK)

    def cut(self) -> None:
        """Close at once, what is still in buffers included: no dot leaves after this."""
        self.cut_off = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._transport is not None:
            self._transport.abort()
        if self._ground is not None:
            self._ground.abort()
        self._wake()

    # --- the opening ---------------------------------------------------------------------------------------------

    async def _secure(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands and verify; RelayUnavailable `relay-tls` says what was wrong with the certificate or the text."""
        self._raise_failure()
        loop = asyncio.get_running_loop()
        limit = self.timeouts.handshake.total_seconds()
        try:
            transport = await loop.start_tls(
                self._standing(), self, context, server_hostname=host, ssl_handshake_timeout=limit
            )
        except (OSError, ssl.SSLError) as error:
            raise self._failed("relay-tls", f"no TLS with the relay: {_tls_words(error)}") from error
        self._raise_failure()
        if transport is None:
            raise self._failed("relay-tls", "the relay closed the connection during the TLS handshake")
        self._transport = transport
        self._transport.set_write_buffer_limits(high=1, low=0)
        self._judge(self.opening.secured)

    async def _next_reply(self) -> None:
        self._raise_failure()
        read = self.opening.replies_read
        state = self.opening.state
        self.expect(self.timeouts.of(self.opening.phase))
        while self._failure is None and read == self.opening.replies_read and state is self.opening.state:
            await self._stirred()
        self._raise_failure()

    def _judge(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except RelayUnavailable as error:
            error.place = self.place
            self._failure = error
        else:
            if not self.cut_off and (said := self.opening.to_send()):
                self.write([said])
        self._wake()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self.cut_off:
            raise self._failed("relay-closed", "the connection was closed")

    def _failed(self, code: str, why: str) -> RelayUnavailable:
        self._failure = RelayUnavailable(why, code=code, place=self.place, hint=HINTS.get(code))
        return self._failure

    # --- small steps ---------------------------------------------------------------------------------------------

    def _ring(self) -> None:
        self._alarm = None
        if self._deadline is None or self.cut_off:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._deadline:
            self._alarm, self._rings_at = loop.call_at(self._deadline, self._ring), self._deadline
        elif self.hearer is None or self.hearer.overdue():
            self._deadline = None
            self._over("relay-timeout", f"the relay did not answer within {self._limit:g} s")

    def _over(self, code: str, why: str) -> None:
        if self.hearer is not None:
            self.hearer.lost(code, why)
        elif self._failure is None and self.opening.state is not State.CLOSED:
            self._judge(lambda: self.opening.lost(code, why))

    def _standing(self) -> asyncio.Transport:
        if self._transport is None:
            raise self._failed("relay-closed", "there is no connection")
        return self._transport

    def _wake(self) -> None:
        if self._stir is not None and not self._stir.done():
            self._stir.set_result(None)

    async def _stirred(self) -> None:
        self._stir = asyncio.get_running_loop().create_future()
        try:
            await self._stir
        finally:
            self._stir = None


def _loss_words(error: Exception | None) -> str:
    return f"the connection to the relay broke ({error})" if error else "the relay closed the connection"


def _tls_words(error: OSError) -> str:
    """Say what was wrong in words: of a certificate its own reason, of anything else what the library has."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or "the connection was closed during the handshake"
