"""What the tests of rulings and endings share: a ledger worked by hand, and the whole state of the books."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from biweekly.delivery.recovery import settle_open
from biweekly.model.mailing import MailingId, MailingState, Outcome, OutcomeState, Place, Settled, Spot, Wait
from biweekly.store import accounts, reading, tables
from biweekly.store.books import Books
from biweekly.store.inspection import inspect
from biweekly.store.ledger import Ledger, holders

LATER = timedelta(minutes=10)
OUTCOMES = {
    "accepted": (OutcomeState.ACCEPTED, 250, "ok"),
    "refused": (OutcomeState.REFUSED, 550, "550 5.1.1 nobody"),
    "expired": (OutcomeState.EXPIRED, 451, "451 later"),
    "in doubt": (OutcomeState.IN_DOUBT, 0, "gone"),
}
WAITS = {
    "later": (451, "451 4.2.2 later"),
    "policy": (550, "550 5.7.26 unauthenticated"),
    "no domain": (550, "550 5.1.2 no such domain"),
}


def hold(engine: Engine, mailing: MailingId, now: datetime, name: str = "boot/1/a") -> Ledger:
    """Take every shard, as a sender does; what a former one left open is due again."""

    def settle(_: str | None, places: Sequence[Place]) -> Mapping[Spot, Outcome | Wait]:
        return settle_open(places, {}, now=now)

    ledger = Ledger(engine, mailing, name, lease_ms=None)
    ledger.take(free=[one for one, _ in holders(engine, mailing)], settle=settle, now=now)
    return ledger


def settle(place: Place, word: str, now: datetime) -> Settled:
    """What became of a place, by a word of OUTCOMES or WAITS."""
    if word in OUTCOMES:
        state, code, reply = OUTCOMES[word]
        return Settled(place, Outcome(state, now, code, reply))
    code, reply = WAITS[word]
    tried = place if place.began else replace(place, began=now)
    return Settled(tried, Wait(now + LATER, place.attempts + 1, code, reply))


def carry(engine: Engine, mailing: MailingId, words: Mapping[int, str], now: datetime) -> list[int]:
    """Work off what is due: each subscriber meets the fate named, everybody else stays to go. Returns who was tried."""
    ledger = hold(engine, mailing, now)
    places = ledger.turn([], wanted=1000, now=now).places
    tried = [one for one in places if one.subscriber in words and one.mailable]
    ledger.release(
        [settle(one, words[one.subscriber], now) for one in tried], [one for one in places if one not in tried], now=now
    )
    return sorted(one.subscriber for one in tried)


def states(engine: Engine, mailing: MailingId) -> dict[int, str]:
    """Where every subscriber of a mailing stands."""
    return {line.subscriber: line.state for line in accounts.lines(engine, mailing)}


def books_in_order(engine: Engine) -> None:
    """Everything adds up, and every place is in exactly one state."""
    assert inspect(engine).problems == []
    books = Books(engine, "main")
    for mailing in books.in_states(*MailingState):
        tally = books.tally(mailing.id)
        assert tally.adds_up
        assert tally == books.recount(mailing.id)


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the books."""
    names = ("mailing", "edition", "audience", "lane", "shard", "waiting", "outcome", "ruling")
    with reading(engine) as connection:
        return {
            name: sorted((tuple(row) for row in connection.execute(select(tables.metadata.tables[name]))), key=repr)
            for name in names
        }
