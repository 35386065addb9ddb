"""Conduct. What staff do to a mailing that has begun: pause, cancel, stop-press, and rulings about its places.

Each is one transaction of the books; whoever carries the mailing reads it at the next claim. What ends a mailing needs
it paused and without a holder, so that no letter is on its way that the ending does not know of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from biweekly.delivery.discretion import without_addresses
from biweekly.errors import Refused
from biweekly.model.issue import Edition, IssueId
from biweekly.model.mailing import Failed, Mailing, MailingKind, MailingState, Tally
from biweekly.model.subscriber import SubscriberId
from biweekly.services.doors import Carried
from biweekly.services.mailings import Mailings

_ENDED: Final = (MailingState.CANCELLED, MailingState.MISSED)


@dataclass(frozen=True, slots=True)
class Paused:
    """A mailing that rests now. `before`: it did already. `in_flight` places are claimed and not settled yet."""

    mailing: Mailing
    before: bool
    in_flight: int


@dataclass(frozen=True, slots=True)
class StopPress:
    """What a stop-press would be: the mailing that is ended, and the edition that the rest of its readers get."""

    stopped: Mailing
    tally: Tally
    edition: Edition

    @property
    def subscribers(self) -> int:
        """How many have no outcome and get the new edition."""
        return self.tally.to_go + self.tally.waiting

    @property
    def unchanged(self) -> bool:
        """Whether the issue is still what was stopped."""
        return self.edition.sha256 == self.stopped.edition


class Steering:
    """The service. Every method is one thing that staff ask for."""

    def __init__(self, mailings: Mailings) -> None:
        """Work beside the service that carries, through the same doors."""
        self._mailings = mailings
        self._doors = mailings.doors
        self._books = mailings.doors.books

    # -- resting -----------------------------------------------------------------------------------------------------

    def pause(self, issue: IssueId, *, who: str, why: str, now: datetime) -> Paused:
        """Let the mailing under way rest until a person resumes it. Raises Refused `not-under-way`."""
        mailing = self._mailings.under_way(issue)
        if mailing is None:
            raise Refused(
                "no mailing of this issue is under way", code="not-under-way", place=issue, hint="biweekly status"
            )
        reason = without_addresses(why) or f"paused by {who}"
        paused = self._books.pause(mailing.id, reason=reason, now=now)
        if paused:
            self._doors.log(mailing, "paused", {"reason": reason, "who": who})
        mailing = self._books.find(mailing.id)
        if mailing.state is not MailingState.PAUSED:
            raise Refused(
                f"this mailing is {mailing.state.replace('_', ' ')} now", code="not-under-way", place=issue,
                hint=f"biweekly report {issue}",
            )  # fmt: skip
        return Paused(mailing, not paused, self._books.in_flight(mailing.id))

    # -- ending ------------------------------------------------------------------------------------------------------

    def plan_cancel(self, issue: IssueId) -> tuple[Mailing, Tally]:
        """Say what cancelling would end. Raises Refused `not-paused`."""
        mailing = self._paused(issue)
        return mailing, self._books.tally(mailing.id)

    def cancel(self, issue: IssueId, *, who: str, now: datetime) -> tuple[Mailing, int]:
        """End a paused mailing: every place without an outcome is skipped. Returns it and how many those were.

        What is uncertain stays so. Raises Refused `not-paused` and `another-sender`.
        """
        mailing = self._paused(issue)
        self._settle_what_was_open(mailing)
        count = self._books.cancel(mailing.id, reason=f"cancelled by {who}", now=now)
        self._doors.log(mailing, "cancelled", {"places": count, "who": who})
        self._doors.complete_log(mailing)
        return self._books.find(mailing.id), count

    def plan_stop_press(self, issue: IssueId) -> StopPress:
        """Say who would get the issue as it is now. Raises Refused `not-paused`; renders, sends nothing."""
        mailing = self._paused(issue)
        edition, _ = self._doors.freeze(issue)
        return StopPress(mailing, self._books.tally(mailing.id), edition)

    def stop_press(self, issue: IssueId, *, confirmed: int, who: str, now: datetime) -> tuple[Mailing, Carried]:
        """End a paused mailing and send the issue as it is now to exactly those whom it had not reached.

        Raises Refused `not-paused`, `another-sender`, `count-changed` where they are another number than a person
        confirmed, `no-subscribers` where there is none. What is uncertain stays behind.
        """
        stopped = self._paused(issue)
        kind = MailingKind.TEST if stopped.kind is MailingKind.TEST else MailingKind.STOP_PRESS
        self._mailings.insist_on_the_same_road(stopped)
        _, frozen = self._doors.freeze(issue)
        if confirmed == 0:
            raise Refused("nobody is left whom the mailing has not reached", code="no-subscribers", place=issue)
        self._settle_what_was_open(stopped)
        begun = self._books.stop_press(stopped, kind, frozen, expected=confirmed, now=now)
        self._doors.log(stopped, "stop-press", {"places": begun.planned, "who": who, "next": begun.id})
        self._mailings.tell_began(begun)
        self._doors.complete_log(stopped)
        return begun, self._mailings.carry(begun)

    # -- ruling ------------------------------------------------------------------------------------------------------

    def resolve(
        self, issue: IssueId, subscribers: Sequence[SubscriberId] | None, what: Literal["sent", "again"], *,
        who: str, why: str, now: datetime, mailing: int | None = None,
    ) -> int:  # fmt: skip
        """Settle uncertain places by a person's word; *again* makes them due in a new round.

        Without `mailing` it is the first of the issue's that has any.
        """
        chosen = self._choose(issue, mailing, lambda one: self._books.tally(one.id).uncertain > 0)
        why = without_addresses(why)
        ruled = self._books.rule(chosen.id, subscribers, what, who=who, why=why, now=now)
        self._doors.log(chosen, "ruled", {"ruling": what, "places": len(ruled), "who": who, "why": why})
        self._doors.log_ruled(chosen, ruled)
        return len(ruled)

    def plan_resend(self, issue: IssueId, *, mailing: int | None = None) -> tuple[Mailing, Failed]:
        """Say which places have failed and would be tried once more. Raises Refused `mailing-ended`."""
        chosen = self._choose(issue, mailing, self._has_failures)
        if chosen.state in _ENDED:
            raise Refused(
                "this mailing was ended; nobody is mailed again by it", code="mailing-ended", place=issue,
                hint=f"biweekly report {issue}",
            )  # fmt: skip
        return chosen, self._books.count_failed(chosen.id)

    def resend(
        self, issue: IssueId, *, who: str, why: str, now: datetime, mailing: int | None = None
    ) -> tuple[Mailing, int]:
        """Make every place that has failed due once more, in a new round; nothing is sent here.

        Raises NothingToDo `nothing-failed`, Refused `mailing-ended`.
        """
        chosen = self._choose(issue, mailing, self._has_failures)
        why = without_addresses(why)
        ruled = self._books.resend(chosen.id, who=who, why=why, now=now)
        self._doors.log(chosen, "ruled", {"ruling": "resend", "places": len(ruled), "who": who, "why": why})
        self._doors.log_ruled(chosen, ruled)
        return self._books.find(chosen.id), len(ruled)

    # -- within ------------------------------------------------------------------------------------------------------

    def _paused(self, issue: IssueId) -> Mailing:
        found = self._books.of_issue(issue)
        paused = next((one for one in found if one.state is MailingState.PAUSED), None)
        if paused is not None:
            return paused
        mailing = self._mailings.under_way(issue) or self._mailings.of_issue(issue)
        word = {MailingState.SENDING: "pause", MailingState.SCHEDULED: "unschedule",
                MailingState.COOLING_OFF: "unschedule"}.get(mailing.state, "report")  # fmt: skip
        raise Refused(
            f"this mailing is {mailing.state.replace('_', ' ')}; only a paused one can be ended", code="not-paused",
            place=issue, hint=f"biweekly {word} {issue}",
        )  # fmt: skip

    def _settle_what_was_open(self, mailing: Mailing) -> None:
        """See to it that nobody holds a part of a paused mailing; Refused `another-sender` where somebody does.

        Of a sender that died, the carrier settles what was open as before any sending, and sends nothing.
        """
        self._doors.insist_free()
        if self._books.held(mailing.id):
            carried = self._doors.carry(mailing)
            if carried.ending == "busy" and carried.trouble is not None:
                raise carried.trouble

    def _choose(self, issue: IssueId, number: int | None, fits: Callable[[Mailing], bool]) -> Mailing:
        if number is None:
            fitting = next((one for one in self._books.of_issue(issue) if fits(one)), None)
            if fitting is not None:
                return fitting
        return self._mailings.of_issue(issue, mailing=number)

    def _has_failures(self, mailing: Mailing) -> bool:
        return mailing.state not in _ENDED and self._books.tally(mailing.id).failed > 0
