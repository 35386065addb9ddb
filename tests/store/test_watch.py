"""How a mailing stands while it goes, read from the rows alone, on either database."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Engine

from biweekly.model.mailing import MailingId, Outcome, OutcomeState, Place, Settled, Spot, Wait
from biweekly.store import accounts, watch
from biweekly.store.ledger import Ledger
from biweekly.store.paces import PaceBook

Begin = Callable[..., MailingId]
Readers = Callable[[int], Sequence[int]]
_STATES = (OutcomeState.ACCEPTED, OutcomeState.REFUSED, OutcomeState.IN_DOUBT, OutcomeState.SKIPPED)


def nothing_open(_: str | None, places: Sequence[Place]) -> Mapping[Spot, Outcome | Wait]:
    assert not places
    return {}


def open_ledger(engine: Engine, mailing: MailingId, now: datetime) -> Ledger:
    ledger = Ledger(engine, mailing, "boot/1/a", lease_ms=None)
    ledger.take(free=[], settle=nothing_open, now=now)
    return ledger


def test_the_lanes_add_up_to_the_mailing(engine: Engine, readers: Readers, begun: Begin, now: datetime) -> None:
    readers(40)
    mailing = begun(40)
    ledger = open_ledger(engine, mailing, now)
    places = ledger.turn([], wanted=20, now=now).places
    settled = [Settled(one, Outcome(_STATES[n % 4], now, 250)) for n, one in enumerate(places[:12])]
    settled += [Settled(one, Wait(now + timedelta(minutes=5), 1, 451, "later")) for one in places[12:15]]
    ledger.turn(settled, wanted=0, now=now)
    lanes = watch.lanes(engine, mailing)
    assert [one.name for one in lanes] == [one.name for one in accounts.lane_infos(engine, mailing)]
    whole = accounts.tally(engine, mailing)
    for part in ("planned", "to_go", "accepted", "waiting", "failed", "uncertain", "skipped"):
        assert sum(getattr(one.tally, part) for one in lanes) == getattr(whole, part)
    assert all(one.tally.adds_up for one in lanes)


def test_on_its_way_is_what_was_claimed_and_has_no_answer_yet(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(30)
    mailing = begun(30)

    def away() -> int:
        return sum(one.in_flight for one in watch.lanes(engine, mailing))

    assert away() == 0
    ledger = open_ledger(engine, mailing, now)
    places = ledger.turn([], wanted=10, now=now).places
    assert away() == 10
    # Answers that run ahead of the cursor: the first place of all is still out.
    ledger.turn([Settled(one, Outcome(OutcomeState.ACCEPTED, now, 250)) for one in places[1:5]], wanted=0, now=now)
    assert away() == 6
    ledger.turn([Settled(one, Wait(now, 1, 451, "later")) for one in places[5:8]], wanted=0, now=now)
    assert away() == 3
    again = ledger.turn([], wanted=3, now=now).places
    assert {one.spot for one in again} == {one.spot for one in places[5:8]}
    assert away() == 6
    ledger.release([], [places[0], *places[8:], *again], now=now)
    assert away() == 0


def test_who_has_waited_longest_and_who_is_next(engine: Engine, readers: Readers, begun: Begin, now: datetime) -> None:
    readers(3)
    mailing = begun(3)
    assert watch.waits(engine, [mailing]) == watch.Waits(None, None)
    ledger = open_ledger(engine, mailing, now)
    first, second, third = ledger.turn([], wanted=3, now=now).places
    settled = []
    for number, place in enumerate((first, second, third)):
        began = now - timedelta(hours=number)
        tried = Place(place.spot, place.subscriber, place.address, "", place.domain, place.variant, 0, began)
        settled.append(Settled(tried, Wait(now + timedelta(minutes=number), 1, 451, "later")))
    ledger.turn(settled, wanted=0, now=now)
    assert watch.waits(engine, [mailing]) == watch.Waits(now - timedelta(hours=2), now)
    ledger.turn([], wanted=1, now=now)
    assert watch.waits(engine, [mailing]) == watch.Waits(now - timedelta(hours=2), now + timedelta(minutes=1))
    assert watch.waits(engine, []) == watch.Waits(None, None)


def test_letters_are_counted_by_relay_in_all_and_today(engine: Engine, now: datetime) -> None:
    book = PaceBook(engine)
    for days, letters in ((2, 5), (1, 7), (0, 11)):
        book.count_accepted("one:465", letters, now=now - timedelta(days=days))
    book.count_accepted("two:465", 3, now=now - timedelta(days=1))
    assert watch.letters_by_relay(engine, date(2026, 11, 26)) == {"one:465": (23, 11), "two:465": (3, 0)}
