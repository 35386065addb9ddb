"""Edge: database. The books of one newsletter, as the mailing service asks for them: each call one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypedDict

from sqlalchemy import Connection, Engine

from biweekly.delivery.plan import assign_lanes
from biweekly.model.issue import Frozen, IssueId
from biweekly.model.mailing import Failed, Mailing, MailingId, MailingKind, MailingState, Ruled, Tally
from biweekly.model.subscriber import SubscriberId
from biweekly.store import accounts, editions, endings, ledger, mailings, rulings
from biweekly.store.database import reading, writing


class _Early(TypedDict):
    seeds: tuple[str, ...]
    canary: float


class Books:
    """What is asked of the database about mailings."""

    def __init__(self, engine: Engine, newsletter: str, *, seeds: tuple[str, ...] = (), canary: float = 0.0) -> None:
        """`newsletter` is the key under which this publication's rows are kept.

        `seeds` and a share `canary` of an audience are sent first.
        """
        self.engine = engine
        self.newsletter = newsletter
        self._early: _Early = {"seeds": seeds, "canary": canary}

    def of_issue(self, issue: IssueId) -> Sequence[Mailing]:
        """Return an issue's mailings, the regular one first, then the newest."""
        return mailings.of_issue(self.engine, self.newsletter, issue)

    def in_states(self, *states: MailingState) -> Sequence[Mailing]:
        """Return the mailings in these states, the earliest due first."""
        return mailings.in_states(self.engine, self.newsletter, *states)

    def find(self, mailing: MailingId) -> Mailing:
        """Return one mailing."""
        return mailings.find(self.engine, mailing)

    def count_readers(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Count who would be mailed now, by variant, and who would not, by reason."""
        with reading(self.engine) as connection:
            return mailings.count_readers(connection), mailings.count_not_mailed(connection)

    def enter(
        self, issue: IssueId, kind: MailingKind, frozen: Frozen, *, due: datetime | None, now: datetime
    ) -> Mailing:
        """Keep an edition (its hash, the web version's address, its bytes) and write down a mailing of it."""
        with writing(self.engine) as connection:
            key = self._enter(connection, issue, kind, frozen, due=due, now=now)
        return self.find(key)

    def _enter(
        self, connection: Connection, issue: IssueId, kind: MailingKind, frozen: Frozen, *,
        due: datetime | None, now: datetime,
    ) -> MailingId:  # fmt: skip
        sha256, web_id, body = frozen
        editions.keep(
            connection, sha256=sha256, web_id=web_id, newsletter=self.newsletter, issue=issue, body=body, now=now
        )
        mailings.clear_missed(connection, newsletter=self.newsletter, issue=issue)
        return mailings.enter(
            connection, newsletter=self.newsletter, issue=issue, kind=kind, edition=sha256,
            state=MailingState.SCHEDULED, due=due, now=now,
        )  # fmt: skip

    def enter_and_begin(
        self, issue: IssueId, kind: MailingKind, frozen: Frozen, *, expected: int, now: datetime
    ) -> Mailing:
        """Write down a mailing and freeze its audience in one commit.

        Refused `count-changed` where the audience is of another size than a person confirmed; then nothing is written.
        """
        with writing(self.engine) as connection:
            key = self._enter(connection, issue, kind, frozen, due=None, now=now)
            planned = mailings.freeze_audience(connection, key, divide=_divide, now=now, **self._early)
            mailings.insist(planned, expected)
        return self.find(key)

    def begin(self, mailing: MailingId, *, now: datetime) -> Mailing | None:
        """Freeze the audience of a mailing that has not begun; None where it has, or was taken back."""
        with writing(self.engine) as connection:
            if not mailings.change_state(
                connection, mailing, MailingState.SENDING,
                only_from=(MailingState.SCHEDULED, MailingState.COOLING_OFF),
            ):  # fmt: skip
                return None
            mailings.freeze_audience(connection, mailing, divide=_divide, now=now, **self._early)
        return self.find(mailing)

    def change_state(
        self,
        mailing: MailingId,
        to: MailingState,
        *,
        only_from: Sequence[MailingState],
        reason: str | None = None,
    ) -> bool:
        """Move a mailing on, only from the states named; False where it stood elsewhere."""
        with writing(self.engine) as connection:
            return mailings.change_state(connection, mailing, to, only_from=only_from, reason=reason)

    def finish(self, mailing: MailingId, *, at: datetime) -> bool:
        """Say that a mailing is over; False where it is not under way, or a place is to go or waits."""
        with writing(self.engine) as connection:
            return mailings.finish(connection, mailing, at=at)

    def pause(self, mailing: MailingId, *, reason: str | None, now: datetime) -> bool:
        """Let a mailing under way rest until a person resumes it."""
        with writing(self.engine) as connection:
            return mailings.pause(connection, mailing, reason=reason, now=now)

    def go_on(self, mailing: MailingId, *, now: datetime) -> bool:
        """Let a paused mailing go on: what waits is no older, and due where a refusal was no reader's fault."""
        with writing(self.engine) as connection:
            return mailings.go_on(connection, mailing, now=now)

    def withdraw(self, mailing: MailingId) -> bool:
        """Take back a mailing that has not begun."""
        with writing(self.engine) as connection:
            return mailings.withdraw(connection, mailing)

    def tally(self, mailing: MailingId) -> Tally:
        """Add up a mailing."""
        return accounts.tally(self.engine, mailing)

    def recount(self, mailing: MailingId) -> Tally:
        """Add up a mailing place by place."""
        return accounts.recount(self.engine, mailing)

    def not_mailed(self, mailing: MailingId) -> Mapping[str, int]:
        """Return who was outside the plan, by reason."""
        return mailings.not_mailed(self.engine, mailing)

    def lines(self, mailing: MailingId) -> Iterable[accounts.Line]:
        """Yield every place and where it stands."""
        return accounts.lines(self.engine, mailing)

    def in_flight(self, mailing: MailingId) -> int:
        """Count what senders have claimed and not settled."""
        return accounts.in_flight(self.engine, mailing)

    def held(self, mailing: MailingId) -> bool:
        """Whether any sender, living or dead, still holds a part of a mailing."""
        return bool(ledger.holders(self.engine, mailing))

    # -- what people rule --------------------------------------------------------------------------------------------

    def rule(
        self,
        mailing: MailingId,
        subscribers: Sequence[SubscriberId] | None,
        what: Literal["sent", "again"],
        *,
        who: str,
        why: str,
        now: datetime,
    ) -> Sequence[Ruled]:
        """Settle uncertain places by a person's word."""
        return rulings.rule(self.engine, mailing, subscribers, what, who=who, why=why, now=now)

    def count_failed(self, mailing: MailingId) -> Failed:
        """Count the places that were refused or given up."""
        return rulings.count_failed(self.engine, mailing)

    def resend(self, mailing: MailingId, *, who: str, why: str, now: datetime) -> Sequence[Ruled]:
        """Make every place that has failed due once more."""
        return rulings.resend(self.engine, mailing, who=who, why=why, now=now)

    def cancel(self, mailing: MailingId, *, reason: str, now: datetime) -> int:
        """End a paused mailing: every place without an outcome is skipped. Returns how many."""
        with writing(self.engine) as connection:
            endings.insist_at_rest(connection, mailing)
            return endings.end_rest(connection, mailing, reply=endings.CANCELLED, reason=reason, now=now)

    def stop_press(
        self, stopped: Mailing, kind: MailingKind, frozen: Frozen, *, expected: int, now: datetime
    ) -> Mailing:
        """End a paused mailing, and freeze those it had not reached as the audience of another one, in one commit.

        Refused `count-changed` where they are another number than a person confirmed; then nothing is written.
        """
        with writing(self.engine) as connection:
            endings.insist_at_rest(connection, stopped.id)
            key = self._enter(connection, stopped.issue, kind, frozen, due=None, now=now)
            planned = endings.carry_over(connection, stopped.id, key, now=now)
            mailings.insist(planned, expected)
            reason = f"stopped: those it had not reached get another edition, as mailing {key}"
            endings.end_rest(connection, stopped.id, reply=endings.STOP_PRESS, reason=reason, now=now)
        return self.find(key)

    def edition(self, sha256: str) -> bytes:
        """Return a frozen edition."""
        return editions.fetch(self.engine, sha256)


def _divide(readers: Mapping[str, int]) -> tuple[Sequence[str], Mapping[str, int]]:
    lanes = assign_lanes(readers)
    return lanes.names, lanes.of_domain
