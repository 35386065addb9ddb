"""Edge: sockets and TLS. Carries one dialogue's bytes, within limits of time."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from biweekly.errors import RelayUnavailable, TransportError
from biweekly.model.mailing import Phase
from biweekly.transports.dialogue import HINTS, Dialogue, Event


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a relay may take (RFC 5321 section 4.5.3.2).

    Each is counted from when the reply is first awaited and not from the last byte, so that a relay that drips gains
    nothing; `opening` bounds a whole greeting, `letter` all of a letter before its last dot. `answer` counts after
    the dot: a relay may be delivering then, and giving up early would make doubles.
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
    letter: timedelta = timedelta(seconds=1200)

    def of(self, phase: Phase) -> timedelta:
        """The limit for the reply of a phase."""
        match phase:
            case Phase.BANNER:
                return self.banner
            case Phase.DATA:
                return self.data
            case Phase.CONTENT:
                return self.answer
            case Phase.QUIT:
                return self.quit
            case _:
                return self.command


class Wire(asyncio.Protocol):
    """A connection and its dialogue. What went wrong is kept in `failure` and raised to whoever waits next."""

    def __init__(self, dialogue: Dialogue, timeouts: Timeouts, *, place: str) -> None:
        self.dialogue = dialogue
        self.place = place
        self.failure: TransportError | None = None
        self._timeouts = timeouts
        self._events: deque[Event] = deque()
        self._stir: asyncio.Future[None] | None = None
        self._congested = False
        self._transport: asyncio.Transport | None = None
        # The TCP connection under TLS: its buffer tells what has really left this process.
        self._ground: asyncio.Transport | None = None
        self._cut = False

    @property
    def over(self) -> bool:
        """Whether nothing more can go over it."""
        return self._cut or self.failure is not None or self.dialogue.closed

    # --- what the loop calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; let `drained` wait until nothing is left in this process."""
        self._transport = self._ground = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1, low=0)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the dialogue, and on the spot write what it says next."""
        if self.failure is not None or self._cut:
            return
        self._judge(lambda: self.dialogue.receive(data, unsent=self._unsent() > 0))
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the dialogue say what the loss means."""
        if not self.over:
            why = f"the connection to the relay broke ({exc})" if exc else "the relay closed the connection"
            self._judge(lambda: self.dialogue.lost("relay-closed", why))
        self._cut = True
        self._wake()

    def pause_writing(self) -> None:
        """The other side takes no more for now."""
        self._congested = True

    def resume_writing(self) -> None:
        """All that was written has left."""
        self._congested = False
        self._wake()

    # --- what a session calls ------------------------------------------------------------------------------------

    async def secure(self, context: ssl.SSLContext, *, host: str) -> None:
        """Shake hands and verify; RelayUnavailable `relay-tls` says what was wrong with the certificate or the text."""
        self._raise_failure()
        loop = asyncio.get_running_loop()
        limit = self._timeouts.handshake.total_seconds()
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
        self.dialogue.secured()
        self.flush()

    async def event(self) -> Event:
        """Wait for the dialogue's next event; each reply on the way has its own limit."""
        while not self._events:
            self._raise_failure()
            read = self.dialogue.replies_read
            limit = self._timeouts.of(self.dialogue.phase)
            if self.dialogue.phase is Phase.CONTENT and self._unsent():
                limit += self._timeouts.block  # the dot itself is still on its way
            try:
                async with asyncio.timeout(limit.total_seconds()):
                    while not self._events and self.failure is None and read == self.dialogue.replies_read:
                        await self._stirred()
            except TimeoutError:
                self.overdue(limit)
        return self._events.popleft()

    async def drained(self) -> None:
        """Wait until what was written has left this process, or there is no use in it any more."""
        limit = self._timeouts.block
        try:
            async with asyncio.timeout(limit.total_seconds()):
                while self._congested and not self._events and self.failure is None and not self._cut:
                    await self._stirred()
        except TimeoutError:
            self.overdue(limit)

    def overdue(self, limit: timedelta) -> None:
        """Let the dialogue say what it means that the relay took too long."""
        why = f"the relay did not answer within {limit.total_seconds():g} s"
        self._judge(lambda: self.dialogue.lost("relay-timeout", why))

    def write(self, block: bytes) -> None:
        """Write, unless the connection is gone."""
        if block and self._transport is not None and not self._cut and not self._transport.is_closing():
            self._transport.write(block)

    def flush(self) -> None:
        """Write what the dialogue has to say."""
        if not self.dialogue.closed and self.failure is None:
            self.write(self.dialogue.to_send())

    def cut(self) -> None:
        """Close at once, what is still in buffers included: no dot leaves after this."""
        self._cut = True
        if self._transport is not None:
            self._transport.abort()
        if self._ground is not None:
            self._ground.abort()
        self._wake()

    # --- small steps ---------------------------------------------------------------------------------------------

    def _judge(self, ask: Callable[[], list[Event]]) -> None:
        try:
            self._events.extend(ask())
        except TransportError as error:
            error.place = self.place
            self.failure = error
        self._wake()

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._cut:
            raise self._failed("relay-closed", "the connection was closed")

    def _failed(self, code: str, why: str) -> TransportError:
        self.failure = RelayUnavailable(why, code=code, place=self.place, hint=HINTS.get(code))
        return self.failure

    def _standing(self) -> asyncio.Transport:
        if self._transport is None:
            raise self._failed("relay-closed", "there is no connection")
        return self._transport

    def _unsent(self) -> int:
        return self._ground.get_write_buffer_size() if self._ground is not None else 0

    def _wake(self) -> None:
        if self._stir is not None and not self._stir.done():
            self._stir.set_result(None)

    async def _stirred(self) -> None:
        self._stir = asyncio.get_running_loop().create_future()
        try:
            await self._stir
        finally:
            self._stir = None


def _tls_words(error: OSError) -> str:
    """Say what was wrong in words: of a certificate its own reason, of anything else what the library has."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or "the connection was closed during the handshake"
