"""Conduct. A mailing from plan to account: planned, scheduled, begun, carried, settled, reported.

Nothing here touches the world: the books, the edition and the carrier are handed in. A mailing is carried by whoever
holds the right to send; everything else only changes rows that the carrier reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from biweekly.errors import BiweeklyError, NothingToDo, Refused, RelayUnavailable, UsageError
from biweekly.model.issue import Edition, Frozen, IssueId
from biweekly.model.mailing import Mailing, MailingKind, MailingState, Tally
from biweekly.services.doors import Books, Carried, Doors

__all__ = ["Books", "Carried", "Doors", "Mailings", "SendingPlan"]

_NOT_BEGUN: Final = (MailingState.SCHEDULED, MailingState.COOLING_OFF)
_CAN_GO_ON: Final = (MailingState.SENDING, MailingState.PAUSED)
_SOONEST: Final = timedelta(minutes=2)
# Asking again with the same wrong password, by itself and for ever, is what locks accounts.
_LOGIN_REFUSED: Final = "relay-login-refused"


@dataclass(frozen=True, slots=True)
class SendingPlan:
    """What a mailing would be, were it sent now."""

    issue: IssueId
    kind: MailingKind
    edition: Edition
    readers: Mapping[str, int]
    not_mailed: Mapping[str, int]
    frozen: Frozen

    @property
    def subscribers(self) -> int:
        """How many would be mailed."""
        return sum(self.readers.values())


class Mailings:
    """The service. Every method is one thing that staff ask for."""

    def __init__(self, doors: Doors) -> None:
        """Work through these doors only."""
        self._doors = doors
        self._books = doors.books

    @property
    def doors(self) -> Doors:
        """What this service asks of the world."""
        return self._doors

    # -- asking ------------------------------------------------------------------------------------------------------

    def plan(self, issue: IssueId) -> SendingPlan:
        """Say who would get what. Raises Refused where the issue had its mailing; renders, sends nothing."""
        self._refuse_second(issue)
        edition, frozen = self._doors.freeze(issue)
        readers, others = self._books.count_readers()
        return SendingPlan(issue, self._kind(), edition, readers, others, frozen)

    def of_issue(self, issue: IssueId, *, mailing: int | None = None) -> Mailing:
        """Return the mailing a report is about: the one named, else the regular one, else the latest."""
        found = self._books.of_issue(issue)
        chosen = next((one for one in found if mailing is None or one.id == mailing), None)
        if chosen is None:
            raise NothingToDo(
                "this issue has no such mailing" if mailing else "this issue has not been mailed",
                code="no-mailing", place=issue, hint=f"biweekly send {issue}",
            )  # fmt: skip
        return chosen

    def under_way(self, issue: IssueId) -> Mailing | None:
        """Return the mailing of an issue that has begun and is not over, None where there is none.

        The regular one first; once that was stopped, it is the one that took its place.
        """
        return next((one for one in self._books.of_issue(issue) if one.state in _CAN_GO_ON), None)

    def account(self, mailing: Mailing) -> tuple[Tally, Mapping[str, int]]:
        """Add a mailing up, and count who was outside its plan."""
        return self._books.tally(mailing.id), self._books.not_mailed(mailing.id)

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(
        self, issue: IssueId, *, confirmed: int, now: datetime, plan: SendingPlan | None = None
    ) -> tuple[Mailing, Carried]:
        """Send an issue now, to exactly the number of subscribers that a person confirmed.

        What goes out is the edition of the `plan` they saw; without one the issue is rendered now. Raises Refused
        `count-changed` where it is another number, `no-subscribers` where there is none.
        """
        self._refuse_second(issue)
        frozen = self._doors.freeze(issue)[1] if plan is None else plan.frozen
        if confirmed == 0:
            raise Refused("there is nobody to send to", code="no-subscribers", hint="biweekly subscribers import FILE")
        self._doors.insist_free()
        begun = self._books.enter_and_begin(issue, self._kind(), frozen, expected=confirmed, now=now)
        self.tell_began(begun)
        return begun, self.carry(begun)

    def resume(self, issue: IssueId) -> tuple[Mailing, Carried]:
        """Go on with a mailing that was paused or interrupted, or that has places waiting."""
        mailing = self.under_way(issue) or self.of_issue(issue)
        if mailing.state in _CAN_GO_ON:
            self.insist_on_the_same_road(mailing)
            self._doors.insist_free()
            self._books.go_on(mailing.id, now=self._doors.clock())
            mailing = self._books.find(mailing.id)
        if mailing.state is not MailingState.SENDING:
            raise Refused(
                f"this mailing is {mailing.state.replace('_', ' ')}; there is nothing to go on with",
                code="nothing-to-resume", place=issue, hint=f"biweekly report {issue}",
            )  # fmt: skip
        self._doors.log(mailing, "resumed", {})
        return mailing, self.carry(mailing)

    # -- the schedule ------------------------------------------------------------------------------------------------

    def schedule(self, issue: IssueId, *, due: datetime, now: datetime) -> Mailing:
        """Freeze an issue and set its time. Raises Refused `no-relay`, UsageError `time-past`."""
        if not self._doors.to_relay:
            raise Refused(
                "no relay is configured, so a scheduled mailing would reach nobody", code="no-relay",
                hint="add [[relay]] to config.toml, then biweekly doctor config",
            )  # fmt: skip
        if due < now + _SOONEST:
            raise UsageError(
                "that time has passed or is less than two minutes away; scheduling never means sending at once",
                code="time-past", hint=f"biweekly send {issue} --live",
            )  # fmt: skip
        self._refuse_second(issue)
        _, frozen = self._doors.freeze(issue)
        mailing = self._books.enter(issue, MailingKind.REGULAR, frozen, due=due, now=now)
        self._doors.log(mailing, "scheduled", {"due": due.isoformat(), "edition": mailing.edition})
        return mailing

    def unschedule(self, issue: IssueId) -> Mailing:
        """Take a scheduled mailing back, as long as its first letter has not left."""
        mailing = self.of_issue(issue)
        if not self._books.withdraw(mailing.id):
            raise Refused(
                f"this mailing is {mailing.state.replace('_', ' ')}; only a scheduled one can be taken back",
                code="not-scheduled", place=issue, hint=f"biweekly report {issue}",
            )  # fmt: skip
        self._doors.log(mailing, "unscheduled", {})
        return mailing

    def work(self, now: datetime) -> datetime | None:
        """Do what is due: begin scheduled mailings or mark them missed, and carry those under way.

        Returns when to look again at the latest, None where nothing is waiting. Any number of processes may ask. The
        trouble of one mailing keeps no other waiting: the first is raised when everything else has been done.
        """
        troubles = self._look_at_the_schedule(now)
        looks: list[datetime | None] = []
        for mailing in self._books.in_states(MailingState.SENDING):
            if mailing.kind is MailingKind.TEST and self._doors.to_relay:
                continue  # a rehearsal that was never finished: nobody may be mailed by it
            try:
                carried = self.carry(mailing)
            except BiweeklyError as error:
                troubles.append(error)
                continue
            looks.append(carried.next_due)
            if carried.trouble is not None and carried.ending in {"paused", "no relay"}:
                troubles.append(carried.trouble)
        if troubles:
            raise troubles[0]
        looks += [one.due for one in self._books.in_states(*_NOT_BEGUN)]
        return min((at for at in looks if at is not None), default=None)

    def _look_at_the_schedule(self, now: datetime) -> list[BiweeklyError]:
        """Begin or let cool off what is scheduled; return what stood in the way."""
        troubles: list[BiweeklyError] = []
        for mailing in self._books.in_states(*_NOT_BEGUN):
            if mailing.due is None:
                continue
            if mailing.due <= now:
                try:
                    self._begin_due(mailing, mailing.due, now)
                except Refused as refusal:
                    troubles.append(refusal)
            elif mailing.due - now <= self._doors.cooling_off:
                self._books.change_state(mailing.id, MailingState.COOLING_OFF, only_from=(MailingState.SCHEDULED,))
        return troubles

    def _begin_due(self, mailing: Mailing, due: datetime, now: datetime) -> None:
        if now - due > self._doors.late_limit:
            late = f"due {due.isoformat()}, looked at {now.isoformat()}: later than the late limit, so nothing was sent"
            if self._books.change_state(mailing.id, MailingState.MISSED, only_from=_NOT_BEGUN, reason=late):
                self._doors.log(mailing, "missed", {"reason": late})
            return
        self.insist_on_the_same_road(mailing)
        begun = self._books.begin(mailing.id, now=now)
        if begun is not None:
            self.tell_began(begun)

    # -- carrying ----------------------------------------------------------------------------------------------------

    def tell_began(self, mailing: Mailing) -> None:
        """Write into the log that a mailing has begun, and with whom."""
        others = self._books.not_mailed(mailing.id)
        self._doors.log(mailing, "began", {"planned": mailing.planned, "not_mailed": others, "kind": mailing.kind,
                                           "edition": mailing.edition})  # fmt: skip

    def carry(self, mailing: Mailing) -> Carried:
        """Send what is due of a mailing that has begun, and write down how that ended.

        Raises Refused `no-relay` and `rehearsal` where its letters would go another way than when it began.
        """
        self.insist_on_the_same_road(mailing)
        if mailing.kind is not MailingKind.TEST:
            # Before each carrying: a crash just after it began must not leave its reports looking unsent.
            self._doors.mailed(mailing)
        try:
            carried = self._doors.carry(mailing)
        except RelayUnavailable as error:
            if error.code != _LOGIN_REFUSED:
                raise
            carried = Carried("paused", self._doors.clock(), None, error)
        if self._books.finish(mailing.id, at=carried.at):
            self._doors.log(mailing, "finished", {"sum": str(self._books.tally(mailing.id))})
        elif carried.ending == "no relay" and carried.trouble is not None:
            self._doors.log(mailing, "no relay", {"reason": carried.trouble.message})
        elif carried.ending == "paused" and carried.trouble is not None:
            reason = carried.trouble.message
            if self._books.pause(mailing.id, reason=reason, now=carried.at):
                self._doors.log(mailing, "paused", {"reason": reason})
        return carried

    # -- within ------------------------------------------------------------------------------------------------------

    def insist_on_the_same_road(self, mailing: Mailing) -> None:
        """What counts never ends in the built-in mailbox, and what began as a rehearsal never reaches a reader."""
        rehearsal = mailing.kind is MailingKind.TEST
        if not rehearsal and not self._doors.to_relay:
            raise Refused(
                "no relay is configured, so the rest of this mailing would reach nobody", code="no-relay",
                place=mailing.issue, hint="add [[relay]] to config.toml, then biweekly doctor config",
            )  # fmt: skip
        if rehearsal and self._doors.to_relay:
            raise Refused(
                "this is a rehearsal into the built-in mailbox, and there is a relay now; nobody is mailed by it",
                code="rehearsal", place=mailing.issue, hint=f"biweekly send {mailing.issue}",
            )  # fmt: skip

    def _kind(self) -> MailingKind:
        # Without a relay nobody is mailed: a whole send to the built-in mailbox is a rehearsal and marks nothing.
        return MailingKind.REGULAR if self._doors.to_relay else MailingKind.TEST

    def _refuse_second(self, issue: IssueId) -> None:
        regular = next((one for one in self._books.of_issue(issue) if one.kind is MailingKind.REGULAR), None)
        if regular is None or regular.state is MailingState.MISSED:
            # Nobody was planned for a missed one: a person may still send the issue, and then that one is gone.
            return
        word = "resume" if regular.state in _CAN_GO_ON else "unschedule" if regular.state in _NOT_BEGUN else "report"
        raise Refused(
            f"the mailing of this issue is {regular.state.replace('_', ' ')}; an issue is mailed once",
            code="already-mailed", place=issue, hint=f"biweekly {word} {issue}",
        )  # fmt: skip
