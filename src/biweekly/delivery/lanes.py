"""Pure. What is claimed and waits to be sent, lane by lane: whose turn it is, and that no lane holds up another.

A lane is *quick* once its letters were answered about as soon as those of the quickest lane. What is not quick (a
provider that lets us wait, or one nobody knows yet) never has more than half of the connections while there are quick
letters to send, and never has another letter behind its own on the same connection.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from biweekly.delivery.pace import Pace, Throttle
from biweekly.model.mailing import Lane, Place

_ALWAYS_QUICK: Final = 0.25  # seconds
_QUICK_TIMES: Final = 4.0
_MEMORY: Final = 0.3  # how much the last answer counts in the average
_UNKNOWN_AHEAD: Final = 8
_SLOW_AHEAD: Final = 4


@dataclass(frozen=True, slots=True)
class LaneInfo:
    """A lane as it was planned: its number, its name (a domain, or a group of small ones), its stage."""

    lane: Lane
    name: str
    stage: int = 0


@dataclass(slots=True)
class LaneState:
    """A lane on its way. `took` is the average time to an answer in seconds, None before the first."""

    info: LaneInfo
    pace: Pace
    throttle: Throttle = field(default_factory=Throttle)
    due: deque[Place] = field(default_factory=deque)
    sent_at: deque[float] = field(default_factory=deque)
    took: float | None = None
    quick: bool = False
    answered: int = 0
    kind: ClassVar[str] = "lane"

    @property
    def name(self) -> str:
        """The name of its row."""
        return self.info.name

    @property
    def in_flight(self) -> int:
        """How many letters are on their way."""
        return len(self.sent_at)


class Board:
    """The lanes of a mailing in one sender. Times are seconds of a monotonic clock, `today` is aware UTC."""

    def __init__(self, infos: Iterable[LaneInfo], paces: Mapping[str, Pace], *, connections: int, batch: int) -> None:
        """`connections` are those of all relays together."""
        self.lanes = {info.lane: LaneState(info, paces[info.name]) for info in infos}
        self._rota: deque[LaneState] = deque(self.lanes.values())
        self._most_slow = max(1, connections // 2)
        self._batch = batch
        self._due = 0
        self._slow_in_flight = 0
        self._limit = _ALWAYS_QUICK

    def __len__(self) -> int:
        return self._due

    # --- claimed, picked, answered -------------------------------------------------------------------------------

    def put(self, places: Iterable[Place]) -> None:
        """Take what was claimed."""
        for place in places:
            self.lanes[place.spot.lane].due.append(place)
            self._due += 1

    def put_back(self, place: Place) -> None:
        """Take back what could not be tried; it is the next of its lane."""
        self.lanes[place.spot.lane].due.appendleft(place)
        self._due += 1

    def pick(self, now: float, today: datetime) -> Place | None:
        """Return the place whose turn it is and count it as on its way; None where none may go now."""
        if not self._due:
            return None
        may_be_slow = self._slow_in_flight < self._most_slow or not self._quick_waiting(today)
        for _ in range(len(self._rota)):
            lane = self._rota[0]
            self._rota.rotate(-1)
            if lane.due and (lane.quick or may_be_slow) and self._may_go(lane, now, today):
                return self._start(lane, now)
        return None

    def _quick_waiting(self, today: datetime) -> bool:
        return any(lane.due and lane.quick and not lane.pace.resting(today) for lane in self._rota)

    def _may_go(self, lane: LaneState, now: float, today: datetime) -> bool:
        if lane.pace.rest_until is not None and lane.pace.resting(today):
            return False
        return lane.pace.rate is None or lane.throttle.wait(now) == 0.0

    def _start(self, lane: LaneState, now: float) -> Place:
        if lane.pace.rate is not None:
            lane.throttle.use(now)
        if not lane.quick:
            self._slow_in_flight += 1
        lane.sent_at.append(now)
        self._due -= 1
        return lane.due.popleft()

    def ended(self, place: Place, now: float, *, answered: bool) -> None:
        """Count a letter as no more on its way; `answered` where the relay said anything about it."""
        lane = self.lanes[place.spot.lane]
        began = lane.sent_at.popleft() if lane.sent_at else now
        if not lane.quick:
            self._slow_in_flight -= 1
        if not answered:
            return
        lane.answered += 1
        lane.took = now - began if lane.took is None else lane.took + _MEMORY * (now - began - lane.took)
        if not lane.quick and lane.took <= self._limit:
            self._set_quick(lane, quick=True)

    def stands_alone(self, place: Place) -> bool:
        """Whether no other letter should stand behind this one on its connection."""
        return not self.lanes[place.spot.lane].quick

    # --- now and then --------------------------------------------------------------------------------------------

    def review(self, now: float) -> None:
        """Look again at which lanes are quick: by their answers, and by how long the oldest letter has been away."""
        known = [lane.took for lane in self._rota if lane.took is not None]
        self._limit = max(_ALWAYS_QUICK, min(known, default=0.0) * _QUICK_TIMES)
        for lane in self._rota:
            away = now - lane.sent_at[0] if lane.sent_at else 0.0
            quick = lane.took is not None and max(lane.took, away) <= self._limit
            if quick != lane.quick:
                self._set_quick(lane, quick=quick)

    def _set_quick(self, lane: LaneState, *, quick: bool) -> None:
        lane.quick = quick
        self._slow_in_flight += -lane.in_flight if quick else lane.in_flight

    def allowance(self, today: datetime, *, stage: int, ahead: float) -> dict[Lane, int]:
        """Say how many places more may be claimed of each lane: none where it rests or its stage has not come.

        A lane with a rate gets `ahead` seconds' worth, one that is not quick a few.
        """
        allowed = {}
        for number, lane in self.lanes.items():
            most = self._batch if lane.quick else _UNKNOWN_AHEAD if lane.took is None else _SLOW_AHEAD
            if lane.pace.rate is not None:
                most = min(most, max(1, int(lane.pace.rate * ahead)))
            rests = lane.info.stage > stage or lane.pace.resting(today)
            allowed[number] = 0 if rests else max(0, most - len(lane.due))
        return allowed

    def ready(self) -> int:
        """Count what could be sent at once were there connections: of lanes that are quick or not known to be slow."""
        return sum(len(lane.due) for lane in self._rota if lane.quick or lane.took is None)

    def next_slot(self, now: float) -> float | None:
        """Return the seconds until a lane with a rate has its next slot, None where none waits for one."""
        waits = [lane.throttle.wait(now) for lane in self._rota if lane.due and lane.pace.rate is not None]
        return min((wait for wait in waits if wait is not None), default=None)

    def has_due(self, today: datetime) -> bool:
        """Whether anything waits here that does not rest."""
        return any(lane.due and not lane.pace.resting(today) for lane in self._rota)

    def rests(self) -> list[datetime | None]:
        """Return until when each lane rests."""
        return [lane.pace.rest_until for lane in self._rota]

    def clear(self) -> Iterator[Place]:
        """Give everything back that was claimed and not picked."""
        for lane in self._rota:
            yield from lane.due
            lane.due.clear()
        self._due = 0
