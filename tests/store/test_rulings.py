"""Rulings: what is uncertain or has failed is opened again by a person, in a round of its own."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import pytest
from sqlalchemy import Engine, select, update
from tests.store.ending import LATER, books_in_order, carry, hold, settle, states

from biweekly.errors import NothingToDo, Refused
from biweekly.model.mailing import Failed, MailingId, MailingState, OutcomeState
from biweekly.store import reading, tables, writing
from biweekly.store.books import Books

Begin = Callable[..., MailingId]
Readers = Callable[[int], Sequence[int]]


def mixed(engine: Engine, readers: Readers, begun: Begin, now: datetime) -> MailingId:
    """One of each: accepted 1, refused 2, expired 3, in doubt 4, waiting 5."""
    readers(5)
    mailing = begun(5)
    carry(engine, mailing, {1: "accepted", 2: "refused", 3: "expired", 4: "in doubt", 5: "later"}, now)
    return mailing


def test_what_failed_is_due_again_in_a_round_of_its_own(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = mixed(engine, readers, begun, now)
    assert books.count_failed(mailing) == Failed(1, 1, 0)
    ruled = books.resend(mailing, who="nino", why="the domain moved", now=now)
    assert sorted((one.subscriber, one.spot.round) for one in ruled) == [(2, 1), (3, 1)]
    assert states(engine, mailing) == {1: "accepted", 2: "waiting", 3: "waiting", 4: "uncertain", 5: "waiting"}
    books_in_order(engine)
    with reading(engine) as connection:
        kept = connection.execute(select(tables.outcome.c.state).where(tables.outcome.c.round == 0)).scalars()
        assert sorted(kept) == sorted(
            [OutcomeState.ACCEPTED, OutcomeState.REFUSED, OutcomeState.EXPIRED, OutcomeState.IN_DOUBT]
        )
    assert carry(engine, mailing, {2: "accepted", 3: "refused"}, now) == [2, 3]
    assert states(engine, mailing) == {1: "accepted", 2: "accepted", 3: "failed", 4: "uncertain", 5: "waiting"}
    books_in_order(engine)
    (again,) = books.resend(mailing, who="nino", why="", now=now)
    assert (again.subscriber, again.spot.round) == (3, 2)
    books_in_order(engine)


def test_who_left_meanwhile_is_not_mailable_at_the_claim(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    mailing = mixed(engine, readers, begun, now)
    with writing(engine) as connection:
        connection.execute(update(tables.subscriber).where(tables.subscriber.c.id == 2).values(standing="suppressed"))
    assert books.count_failed(mailing) == Failed(1, 1, 1)
    books.resend(mailing, who="nino", why="", now=now)
    places = hold(engine, mailing, now).turn([], wanted=10, now=now).places
    assert {one.subscriber: one.mailable for one in places} == {2: False, 3: True}


def test_nothing_failed_is_said(engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime) -> None:
    readers(2)
    mailing = begun(2)
    carry(engine, mailing, {1: "accepted", 2: "in doubt"}, now)
    with pytest.raises(NothingToDo) as error:
        books.resend(mailing, who="nino", why="", now=now)
    assert error.value.code == "nothing-failed"


def test_a_mailing_that_is_over_goes_on_and_ends_again(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    readers(2)
    mailing = begun(2)
    carry(engine, mailing, {1: "accepted", 2: "refused"}, now)
    assert books.finish(mailing, at=now)
    assert not books.finish(mailing, at=now)
    books.resend(mailing, who="nino", why="", now=now)
    standing = books.find(mailing)
    assert (standing.state, standing.finished) == (MailingState.SENDING, None)
    assert not books.finish(mailing, at=now)
    carry(engine, mailing, {2: "accepted"}, now)
    assert books.finish(mailing, at=now + LATER)
    assert books.find(mailing).finished == now + LATER
    books_in_order(engine)


@pytest.mark.parametrize("what", ["again", "resend"])
def test_in_an_ended_mailing_nobody_is_opened_again(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime, what: str
) -> None:
    mailing = mixed(engine, readers, begun, now)
    books.pause(mailing, reason=None, now=now)
    books.cancel(mailing, reason="enough", now=now)
    open_again = partial(books.rule, mailing, None, "again") if what == "again" else partial(books.resend, mailing)
    with pytest.raises(Refused) as error:
        open_again(who="nino", why="", now=now)
    assert error.value.code == "mailing-ended"
    assert len(books.rule(mailing, None, "sent", who="nino", why="", now=now)) == 1
    books_in_order(engine)


def test_two_people_who_rule_at_once_open_one_round(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    readers(60)
    mailing = begun(60)
    carry(engine, mailing, dict.fromkeys(range(1, 61), "refused"), now)
    ended: list[object] = []
    gate = threading.Barrier(3)

    def press() -> None:
        gate.wait()
        try:
            ended.append(len(books.resend(mailing, who="nino", why="", now=now)))
        except NothingToDo as error:
            ended.append(error.code)

    people = [threading.Thread(target=press) for _ in range(3)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(map(str, ended)) == ["60", "nothing-failed", "nothing-failed"]
    books_in_order(engine)


def test_a_ruling_while_a_sender_works_disturbs_neither(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    readers(300)
    mailing = begun(300)
    carry(engine, mailing, dict.fromkeys(range(1, 101), "refused"), now)
    ledger = hold(engine, mailing, now)
    places = ledger.turn([], wanted=200, now=now).places
    trouble: list[BaseException] = []

    def send() -> None:
        try:
            for place in places:
                ledger.turn([settle(place, "accepted", now)], wanted=0, now=now)
        except BaseException as error:
            trouble.append(error)
            raise

    sender = threading.Thread(target=send)
    sender.start()
    assert len(books.resend(mailing, who="nino", why="", now=now)) == 100
    sender.join()
    assert trouble == []
    books_in_order(engine)
    assert books.tally(mailing).waiting == 100


def test_a_round_opened_while_a_mailing_is_called_over_is_not_lost(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    readers(1)
    mailing = begun(1)
    carry(engine, mailing, {1: "refused"}, now)
    gate = threading.Barrier(2)

    def press() -> None:
        gate.wait()
        books.resend(mailing, who="nino", why="", now=now)

    person = threading.Thread(target=press)
    person.start()
    gate.wait()
    books.finish(mailing, at=now)
    person.join()
    # Whichever came first: what waits belongs to a mailing that goes on.
    assert (books.find(mailing).state, books.tally(mailing).waiting) == (MailingState.SENDING, 1)
    books_in_order(engine)


# --- going on ----------------------------------------------------------------------------------------------------


def test_resuming_makes_due_what_waits_for_our_own_fault_and_nothing_else(
    engine: Engine, readers: Readers, begun: Begin, books: Books, now: datetime
) -> None:
    readers(4)
    mailing = begun(4)
    carry(engine, mailing, {1: "policy", 2: "later", 3: "no domain"}, now)
    books.pause(mailing, reason="unauthenticated", now=now)
    assert books.go_on(mailing, now=now)
    assert carry(engine, mailing, dict.fromkeys((1, 2, 3), "accepted"), now) == [1]
    assert carry(engine, mailing, dict.fromkeys((1, 2, 3), "accepted"), now + LATER) == [2, 3]
    books_in_order(engine)
