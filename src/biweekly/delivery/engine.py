"""Conduct. Claim, address, hand over, record: one mailing on its way, over several connections at once.

One asyncio loop holds the connections; a writer thread holds the ledger, so that a slow commit never stops a letter.
Everything it touches is handed to it. What had left when it stops is in the journal; what it knew is in the ledger.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from biweekly.contracts import OpenLedger, OpenTransport, Pen, Transport
from biweekly.delivery.retry import Due
from biweekly.errors import (
    BiweeklyError,
    RelayUnavailable,
    RenderError,
    StoppedPartWay,
    TransportError,
)
from biweekly.model.mailing import (
    Letter,
    MailingId,
    MailingState,
    Outcome,
    OutcomeState,
    Place,
    Reply,
    Settled,
    Spot,
    Wait,
)

_COMMIT_WITHIN: Final = 0.05  # seconds an answer may stay uncommitted
_FIRST_REST: Final = 0.5  # seconds, doubled at each failure to reach the relay
_LONGEST_REST: Final = 15.0
_CLOSE_WITHIN: Final = 5.0
_SERVICE_CLOSING: Final = 421
_TRIES_ON_THE_SPOT: Final = 3


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything a sender works with. Durations of waiting are seconds of `monotonic`; `clock` is aware UTC."""

    mailing: MailingId
    books: OpenLedger
    journal: Pen
    write: Callable[[Place], Letter]
    open_transport: OpenTransport
    judge: Callable[[Reply | TransportError, Place, datetime], Outcome | Wait | Due]
    recorded: Callable[[Sequence[Settled]], None]
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    connections: int = 4
    batch: int = 100
    rate: float | None = None
    lease: timedelta | None = None
    linger: timedelta = timedelta(seconds=60)
    no_relay_after: timedelta = timedelta(seconds=60)
    finish_within: timedelta = timedelta(seconds=30)


class Ending(StrEnum):
    """Why a sender stopped."""

    DONE = "done"
    PAUSED = "paused"
    STOPPED = "stopped"
    NO_RELAY = "no relay"


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended, when the next waiting place is due, and what the relay's trouble was."""

    ending: Ending
    state: MailingState
    next_due: datetime | None = None
    trouble: BiweeklyError | None = None


async def deliver(bench: Bench, stop: asyncio.Event) -> Result:
    """Send what is due of a mailing until nothing is, somebody pauses it, `stop` is set, or no relay answers.

    Everything claimed is settled or given back before it returns. Raises what the ledger or the journal raised, and
    the relay's refusal of the login; then, too, nothing that was handed over is forgotten.
    """
    return await _Sending(bench, stop).run()


