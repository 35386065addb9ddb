"""Conduct. The relays of a sender and the connections to them: opened when there is work, rested when a relay fails.

A relay that fails is left alone for a while that doubles, and tried again; meanwhile the others carry its share.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import ClassVar, Final, Protocol

from biweekly.contracts import Transport
from biweekly.delivery.bench import RelayDoor
from biweekly.delivery.pace import Pace, Throttle
from biweekly.errors import BiweeklyError, RelayUnavailable, TransportError
from biweekly.model.mailing import Letter, Reply

_FIRST_REST: Final = 0.5  # seconds, doubled at each failure to reach the relay
_LONGEST_REST: Final = 15.0
_OLDEST: Final = 300.0  # seconds that a connection is used before another is opened
_CLOSE_WITHIN: Final = 5.0
_LEAD: Final = 50.0  # letters by which a relay may run ahead of its share


class Sender(Protocol):
    """What a crew asks of the engine."""

    def handed(self, letter: Letter) -> None: ...  # noqa: D102
    def answered(self, carrier: "Carrier", letter: Letter, answer: Reply | TransportError) -> None: ...  # noqa: D102
    def feed(self, carrier: "Carrier") -> None: ...  # noqa: D102
    def work_waits(self) -> bool: ...  # noqa: D102
    def stop_for(self, error: BaseException) -> None: ...  # noqa: D102


class Relay:
    """One relay on duty: whether it answers, and how fast it may be mailed."""

    kind: ClassVar[str] = "relay"

    def __init__(self, door: RelayDoor, pace: Pace) -> None:
        """Begin with the pace that its row says."""
        self.door = door
        self.pace = pace
        self.throttle = Throttle()
        self.sent = 0.0
        self.trouble: RelayUnavailable | None = None
        self.failing_since: float | None = None
        self.rest_until = 0.0
        self.accepted = 0
        self.left_today: int | None = None
        self._rest = _FIRST_REST

    @property
    def name(self) -> str:
        """The name of its row."""
        return self.door.name

    def failed(self, error: RelayUnavailable, now: float) -> None:
        """Rest: it could not be reached, or closed on us."""
        self.trouble = error
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.rest_until = now + self._rest
        self._rest = min(self._rest * 2, _LONGEST_REST)

    def answered(self) -> None:
        """It is there."""
        if self.failing_since is not None:
            self.failing_since, self.trouble, self._rest = None, None, _FIRST_REST

    def count(self, now: float) -> None:
        """Count a letter that goes to it."""
        self.sent += 1
        if self.pace.rate is not None:
            self.throttle.use(now)
        if self.left_today is not None:
            self.left_today -= 1

    def on_duty(self, now: float, today: datetime) -> bool:
        """Whether letters may go to it now, as far as its rests and its day go."""
        return now >= self.rest_until and self.left_today != 0 and not self.pace.resting(today)


class Carrier:
    """One connection and its ear. `alone` while a letter is on it that no other should stand behind."""

    def __init__(self, relay: Relay, sender: Sender, began: float) -> None:
        """Carry for this relay."""
        self.relay = relay
        self.transport: Transport | None = None
        self.carried = 0
        self.flying = 0
        self.alone = 0
        self.began = began
        self.over = asyncio.Event()
        self._sender = sender

    @property
    def idle(self) -> bool:
        """Whether no letter is on its way here."""
        return self.flying == 0

    def room(self, now: float) -> bool:
        """Whether another letter may be submitted."""
        transport = self.transport
        if transport is None or self.alone or now - self.began > _OLDEST:
            return False
        return transport.room > 0

    # --- what the transport calls --------------------------------------------------------------------------------

    def handed(self, letter: Letter) -> None:
        """A letter's content is about to leave."""
        self._sender.handed(letter)

    def answered(self, letter: Letter, answer: Reply | TransportError) -> None:
        """A letter has its answer."""
        self._sender.answered(self, letter, answer)

    def stirred(self) -> None:
        """There may be room again."""
        if self.transport is not None and self.transport.closed:
            self.over.set()
        self._sender.feed(self)


