"""Conduct. Keeps relays and lanes to their pace: slots reserved ahead, complaints heeded, rates regained."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar

from biweekly.delivery.bench import Bench
from biweekly.delivery.crew import Relay
from biweekly.delivery.lanes import Board, LaneState
from biweekly.delivery.pace import Pace, Throttle, ease, slow_down
from biweekly.delivery.scope import READER_KNOWN, asks_for_patience
from biweekly.model.mailing import Place, Reply

_GRANT_SECONDS: Final = 1.0  # slots are reserved for about so long at a time
_LOOK_EVERY: Final = 5.0

T = TypeVar("T")


class OnThread(Protocol):
    """Runs a call on the thread that has the database."""

    def __call__(self, call: Callable[[], T]) -> Awaitable[T]: ...  # noqa: D102


class _Paced(Protocol):
    """A relay or a lane, as far as its pace goes."""

    pace: Pace
    throttle: Throttle

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...


class Pacing:
    """The paces of one sender."""

    def __init__(self, bench: Bench, board: Board, relays: list[Relay], on_thread: OnThread) -> None:
        """Begin with the paces that the rows say."""
        self._bench = bench
        self._board = board
        self._relays = relays
        self._on_thread = on_thread
        self._changed: dict[tuple[str, str], _Paced] = {}
        self._began = bench.monotonic()
        self._looked = float("-inf")

    def heed(self, answer: Reply, place: Place, relay: Relay) -> None:
        """Slow down where an answer says that it goes too fast: the reader's lane, or the relay itself."""
        if not asks_for_patience(answer):
            return
        paced: _Paced = self._board.lanes[place.spot.lane] if answer.phase in READER_KNOWN else relay
        elapsed = max(1.0, self._bench.monotonic() - self._began)
        sent = paced.answered if isinstance(paced, LaneState) else relay.sent
        slower = slow_down(paced.pace, seen=max(1.0, sent / elapsed), why=str(answer), now=self._bench.clock())
        self._set(paced, slower)

    async def tend(self, *, working: bool) -> None:
        """Write what changed, and while letters wait reserve the next slots. Now and then let rates grow again."""
        now, today = self._bench.monotonic(), self._bench.clock()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            await self._look(today)
        changed, self._changed = self._changed, {}
        for (kind, name), paced in changed.items():
            await self._on_thread(partial(self._bench.pace_book.keep, kind, name, paced.pace))
        if working:
            for relay in self._relays:
                if relay.pace.rate is not None and relay.on_duty(now, today):
                    await self._reserve(relay, relay.pace.rate)
            for lane in self._board.lanes.values():
                if lane.pace.rate is not None and lane.due and not lane.pace.resting(today):
                    await self._reserve(lane, lane.pace.rate)

    async def _look(self, today: datetime) -> None:
        everybody: list[_Paced] = [*self._relays, *self._board.lanes.values()]
        for paced in everybody:
            if paced.pace.too_fast is not None:
                self._set(paced, ease(paced.pace, now=today))
        for relay in self._relays:
            if relay.accepted:
                letters, relay.accepted = relay.accepted, 0
                count = partial(self._bench.pace_book.count_accepted, relay.door.name, letters, now=today)
                await self._on_thread(count)
            relay.left_today = await self._on_thread(partial(relay.door.daily, today))

    async def finish(self) -> None:
        """Write down what is not written yet."""
        self._looked = float("-inf")
        await self.tend(working=False)

    async def _reserve(self, paced: _Paced, rate: float) -> None:
        slots = max(1, int(rate * _GRANT_SECONDS))
        if paced.throttle.left > slots // 2:
            return
        now, today = self._bench.monotonic(), self._bench.clock()
        reserve = partial(self._bench.pace_book.reserve, paced.kind, paced.name, slots, rate=rate, now=today)
        first = await self._on_thread(reserve)
        paced.throttle.grant(slots, begins=now + (first - today).total_seconds(), gap=1 / rate)

    def _set(self, paced: _Paced, pace: Pace) -> None:
        if pace == paced.pace:
            return
        if pace.rate != paced.pace.rate:
            paced.throttle.forget()
        paced.pace = pace
        self._changed[paced.kind, paced.name] = paced
