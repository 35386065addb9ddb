"""Conduct. Claim, address, hand over, record: one mailing on its way, over several connections and relays at once.

One asyncio loop holds the connections; a writer thread holds the ledger, so that a slow commit never stops a letter;
letters that are signed are written on threads of their own. Everything it touches is handed to it (`bench`). What had
left when it stops is in the journal; what it knew is in the ledger.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from biweekly.delivery.bench import Bench, Ending, Result
from biweekly.delivery.breaker import Breaker
from biweekly.delivery.crew import Carrier, Crew, Relay
from biweekly.delivery.lanes import Board
from biweekly.delivery.pace import permit
from biweekly.delivery.pacing import Pacing
from biweekly.delivery.retry import Due
from biweekly.delivery.scope import CLOSING
from biweekly.delivery.scribes import Scribes
from biweekly.errors import BiweeklyError, RelayUnavailable, RenderError, StoppedPartWay, TransportError
from biweekly.model.mailing import (
    Letter,
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
_IDLE: Final = 0.5
_AHEAD_SECONDS: Final = 10.0  # of work at most is claimed where there is a rate
_TRIES_ON_THE_SPOT: Final = 3
_LEASE_SHARE: Final = 0.9

T = TypeVar("T")


async def deliver(bench: Bench, stop: asyncio.Event) -> Result:
    """Send what is due of a mailing until nothing is, somebody pauses it, `stop` is set, or no relay answers.

    Everything claimed is settled or given back before it returns. Raises what the ledger or the journal raised, and
    the relay's refusal of the login; then, too, nothing that was handed over is forgotten.
    """
    return await _Sending(bench, stop).run()


class _Flight:
    """A place whose letter is on its way. `handed` once its content may be."""

    __slots__ = ("alone", "handed", "place")

    def __init__(self, place: Place, *, alone: bool) -> None:
        self.place = place
        self.alone = alone
        self.handed = False


class _Sending:
    def __init__(self, bench: Bench, stop: asyncio.Event) -> None:
        self.bench = bench
        self.stop = stop
        connections = sum(door.connections for door in bench.relays)
        self.board = Board(bench.lanes, bench.lane_paces, connections=connections, batch=bench.batch)
        self.relays = [Relay(door, permit(bench.relay_paces[door.name], door.permitted)) for door in bench.relays]
        self.settled: list[Settled] = []
        self.in_flight: dict[Spot, _Flight] = {}
        self.broken: dict[Spot, int] = {}
        self.breaker = Breaker()
        self.tripped: str | None = None
        self.fatal: BaseException | None = None
        self.state = MailingState.SENDING
        self.next_due: datetime | None = None
        self.unclaimed = True
        self.claimed = 0
        self.halting = False
        self.stir = asyncio.Event()  # something for the keeper
        self.alarm: asyncio.Handle | None = None
        self.rings_at = 0.0
        self.lease_from = bench.monotonic()

    async def run(self) -> Result:
        bench = self.bench
        with ThreadPoolExecutor(1, thread_name_prefix="ledger") as self.writer:
            self.scribes = Scribes(bench.write, threads=bench.signers, more=self._pick, wrote=self._pump)
            self.pacing = Pacing(bench, self.board, self.relays, self.on_thread)
            self.crew = Crew(self.relays, self, bench.monotonic)
            watcher = asyncio.create_task(self._watch_stop())
            try:
                ending, soonest = await self._keep()
            finally:
                watcher.cancel()
                self.halting = True
                if self.alarm is not None:
                    self.alarm.cancel()
                await self.crew.halt(bench.finish_within.total_seconds())
                await self._give_back()
                self.scribes.dismiss()
        if self.fatal is not None:
            raise self.fatal
        return Result(ending, self.state, soonest, self.crew.trouble)

    def on_thread(self, call: Callable[[], T]) -> Awaitable[T]:
        """Run a call on the writer thread, one after another."""
        return asyncio.get_running_loop().run_in_executor(self.writer, call)

    # -- the keeper: the ledger's side -------------------------------------------------------------------------------

    async def _keep(self) -> tuple[Ending, datetime | None]:
        # Before anything is claimed: what a relay may still get today must be known with its first letter.
        await self._guarded(self.pacing.tend(working=False))
        while self.fatal is None:
            if self.stop.is_set():
                return Ending.STOPPED, None
            now = self.bench.clock()
            stage, until = await self._stage(now)
            held = self.bench.hold(now)
            await self._turn(0 if held else self._wanted(), stage)
            if self.state is not MailingState.SENDING:
                return Ending.PAUSED, None
            if self.fatal is None:
                await self._guarded(self.pacing.tend(working=self.work_waits()))
            self.board.review(self.bench.monotonic())
            self._pump()
            if not self._busy(now):
                soonest = self._soonest(now, held, until)
                if soonest is None or soonest - now > self.bench.linger:
                    return Ending.DONE, soonest
            if self.crew.failing_for(self.bench.monotonic(), self.bench.no_relay_after.total_seconds()):
                return Ending.NO_RELAY, None
            await self._rest()
        return Ending.STOPPED, None

    async def _rest(self) -> None:
        """Wait for something to do: not at all for a full group of answers, else a little: a commit serves many."""
        idle = not (self.settled or self.in_flight or len(self.board) or len(self.scribes))
        hungry = self.claimed > 0 and self.board.ready() + len(self.scribes) < self.bench.batch // 3
        if hungry or len(self.settled) >= self.bench.batch:
            await asyncio.sleep(0)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stir.wait(), _IDLE if idle else _COMMIT_WITHIN)
        self.stir.clear()

    async def _stage(self, now: datetime) -> tuple[int, datetime | None]:
        """Return the stage that may be claimed, and until when it has to wait."""
        if len({one.stage for one in self.bench.lanes}) < 2:  # noqa: PLR2004 - one stage is none
            return 0, None
        return await self.on_thread(lambda: self.bench.stage(now))

    async def _turn(self, wanted: int, stage: int) -> None:
        settled, self.settled = self.settled, []
        now = self.bench.clock()
        allowed = self.board.allowance(now, stage=stage, ahead=_AHEAD_SECONDS) if wanted else None
        try:
            await self._renew_lease(now)
            if self.tripped is not None:
                why, self.tripped = self.tripped, None
                await self.on_thread(lambda: self.bench.pause(why))
            turn = await self.on_thread(lambda: self.bench.books.turn(settled, wanted=wanted, now=now, allowed=allowed))
        except BiweeklyError as error:
            self.stop_for(error)
            return
        if settled:
            await self.on_thread(lambda: self.bench.recorded(settled))
        self.state, self.next_due, self.unclaimed = turn.state, turn.next_due, turn.unclaimed
        self.claimed = len(turn.places)
        if turn.places:
            skipped = [place for place in turn.places if not place.mailable]
            self.settled += [Settled(p, Outcome(OutcomeState.SKIPPED, now, 0, "left after planning")) for p in skipped]
            self.board.put(place for place in turn.places if place.mailable)
            self.crew.stir.set()

    async def _renew_lease(self, now: datetime) -> None:
        if self.bench.lease is None:
            return
        began = self.bench.monotonic()
        if began - self.lease_from >= self.bench.lease.total_seconds() / 4:
            await self.on_thread(lambda: self.bench.books.renew(now=now))
            self.lease_from = began

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except BiweeklyError as error:
            self.stop_for(error)

    def _wanted(self) -> int:
        if not self._anybody_on_duty() or not self._running_dry():
            return 0
        rates = [relay.pace.rate for relay in self.relays]
        if any(rate is None for rate in rates):
            return self.bench.batch
        ahead = max(1, int(sum(rate for rate in rates if rate is not None) * _AHEAD_SECONDS))
        return max(0, min(self.bench.batch, ahead - len(self.board) - len(self.scribes)))

    def _running_dry(self) -> bool:
        return self.board.ready() + len(self.scribes) < self.bench.batch

    def _anybody_on_duty(self) -> bool:
        now, today = self.bench.monotonic(), self.bench.clock()
        return any(relay.on_duty(now, today) for relay in self.relays)

    def _busy(self, now: datetime) -> bool:
        """Whether something is on its way, or could be."""
        if self.in_flight or self.settled or len(self.scribes):
            return True
        if self.crew.all_failing and (self.unclaimed or len(self.board)):
            return True
        if all(relay.left_today == 0 or relay.pace.resting(now) for relay in self.relays):
            return False
        return self.board.has_due(now)

    def _soonest(self, now: datetime, held: datetime | None, stage_until: datetime | None) -> datetime | None:
        """Return when there will be something to do again, None where there is nothing left."""
        rests = [one.pace.rest_until for one in self.relays] + self.board.rests()
        later = [one for one in (held, stage_until, *rests) if one is not None and one > now]
        if any(relay.left_today == 0 for relay in self.relays):
            later.append(_tomorrow(now))
        if self.unclaimed or len(self.board) or (self.next_due is not None and self.next_due <= now):
            # What could go now and does not is held up by one of these.
            return min(later, default=now)
        return self.next_due

    async def _watch_stop(self) -> None:
        await self.stop.wait()
        self.stir.set()

    async def _give_back(self) -> None:
        unhanded = [*self.board.clear(), *self.scribes.clear()]
        for flight in self.in_flight.values():
            if flight.handed:
                doubt = "stopped before the relay had answered"
                fate = Outcome(OutcomeState.IN_DOUBT, self.bench.clock(), 0, doubt)
                self.settled.append(Settled(flight.place, fate))
            else:
                unhanded.append(flight.place)
        settled, now = self.settled, self.bench.clock()
        try:
            await self.on_thread(lambda: self.bench.books.release(settled, unhanded, now=now))
            await self.on_thread(lambda: self.bench.recorded(settled))
            await self.pacing.finish()
        except BiweeklyError as error:
            # What could not be written is open in the ledger and told in the journal: the next sender settles it.
            self.fatal = self.fatal or error

    # -- the carriers: the relay's side ----------------------------------------------------------------------------

    def work_waits(self) -> bool:
        """Whether there are letters that a connection could take."""
        return not self.halting and self.state is MailingState.SENDING and bool(len(self.board) + len(self.scribes))

    def feed(self, carrier: Carrier) -> None:
        """Give a connection letters while it has room and there are any whose turn it is."""
        now, transport = self.bench.monotonic(), carrier.transport
        while transport is not None and carrier.room(now) and self._may_send(carrier.relay, now):
            taken = self.scribes.take()
            if taken is None:
                self._wake_in(self.board.next_slot(now))
                return
            place, letter = taken
            carrier.relay.count(now)
            if isinstance(letter, RenderError):
                self.board.ended(place, now, answered=False)
                refused = Outcome(OutcomeState.REFUSED, self.bench.clock(), 0, f"not sent: {letter.message}")
                self._settle(place, refused)
                continue
            flight = _Flight(place, alone=self.board.stands_alone(place))
            self.in_flight[place.spot] = flight
            carrier.flying += 1
            carrier.alone += flight.alone
            try:
                transport.submit(letter)
            except BiweeklyError as error:
                self.stop_for(error)

    def _pump(self) -> None:
        now = self.bench.monotonic()
        for carrier in list(self.crew.carriers):
            if carrier.room(now):
                self.feed(carrier)
        if len(self.board) + len(self.scribes):
            self.crew.stir.set()

    def _pick(self) -> Place | None:
        return self.board.pick(self.bench.monotonic(), self.bench.clock())

    def _may_send(self, relay: Relay, now: float) -> bool:
        if self.halting or self.tripped is not None or self.state is not MailingState.SENDING:
            return False
        today = self.bench.clock()
        if not relay.on_duty(now, today):
            return False
        if len(self.relays) > 1 and self.crew.has_its_share(relay, now, today):
            return False
        wait = relay.throttle.wait(now) if relay.pace.rate is not None else 0.0
        if wait != 0.0:
            self._wake_in(wait)
        return wait == 0.0

    def _wake_in(self, seconds: float | None) -> None:
        """Look again when the next slot is there."""
        if seconds is None or self.halting:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        # The handle of a loop does not always tell when it rings.
        if self.alarm is None or self.rings_at > at or self.rings_at <= loop.time():
            if self.alarm is not None:
                self.alarm.cancel()
            self.alarm, self.rings_at = loop.call_at(at, self._pump), at

    def handed(self, letter: Letter) -> None:
        """Say so before the first byte of content leaves. A crash from here on leaves the letter in doubt."""
        lease = self.bench.lease
        if lease is not None and self.bench.monotonic() - self.lease_from >= lease.total_seconds() * _LEASE_SHARE:
            lost = StoppedPartWay(
                "this sender was held up past its lease; another may be at work, so it hands over nothing more",
                code="lease-lost", hint="biweekly status",
            )  # fmt: skip
            self.stop_for(lost)
            raise lost
        try:
            self.bench.journal.handed(self.bench.mailing, letter.spot)
        except BiweeklyError as error:
            self.stop_for(error)
            raise
        self.in_flight[letter.spot].handed = True

    def answered(self, carrier: Carrier, letter: Letter, answer: Reply | TransportError) -> None:
        """Take what came of a letter to the ledger's side."""
        flight = self.in_flight.pop(letter.spot, None)
        if flight is None:
            return
        place, relay, reused = flight.place, carrier.relay, carrier.carried > 0
        carrier.flying -= 1
        carrier.alone -= flight.alone
        self.board.ended(place, self.bench.monotonic(), answered=isinstance(answer, Reply))
        if isinstance(answer, Reply):
            try:
                self.bench.journal.answered(self.bench.mailing, letter.spot, answer.code)
            except BiweeklyError as error:
                self.stop_for(error)
            self.pacing.heed(answer, place, relay)
            if answer.code == CLOSING:
                # The relay has had enough of this connection, or of us for now; it is no word about this reader.
                answer = RelayUnavailable(f"the relay is closing: {answer}", code="relay-closing")
            else:
                carrier.carried += 1
                relay.answered()
        self.tripped = self.tripped or (None if self.halting else self.breaker.note(answer))
        fate = self.bench.judge(answer, place, self.bench.clock())
        if isinstance(fate, Due):
            self._try_once_more(place, answer, carrier, reused=reused)
        else:
            relay.accepted += isinstance(fate, Outcome) and fate.state is OutcomeState.ACCEPTED
            self._settle(place, fate)

    def _settle(self, place: Place, fate: Outcome | Wait) -> None:
        if place.began is None and isinstance(fate, Wait):
            place = replace(place, began=self.bench.clock())
        self.settled.append(Settled(place, fate))
        # Fewer are committed within 50 ms all the same: a commit for each would cost more than the letter.
        if len(self.settled) >= self.bench.batch:
            self.stir.set()

    def _try_once_more(self, place: Place, answer: Reply | TransportError, carrier: Carrier, *, reused: bool) -> None:
        """Nothing of it left. A letter that breaks every connection it is tried on waits like any other."""
        self.broken[place.spot] = self.broken.get(place.spot, 0) + 1
        if self.halting or self.broken[place.spot] < _TRIES_ON_THE_SPOT or carrier.relay.failing_since is not None:
            self.board.put_back(place)
        else:
            until = self.bench.clock() + self.bench.linger * 5
            self._settle(place, Wait(until, place.attempts + 1, 0, str(answer)))
        if not reused and not self.halting and isinstance(answer, RelayUnavailable) and not carrier.over.is_set():
            carrier.over.set()
            carrier.relay.failed(answer, self.bench.monotonic())

    def stop_for(self, error: BaseException) -> None:
        """Stop because of an error that nobody else can answer for; `run` raises it."""
        self.fatal = self.fatal or error
        self.halting = True
        self.stir.set()


def _tomorrow(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
