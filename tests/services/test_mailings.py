"""Mailings from plan to account, on the real books and ledger; only the relay is played."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from sqlalchemy import Engine, insert, select, update

from biweekly.delivery.recovery import settle_open
from biweekly.errors import (
    BiweeklyError,
    IssueError,
    NothingToDo,
    Refused,
    RelayUnavailable,
    RenderError,
    StoreError,
    UsageError,
)
from biweekly.model.issue import Edition, IssueId, Variant, VariantName
from biweekly.model.mailing import (
    Mailing,
    MailingKind,
    MailingState,
    Outcome,
    OutcomeState,
    Place,
    Settled,
    Tally,
    Wait,
)
from biweekly.model.subscriber import SubscriberId
from biweekly.services.mailings import Carried, Doors, Mailings
from biweekly.services.steering import Steering
from biweekly.store import reading, tables, writing
from biweekly.store.books import Books
from biweekly.store.ledger import Ledger

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ISSUE, NEXT = IssueId("2026-11-26"), IssueId("2026-12-10")
READERS = 6
Word = Literal["accepted", "refused", "later", "in doubt", "untried"]
LOGIN = RelayUnavailable("535 5.7.8 who are you", code="relay-login-refused")


def edition_of(issue: IssueId) -> tuple[Edition, tuple[str, str, bytes]]:
    variant = Variant(VariantName.HTML, "<p>x</p>", "x\n")
    made = Edition(
        sha256=issue.ljust(64, "0"), issue=issue, subject=f"No. of {issue}", preheader="", audience="active",
        sender="news@review.example", reply_to="desk@review.example", list_id="x", public_url="http://127.0.0.1",
        nonce="0", web_id=issue, web="", pictures=(), reports=(), variants=(variant,),
    )  # fmt: skip
    return made, (made.sha256, made.web_id, b"{}")


@dataclass
class World:
    """What is around the service: the books are real, and the relay says to each subscriber what `says` tells."""

    engine: Engine
    now: datetime = NOW
    says: dict[int, Word] = field(default_factory=dict)
    ending: Literal["done", "stopped", "no relay", "busy"] = "done"
    trouble: dict[IssueId, BiweeklyError] = field(default_factory=dict)
    locked: BiweeklyError | None = None
    told: list[str] = field(default_factory=list)
    log: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)
    mailed_to: Counter[tuple[str, int]] = field(default_factory=Counter)
    to_relay: bool = True

    @property
    def books(self) -> Books:
        return Books(self.engine, "main")

    @property
    def service(self) -> Mailings:
        """As a new process would have it."""
        return Mailings(
            Doors(
                books=self.books, freeze=edition_of, carry=self.carry, insist_free=self.insist_free,
                mailed=lambda mailing: self.told.append(f"mailed {mailing.issue}"),
                log=lambda mailing, event, facts: self.log.append((mailing.issue, event, facts)),
                log_ruled=lambda mailing, ruled: self.log.append((mailing.issue, "places", {"ruled": ruled})),
                complete_log=lambda mailing: self.told.append(f"complete {mailing.id}"),
                clock=lambda: self.now, to_relay=self.to_relay, late_limit=2 * HOUR, cooling_off=5 * MINUTE,
            )
        )  # fmt: skip

    @property
    def steering(self) -> Steering:
        """As a new process would have it."""
        return Steering(self.service)

    def insist_free(self) -> None:
        if self.locked is not None:
            raise self.locked

    def carry(self, mailing: Mailing) -> Carried:
        """Try every place that is due, once."""
        self.told.append(f"carry {mailing.issue}")
        if (error := self.trouble.get(mailing.issue)) is not None and self.ending != "no relay":
            raise error
        if self.ending in {"busy", "no relay"}:
            return Carried(self.ending, self.now, None, self.trouble.get(mailing.issue))
        ledger = Ledger(self.engine, mailing.id, "boot/1/a", lease_ms=None)
        ledger.take(free=["boot/1/a"], settle=lambda _, places: settle_open(places, {}, now=self.now), now=self.now)
        turn = ledger.turn([], wanted=100, now=self.now)
        tried = [one for one in turn.places if self.says.get(one.subscriber) != "untried"]
        ledger.release(
            [self._answer(mailing, one) for one in tried],
            [one for one in turn.places if one not in tried],
            now=self.now,
        )
        with reading(self.engine) as connection:
            waits = connection.execute(select(tables.waiting.c.next_at).order_by(tables.waiting.c.next_at)).scalars()
            return Carried(self.ending, self.now, waits.first())

    def _answer(self, mailing: Mailing, place: Place) -> Settled:
        match self.says.get(place.subscriber, "accepted"):
            case "accepted":
                self.mailed_to[mailing.issue, place.subscriber] += 1
                return Settled(place, Outcome(OutcomeState.ACCEPTED, self.now, 250, "ok"))
            case "refused":
                return Settled(place, Outcome(OutcomeState.REFUSED, self.now, 550, "nobody"))
            case "in doubt":
                return Settled(place, Outcome(OutcomeState.IN_DOUBT, self.now, 0, "gone"))
            case _:
                began = place if place.began else replace(place, began=self.now)
                return Settled(began, Wait(self.now + 10 * MINUTE, place.attempts + 1, 451, "later"))

    def state(self, issue: IssueId = ISSUE) -> MailingState:
        return self.service.of_issue(issue).state

    def tally(self, issue: IssueId = ISSUE) -> Tally:
        tally, _ = self.service.account(self.service.of_issue(issue))
        assert tally == self.books.recount(self.service.of_issue(issue).id)
        assert tally.adds_up
        return tally

    def events(self) -> Sequence[str]:
        return [event for _, event, _ in self.log]

    def send(self, confirmed: int = READERS) -> tuple[Mailing, Carried]:
        return self.service.send(ISSUE, confirmed=confirmed, now=self.now)

    def schedule(self, issue: IssueId = ISSUE, due: datetime = NOW + HOUR) -> Mailing:
        return self.service.schedule(issue, due=due, now=self.now)

    def work(self, at: datetime) -> datetime | None:
        self.now = at
        return self.service.work(at)

    def change(self, number: int, **values: Any) -> None:
        with writing(self.engine) as connection:
            connection.execute(update(tables.subscriber).where(tables.subscriber.c.id == number).values(**values))


@pytest.fixture
def world(engine: Engine) -> World:
    with writing(engine) as connection:
        for n in range(1, READERS + 1):
            mailbox = {"id": n, "subscriber": n, "address": f"r{n}@d.example", "name": "", "domain": "d.example"}
            person = {"id": n, "key_hash": n.to_bytes(16), "address_id": n, "standing": "active", "since": NOW}
            connection.execute(insert(tables.subscriber).values(**person, variant="text" if n == 1 else "html"))
            connection.execute(insert(tables.address).values(**mailbox, at=NOW))
    return World(engine)


def refused(call: Callable[[], object], code: str, kind: type[BiweeklyError] = Refused) -> BiweeklyError:
    with pytest.raises(kind) as error:
        call()
    assert error.value.code == code
    return error.value


# --- the plan ----------------------------------------------------------------------------------------------------


def test_a_plan_counts_who_would_be_mailed_and_writes_nothing(world: World) -> None:
    world.change(2, standing="left")
    world.change(3, standing="suppressed")
    plan = world.service.plan(ISSUE)
    assert (plan.issue, plan.kind, plan.subscribers) == (ISSUE, MailingKind.REGULAR, READERS - 2)
    assert plan.readers == {"html": 3, "text": 1}
    assert plan.not_mailed == {"left": 1, "suppressed": 1}
    assert (world.books.of_issue(ISSUE), world.log) == ([], [])


# --- sending -----------------------------------------------------------------------------------------------------


def test_everybody_is_mailed_once_and_the_account_adds_up(world: World) -> None:
    world.says = {2: "refused", 3: "in doubt"}
    mailing, carried = world.send()
    assert carried.ending == "done"
    assert world.mailed_to == {(ISSUE, n): 1 for n in (1, 4, 5, 6)}
    assert world.tally() == Tally(planned=6, to_go=0, accepted=4, waiting=0, failed=1, uncertain=1, skipped=0)
    sent = world.books.find(mailing.id)
    assert (sent.state, sent.started, sent.finished, sent.stamp) == (MailingState.SENT, NOW, NOW, NOW)
    assert world.events() == ["began", "finished"]
    assert world.log[0][2] == {"planned": 6, "not_mailed": {}, "kind": "regular", "edition": mailing.edition}


def test_sent_toml_stands_before_the_first_letter_leaves(world: World) -> None:
    world.send()
    assert world.told == [f"mailed {ISSUE}", f"carry {ISSUE}"]


def test_a_count_that_changed_sends_nothing(world: World) -> None:
    refused(lambda: world.send(READERS + 1), "count-changed")
    assert (world.books.of_issue(ISSUE), world.told, world.log) == ([], [], [])


def test_nobody_to_send_to_is_refused(world: World) -> None:
    refused(lambda: world.send(0), "no-subscribers")
    assert world.books.of_issue(ISSUE) == []


def test_an_issue_that_does_not_render_begins_nothing(world: World) -> None:
    def broken(_: IssueId) -> tuple[Edition, tuple[str, str, bytes]]:
        raise RenderError("no such tag", code="mjml-tag", template="issue.mjml.j2", line=3)

    service = world.service
    service._doors = replace(service._doors, freeze=broken)
    with pytest.raises(RenderError):
        service.send(ISSUE, confirmed=READERS, now=NOW)
    with pytest.raises(RenderError):
        service.schedule(ISSUE, due=NOW + HOUR, now=NOW)
    assert world.books.of_issue(ISSUE) == []


def test_where_another_sender_is_at_work_nothing_is_entered(world: World) -> None:
    world.locked = Refused("process 7 is sending", code="another-sender")
    refused(world.send, "another-sender")
    assert world.books.of_issue(ISSUE) == []


@pytest.mark.parametrize("says", ["accepted", "later"])
def test_an_issue_is_mailed_once_whatever_became_of_it(world: World, says: Word) -> None:
    world.says = dict.fromkeys(range(1, READERS + 1), says)
    world.send()
    error = refused(world.send, "already-mailed")
    assert error.hint == (f"biweekly resume {ISSUE}" if says == "later" else f"biweekly report {ISSUE}")
    refused(lambda: world.service.plan(ISSUE), "already-mailed")
    refused(world.schedule, "already-mailed")


def test_without_a_relay_a_whole_send_is_a_rehearsal_that_marks_nothing(world: World) -> None:
    world.to_relay = False
    for _ in range(2):
        mailing, _ = world.send()
        assert (mailing.kind, world.books.find(mailing.id).state) == (MailingKind.TEST, MailingState.SENT)
    assert f"mailed {ISSUE}" not in world.told
    refused(world.schedule, "no-relay")
    assert world.service.plan(ISSUE).kind is MailingKind.TEST


def test_what_leaves_somebody_waiting_is_not_over(world: World) -> None:
    world.says = {4: "later"}
    _, carried = world.send()
    assert (world.state(), carried.next_due) == (MailingState.SENDING, NOW + 10 * MINUTE)
    assert (world.tally().waiting, world.events()) == (1, ["began"])


# --- going on ----------------------------------------------------------------------------------------------------


def test_resuming_mails_only_those_who_are_due(world: World) -> None:
    world.says, world.ending = {4: "later", 5: "untried"}, "stopped"
    world.send()
    world.says, world.ending, world.now = {}, "done", NOW + HOUR
    mailing, _ = world.service.resume(ISSUE)
    assert world.books.find(mailing.id).state is MailingState.SENT
    assert world.mailed_to == {(ISSUE, n): 1 for n in range(1, READERS + 1)}
    assert world.events() == ["began", "resumed", "finished"]
    assert mailing.stamp == NOW


def test_there_is_nothing_to_resume_in_what_has_not_begun_or_is_over(world: World) -> None:
    refused(lambda: world.service.resume(ISSUE), "no-mailing", NothingToDo)
    world.schedule()
    refused(lambda: world.service.resume(ISSUE), "nothing-to-resume")
    world.work(NOW + DAY)
    refused(lambda: world.service.resume(ISSUE), "nothing-to-resume")
    world.service.send(NEXT, confirmed=READERS, now=world.now)
    refused(lambda: world.service.resume(NEXT), "nothing-to-resume")


# --- paused ------------------------------------------------------------------------------------------------------


def test_a_refused_login_pauses_the_mailing_until_a_person_resumes_it(world: World) -> None:
    world.trouble[ISSUE] = LOGIN
    _, carried = world.send()
    assert (carried.ending, carried.trouble) == ("paused", LOGIN)
    paused = world.service.of_issue(ISSUE)
    assert (paused.state, paused.reason) == (MailingState.PAUSED, LOGIN.message)
    assert world.log[-1][1:] == ("paused", {"reason": LOGIN.message})
    # Asking again by itself is what locks accounts.
    before = list(world.told)
    assert world.work(NOW + MINUTE) is None
    assert world.told == before
    world.trouble.clear()
    world.service.resume(ISSUE)
    assert world.state() is MailingState.SENT
    assert world.service.of_issue(ISSUE).reason is None
    assert set(world.mailed_to.values()) == {1}


def test_paused_time_makes_no_waiting_letter_older(world: World) -> None:
    world.says = {4: "later", 5: "untried"}
    world.send()
    world.trouble[ISSUE] = LOGIN
    with pytest.raises(RelayUnavailable):
        world.work(NOW + HOUR)
    world.trouble.clear()
    world.now = NOW + 3 * DAY
    world.service.resume(ISSUE)
    with reading(world.engine) as connection:
        rows = connection.execute(select(tables.waiting.c.first_at, tables.waiting.c.attempts)).all()
    # First tried an hour before the pause: an hour old when it ended, and its second try is what happened now.
    assert (NOW + 3 * DAY - HOUR, 2) in [tuple(row) for row in rows]


def test_a_clock_set_back_during_a_pause_makes_nothing_younger(world: World) -> None:
    world.says = {4: "later"}
    world.send()
    mailing = world.service.of_issue(ISSUE)
    assert world.books.pause(mailing.id, reason="a look at it", now=NOW + HOUR)
    assert not world.books.pause(mailing.id, reason="twice", now=NOW + HOUR)
    assert world.books.go_on(mailing.id, now=NOW - DAY)
    assert not world.books.go_on(mailing.id, now=NOW)
    with reading(world.engine) as connection:
        assert connection.execute(select(tables.waiting.c.first_at)).scalar() == NOW


# --- scheduling --------------------------------------------------------------------------------------------------


def test_scheduling_freezes_the_edition_and_nobody_yet(world: World) -> None:
    mailing = world.schedule()
    assert (mailing.state, mailing.due, mailing.planned, mailing.stamp) == (
        MailingState.SCHEDULED, NOW + HOUR, 0, None,
    )  # fmt: skip
    assert world.books.edition(mailing.edition) == b"{}"
    assert world.log == [(ISSUE, "scheduled", {"due": (NOW + HOUR).isoformat(), "edition": mailing.edition})]
    assert world.told == []


def test_what_is_scheduled_is_not_sent_as_well(world: World) -> None:
    world.schedule()
    assert refused(world.send, "already-mailed").hint == f"biweekly unschedule {ISSUE}"
    refused(world.schedule, "already-mailed")


@pytest.mark.parametrize("wait", [timedelta(0), -DAY, 2 * MINUTE - timedelta(seconds=1)])
def test_scheduling_never_means_sending_at_once(world: World, wait: timedelta) -> None:
    refused(lambda: world.schedule(due=NOW + wait), "time-past", UsageError)
    assert world.books.of_issue(ISSUE) == []


@pytest.mark.parametrize("at", [NOW + MINUTE, NOW + 56 * MINUTE])
def test_a_scheduled_mailing_can_be_taken_back_until_it_begins(world: World, at: datetime) -> None:
    world.schedule()
    world.work(at)
    world.service.unschedule(ISSUE)
    assert world.books.of_issue(ISSUE) == []
    world.schedule(due=at + HOUR)
    assert world.state() is MailingState.SCHEDULED


def test_what_has_begun_was_missed_or_never_was_cannot_be_taken_back(world: World) -> None:
    refused(lambda: world.service.unschedule(ISSUE), "no-mailing", NothingToDo)
    world.schedule(NEXT)
    world.work(NOW + HOUR)
    refused(lambda: world.service.unschedule(NEXT), "not-scheduled")
    world.schedule(due=NOW + 2 * HOUR)
    world.work(NOW + DAY)
    refused(lambda: world.service.unschedule(ISSUE), "not-scheduled")


# --- the hour ----------------------------------------------------------------------------------------------------


def test_a_mailing_cools_off_and_begins_at_its_hour_once(world: World) -> None:
    world.schedule()
    assert world.work(NOW + 54 * MINUTE) == NOW + HOUR
    assert world.state() is MailingState.SCHEDULED
    assert world.work(NOW + 55 * MINUTE) == NOW + HOUR
    assert world.state() is MailingState.COOLING_OFF
    assert world.work(NOW + HOUR - timedelta(seconds=1)) == NOW + HOUR
    assert world.mailed_to == {}
    assert world.work(NOW + HOUR) is None
    for again in (NOW + HOUR, NOW + DAY, NOW - DAY):
        world.work(again)
    assert world.mailed_to == {(ISSUE, n): 1 for n in range(1, READERS + 1)}
    assert world.state() is MailingState.SENT
    assert world.events() == ["scheduled", "began", "finished"]


def test_who_comes_and_goes_before_the_hour_counts(world: World) -> None:
    world.schedule()
    world.change(2, standing="left")
    world.work(NOW + HOUR)
    assert world.tally().planned == READERS - 1
    assert world.books.not_mailed(world.service.of_issue(ISSUE).id) == {"left": 1}


@pytest.mark.parametrize(
    ("late", "state"),
    [(2 * HOUR, MailingState.SENT), (2 * HOUR + timedelta(seconds=1), MailingState.MISSED), (DAY, MailingState.MISSED)],
)
def test_later_than_the_late_limit_nothing_is_mailed_and_it_is_said(
    world: World, late: timedelta, state: MailingState
) -> None:
    world.schedule()
    world.work(NOW + HOUR + late)
    world.work(NOW + HOUR + late + MINUTE)
    assert world.state() is state
    assert bool(world.mailed_to) == (state is MailingState.SENT)
    if state is MailingState.MISSED:
        assert world.events() == ["scheduled", "missed"]
        assert "later than the late limit" in (world.service.of_issue(ISSUE).reason or "")


def test_what_was_missed_may_be_sent_by_a_person_after_all(world: World) -> None:
    world.schedule()
    world.work(NOW + DAY)
    assert world.service.plan(ISSUE).subscribers == READERS
    world.send()
    (mailing,) = world.books.of_issue(ISSUE)
    assert (mailing.state, mailing.due) == (MailingState.SENT, None)
    refused(world.send, "already-mailed")


def test_what_was_missed_may_be_scheduled_anew(world: World) -> None:
    world.schedule()
    world.work(NOW + DAY)
    world.schedule(due=NOW + DAY + HOUR)
    world.work(NOW + DAY + HOUR)
    (mailing,) = world.books.of_issue(ISSUE)
    assert mailing.state is MailingState.SENT
    assert set(world.mailed_to.values()) == {1}


def test_a_count_that_changed_leaves_the_missed_one_as_it_was(world: World) -> None:
    world.schedule()
    world.work(NOW + DAY)
    refused(lambda: world.send(READERS + 1), "count-changed")
    assert world.state() is MailingState.MISSED


def test_waiting_places_are_tried_again_when_they_are_due(world: World) -> None:
    world.says = {4: "later"}
    world.schedule()
    assert world.work(NOW + HOUR) == NOW + HOUR + 10 * MINUTE
    world.says = {}
    assert world.work(NOW + HOUR + 5 * MINUTE) == NOW + HOUR + 10 * MINUTE
    assert world.tally().waiting == 1
    assert world.work(NOW + HOUR + 10 * MINUTE) is None
    assert (world.state(), set(world.mailed_to.values())) == (MailingState.SENT, {1})


def test_after_a_crash_between_beginning_and_sent_toml_it_is_told_before_the_first_letter(world: World) -> None:
    mailing = world.schedule()
    assert world.books.begin(mailing.id, now=NOW + HOUR) is not None
    world.work(NOW + HOUR + MINUTE)
    assert world.told == [f"mailed {ISSUE}", f"carry {ISSUE}"]


def test_where_sent_toml_cannot_be_written_nobody_is_mailed(world: World) -> None:
    def refuse(_: Mailing) -> None:
        raise IssueError("no room", code="issue-unwritable")

    world.schedule()
    service = world.service
    service._doors = replace(service._doors, mailed=refuse)
    with pytest.raises(IssueError):
        service.work(NOW + HOUR)
    assert (world.mailed_to, world.state()) == ({}, MailingState.SENDING)
    world.work(NOW + HOUR + MINUTE)
    assert world.state() is MailingState.SENT


@pytest.mark.parametrize("trouble", [StoreError("no room", code="journal-unwritable"), LOGIN])
def test_one_mailings_trouble_keeps_no_other_waiting(world: World, trouble: BiweeklyError) -> None:
    world.schedule(ISSUE)
    world.schedule(NEXT)
    world.trouble[ISSUE] = trouble
    with pytest.raises(type(trouble)) as error:
        world.work(NOW + HOUR)
    assert error.value is trouble
    assert world.state(NEXT) is MailingState.SENT
    assert world.state(ISSUE) is (MailingState.PAUSED if trouble is LOGIN else MailingState.SENDING)


def test_a_relay_that_is_gone_is_said_and_tried_again(world: World) -> None:
    world.schedule()
    world.ending, world.trouble[ISSUE] = "no relay", RelayUnavailable("connection refused", code="relay-unreachable")
    with pytest.raises(RelayUnavailable, match="connection refused"):
        world.work(NOW + HOUR)
    assert (world.state(), world.tally().to_go) == (MailingState.SENDING, READERS)
    assert world.log[-1][1:] == ("no relay", {"reason": "connection refused"})
    world.ending = "done"
    world.trouble.clear()
    world.work(NOW + HOUR + MINUTE)
    assert world.state() is MailingState.SENT


def test_where_another_sender_carries_it_this_one_only_looks_on(world: World) -> None:
    world.schedule()
    world.ending = "busy"
    assert world.work(NOW + HOUR) is None
    assert (world.state(), world.events()) == (MailingState.SENDING, ["scheduled", "began"])


# --- rulings -----------------------------------------------------------------------------------------------------


def resolve(world: World, what: Literal["sent", "again"], who: Sequence[int] | None = None) -> int:
    chosen = None if who is None else [SubscriberId(one) for one in who]
    return world.steering.resolve(ISSUE, chosen, what, who="nino", why="the relay's log", now=world.now)


def test_ruled_sent_is_accepted(world: World) -> None:
    world.says = {3: "in doubt", 4: "in doubt"}
    world.send()
    assert resolve(world, "sent", [3]) == 1
    assert (world.tally().accepted, world.tally().uncertain) == (READERS - 1, 1)
    assert resolve(world, "sent") == 1
    assert (world.tally().accepted, world.state()) == (READERS, MailingState.SENT)
    assert world.log[-2][1:] == ("ruled", {"ruling": "sent", "places": 1, "who": "nino", "why": "the relay's log"})
    refused(lambda: resolve(world, "sent"), "nothing-uncertain", NothingToDo)


def test_ruled_again_is_due_again_and_only_for_those_named(world: World) -> None:
    world.says = {3: "in doubt", 4: "in doubt"}
    world.send()
    assert resolve(world, "again", [4]) == 1
    assert (world.state(), world.tally().waiting, world.tally().uncertain) == (MailingState.SENDING, 1, 1)
    world.says = {}
    world.work(NOW + MINUTE)
    assert (world.state(), world.tally().accepted, world.tally().uncertain) == (MailingState.SENT, READERS - 1, 1)
    assert world.mailed_to[ISSUE, 3] == 0
    refused(lambda: resolve(world, "again", [1]), "nothing-uncertain", NothingToDo)


# --- asking ------------------------------------------------------------------------------------------------------


def test_a_report_is_about_the_regular_mailing_else_the_latest_or_the_one_named(world: World) -> None:
    refused(lambda: world.service.of_issue(ISSUE), "no-mailing", NothingToDo)
    world.to_relay = False
    first, _ = world.send()
    second, _ = world.send()
    assert world.service.of_issue(ISSUE).id == second.id
    assert world.service.of_issue(ISSUE, mailing=first.id).id == first.id
    world.to_relay = True
    regular, _ = world.send()
    assert regular.id not in {first.id, second.id}
    assert world.service.of_issue(ISSUE).id == regular.id
    refused(lambda: world.service.of_issue(ISSUE, mailing=999), "no-mailing", NothingToDo)
    refused(lambda: world.service.of_issue(NEXT, mailing=first.id), "no-mailing", NothingToDo)
