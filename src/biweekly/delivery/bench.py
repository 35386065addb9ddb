"""Pure. What a sender works with, and how its work ends: everything the engine touches is handed to it here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from biweekly.contracts import OpenLedger, OpenTransport, Pen
from biweekly.delivery.lanes import LaneInfo
from biweekly.delivery.pace import Pace
from biweekly.delivery.retry import Due
from biweekly.errors import BiweeklyError, TransportError
from biweekly.model.mailing import Letter, MailingId, MailingState, Outcome, Place, Reply, Settled, Wait


@dataclass(frozen=True, slots=True)
class RelayDoor:
    """One relay: the name it goes by, how to open a connection, how many at the same time, its share of the letters.

    `permitted` is its configured rate in letters a second; `daily` how many letters a day it may get while it warms up.
    """

    name: str
    open: OpenTransport
    connections: int = 4
    permitted: float | None = None
    weight: float = 1.0
    daily: Callable[[datetime], int | None] = lambda _: None


class PaceBook(Protocol):
    """The rows of pace (`store.paces.PaceBook`)."""

    def keep(self, kind: str, name: str, now: Pace) -> None: ...  # noqa: D102
    def reserve(self, kind: str, name: str, slots: int, *, rate: float, now: datetime) -> datetime: ...  # noqa: D102
    def count_accepted(self, relay: str, letters: int, *, now: datetime) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything a sender works with. Durations of waiting are seconds of `monotonic`; `clock` is aware UTC.

    `write` makes a place's letter, on one of `signers` threads where letters are signed (0: at once). `hold` says until
    when nothing may be sent (quiet hours), `stage` which lanes may be claimed now, and when to look again where a
    stage waits. `pause` stops the mailing for everybody, with a reason.
    """

    mailing: MailingId
    books: OpenLedger
    journal: Pen
    write: Callable[[Place], Letter]
    relays: Sequence[RelayDoor]
    lanes: Sequence[LaneInfo]
    relay_paces: Mapping[str, Pace]
    lane_paces: Mapping[str, Pace]
    pace_book: PaceBook
    judge: Callable[[Reply | TransportError, Place, datetime], Outcome | Wait | Due]
    recorded: Callable[[Sequence[Settled]], None]
    pause: Callable[[str], None]
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    hold: Callable[[datetime], datetime | None] = lambda _: None
    stage: Callable[[datetime], tuple[int, datetime | None]] = lambda _: (0, None)
    batch: int = 100
    signers: int = 0
    lease: timedelta | None = None
    linger: timedelta = timedelta(seconds=60)
    no_relay_after: timedelta = timedelta(seconds=60)
    finish_within: timedelta = timedelta(seconds=30)


class Ending(StrEnum):
    """Why a sender stopped."""

    DONE = "done"
    PAUSED = "paused"
    STOPPED = "stopped"
    NO_RELAY = "no relay"


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended, when to look again at the latest, and what the relay's trouble was."""

    ending: Ending
    state: MailingState
    next_due: datetime | None = None
    trouble: BiweeklyError | None = None