class Crew:
    """All relays and connections of a sender."""

    def __init__(self, relays: list[Relay], sender: Sender, monotonic: Callable[[], float]) -> None:
        """Open nothing yet."""
        self.relays = relays
        self.carriers: dict[Carrier, None] = {}
        self.stir = asyncio.Event()  # there may be work for a connection that is not open
        self.halting = False
        self._sender = sender
        self._monotonic = monotonic
        self._opening: set[asyncio.Task[Transport]] = set()
        self._tasks = [
            asyncio.create_task(self._serve(relay)) for relay in relays for _ in range(relay.door.connections)
        ]

    @property
    def all_failing(self) -> bool:
        """Whether no relay answers."""
        return all(relay.failing_since is not None for relay in self.relays)

    def failing_for(self, now: float, seconds: float) -> bool:
        """Whether no relay has answered for so many seconds."""
        since = [relay.failing_since for relay in self.relays if relay.failing_since is not None]
        return self.all_failing and now - max(since) >= seconds

    @property
    def trouble(self) -> RelayUnavailable | None:
        """What is wrong with the first relay that has trouble."""
        return next((relay.trouble for relay in self.relays if relay.trouble is not None), None)

    def has_its_share(self, relay: Relay, now: float, today: datetime) -> bool:
        """Whether a relay has run ahead of its weight, while another one could take the letter."""
        others = [
            one.sent / one.door.weight
            for one in self.relays
            if one is not relay and one.failing_since is None and one.on_duty(now, today)
        ]
        return bool(others) and relay.sent / relay.door.weight > min(others) + _LEAD / relay.door.weight

    async def _serve(self, relay: Relay) -> None:
        try:
            while not self.halting:
                if not await self._needed(relay):
                    continue
                carrier = await self._open(relay)
                if carrier is None:
                    continue
                try:
                    await self._mind(carrier)
                finally:
                    self.carriers.pop(carrier, None)
                    await _close(carrier)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a connection must never die unheard; the engine raises it
            self._sender.stop_for(error)

    async def _needed(self, relay: Relay) -> bool:
        """Wait until there is work that no open connection takes."""
        rest = relay.rest_until - self._monotonic()
        if rest > 0:
            await asyncio.sleep(min(rest, 0.2))
            return False
        idle = any(one.idle and one.transport is not None for one in self.carriers if one.relay is relay)
        # A relay that does not answer is tried by one connection at a time.
        probing = relay.failing_since is not None and any(one.relay is relay for one in self.carriers)
        if self._sender.work_waits() and not idle and not probing:
            return True
        self.stir.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stir.wait(), 0.5)
        return False

    async def _open(self, relay: Relay) -> Carrier | None:
        carrier = Carrier(relay, self._sender, self._monotonic())
        self.carriers[carrier] = None
        opening = asyncio.create_task(_opened(relay, carrier))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        try:
            carrier.transport = await opening
        except RelayUnavailable as error:
            del self.carriers[carrier]
            if error.code == "relay-login-refused":
                self._sender.stop_for(error)  # trying again would lock the account
            else:
                relay.failed(error, self._monotonic())
            return None
        except (BiweeklyError, asyncio.CancelledError):
            del self.carriers[carrier]
            if self.halting:
                return None  # nobody waits for a connection that will carry nothing
            raise
        return carrier

    async def _mind(self, carrier: Carrier) -> None:
        """Stay with a connection until it is closed, old, or not needed any more."""
        self._sender.feed(carrier)
        while not carrier.over.is_set() and carrier.transport is not None and not carrier.transport.closed:
            old = self._monotonic() - carrier.began > _OLDEST
            if carrier.idle and (self.halting or old):
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(carrier.over.wait(), 0.1 if self.halting else 1.0)

    async def halt(self, within: float) -> None:
        """Let what is on its way finish, within reason; then cut it, and what was handed over is in doubt."""
        self.halting = True
        self.stir.set()
        for opening in self._opening:
            opening.cancel()
        for carrier in self.carriers:
            if carrier.idle:
                carrier.over.set()
        _, late = await asyncio.wait(self._tasks, timeout=within) if self._tasks else (set(), set())
        for carrier in list(self.carriers):
            if carrier.transport is not None:
                carrier.transport.cut()
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _opened(relay: Relay, carrier: Carrier) -> Transport:
    return await relay.door.open(carrier)


async def _close(carrier: Carrier) -> None:
    if carrier.transport is None:
        return
    if not carrier.idle:
        carrier.transport.cut()
    with suppress(TimeoutError):
        await asyncio.wait_for(carrier.transport.close(), _CLOSE_WITHIN)
