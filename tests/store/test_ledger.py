from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, text, update

from biweekly.delivery.recovery import settle_open
from biweekly.errors import Refused, StoreError
from biweekly.model.issue import IssueId
from biweekly.model.mailing import (
    MailingId,
    MailingKind,
    MailingState,
    Outcome,
    OutcomeState,
    Place,
    Settled,
    Spot,
    Wait,
)
from biweekly.store import accounts, open_database, reading, tables, writing
from biweekly.store.books import Books
from biweekly.store.ledger import Fenced, Ledger, holders
from biweekly.store.migrations import upgrade

Begin = Callable[..., MailingId]
Readers = Callable[[int], Sequence[int]]


def nobody_knows(_: str | None, places: Sequence[Place]) -> Mapping[Spot, Outcome | Wait]:
    raise AssertionError(f"nothing should be open, and {len(places)} places are") if places else LookupError


def open_ledger(engine: Engine, mailing: MailingId, now: datetime, name: str = "boot/1/a") -> Ledger:
    ledger = Ledger(engine, mailing, name, lease_ms=None)
    ledger.take(free=[], settle=lambda _holder, places: settle_open(places, {}, now=now), now=now)
    return ledger


def accepted(place: Place, now: datetime) -> Settled:
    return Settled(place, Outcome(OutcomeState.ACCEPTED, now, 250, "ok"))


def test_an_audience_is_frozen_with_one_place_for_each_active_reader(
    engine: Engine, readers: Readers, begun: Begin
) -> None:
    readers(10)
    with writing(engine) as connection:
        connection.execute(update(tables.subscriber).where(tables.subscriber.c.id == 4).values(standing="left"))
    mailing = begun(9)
    with reading(engine) as connection:
        rows = connection.execute(select(tables.audience.c.subscriber).where(tables.audience.c.mailing == mailing))
        assert sorted(rows.scalars()) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert Books(engine, "main").not_mailed(mailing) == {"left": 1}


def test_a_count_that_changed_begins_nothing(engine: Engine, readers: Readers, begun: Begin) -> None:
    readers(3)
    with pytest.raises(Refused) as refusal:
        begun(4)
    assert refusal.value.code == "count-changed"
    with reading(engine) as connection:
        assert connection.execute(select(tables.mailing)).all() == []
        assert connection.execute(select(tables.audience)).all() == []


