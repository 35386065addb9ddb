"""What staff do to a mailing that has begun, on the real books and ledger; only the relay is played."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.services.test_mailings import (
    DAY,
    ISSUE,
    MINUTE,
    NEXT,
    NOW,
    READERS,
    World,
    edition_of,
    refused,
    world,
)

from biweekly.delivery.recovery import settle_open
from biweekly.errors import NothingToDo, Refused
from biweekly.model.issue import Edition, Frozen, IssueId
from biweekly.model.mailing import Failed, MailingKind, MailingState
from biweekly.services.steering import StopPress
from biweekly.store import reading, tables
from biweekly.store.ledger import Ledger

__all__ = ["world"]  # the fixture


def paused(world: World) -> None:
    """Six readers: accepted, refused, in doubt, later, untried, untried; then somebody paused it."""
    world.says = {2: "refused", 3: "in doubt", 4: "later", 5: "untried", 6: "untried"}
    world.send()
    world.steering.pause(ISSUE, who="nino", why="a wrong name", now=world.now)
    world.says = {}
    world.log.clear()
    world.told.clear()


def corrected(issue: IssueId) -> tuple[Edition, Frozen]:
    """The issue after an editor has been at it."""
    edition, _ = edition_of(IssueId(f"{issue}-corrected"))
    return edition, (edition.sha256, edition.web_id, b'{"corrected": true}')


def stop_press(world: World, confirmed: int = 3) -> StopPress:
    plan = world.steering.plan_stop_press(ISSUE)
    world.steering.stop_press(plan, confirmed=confirmed, who="nino", now=world.now)
    return plan


# --- pause -------------------------------------------------------------------------------------------------------


def test_pausing_says_what_is_in_flight_and_keeps_the_reason(world: World) -> None:
    world.says = {4: "later", 5: "untried"}
    mailing, _ = world.send()
    ledger = Ledger(world.engine, mailing.id, "boot/7/b", lease_ms=None)
    ledger.take(free=[], settle=lambda _, places: settle_open(places, {}, now=NOW), now=NOW)
    assert len(ledger.turn([], wanted=10, now=NOW).places) == 1
    rests = world.steering.pause(ISSUE, who="nino", why="a wrong name, says eka@review.example", now=NOW)
    assert (rests.before, rests.in_flight) == (False, 1)
    assert (rests.mailing.state, rests.mailing.reason) == (MailingState.PAUSED, "a wrong name, says (address)")
    assert world.log[-1] == (ISSUE, "paused", {"reason": "a wrong name, says (address)", "who": "nino"})
    assert ledger.turn([], wanted=10, now=NOW + DAY).places == []


def test_pausing_what_is_paused_changes_nothing(world: World) -> None:
    paused(world)
    again = world.steering.pause(ISSUE, who="eka", why="another reason", now=NOW)
    assert (again.before, again.mailing.reason, world.log) == (True, "a wrong name", [])


def test_without_a_reason_it_says_who(world: World) -> None:
    world.says = {4: "later"}
    world.send()
    assert world.steering.pause(ISSUE, who="nino", why="", now=NOW).mailing.reason == "paused by nino"


def test_what_is_not_under_way_cannot_be_paused(world: World) -> None:
    refused(lambda: world.steering.pause(ISSUE, who="nino", why="", now=NOW), "not-under-way")
    world.schedule(NEXT)
    refused(lambda: world.steering.pause(NEXT, who="nino", why="", now=NOW), "not-under-way")
    world.send()
    refused(lambda: world.steering.pause(ISSUE, who="nino", why="", now=NOW), "not-under-way")


# --- cancel ------------------------------------------------------------------------------------------------------


def test_a_plan_to_cancel_changes_nothing(world: World) -> None:
    paused(world)
    mailing, tally = world.steering.plan_cancel(ISSUE)
    assert (tally.to_go, tally.waiting, mailing.state) == (2, 1, MailingState.PAUSED)
    assert (world.state(), world.log, world.told) == (MailingState.PAUSED, [], [])


def test_cancelling_ends_it_for_good(world: World) -> None:
    paused(world)
    mailing, count = world.steering.cancel(ISSUE, who="nino", now=NOW)
    assert (mailing.state, mailing.reason, count) == (MailingState.CANCELLED, "cancelled by nino", 3)
    tally = world.tally()
    assert (tally.accepted, tally.failed, tally.uncertain, tally.skipped) == (1, 1, 1, 3)
    assert world.log == [(ISSUE, "cancelled", {"places": 3, "who": "nino"})]
    assert world.told == [f"complete {mailing.id}"]
    world.work(NOW + DAY)
    refused(lambda: world.service.resume(ISSUE), "nothing-to-resume")
    refused(world.send, "already-mailed")
    refused(lambda: world.steering.cancel(ISSUE, who="nino", now=NOW), "not-paused")
    assert sum(world.mailed_to.values()) == 1


@pytest.mark.parametrize(
    ("begin", "hint"),
    [
        (lambda world: world.schedule(), f"biweekly unschedule {ISSUE}"),
        (lambda world: (world.says.update({4: "later"}), world.send()), f"biweekly pause {ISSUE}"),
        (lambda world: world.send(), f"biweekly report {ISSUE}"),
    ],
)
def test_only_what_is_paused_can_be_ended_and_the_hint_says_how(
    world: World, begin: Callable[[World], object], hint: str
) -> None:
    begin(world)
    ends: tuple[Callable[[], object], ...] = (
        lambda: world.steering.plan_cancel(ISSUE),
        lambda: world.steering.cancel(ISSUE, who="nino", now=NOW),
        lambda: world.steering.plan_stop_press(ISSUE),
    )
    for end in ends:
        assert refused(end, "not-paused").hint == hint


def test_while_another_sender_is_at_work_nothing_is_ended(world: World) -> None:
    paused(world)
    world.locked = Refused("process 7 is sending", code="another-sender")
    refused(lambda: world.steering.cancel(ISSUE, who="nino", now=NOW), "another-sender")
    refused(lambda: stop_press(world), "another-sender")
    assert (world.state(), len(world.books.of_issue(ISSUE))) == (MailingState.PAUSED, 1)


def test_what_a_dead_sender_had_open_is_settled_before_the_end(world: World) -> None:
    paused(world)
    mailing = world.service.of_issue(ISSUE)
    world.books.go_on(mailing.id, now=NOW)
    dead = Ledger(world.engine, mailing.id, "boot/0/dead", lease_ms=None)
    dead.take(free=[], settle=lambda _, places: settle_open(places, {}, now=NOW), now=NOW)
    assert len(dead.turn([], wanted=1, now=NOW).places) == 1
    world.books.pause(mailing.id, reason=None, now=NOW)
    world.steering.cancel(ISSUE, who="nino", now=NOW)
    # The carrier was asked to settle it, and mailed nobody.
    assert world.told == [f"carry {ISSUE}", f"complete {mailing.id}"]
    assert sum(world.mailed_to.values()) == 1
    assert world.tally().skipped == 3


# --- stop-press --------------------------------------------------------------------------------------------------


def test_the_rest_get_the_issue_as_it_is_now(world: World) -> None:
    paused(world)
    stopped = world.service.of_issue(ISSUE)
    world.freeze = corrected
    plan = world.steering.plan_stop_press(ISSUE)
    assert (plan.stopped.id, plan.subscribers, plan.unchanged) == (stopped.id, 3, False)
    anew, carried = world.steering.stop_press(plan, confirmed=3, who="nino", now=NOW + MINUTE)
    assert (anew.kind, anew.planned, anew.stamp, carried.ending) == (
        MailingKind.STOP_PRESS, 3, NOW + MINUTE, "done",
    )  # fmt: skip
    assert world.books.edition(anew.edition) == b'{"corrected": true}'
    assert world.books.find(anew.id).state is MailingState.SENT
    assert world.mailed_to == {(ISSUE, n): 1 for n in (1, 4, 5, 6)}
    assert world.state() is MailingState.CANCELLED
    assert world.tally().skipped == 3
    assert world.events() == ["stop-press", "began", "finished"]
    assert world.log[0][2] == {"places": 3, "who": "nino", "next": anew.id}
    assert world.told == [f"complete {stopped.id}", f"mailed {ISSUE}", f"carry {ISSUE}"]


def test_what_goes_out_is_what_the_plan_showed(world: World) -> None:
    paused(world)
    plan = world.steering.plan_stop_press(ISSUE)
    assert plan.unchanged
    world.freeze = corrected
    anew, _ = world.steering.stop_press(plan, confirmed=3, who="nino", now=NOW)
    assert anew.edition == plan.stopped.edition


def test_another_number_than_the_one_confirmed_stops_nothing(world: World) -> None:
    paused(world)
    refused(lambda: stop_press(world, 4), "count-changed")
    refused(lambda: stop_press(world, 0), "no-subscribers")
    assert (world.state(), world.tally().skipped, len(world.books.of_issue(ISSUE))) == (MailingState.PAUSED, 0, 1)


def test_a_plan_is_worth_nothing_once_the_mailing_goes_on(world: World) -> None:
    paused(world)
    plan = world.steering.plan_stop_press(ISSUE)
    world.service.resume(ISSUE)
    refused(lambda: world.steering.stop_press(plan, confirmed=3, who="nino", now=NOW), "not-paused")


def test_afterwards_it_is_the_new_mailing_that_is_steered(world: World) -> None:
    paused(world)
    world.says = {4: "later", 5: "refused", 6: "in doubt"}
    world.freeze = corrected
    stop_press(world)
    second = world.service.under_way(ISSUE)
    assert second is not None
    assert second.kind is MailingKind.STOP_PRESS
    assert world.steering.pause(ISSUE, who="nino", why="", now=NOW).mailing.id == second.id
    world.says = {}
    resumed, _ = world.service.resume(ISSUE)
    assert resumed.id == second.id
    world.work(NOW + DAY)
    # In doubt are one place of the first mailing and one of the second; only the second has failures to send again.
    steering = world.steering
    assert steering.resolve(ISSUE, None, "sent", who="nino", why="", now=NOW) == 1
    assert world.tally().uncertain == 0
    assert steering.resolve(ISSUE, None, "again", who="nino", why="", now=NOW) == 1
    assert steering.plan_resend(ISSUE) == (world.books.find(second.id), Failed(1, 0, 0))
    steering.resend(ISSUE, who="nino", why="", now=NOW)
    world.work(NOW + DAY + MINUTE)
    assert world.books.find(second.id).state is MailingState.SENT
    assert world.mailed_to == {(ISSUE, n): 1 for n in (1, 4, 5, 6)}


def test_a_log_that_a_crash_cut_short_is_completed_by_resume(world: World) -> None:
    paused(world)
    stopped = world.service.of_issue(ISSUE)
    world.says, world.freeze = {4: "later"}, corrected
    stop_press(world)
    world.told.clear()
    world.service.resume(ISSUE)
    assert world.told[0] == f"complete {stopped.id}"


def test_a_rehearsal_that_is_stopped_stays_a_rehearsal(world: World) -> None:
    world.to_relay = False
    paused(world)
    world.freeze = corrected
    stop_press(world)
    assert {one.kind for one in world.books.of_issue(ISSUE)} == {MailingKind.TEST}
    assert f"mailed {ISSUE}" not in world.told


# --- resend ------------------------------------------------------------------------------------------------------


def test_resending_opens_a_round_and_work_sends_it(world: World) -> None:
    world.says = {2: "refused", 3: "in doubt", 4: "refused"}
    world.send()
    world.change(4, standing="left")
    mailing, failed = world.steering.plan_resend(ISSUE)
    assert failed == Failed(2, 0, 1)
    assert world.state() is MailingState.SENT
    same, count = world.steering.resend(ISSUE, who="nino", why="asked r2@d.example", now=NOW)
    assert (same.id, same.state, count) == (mailing.id, MailingState.SENDING, 2)
    (_, event, facts), (_, places, _) = world.log[-2:]
    assert (event, places) == ("ruled", "places")
    assert facts == {"ruling": "resend", "places": 2, "who": "nino", "why": "asked (address)"}
    with reading(world.engine) as connection:
        whys = connection.execute(select(tables.ruling.c.why)).scalars().all()
    assert set(whys) == {"asked (address)"}
    world.says = {}
    world.work(NOW + MINUTE)
    assert world.state() is MailingState.SENT
    assert world.mailed_to[ISSUE, 2] == 1
    assert (world.tally().failed, world.tally().uncertain) == (0, 1)


def test_nothing_is_resent_in_a_mailing_that_was_ended_or_had_no_failure(world: World) -> None:
    refused(lambda: world.steering.plan_resend(ISSUE), "no-mailing", NothingToDo)
    paused(world)
    world.steering.cancel(ISSUE, who="nino", now=NOW)
    refused(lambda: world.steering.plan_resend(ISSUE), "mailing-ended")
    refused(lambda: world.steering.resend(ISSUE, who="nino", why="", now=NOW), "mailing-ended")
    world.service.send(NEXT, confirmed=READERS, now=NOW)
    refused(lambda: world.steering.resend(NEXT, who="nino", why="", now=NOW), "nothing-failed", NothingToDo)


# --- the road ----------------------------------------------------------------------------------------------------


def test_what_counts_never_ends_in_the_built_in_mailbox(world: World) -> None:
    world.says = {4: "later"}
    world.send()
    world.to_relay = False
    before = dict(world.mailed_to)
    refused(lambda: world.service.resume(ISSUE), "no-relay")
    with pytest.raises(Refused) as error:
        world.work(NOW + DAY)
    assert error.value.code == "no-relay"
    assert world.mailed_to == before
    world.to_relay, world.says = True, {}
    world.work(NOW + DAY)
    assert world.state() is MailingState.SENT


def test_at_its_hour_without_a_relay_nothing_begins_and_later_it_is_missed(world: World) -> None:
    world.schedule()
    world.to_relay = False
    with pytest.raises(Refused) as error:
        world.work(NOW + timedelta(hours=1))
    assert (error.value.code, world.state()) == ("no-relay", MailingState.SCHEDULED)
    assert world.work(NOW + DAY) is None
    assert world.state() is MailingState.MISSED


def test_a_rehearsal_that_was_not_finished_never_reaches_a_reader(world: World) -> None:
    world.to_relay, world.says = False, {4: "later", 5: "untried"}
    world.send()
    world.to_relay, world.says = True, {}
    rehearsed = dict(world.mailed_to)
    assert world.work(NOW + DAY) is None
    refused(lambda: world.service.resume(ISSUE), "rehearsal")
    assert world.mailed_to == rehearsed
    world.steering.pause(ISSUE, who="nino", why="", now=NOW)
    refused(lambda: stop_press(world, 2), "rehearsal")
    world.steering.cancel(ISSUE, who="nino", now=NOW)
    assert world.mailed_to == rehearsed
    mailing, _ = world.send()
    assert mailing.kind is MailingKind.REGULAR
