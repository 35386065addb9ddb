"""Seeds first, then the canary and a wait, then everybody: on either database."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update

from biweekly.model.issue import IssueId
from biweekly.model.mailing import Lane, MailingId, MailingKind, Outcome, OutcomeState, Place, Settled, Spot, Wait
from biweekly.store import accounts, reading, tables, writing
from biweekly.store.books import Books
from biweekly.store.ledger import Ledger
from biweekly.store.stages import CANARY, CANARY_LANE, REST, SEED_LANE, SEEDS, open_stage

Readers = Callable[[int], Sequence[int]]
WAIT = timedelta(minutes=10)
SEED = ("reader7@d1.example", "READER3@d0.example", "nobody@d0.example", "reader7@d1.example")


def begin(
    engine: Engine, now: datetime, planned: int, *, seeds: tuple[str, ...] = (), canary: float = 0.0,
    issue: str = "2026-11-26",
) -> MailingId:  # fmt: skip
    books = Books(engine, "main", seeds=seeds, canary=canary)
    frozen = (issue.ljust(64, "0"), issue, b"{}")
    return books.enter_and_begin(IssueId(issue), MailingKind.REGULAR, frozen, expected=planned, now=now).id


def audience(engine: Engine, mailing: MailingId) -> dict[str, set[int]]:
    """Who is in which lane, by its name; and no place twice, none left out."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(tables.lane.c.name, tables.audience.c.subscriber)
            .join(
                tables.audience,
                (tables.audience.c.mailing == tables.lane.c.mailing) & (tables.audience.c.lane == tables.lane.c.lane),
            )
            .where(tables.lane.c.mailing == mailing)
        ).all()
    found: dict[str, set[int]] = {}
    for name, subscriber in rows:
        found.setdefault(name, set()).add(subscriber)
    assert sum(map(len, found.values())) == len(rows)
    return found


def nothing_open(_: str | None, places: Sequence[Place]) -> Mapping[Spot, Outcome | Wait]:
    assert not places
    return {}


def claim_lane(engine: Engine, mailing: MailingId, ledger: Ledger, name: str, now: datetime) -> Sequence[Place]:
    """Claim all of one lane, as a sender does whose stage has come."""
    allowed = {one.lane: 0 for one in accounts.lane_infos(engine, mailing)}
    lane = next(one.lane for one in accounts.lane_infos(engine, mailing) if one.name == name)
    return ledger.turn([], wanted=200, now=now, allowed={**allowed, Lane(lane): 200}).places


@pytest.fixture
def ledger(engine: Engine, now: datetime) -> Callable[[MailingId], Ledger]:
    def take(mailing: MailingId) -> Ledger:
        opened = Ledger(engine, mailing, "boot/1/a", lease_ms=None)
        opened.take(free=[], settle=nothing_open, now=now)
        return opened

    return take


def test_without_seeds_and_canary_everybody_is_in_one_stage(engine: Engine, readers: Readers, now: datetime) -> None:
    readers(30)
    mailing = begin(engine, now, 30)
    assert {one.stage for one in accounts.lane_infos(engine, mailing)} == {0}
    assert not {SEED_LANE, CANARY_LANE} & set(audience(engine, mailing))


def test_seeds_and_canary_have_lanes_of_their_own_and_nobody_is_in_two(
    engine: Engine, readers: Readers, now: datetime
) -> None:
    readers(100)
    mailing = begin(engine, now, 100, seeds=SEED, canary=0.1)
    lanes = audience(engine, mailing)
    assert lanes[SEED_LANE] == {7, 3}
    assert len(lanes[CANARY_LANE]) == 10
    assert set().union(*lanes.values()) == set(range(1, 101))
    stages = {one.name: one.stage for one in accounts.lane_infos(engine, mailing)}
    assert (stages.pop(SEED_LANE), stages.pop(CANARY_LANE)) == (SEEDS, CANARY)
    assert set(stages.values()) == {REST}


