"""A mailing steered at random: after any sequence of what staff and senders do, the sums hold and nobody gets two."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from tests.store.conftest import NOW
from tests.store.ending import settle

from biweekly.delivery.recovery import settle_open
from biweekly.errors import NothingToDo, Refused
from biweekly.model.issue import IssueId
from biweekly.model.mailing import Mailing, MailingKind, MailingState, OutcomeState, Spot
from biweekly.model.subscriber import SubscriberId
from biweekly.store import accounts, reading, tables
from biweekly.store.books import Books
from biweekly.store.inspection import inspect
from biweekly.store.ledger import Ledger, holders

Readers = Callable[[int], Sequence[int]]
COUNT = 7
FATES = ("accepted", "refused", "expired", "in doubt", "later", "policy")
SEND = st.tuples(st.just("send"), st.lists(st.sampled_from(FATES), min_size=1, max_size=3))
STAFF = st.tuples(
    st.sampled_from(["pause", "resume", "sent", "again", "resend", "stop-press", "cancel", "finish"]), st.just(())
)
WORLD = st.tuples(st.sampled_from(["crash", "later"]), st.just(()))
STEPS = st.lists(st.one_of(SEND, SEND, STAFF, STAFF, WORLD), min_size=4, max_size=40)
NUMBERS = itertools.count(1)


class Walk:
    """One issue, its mailings, and what really reached whom."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.books, self.now = engine, Books(engine, "main"), NOW
        self.issue = IssueId(f"walk-{next(NUMBERS)}")
        self.edition = 0
        self.books.enter_and_begin(self.issue, MailingKind.REGULAR, self.frozen(), expected=COUNT, now=NOW)
        self.has_it: Counter[int] = Counter()

    def frozen(self) -> tuple[str, str, bytes]:
        self.edition += 1
        name = f"{self.issue}-{self.edition}"
        return name.ljust(64, "0"), name, b"{}"

    @property
    def mailing(self) -> Mailing:
        """The one that staff would steer: the newest."""
        return max(self.books.of_issue(self.issue), key=lambda one: one.id)

    def step(self, what: str, fates: Sequence[str]) -> None:
        mailing, staff = self.mailing, {"who": "nino", "why": "", "now": self.now}
        match what:
            case "send" | "crash":
                self.send(mailing, fates, crash=what == "crash")
            case "later":
                self.now += timedelta(minutes=11)
            case "pause":
                self.books.pause(mailing.id, reason="a look at it", now=self.now)
            case "resume":
                self.books.go_on(mailing.id, now=self.now)
            case "sent":
                self.books.rule(mailing.id, None, "sent", **staff)  # type: ignore[arg-type]  # as a person would
            case "again":
                self.books.rule(mailing.id, None, "again", **staff)  # type: ignore[arg-type]  # as a person would
            case "resend":
                self.books.resend(mailing.id, **staff)  # type: ignore[arg-type]  # as a person would
            case "cancel":
                self.books.cancel(mailing.id, reason="", now=self.now)
            case "finish":
                self.books.finish(mailing.id, at=self.now)
            case _:
                left = self.books.tally(mailing.id)
                expected = left.to_go + left.waiting
                self.books.stop_press(mailing, MailingKind.STOP_PRESS, self.frozen(), expected=expected, now=self.now)

    def send(self, mailing: Mailing, fates: Sequence[str], *, crash: bool) -> None:
        """Claim a few and meet these fates; where it crashes, what was claimed stays open and its journal is gone."""
        ledger = self.take(mailing)
        places = ledger.turn([], wanted=4, now=self.now).places
        if crash:
            return
        settled = [settle(place, word, self.now) for place, word in zip(places, fates, strict=False)]
        self.has_it.update(
            one.place.subscriber for one, word in zip(settled, fates, strict=False) if word == "accepted"
        )
        ledger.release(settled, places[len(settled) :], now=self.now)

    def check(self) -> None:
        for one in self.books.of_issue(self.issue):
            tally = self.books.tally(one.id)
            assert tally.adds_up
            assert tally == self.books.recount(one.id)
            if one.state in {MailingState.SENT, MailingState.CANCELLED}:
                assert tally.to_go == tally.waiting == 0

    def check_at_the_end(self) -> None:
        assert inspect(self.engine).problems == []
        assert max(self.has_it.values(), default=0) <= 1, "somebody was mailed twice"
        standing: Counter[SubscriberId] = Counter()
        for one in self.books.of_issue(self.issue):
            handed_on = self.handed_on(one)
            standing.update(
                line.subscriber for line in accounts.lines(self.engine, one.id) if line.spot not in handed_on
            )
        assert standing == dict.fromkeys(range(1, COUNT + 1), 1), "somebody is in no mailing, or in two"

    def handed_on(self, mailing: Mailing) -> set[Spot]:
        """The places that a stop-press handed on to another mailing."""
        o = tables.outcome.c
        query = select(o.lane, o.pos, o.round).where(
            o.mailing == mailing.id, o.state == int(OutcomeState.SKIPPED), o.reply == "stop-press"
        )
        with reading(self.engine) as connection:
            return {Spot(*row) for row in connection.execute(query)}

    def take(self, mailing: Mailing) -> Ledger:
        """Become the holder. The journal of whoever crashed is gone, so all that it had open is in doubt."""
        ledger = Ledger(self.engine, mailing.id, f"boot/{next(NUMBERS)}/j", lease_ms=None)
        ledger.take(
            free=[name for name, _ in holders(self.engine, mailing.id)],
            settle=lambda _, places: settle_open(places, None, now=self.now), now=self.now,
        )  # fmt: skip
        return ledger


@pytest.fixture
def walk(engine: Engine, readers: Readers) -> Callable[[], Walk]:
    """Begins another mailing to the same seven readers."""
    readers(COUNT)
    return lambda: Walk(engine)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_done_in_whatever_order_everybody_is_in_one_state_of_one_mailing(
    steps: list[tuple[str, Sequence[str]]], walk: Callable[[], Walk]
) -> None:
    walked = walk()
    for what, fates in steps:
        with suppress(Refused, NothingToDo):
            walked.step(what, fates)
        walked.check()
    walked.check_at_the_end()