class _Sending:
    def __init__(self, bench: Bench, stop: asyncio.Event) -> None:
        self.bench = bench
        self.stop = stop
        self.due: deque[Place] = deque()
        self.settled: list[Settled] = []
        self.in_flight: dict[Spot, tuple[Place, bool]] = {}
        self.fatal: BaseException | None = None
        self.trouble: RelayUnavailable | None = None
        self.state = MailingState.SENDING
        self.next_due: datetime | None = None
        self.halting = False
        self.stir = asyncio.Event()  # something for the keeper
        self.more = asyncio.Condition()  # something for the carriers
        now = bench.monotonic()
        self.failing_since: float | None = None
        self.broken: dict[Spot, int] = {}
        self.rest_until = now
        self.rest = _FIRST_REST
        self.next_slot = now
        self.lease_from = now

    async def run(self) -> Result:
        with ThreadPoolExecutor(1, thread_name_prefix="ledger") as self.writer:
            carriers = [asyncio.create_task(self._carry()) for _ in range(self.bench.connections)]
            watcher = asyncio.create_task(self._watch_stop())
            try:
                ending = await self._keep()
            finally:
                watcher.cancel()
                await self._halt(carriers)
            await self._give_back()
        if self.fatal is not None:
            raise self.fatal
        return Result(ending, self.state, self.next_due, self.trouble)

    def on_thread(self, call: Callable[[], T]) -> Awaitable[T]:
        """Run a call on the writer thread, one after another."""
        return asyncio.get_running_loop().run_in_executor(self.writer, call)

    # -- the keeper: the ledger's side -------------------------------------------------------------------------------

    async def _keep(self) -> Ending:
        while self.fatal is None:
            if self.stop.is_set():
                return Ending.STOPPED
            await self._turn(self._wanted())
            if self.state is not MailingState.SENDING:
                return Ending.PAUSED
            quiet = not (self.due or self.in_flight or self.settled)
            if quiet and self._nothing_soon():
                return Ending.DONE
            if self._relay_is_gone():
                return Ending.NO_RELAY
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stir.wait(), 0.5 if quiet or self._resting() else _COMMIT_WITHIN)
            if self.stir.is_set() and 0 < len(self.settled) < self.bench.batch and len(self.due) > self._low_water():
                await asyncio.sleep(_COMMIT_WITHIN)  # gather a group: one commit for many
            self.stir.clear()
        return Ending.STOPPED

    async def _turn(self, wanted: int) -> None:
        settled, self.settled = self.settled, []
        now = self.bench.clock()
        try:
            await self._renew_lease(now)
            turn = await self.on_thread(lambda: self.bench.books.turn(settled, wanted=wanted, now=now))
        except BiweeklyError as error:
            self.fatal = error
            return
        if settled:
            await self.on_thread(lambda: self.bench.recorded(settled))
        self.state, self.next_due = turn.state, turn.next_due
        if turn.places:
            skipped = [place for place in turn.places if not place.mailable]
            self.settled += [Settled(p, Outcome(OutcomeState.SKIPPED, now, 0, "left after planning")) for p in skipped]
            self.due.extend(place for place in turn.places if place.mailable)
            async with self.more:
                self.more.notify_all()

    async def _renew_lease(self, now: datetime) -> None:
        if self.bench.lease is None:
            return
        began = self.bench.monotonic()
        if began - self.lease_from >= self.bench.lease.total_seconds() / 4:
            await self.on_thread(lambda: self.bench.books.renew(now=now))
            self.lease_from = began

    def _wanted(self) -> int:
        if self._resting() or len(self.due) > self._low_water():
            return 0
        most = self.bench.batch if self.bench.rate is None else max(1, int(self.bench.rate * 10))
        return min(self.bench.batch, most)

    def _low_water(self) -> int:
        return max(self.bench.connections, self.bench.batch // 2)

    def _nothing_soon(self) -> bool:
        return self.next_due is None or self.next_due - self.bench.clock() > self.bench.linger

    def _resting(self) -> bool:
        return self.bench.monotonic() < self.rest_until

    def _relay_is_gone(self) -> bool:
        since = self.failing_since
        return since is not None and self.bench.monotonic() - since >= self.bench.no_relay_after.total_seconds()

    async def _watch_stop(self) -> None:
        await self.stop.wait()
        self.stir.set()

    async def _halt(self, carriers: Sequence[asyncio.Task[None]]) -> None:
        """Let what is on the wire finish, within reason; then cut it, and what was handed is in doubt."""
        self.halting = True
        async with self.more:
            self.more.notify_all()
        _, late = await asyncio.wait(carriers, timeout=self.bench.finish_within.total_seconds())
        for carrier in late:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)

    async def _give_back(self) -> None:
        unhanded = list(self.due)
        for place, handed in self.in_flight.values():
            if handed:
                doubt = "stopped before the relay had answered"
                self.settled.append(Settled(place, Outcome(OutcomeState.IN_DOUBT, self.bench.clock(), 0, doubt)))
            else:
                unhanded.append(place)
        settled, now = self.settled, self.bench.clock()
        try:
            await self.on_thread(lambda: self.bench.books.release(settled, unhanded, now=now))
        except BiweeklyError as error:
            # What could not be written is open in the ledger and told in the journal: the next sender settles it.
            self.fatal = self.fatal or error
        else:
            await self.on_thread(lambda: self.bench.recorded(settled))

    # -- the carriers: the relay's side ----------------------------------------------------------------------------

    async def _carry(self) -> None:
        transport: Transport | None = None
        carried = 0
        try:
            while (place := await self._next_place()) is not None:
                if transport is None:
                    transport, carried = await self._connect(place), 0
                    if transport is None:
                        continue
                if await self._carry_one(transport, place, reused=carried > 0):
                    carried += 1
                else:
                    await _close(transport)
                    transport = None
        except Exception as error:  # noqa: BLE001 - a carrier must never die unheard; `run` raises it
            self._stop_for(error)
        finally:
            if transport is not None:
                await _close(transport)

    async def _next_place(self) -> Place | None:
        async with self.more:
            while not self.halting:
                if self.due and not self._resting():
                    place = self.due.popleft()
                    self.in_flight[place.spot] = (place, False)
                    if len(self.due) <= self._low_water():
                        self.stir.set()
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.more.wait(), 0.2)
            else:
                return None
        await self._wait_for_slot()
        return place

    async def _wait_for_slot(self) -> None:
        if self.bench.rate is None:
            return
        now = self.bench.monotonic()
        slot = max(now, self.next_slot)
        self.next_slot = slot + 1 / self.bench.rate
        await asyncio.sleep(slot - now)

    async def _connect(self, place: Place) -> Transport | None:
        try:
            transport = await self.bench.open_transport()
        except RelayUnavailable as error:
            self._put_back(place)
            self._relay_failed(error)
            return None
        return transport

    async def _carry_one(self, transport: Transport, place: Place, *, reused: bool) -> bool:
        """Carry one letter; False where the connection is of no more use."""
        now = self.bench.clock()
        try:
            letter = self.bench.write(place)
        except RenderError as error:
            self._settle(place, Outcome(OutcomeState.REFUSED, now, 0, f"not sent: {error.message}"))
            return True
        try:
            answer: Reply | TransportError = await transport.submit(letter, handed=lambda: self._hand(place))
        except TransportError as error:
            answer = error
        # Cancelled, or refused by the journal: `_give_back` knows from `in_flight` whether it had been handed.
        if isinstance(answer, Reply):
            self.bench.journal.answered(self.bench.mailing, place.spot, answer.code)
            if answer.code == _SERVICE_CLOSING:
                # The relay has had enough of this connection, or of us for now; it is no word about this reader.
                closing = RelayUnavailable(f"the relay is closing: {answer}", code="relay-closing")
                self._try_once_more(place, closing, reused=reused)
                return False
            self._relay_answered()
        fate = self.bench.judge(answer, place, self.bench.clock())
        if isinstance(fate, Due):
            self._try_once_more(place, answer, reused=reused)
        else:
            self._settle(place, fate)
        return isinstance(answer, Reply)

    def _hand(self, place: Place) -> None:
        """Say so before the first byte of content leaves. A crash from here on leaves the letter in doubt."""
        lease = self.bench.lease
        if lease is not None and self.bench.monotonic() - self.lease_from >= lease.total_seconds() * 0.9:
            raise StoppedPartWay(
                "this sender was held up past its lease; another may be at work, so it hands over nothing more",
                code="lease-lost", hint="biweekly status",
            )  # fmt: skip
        self.bench.journal.handed(self.bench.mailing, place.spot)
        self.in_flight[place.spot] = (place, True)

    def _settle(self, place: Place, fate: Outcome | Wait) -> None:
        if place.began is None and isinstance(fate, Wait):
            place = replace(place, began=self.bench.clock())
        self.in_flight.pop(place.spot, None)
        self.settled.append(Settled(place, fate))
        if len(self.settled) == 1 or len(self.settled) >= self.bench.batch:
            self.stir.set()

    def _try_once_more(self, place: Place, answer: Reply | TransportError, *, reused: bool) -> None:
        """Nothing of it left. A letter that breaks every connection it is tried on waits like any other."""
        self.broken[place.spot] = self.broken.get(place.spot, 0) + 1
        if self.broken[place.spot] < _TRIES_ON_THE_SPOT or self.failing_since is not None:
            self._put_back(place)
        else:
            until = self.bench.clock() + self.bench.linger * 5
            self._settle(place, Wait(until, place.attempts + 1, 0, str(answer)))
        if not reused and isinstance(answer, RelayUnavailable):
            self._relay_failed(answer)

    def _put_back(self, place: Place) -> None:
        self.in_flight.pop(place.spot, None)
        self.due.appendleft(place)

    def _relay_answered(self) -> None:
        self.failing_since = None
        self.rest = _FIRST_REST
        self.trouble = None

    def _relay_failed(self, error: RelayUnavailable) -> None:
        self.trouble = error
        if error.code == "relay-login-refused":
            self._stop_for(error)  # trying again would lock the account
            return
        now = self.bench.monotonic()
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.rest_until = now + self.rest
        self.rest = min(self.rest * 2, _LONGEST_REST)

    def _stop_for(self, error: BaseException) -> None:
        self.fatal = self.fatal or error
        self.halting = True
        self.stir.set()


async def _close(transport: Transport) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(transport.close(), _CLOSE_WITHIN)
