"""Pure. What the mailing services ask of the world: the books, the carrier, the edition, the log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal, Protocol

from biweekly.errors import BiweeklyError
from biweekly.model.issue import Edition, Frozen, IssueId
from biweekly.model.mailing import Failed, Mailing, MailingId, MailingKind, MailingState, Ruled, Tally
from biweekly.model.subscriber import SubscriberId


class Books(Protocol):
    """What the service asks of the database (`store.books.Books`)."""

    def of_issue(self, issue: IssueId) -> Sequence[Mailing]: ...  # noqa: D102
    def in_states(self, *states: MailingState) -> Sequence[Mailing]: ...  # noqa: D102
    def find(self, mailing: MailingId) -> Mailing: ...  # noqa: D102
    def count_readers(self) -> tuple[Mapping[str, int], Mapping[str, int]]: ...  # noqa: D102
    def enter(  # noqa: D102
        self, issue: IssueId, kind: MailingKind, frozen: Frozen, *, due: datetime | None, now: datetime
    ) -> Mailing: ...
    def enter_and_begin(  # noqa: D102
        self, issue: IssueId, kind: MailingKind, frozen: Frozen, *, expected: int, now: datetime
    ) -> Mailing: ...
    def begin(self, mailing: MailingId, *, now: datetime) -> Mailing | None: ...  # noqa: D102
    def change_state(  # noqa: D102
        self,
        mailing: MailingId,
        to: MailingState,
        *,
        only_from: Sequence[MailingState],
        reason: str | None = None,
    ) -> bool: ...
    def finish(self, mailing: MailingId, *, at: datetime) -> bool: ...  # noqa: D102
    def pause(self, mailing: MailingId, *, reason: str | None, now: datetime) -> bool: ...  # noqa: D102
    def go_on(self, mailing: MailingId, *, now: datetime) -> bool: ...  # noqa: D102
    def withdraw(self, mailing: MailingId) -> bool: ...  # noqa: D102
    def tally(self, mailing: MailingId) -> Tally: ...  # noqa: D102
    def not_mailed(self, mailing: MailingId) -> Mapping[str, int]: ...  # noqa: D102
    def in_flight(self, mailing: MailingId) -> int: ...  # noqa: D102
    def held(self, mailing: MailingId) -> bool: ...  # noqa: D102
    def rule(  # noqa: D102
        self,
        mailing: MailingId,
        subscribers: Sequence[SubscriberId] | None,
        what: Literal["sent", "again"],
        *,
        who: str,
        why: str,
        now: datetime,
    ) -> Sequence[Ruled]: ...
    def count_failed(self, mailing: MailingId) -> Failed: ...  # noqa: D102
    def resend(self, mailing: MailingId, *, who: str, why: str, now: datetime) -> Sequence[Ruled]: ...  # noqa: D102
    def cancel(self, mailing: MailingId, *, reason: str, now: datetime) -> int: ...  # noqa: D102
    def stop_press(  # noqa: D102
        self, stopped: Mailing, kind: MailingKind, frozen: Frozen, *, expected: int, now: datetime
    ) -> Mailing: ...


@dataclass(frozen=True, slots=True)
class Carried:
    """How and when a carrier left a mailing; `trouble` holds the relay's words.

    `busy` is another sender's: this one did not begin.
    """

    ending: Literal["done", "paused", "stopped", "no relay", "busy"]
    at: datetime
    next_due: datetime | None = None
    trouble: BiweeklyError | None = None


@dataclass(frozen=True, slots=True)
class Doors:
    """The world, as far as mailings need it.

    `freeze` renders an issue and returns the edition with its hash, web address and bytes. `carry` sends what is due
    of a mailing that has begun and returns when nothing is (of a paused one it only settles what a dead sender left
    open); `insist_free` raises Refused where another sender is at work. `mailed` is told before a mailing that counts
    is carried, each time (it sees to it that sent.toml stands). `log` writes a line about a mailing, `log_ruled` what
    a person ruled about places, `complete_log` the outcomes that its log does not have. `to_relay` is false where mail
    goes to the built-in mailbox.
    """

    books: Books
    freeze: Callable[[IssueId], tuple[Edition, Frozen]]
    carry: Callable[[Mailing], Carried]
    insist_free: Callable[[], None]
    mailed: Callable[[Mailing], None]
    log: Callable[[Mailing, str, Mapping[str, object]], None]
    log_ruled: Callable[[Mailing, Sequence[Ruled]], None]
    complete_log: Callable[[Mailing], None]
    clock: Callable[[], datetime]
    to_relay: bool
    late_limit: timedelta
    cooling_off: timedelta

    LATE_LIMIT: ClassVar[timedelta] = timedelta(hours=2)
    COOLING_OFF: ClassVar[timedelta] = timedelta(minutes=5)