def test_an_issue_has_one_regular_mailing_and_any_number_of_others(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(3)
    first = begun(3)
    with pytest.raises(Refused) as refusal:
        begun(3)
    assert refusal.value.code == "already-mailed"
    correction = begun(3, kind=MailingKind.CORRECTION)
    second_that_day = begun(3, issue="2026-11-26-2")
    for mailing in (first, correction, second_that_day):
        ledger = open_ledger(engine, mailing, now)
        places = ledger.turn([], wanted=10, now=now).places
        ledger.turn([accepted(place, now) for place in places], wanted=0, now=now)
        assert str(accounts.tally(engine, mailing)).startswith("accepted 3 ")


def test_every_place_is_claimed_once_and_the_count_adds_up(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(25)
    mailing = begun(25)
    ledger = open_ledger(engine, mailing, now)
    seen: list[int] = []
    turn = ledger.turn([], wanted=7, now=now)
    while turn.places:
        seen += [place.subscriber for place in turn.places]
        turn = ledger.turn([accepted(place, now) for place in turn.places], wanted=7, now=now)
    assert sorted(seen) == list(range(1, 26))
    tally = accounts.tally(engine, mailing)
    assert (tally.accepted, tally.to_go, tally.adds_up) == (25, 0, True)
    assert tally == accounts.recount(engine, mailing)


def test_outcomes_may_run_ahead_of_the_cursor(engine: Engine, readers: Readers, begun: Begin, now: datetime) -> None:
    readers(6)
    mailing = begun(6)
    ledger = open_ledger(engine, mailing, now)
    places = ledger.turn([], wanted=6, now=now).places
    ledger.turn([accepted(place, now) for place in places[3:]], wanted=0, now=now)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT sum(cursor), sum(inflight) FROM shard")).one()[1] == 6
    taken: list[Spot] = []

    def settle(_holder: str | None, left: Sequence[Place]) -> Mapping[Spot, Outcome | Wait]:
        taken.extend(place.spot for place in left)
        return settle_open(left, None, now=now)

    Ledger(engine, mailing, "boot/2/b", lease_ms=None).take(free=["boot/1/a"], settle=settle, now=now)
    assert sorted(taken) == sorted(place.spot for place in places[:3])
    tally = accounts.tally(engine, mailing)
    assert (tally.accepted, tally.uncertain, tally.adds_up) == (3, 3, True)


def test_a_reader_who_left_after_planning_comes_back_unmailable(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(3)
    mailing = begun(3)
    with writing(engine) as connection:
        connection.execute(update(tables.subscriber).where(tables.subscriber.c.id == 2).values(standing="suppressed"))
    places = open_ledger(engine, mailing, now).turn([], wanted=5, now=now).places
    assert {place.subscriber: place.mailable for place in places} == {1: True, 2: False, 3: True}


def test_a_waiting_place_is_claimed_again_when_its_time_has_come(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(1)
    mailing = begun(1)
    ledger = open_ledger(engine, mailing, now)
    (place,) = ledger.turn([], wanted=5, now=now).places
    later = now + timedelta(minutes=5)
    turn = ledger.turn([Settled(place, Wait(later, 1, 451, "later"))], wanted=5, now=now)
    assert (list(turn.places), turn.next_due) == ([], later)
    assert accounts.tally(engine, mailing).waiting == 1
    (again,) = ledger.turn([], wanted=5, now=later).places
    assert (again.attempts, again.was_waiting, again.spot) == (1, True, place.spot)
    ledger.turn([accepted(again, later)], wanted=0, now=later)
    tally = accounts.tally(engine, mailing)
    assert (tally.accepted, tally.waiting, tally.adds_up) == (1, 0, True)


def test_release_gives_back_what_was_claimed_and_never_handed(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(9)
    mailing = begun(9)
    ledger = open_ledger(engine, mailing, now)
    places = ledger.turn([], wanted=9, now=now).places
    ledger.release([accepted(places[1], now)], [*places[:1], *places[2:]], now=now)
    assert holders(engine, mailing) == []
    tally = accounts.tally(engine, mailing)
    assert (tally.accepted, tally.to_go, tally.waiting, tally.adds_up) == (1, 8, 0, True)
    again = open_ledger(engine, mailing, now, "boot/1/c").turn([], wanted=20, now=now).places
    assert sorted(place.subscriber for place in again) == sorted(
        place.subscriber for place in places if place is not places[1]
    )


def test_a_sender_that_was_taken_over_writes_nothing_more(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(4)
    mailing = begun(4)
    first = open_ledger(engine, mailing, now)
    places = first.turn([], wanted=4, now=now).places
    second = Ledger(engine, mailing, "boot/2/b", lease_ms=None)
    second.take(free=["boot/1/a"], settle=lambda _h, left: settle_open(left, None, now=now), now=now)
    with pytest.raises(Fenced):
        first.turn([accepted(place, now) for place in places], wanted=0, now=now)
    tally = accounts.tally(engine, mailing)
    assert (tally.accepted, tally.uncertain, tally.adds_up) == (0, 4, True)


def test_a_paused_mailing_hands_out_nothing(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    readers(2)
    mailing = begun(2)
    ledger = open_ledger(engine, mailing, now)
    books.change_state(mailing, MailingState.PAUSED, only_from=(MailingState.SENDING,))
    turn = ledger.turn([], wanted=5, now=now)
    assert (list(turn.places), turn.state) == ([], MailingState.PAUSED)


def test_a_place_cannot_have_two_outcomes_in_one_round(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(1)
    mailing = begun(1)
    ledger = open_ledger(engine, mailing, now)
    (place,) = ledger.turn([], wanted=1, now=now).places
    ledger.turn([accepted(place, now)], wanted=0, now=now)
    with pytest.raises(StoreError):
        ledger.turn([accepted(place, now)], wanted=0, now=now)
    assert accounts.recount(engine, mailing).accepted == 1


@pytest.mark.parametrize(("ruling", "word"), [("sent", "accepted"), ("again", "waiting")])
def test_a_person_settles_what_is_uncertain(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime, ruling: str, word: str
) -> None:
    readers(2)
    mailing = begun(2)
    ledger = open_ledger(engine, mailing, now)
    places = ledger.turn([], wanted=2, now=now).places
    doubt = Settled(places[0], Outcome(OutcomeState.IN_DOUBT, now))
    ledger.release([doubt, accepted(places[1], now)], [], now=now)
    what: Mapping[str, object] = {"sent": "sent", "again": "again"}
    ruled = books.rule(mailing, None, what[ruling], who="nino", why="asked her", now=now)  # type: ignore[arg-type]  # parametrized
    assert [(one.spot.round, one.subscriber) for one in ruled] == [(1, places[0].subscriber)]
    tally = accounts.tally(engine, mailing)
    assert tally == accounts.recount(engine, mailing)
    assert (getattr(tally, word), tally.uncertain, tally.adds_up) == (2 if word == "accepted" else 1, 0, True)
    again = open_ledger(engine, mailing, now, "boot/1/d").turn([], wanted=5, now=now).places
    assert [place.spot.round for place in again] == ([1] if ruling == "again" else [])


def test_a_million_would_fit_because_a_place_is_small(sqlite_engine: Engine, now: datetime) -> None:
    count = 20_000
    with writing(sqlite_engine) as connection:
        connection.execute(
            insert(tables.subscriber),
            [{"id": n, "key_hash": n.to_bytes(16), "address_id": n, "standing": "active", "variant": "html",
              "since": now} for n in range(1, count + 1)],
        )  # fmt: skip
        connection.execute(
            insert(tables.address),
            [{"id": n, "subscriber": n, "address": f"r{n}@x.example", "name": "", "domain": "x.example", "at": now}
             for n in range(1, count + 1)],
        )  # fmt: skip
    books = Books(sqlite_engine, "main")
    books.enter_and_begin(IssueId("i"), MailingKind.REGULAR, ("0" * 64, "w", b""), expected=count, now=now)
    with reading(sqlite_engine) as connection:
        size = connection.execute(text("SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%audience%'")).scalar()
        assert connection.execute(text("SELECT count(*) FROM shard")).scalar() == 2
    assert size is not None
    assert size / count <= 80


# --- walked at random, crashing at any step ---------------------------------------------------------------------


@dataclass
class Walk:
    """What really happened to each subscriber, against which the ledger is held."""

    handed: set[int] = field(default_factory=set)
    arrived: dict[int, int] = field(default_factory=dict)
    journal: dict[Spot, int] = field(default_factory=dict)


STEP = st.sampled_from(["send", "send", "send", "refuse", "defer", "commit", "commit", "crash", "stop", "later"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=5, max_size=60), torn=st.booleans())
def test_nobody_is_lost_or_doubled_wherever_it_crashes(
    steps: list[str], torn: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('walk') / 'w.db'}")
    upgrade(engine)
    now = datetime.fromisoformat("2026-11-26T09:00:00+00:00")
    count = 12
    with writing(engine) as connection:
        for n in range(1, count + 1):
            person = {"id": n, "key_hash": n.to_bytes(16), "address_id": n, "standing": "active", "variant": "html"}
            mailbox = {
                "id": n,
                "subscriber": n,
                "address": f"r{n}@x.example",
                "name": "",
                "domain": f"d{n % 2}.example",
            }
            connection.execute(insert(tables.subscriber).values(**person, since=now))
            connection.execute(insert(tables.address).values(**mailbox, at=now))
    books = Books(engine, "main")
    frozen = ("0" * 64, "w", b"")
    mailing = books.enter_and_begin(IssueId("i"), MailingKind.REGULAR, frozen, expected=count, now=now).id

    walk, holder_number = Walk(), 0

    def settle(_holder: str | None, left: Sequence[Place]) -> Mapping[Spot, Outcome | Wait]:
        return settle_open(left, None if torn else walk.journal, now=now)

    def start() -> Ledger:
        free = [name for name, _ in holders(engine, mailing)]
        ledger = Ledger(engine, mailing, f"boot/{holder_number}/j{holder_number}", lease_ms=None)
        ledger.take(free=free, settle=settle, now=now)
        walk.journal.clear()
        return ledger

    ledger, claimed, settled = start(), list[Place](), list[Settled]()
    for step in [*steps, "crash"]:
        if step in {"send", "refuse", "defer"}:
            if not claimed:
                claimed += ledger.turn(settled, wanted=4, now=now).places
                settled = []
            if not claimed:
                continue
            place = claimed.pop(0)
            walk.handed.add(place.subscriber)
            code = {"send": 250, "refuse": 550, "defer": 451}[step]
            walk.journal[place.spot] = code
            if step == "send":
                walk.arrived[place.subscriber] = walk.arrived.get(place.subscriber, 0) + 1
                settled.append(accepted(place, now))
            elif step == "refuse":
                settled.append(Settled(place, Outcome(OutcomeState.REFUSED, now, 550, "no such user")))
            else:
                settled.append(Settled(place, Wait(now + timedelta(minutes=5), place.attempts + 1, 451, "later")))
        elif step == "commit":
            claimed += ledger.turn(settled, wanted=2, now=now).places
            settled = []
        elif step == "later":
            now += timedelta(minutes=10)
        else:
            if step == "stop":
                ledger.release(settled, claimed, now=now)
            holder_number += 1
            ledger, claimed, settled = start(), [], []
        tally = accounts.tally(engine, mailing)
        assert tally.adds_up
        assert tally == accounts.recount(engine, mailing)

    states = {line.subscriber: line.state for line in accounts.lines(engine, mailing)}
    assert len(states) == count
    assert all(times == 1 for times in walk.arrived.values()), "somebody was mailed twice"
    for number, state in states.items():
        if state == "accepted":
            assert number in walk.arrived
        if number in walk.arrived:
            assert state in {"accepted", "uncertain"}
        if number not in walk.handed and not torn:
            assert state == "to go"
    engine.dispose()
