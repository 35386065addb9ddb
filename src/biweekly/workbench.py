"""Wiring. What one mailing is carried with: its relays, paces, lanes and letters, as the configuration has them."""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Engine

from biweekly.config import RelayConfig
from biweekly.contracts import OpenLedger, OpenTransport, Pen
from biweekly.delivery import quiet
from biweekly.delivery.bench import Bench, RelayDoor
from biweekly.delivery.discretion import without_addresses
from biweekly.delivery.lanes import LaneInfo
from biweekly.delivery.pace import Pace, permit
from biweekly.delivery.retry import Due, Patience, judge
from biweekly.delivery.warmup import left_on
from biweekly.errors import TransportError
from biweekly.letter import Stationery
from biweekly.model.mailing import Letter, Mailing, Outcome, Place, Reply, Settled, Wait
from biweekly.publication import Publication
from biweekly.store import accounts, stages
from biweekly.store.paces import PaceBook
from biweekly.tokens import Purpose, Signer
from biweekly.transports import open_transport

_MAILBOX: Final = "the built-in mailbox"
_MOST_SIGNERS: Final = 8


@dataclass(frozen=True)
class Workbench:
    """Builds benches for the mailings of one publication."""

    publication: Publication
    engine: Engine
    clock: Callable[[], datetime]

    def lay(
        self, mailing: Mailing, books: OpenLedger, pen: Pen, paper: Stationery, links: Signer, *,
        recorded: Callable[[Sequence[Settled]], None], pause: Callable[[str], None], lease: timedelta | None,
        linger: timedelta, no_relay_after: timedelta,
    ) -> Bench:  # fmt: skip
        """Lay everything out that a sender works with."""
        config, paces = self.publication.config, PaceBook(self.engine)
        lanes = accounts.lane_infos(self.engine, mailing.id)
        doors = self.doors(paces)

        def write(place: Place) -> Letter:
            token = links.sign(Purpose.UNSUBSCRIBE, place.subscriber, mailing.id)
            return paper.address(place, unsubscribe=token)

        schedule = config.schedule
        return Bench(
            mailing=mailing.id, books=books, journal=pen, write=write, relays=doors, lanes=lanes,
            relay_paces=paces.read("relay", [door.name for door in doors]),
            lane_paces=self._lane_paces(paces, lanes), pace_book=paces, judge=self._judge(), recorded=recorded,
            pause=pause, clock=self.clock, monotonic=time.monotonic,
            hold=quiet.hours(schedule.quiet_hours, schedule.zone) if schedule else quiet.never,
            stage=partial(stages.open_stage, self.engine, mailing.id, config.delivery.canary_wait),
            batch=config.delivery.batch, signers=_signers() if paper.signed else 0, lease=lease, linger=linger,
            no_relay_after=no_relay_after,
        )  # fmt: skip

    def doors(self, paces: PaceBook) -> list[RelayDoor]:
        """Return the relays, or the built-in mailbox where there is none."""
        relays = self.publication.config.relay
        if not relays:
            return [RelayDoor(_MAILBOX, self.opening(None), connections=1)]
        return [
            RelayDoor(
                name=relay.name, open=self.opening(relay), connections=relay.connections, permitted=relay.rate,
                weight=relay.weight, daily=self._daily(relay, paces),
            )
            for relay in relays
        ]  # fmt: skip

    def opening(self, relay: RelayConfig | None) -> OpenTransport:
        """Return what opens a connection to a relay, or to the built-in mailbox."""
        return partial(open_transport, relay, root=self.publication.root, mailbox=self.publication.mailbox)

    def _daily(self, relay: RelayConfig, paces: PaceBook) -> Callable[[datetime], int | None]:
        if relay.warm_up_from is None:
            return lambda _: None
        begins: date = relay.warm_up_from

        def left(now: datetime) -> int | None:
            day = now.date()
            return left_on(
                day, begins=begins, first_day=relay.warm_up_letters, taken=paces.accepted_on(relay.name, day)
            )

        return left

    def _lane_paces(self, paces: PaceBook, lanes: Sequence[LaneInfo]) -> Mapping[str, Pace]:
        permitted = self.publication.config.delivery.per_lane
        found = paces.read("lane", [one.name for one in lanes])
        return {name: permit(pace, permitted.get(name)) for name, pace in found.items()}

    def _judge(self) -> Callable[[Reply | TransportError, Place, datetime], Outcome | Wait | Due]:
        delivery = self.publication.config.delivery
        patience = Patience(waits=delivery.retry, give_up_after=delivery.give_up_after)
        dice = random.Random()  # noqa: S311 - spreads retries, guards nothing

        def judged(answer: Reply | TransportError, place: Place, now: datetime) -> Outcome | Wait | Due:
            fate = judge(
                answer, attempts=place.attempts + 1, began=place.began or now, now=now, patience=patience,
                jitter=dice.uniform(-1, 1),
            )  # fmt: skip
            return _discreet(fate, place)

        return judged


def _signers() -> int:
    return min(_MOST_SIGNERS, os.cpu_count() or 1)


def _discreet(fate: Outcome | Wait | Due, place: Place) -> Outcome | Wait | Due:
    """Keep addresses out of the ledger and the log."""
    if isinstance(fate, Due) or "@" not in fate.reply:
        return fate
    return replace(fate, reply=without_addresses(fate.reply, reader=place.address, subscriber=place.subscriber))
