"""Whose turn it is: every place once, lanes at their rate, and a slow lane never in the way of quick ones."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from biweekly.delivery.lanes import Board, LaneInfo
from biweekly.delivery.pace import Pace, unhindered
from biweekly.model.issue import VariantName
from biweekly.model.mailing import Lane, Place, Spot
from biweekly.model.subscriber import SubscriberId

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
FREE = unhindered(None)


def place(lane: int, pos: int) -> Place:
    return Place(Spot(Lane(lane), pos), SubscriberId(pos), "r@d.example", "", "d.example", VariantName.HTML)


def places(lane: int, count: int) -> list[Place]:
    return [place(lane, pos) for pos in range(count)]


def a_board(*names: str, connections: int = 4, batch: int = 100, **paces: Pace) -> Board:
    infos = [LaneInfo(Lane(number), name) for number, name in enumerate(names)]
    return Board(infos, {name: paces.get(name, FREE) for name in names}, connections=connections, batch=batch)


def pick_all(board: Board, now: float, *, most: int = 1_000) -> list[Place]:
    found: list[Place] = []
    while len(found) < most and (one := board.pick(now, NOW)) is not None:
        found.append(one)
    return found


def make_quick(board: Board, *lanes: int) -> None:
    """Have each of these lanes answer a letter at once."""
    for lane in lanes:
        board.put([place(lane, 10_000 + lane)])
    for one in pick_all(board, 0.0):
        board.ended(one, 0.01, answered=True)
    board.review(0.01)


def lanes_of(found: Iterable[Place]) -> Counter[int]:
    return Counter(int(one.spot.lane) for one in found)


# --- turns -------------------------------------------------------------------------------------------------------


def test_lanes_take_turns_and_each_keeps_its_order() -> None:
    board = a_board("a", "b")
    make_quick(board, 0, 1)
    board.put([*places(0, 3), *places(1, 3)])
    assert len(board) == 6
    found = pick_all(board, 1.0)
    assert [one.spot.pos for one in found if one.spot.lane == 0] == [0, 1, 2]
    assert lanes_of(found[:2]) == {0: 1, 1: 1}
    assert len(board) == 0
    assert board.pick(1.0, NOW) is None


def test_what_is_put_back_is_the_next_of_its_lane() -> None:
    board = a_board("a")
    board.put(places(0, 3))
    first = board.pick(0.0, NOW)
    assert first is not None
    board.ended(first, 0.1, answered=False)
    board.put_back(first)
    assert pick_all(board, 0.2) == places(0, 3)


def test_what_was_claimed_and_not_picked_is_given_back_once() -> None:
    board = a_board("a", "b")
    board.put([*places(0, 3), *places(1, 2)])
    picked = board.pick(0.0, NOW)
    left = list(board.clear())
    assert sorted([*left, *([picked] if picked else [])], key=lambda one: one.spot) == [*places(0, 3), *places(1, 2)]
    assert (len(board), list(board.clear())) == (0, [])


# --- slow and quick ----------------------------------------------------------------------------------------------


def test_a_lane_nobody_knows_has_half_of_the_connections_while_quick_letters_wait() -> None:
    board = a_board("quick", "new", connections=6)
    make_quick(board, 0)
    board.put([*places(0, 50), *places(1, 50)])
    found = pick_all(board, 1.0, most=40)
    assert lanes_of(found)[1] == 3
    assert board.stands_alone(place(1, 0))
    assert not board.stands_alone(place(0, 0))


def test_alone_a_slow_lane_may_have_every_connection() -> None:
    board = a_board("new", connections=2)
    board.put(places(0, 5))
    assert len(pick_all(board, 0.0)) == 5


def test_a_quick_lane_that_rests_does_not_hold_slow_ones_back() -> None:
    resting = Pace(None, 5.0, 10.0, NOW, timedelta(minutes=5), NOW + timedelta(minutes=5), "450 4.7.28")
    board = a_board("quick", "slow", connections=4)
    make_quick(board, 0)
    board.put([*places(0, 5), *places(1, 5)])
    board.lanes[Lane(0)].pace = resting
    assert lanes_of(pick_all(board, 1.0)) == {1: 5}
    assert not board.has_due(NOW)
    assert board.has_due(NOW + timedelta(minutes=5))
    assert board.rests() == [resting.rest_until, None]


def test_a_lane_that_stops_answering_is_slow_before_it_answers() -> None:
    board = a_board("a", "b")
    make_quick(board, 0, 1)
    board.put([*places(0, 1), *places(1, 1)])
    pick_all(board, 1.0)
    board.review(1.2)
    assert not board.stands_alone(place(0, 0))
    board.review(3.0)
    assert board.stands_alone(place(0, 0))


# --- rates -------------------------------------------------------------------------------------------------------


def test_a_lane_with_a_rate_goes_only_in_its_slots() -> None:
    board = a_board("a", a=unhindered(2.0))
    board.put(places(0, 5))
    lane = board.lanes[Lane(0)]
    assert board.pick(0.0, NOW) is None
    lane.throttle.grant(2, begins=1.0, gap=0.5)
    assert board.pick(0.9, NOW) is None
    assert board.next_slot(0.9) == pytest.approx(0.1)
    assert len(pick_all(board, 1.0)) == 1
    assert len(pick_all(board, 1.5)) == 1
    assert board.pick(9.0, NOW) is None
    assert board.next_slot(9.0) is None


def test_what_may_be_claimed_of_a_lane_follows_stage_rest_rate_and_quickness() -> None:
    infos = [LaneInfo(Lane(0), "quick", 0), LaneInfo(Lane(1), "new", 0), LaneInfo(Lane(2), "later", 2),
             LaneInfo(Lane(3), "resting", 0), LaneInfo(Lane(4), "rated", 0)]  # fmt: skip
    resting = Pace(None, 5.0, 10.0, NOW, timedelta(minutes=5), NOW + timedelta(minutes=5), "")
    paces = {"quick": FREE, "new": FREE, "later": FREE, "resting": resting, "rated": unhindered(0.2)}
    board = Board(infos, paces, connections=4, batch=100)
    make_quick(board, 0)
    board.put(places(0, 30))
    assert board.allowance(NOW, stage=0, ahead=10.0) == {0: 70, 1: 8, 2: 0, 3: 0, 4: 2}
    assert board.allowance(NOW + timedelta(hours=1), stage=2, ahead=10.0)[Lane(2)] == 8


# --- anything at all ---------------------------------------------------------------------------------------------

_CONNECTIONS = 6


class Post(RuleBasedStateMachine):
    """Lanes with answers quick and slow, rests, rates and letters that come back, held against a simple account."""

    @initialize(rated=st.booleans())
    def begin(self, rated: bool) -> None:
        paces = {"c": unhindered(5.0)} if rated else {}
        self.board = a_board("a", "b", "c", connections=_CONNECTIONS, batch=20, **paces)
        self.now, self.today = 0.0, NOW
        self.next = [0, 0, 0]
        self.waiting: Counter[Spot] = Counter()
        self.away: dict[Spot, Place] = {}
        self.over: set[Spot] = set()

    @rule(lane=st.integers(0, 2), count=st.integers(1, 15))
    def claim(self, lane: int, count: int) -> None:
        new = [place(lane, self.next[lane] + n) for n in range(count)]
        self.next[lane] += count
        self.waiting.update(one.spot for one in new)
        self.board.put(new)

    @rule(most=st.integers(1, 12))
    def pick(self, most: int) -> None:
        for _ in range(most):
            quick_could_go = any(
                lane.due and lane.quick and not lane.pace.resting(self.today)
                and (lane.pace.rate is None or lane.throttle.wait(self.now) == 0.0)
                for lane in self.board.lanes.values()
            )  # fmt: skip
            one = self.board.pick(self.now, self.today)
            if one is None:
                assert not quick_could_go
                return
            lane = self.board.lanes[one.spot.lane]
            assert self.waiting[one.spot] == 1
            assert not lane.pace.resting(self.today)
            del self.waiting[one.spot]
            self.away[one.spot] = one
            if not lane.quick and quick_could_go:
                slow = sum(other.in_flight for other in self.board.lanes.values() if not other.quick)
                assert slow <= _CONNECTIONS // 2

    @precondition(lambda self: self.away)
    @rule(data=st.data(), how=st.sampled_from(["answered", "back", "lost"]))
    def end(self, data: st.DataObject, how: str) -> None:
        spot = data.draw(st.sampled_from(sorted(self.away)))
        one = self.away.pop(spot)
        self.board.ended(one, self.now, answered=how == "answered")
        if how == "back":
            self.board.put_back(one)
            self.waiting[spot] += 1
        else:
            self.over.add(spot)

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.5, 3.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.today += timedelta(seconds=seconds)
        self.board.review(self.now)

    @rule(lane=st.integers(0, 2), seconds=st.integers(1, 30))
    def rest(self, lane: int, seconds: int) -> None:
        until = self.today + timedelta(seconds=seconds)
        state = self.board.lanes[Lane(lane)]
        state.pace = Pace(None, state.pace.rate, 10.0, self.today, timedelta(seconds=seconds), until, "")

    @rule(slots=st.integers(1, 5))
    def grant(self, slots: int) -> None:
        self.board.lanes[Lane(2)].throttle.grant(slots, begins=self.now, gap=0.2)

    @invariant()
    def every_place_is_here_or_away_or_over(self) -> None:
        assert len(self.board) == sum(self.waiting.values())
        assert sum(lane.in_flight for lane in self.board.lanes.values()) == len(self.away)
        assert len(self.waiting) + len(self.away) + len(self.over) == sum(self.next)
        slow = sum(lane.in_flight for lane in self.board.lanes.values() if not lane.quick)
        assert self.board._slow_in_flight == slow

    def teardown(self) -> None:
        if hasattr(self, "board"):
            assert sorted(one.spot for one in self.board.clear()) == sorted(self.waiting)


TestPost = Post.TestCase
TestPost.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