def test_the_canary_is_another_for_another_mailing(engine: Engine, readers: Readers, now: datetime) -> None:
    readers(100)
    found = [begin(engine, now, 100, canary=0.1, issue=issue) for issue in ("2026-11-26", "2026-12-10")]
    first, second = (audience(engine, mailing)[CANARY_LANE] for mailing in found)
    assert first != second
    assert len(first) == len(second) == 10


def test_a_seed_who_left_is_mailed_by_nobody(engine: Engine, readers: Readers, now: datetime) -> None:
    readers(10)
    with writing(engine) as connection:
        connection.execute(update(tables.subscriber).where(tables.subscriber.c.id == 7).values(standing="left"))
    mailing = begin(engine, now, 9, seeds=("reader7@d1.example",))
    assert SEED_LANE not in audience(engine, mailing)
    assert open_stage(engine, mailing, WAIT, now) == (REST, None)


def test_a_tiny_list_has_a_canary_of_one(engine: Engine, readers: Readers, now: datetime) -> None:
    readers(3)
    assert len(audience(engine, begin(engine, now, 3, canary=0.01))[CANARY_LANE]) == 1


def test_stages_open_one_after_the_other_and_the_rest_waits(
    engine: Engine, readers: Readers, now: datetime, ledger: Callable[[MailingId], Ledger]
) -> None:
    readers(40)
    mailing = begin(engine, now, 40, seeds=SEED, canary=0.1)
    sender = ledger(mailing)
    assert open_stage(engine, mailing, WAIT, now) == (SEEDS, None)
    seeds = claim_lane(engine, mailing, sender, SEED_LANE, now)
    assert open_stage(engine, mailing, WAIT, now) == (SEEDS, None)
    # One is taken and one waits: each of them was tried.
    tried = [Settled(seeds[0], Outcome(OutcomeState.ACCEPTED, now)), Settled(seeds[1], Wait(now + WAIT, 1, 451, ""))]
    sender.turn(tried, wanted=0, now=now)
    assert open_stage(engine, mailing, WAIT, now) == (CANARY, None)
    canary = claim_lane(engine, mailing, sender, CANARY_LANE, now)
    half = [Settled(one, Outcome(OutcomeState.ACCEPTED, now)) for one in canary[:2]]
    sender.turn(half, wanted=0, now=now)
    assert open_stage(engine, mailing, WAIT, now + WAIT) == (CANARY, None)
    last = now + timedelta(minutes=3)
    sender.turn([Settled(one, Outcome(OutcomeState.REFUSED, last, 550, "")) for one in canary[2:]], wanted=0, now=last)
    assert open_stage(engine, mailing, WAIT, last) == (CANARY, last + WAIT)
    assert open_stage(engine, mailing, WAIT, last + WAIT - timedelta(seconds=1)) == (CANARY, last + WAIT)
    assert open_stage(engine, mailing, WAIT, last + WAIT) == (REST, None)


def test_a_canary_that_was_put_off_altogether_is_waited_for_all_the_same(
    engine: Engine, readers: Readers, now: datetime, ledger: Callable[[MailingId], Ledger]
) -> None:
    readers(40)
    mailing = begin(engine, now, 40, canary=0.1)
    sender = ledger(mailing)
    canary = claim_lane(engine, mailing, sender, CANARY_LANE, now)
    began = [Place(one.spot, one.subscriber, one.address, "", one.domain, one.variant, began=now) for one in canary]
    later = Wait(now + timedelta(minutes=5), 1, 550, "550 5.7.26 unauthenticated")
    sender.turn([Settled(one, later) for one in began], wanted=0, now=now)
    assert open_stage(engine, mailing, WAIT, now + timedelta(minutes=1)) == (CANARY, now + WAIT)
    assert open_stage(engine, mailing, WAIT, now + WAIT) == (REST, None)
