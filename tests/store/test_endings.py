"""Cancel and stop-press: one transaction, under new generations, that leaves nobody out and nobody twice."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select, update
from tests.store.ending import books_in_order, carry, everything, hold, settle, states

from biweekly.errors import Refused, StoreError
from biweekly.model.issue import IssueId
from biweekly.model.mailing import Mailing, MailingId, MailingKind, MailingState
from biweekly.store import endings, open_database, reading, tables, writing
from biweekly.store.books import Books
from biweekly.store.ledger import Fenced

Begin = Callable[..., MailingId]
Readers = Callable[[int], Sequence[int]]
NEXT = ("c" * 64, "second", b'{"second": true}')
WORDS = {1: "accepted", 2: "refused", 3: "in doubt", 4: "later", 5: "policy", 6: "in doubt"}
LEFT = {4, 5, 6, 7, 8, 9, 10, 11, 12}


class Unplugged(Exception):
    """The process died here."""


@contextmanager
def unplugged_at(engine: Engine, statement: int) -> Iterator[None]:
    """Die before the n-th statement."""
    seen = itertools.count(1)

    def count(_c: Connection, _cursor: object, _sql: str, _p: object, _ctx: object, _many: object) -> None:
        if next(seen) == statement:
            raise Unplugged

    event.listen(engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", count)


def stopped(engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime) -> Mailing:
    """Twelve readers; six were tried, one of those in doubt was ruled to be sent again; then it was paused."""
    readers(12)
    mailing = begun(12)
    carry(engine, mailing, WORDS, now)
    books.rule(mailing, [6], "again", who="nino", why="", now=now)  # type: ignore[list-item]  # a number is a subscriber
    books.pause(mailing, reason="a wrong name", now=now)
    return books.find(mailing)


def stop_press(books: Books, mailing: Mailing, now: datetime, expected: int = len(LEFT)) -> Mailing:
    return books.stop_press(mailing, MailingKind.STOP_PRESS, NEXT, expected=expected, now=now)


def test_cancelling_skips_whoever_has_no_outcome_and_leaves_doubt_as_it_is(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    assert books.cancel(mailing.id, reason="cancelled by nino", now=now) == len(LEFT)
    expected = {1: "accepted", 2: "failed", 3: "uncertain"} | dict.fromkeys(LEFT, "skipped")
    assert states(engine, mailing.id) == expected
    ended = books.find(mailing.id)
    assert (ended.state, ended.reason, ended.finished) == (MailingState.CANCELLED, "cancelled by nino", now)
    with reading(engine) as connection:
        assert connection.execute(select(tables.waiting)).all() == []
        replies = connection.execute(select(tables.outcome.c.reply).where(tables.outcome.c.state == 4)).scalars().all()
    assert set(replies) == {"cancelled"}
    books_in_order(engine)


def test_a_stop_press_freezes_exactly_those_whom_the_mailing_had_not_reached(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    begun_anew = stop_press(books, mailing, now)
    assert (begun_anew.kind, begun_anew.state, begun_anew.planned) == (MailingKind.STOP_PRESS, MailingState.SENDING, 9)
    assert (begun_anew.edition, begun_anew.stamp) == (NEXT[0], now)
    assert books.edition(NEXT[0]) == NEXT[2]
    assert states(engine, begun_anew.id) == dict.fromkeys(LEFT, "to go")
    old = states(engine, mailing.id)
    assert {one for one, state in old.items() if state == "skipped"} == LEFT
    assert old[3] == "uncertain"
    assert books.find(mailing.id).state is MailingState.CANCELLED
    assert f"mailing {begun_anew.id}" in (books.find(mailing.id).reason or "")
    books_in_order(engine)
    assert carry(engine, begun_anew.id, dict.fromkeys(range(1, 13), "accepted"), now) == sorted(LEFT)
    assert books.finish(begun_anew.id, at=now)
    books_in_order(engine)
    one, other = books.tally(mailing.id), books.tally(begun_anew.id)
    assert one.accepted + one.failed + one.uncertain + other.accepted == 12


def test_the_next_edition_goes_to_the_same_address_lane_and_variant(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    begun_anew = stop_press(books, mailing, now)
    a = tables.audience.c
    with reading(engine) as connection:
        rows = connection.execute(select(a.mailing, a.subscriber, a.lane, a.address_id, a.variant)).all()
        names = {tuple(row) for row in connection.execute(select(tables.lane.c.lane, tables.lane.c.name))}
    first = {row.subscriber: tuple(row)[2:] for row in rows if row.mailing == mailing.id}
    second = {row.subscriber: tuple(row)[2:] for row in rows if row.mailing == begun_anew.id}
    assert second == {one: first[one] for one in LEFT}
    assert len(names) == len({row.lane for row in rows})


@pytest.mark.parametrize("state", ["sending", "scheduled", "sent", "cancelled"])
def test_only_a_paused_mailing_can_be_ended(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime, state: str
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    with writing(engine) as connection:
        connection.execute(update(tables.mailing).values(state=state))
    before = everything(engine)
    for end in (lambda: books.cancel(mailing.id, reason="", now=now), lambda: stop_press(books, mailing, now)):
        with pytest.raises(Refused) as error:
            end()
        assert error.value.code == "not-paused"
    assert everything(engine) == before


def test_while_somebody_holds_a_part_nothing_is_ended(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    ledger = hold(engine, mailing.id, now)
    before = everything(engine)
    for end in (lambda: books.cancel(mailing.id, reason="", now=now), lambda: stop_press(books, mailing, now)):
        with pytest.raises(Refused) as error:
            end()
        assert error.value.code == "another-sender"
    assert everything(engine) == before
    ledger.release([], [], now=now)
    stop_press(books, mailing, now)
    books_in_order(engine)


@pytest.mark.postgresql
def test_a_sender_frozen_in_the_midst_of_a_commit_is_not_waited_for(
    request: pytest.FixtureRequest, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "_PATIENCE_MS", 50)
    engine = open_database(request.getfixturevalue("postgresql_url"))
    books = Books(engine, "main")
    with writing(engine) as connection:
        person = {"id": 1, "key_hash": b"1", "address_id": 1, "standing": "active", "variant": "html", "since": now}
        mailbox = {"id": 1, "subscriber": 1, "address": "r@d.example", "name": "", "domain": "d.example", "at": now}
        connection.execute(tables.subscriber.insert().values(**person))
        connection.execute(tables.address.insert().values(**mailbox))
    mailing = books.enter_and_begin(IssueId("i"), MailingKind.REGULAR, NEXT, expected=1, now=now)
    books.pause(mailing.id, reason=None, now=now)
    with writing(engine) as frozen:
        frozen.execute(update(tables.shard).values(cursor=tables.shard.c.cursor))
        with pytest.raises(StoreError) as error:
            books.cancel(mailing.id, reason="", now=now)
    assert error.value.code == "database-locked"
    assert books.cancel(mailing.id, reason="", now=now) == 1
    engine.dispose()


def test_a_sender_from_before_the_end_writes_nothing_more(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    readers(3)
    mailing = begun(3)
    ghost = hold(engine, mailing, now)
    places = ghost.turn([], wanted=2, now=now).places
    books.pause(mailing, reason=None, now=now)
    hold(engine, mailing, now, "boot/2/b").release([], [], now=now)  # its lease had run out: another settled it
    books.cancel(mailing, reason="", now=now)
    before = everything(engine)
    with pytest.raises(Fenced):
        ghost.turn([settle(one, "accepted", now) for one in places], wanted=0, now=now)
    assert everything(engine) == before
    books_in_order(engine)


def test_who_takes_an_ended_mailing_finds_nothing_to_claim(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    books.cancel(mailing.id, reason="", now=now)
    turn = hold(engine, mailing.id, now).turn([], wanted=100, now=now)
    assert (list(turn.places), turn.state) == ([], MailingState.CANCELLED)
    books_in_order(engine)


@pytest.mark.parametrize("what", ["cancel", "stop-press", "resend", "resolve", "resume"])
def test_a_crash_anywhere_leaves_the_state_before_or_the_state_after(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime, what: str
) -> None:
    mailing = stopped(engine, readers, begun, books, now)

    def act() -> Any:
        match what:
            case "cancel":
                return books.cancel(mailing.id, reason="", now=now)
            case "stop-press":
                return stop_press(books, mailing, now)
            case "resend":
                return books.resend(mailing.id, who="nino", why="", now=now)
            case "resolve":
                return books.rule(mailing.id, None, "sent", who="nino", why="", now=now)
            case _:
                return books.go_on(mailing.id, now=now)

    before = everything(engine)
    died = 0
    while everything(engine) == before:
        with unplugged_at(engine, died + 1), suppress(Unplugged):
            act()
        died += 1
        books_in_order(engine)
    assert died > 3
    # Whether or not it lived to say so: the whole of it is there.
    whole = {"cancel": "cancelled", "stop-press": "cancelled", "resume": "sending"}.get(what, "paused")
    assert books.find(mailing.id).state == whole
    anew = [one.planned for one in books.of_issue(mailing.issue) if one.id != mailing.id]
    assert anew == ([len(LEFT)] if what == "stop-press" else [])


def test_another_number_than_was_confirmed_changes_nothing(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    before = everything(engine)
    with pytest.raises(Refused) as error:
        stop_press(books, mailing, now, expected=len(LEFT) + 1)
    assert error.value.code == "count-changed"
    assert everything(engine) == before


def test_where_the_counts_do_not_agree_nothing_is_ended(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    with writing(engine) as connection:
        connection.execute(
            update(tables.lane).where(tables.lane.c.lane == 0).values(accepted=tables.lane.c.accepted + 1)
        )
    before = everything(engine)
    with pytest.raises(StoreError) as error:
        books.cancel(mailing.id, reason="", now=now)
    assert error.value.code == "ledger-broken"
    assert everything(engine) == before


def test_a_stop_press_can_itself_be_stopped(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = stopped(engine, readers, begun, books, now)
    second = stop_press(books, mailing, now)
    carry(engine, second.id, {4: "accepted", 5: "in doubt"}, now)
    books.pause(second.id, reason=None, now=now)
    third = books.stop_press(
        books.find(second.id), MailingKind.STOP_PRESS, ("d" * 64, "third", b"{}"), expected=len(LEFT) - 2, now=now
    )
    assert set(states(engine, third.id)) == LEFT - {4, 5}
    books_in_order(engine)
    assert [one.id for one in books.of_issue(IssueId("2026-11-26"))] == [mailing.id, third.id, second.id]


def test_lanes_of_many_shards_are_carried_over_whole(sqlite_engine: Engine, now: datetime) -> None:
    books = Books(sqlite_engine, "main")
    count = tables.SHARD_SIZE * 2 + 7
    with writing(sqlite_engine) as connection:
        numbers = range(1, count + 1)
        connection.execute(tables.subscriber.insert(), [
            {"id": n, "key_hash": n.to_bytes(16), "address_id": n, "standing": "active", "variant": "html",
             "since": now} for n in numbers
        ])  # fmt: skip
        connection.execute(tables.address.insert(), [
            {"id": n, "subscriber": n, "address": f"r{n}@x.example", "name": "", "domain": "x.example", "at": now}
            for n in numbers
        ])  # fmt: skip
    mailing = books.enter_and_begin(IssueId("i"), MailingKind.REGULAR, ("0" * 64, "w", b""), expected=count, now=now)
    carry(sqlite_engine, mailing.id, {1: "accepted", 2: "in doubt"}, now)
    books.pause(mailing.id, reason=None, now=now)
    begun_anew = books.stop_press(books.find(mailing.id), MailingKind.STOP_PRESS, NEXT, expected=count - 2, now=now)
    books_in_order(sqlite_engine)
    assert begun_anew.planned == count - 2
