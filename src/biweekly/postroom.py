"""Wiring. The post room: everything a mailing is carried with, built from the configuration.

It holds the right to send, opens the journal, the ledger and the relay, runs the engine, and leaves the log complete.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from biweekly.delivery import issuelog, journal, recovery
from biweekly.delivery.bench import Result
from biweekly.delivery.courier import Courier
from biweekly.delivery.discretion import without_addresses
from biweekly.delivery.engine import deliver
from biweekly.delivery.sending_lock import sole_sender
from biweekly.dkim import DkimSigner
from biweekly.errors import Refused
from biweekly.frozen import from_json
from biweekly.letter import Stamp, Stationery, prepare
from biweekly.model.domain import ascii_domain
from biweekly.model.issue import Edition
from biweekly.model.mailing import Mailing, MailingId, Outcome, Place, Settled, Spot, Wait
from biweekly.publication import Publication
from biweekly.services.mailings import Carried
from biweekly.signing_keys import read_signing_keys
from biweekly.store import accounts, editions, ledger
from biweekly.store.books import Books
from biweekly.tokens import Signer
from biweekly.workbench import Workbench

LEASE: Final = timedelta(seconds=60)
_STOP_LOOK: Final = 0.1  # seconds between looks at a stop asked for from another thread

Progress = Callable[[Sequence[Settled]], None]


@dataclass(frozen=True)
class Postroom:
    """Carries mailings of one publication. `stop` may be set from any thread; `progress` hears of what is committed."""

    publication: Publication
    engine: Engine
    stop: threading.Event
    progress: Progress = lambda _: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    lease: timedelta = LEASE
    linger: timedelta = timedelta(seconds=60)
    no_relay_after: timedelta = timedelta(seconds=60)

    def carry(self, mailing: Mailing) -> Carried:
        """Send what is due of a mailing that has begun. Another sender at work is an ending, not an error."""
        try:
            with self._right_to_send():
                result = self._carry(mailing)
        except Refused as refusal:
            if refusal.code != "another-sender":
                raise
            return Carried("busy", self.clock(), None, refusal)
        return Carried(result.ending.value, self.clock(), result.next_due, result.trouble)

    def log(self, mailing: Mailing, event: str, facts: Mapping[str, object]) -> None:
        """Write a line about a mailing as a whole into its issue's log."""
        log = issuelog.IssueLog(self._log_path(mailing))
        log.tell(event, mailing=mailing.id, at=self.clock(), **facts)
        log.close()

    def stationery(self, mailing: Mailing, *, mark: str = "") -> Stationery:
        """Return the letter paper of a mailing: its frozen edition, encoded once."""
        edition = from_json(editions.fetch(self.engine, mailing.edition))
        return self.stationery_of(edition, mailing, mark=mark)

    def stationery_of(self, edition: Edition, mailing: Mailing, *, mark: str = "") -> Stationery:
        """Encode an edition for a mailing, with what was fixed when it began."""
        bounces = self.publication.config.bounces
        stamp = Stamp(
            mailing=mailing.id, kind=mailing.kind, at=mailing.stamp or self.clock(),
            message_key=self.publication.key("message-id"), bounce_address=bounces.address,
            verp_key=self.publication.key("verp") if bounces.address and bounces.verp else None,
        )  # fmt: skip
        return prepare(edition, stamp, mark=mark, signer=self._dkim())

    def _dkim(self) -> DkimSigner | None:
        dkim = self.publication.config.dkim
        if dkim is None:
            return None
        return DkimSigner(ascii_domain(dkim.domain), read_signing_keys(dkim, root=self.publication.root))

    def signer(self) -> Signer:
        """Return what signs and reads the links in letters."""
        return Signer([self.publication.key("links")])

    def courier(self) -> Courier:
        """Return what carries single letters, to the first relay or into the built-in mailbox."""
        relays = self.publication.config.relay
        return Courier(self._workbench.opening(relays[0] if relays else None))

    @property
    def _workbench(self) -> Workbench:
        return Workbench(self.publication, self.engine, self.clock)

    # -- one mailing -------------------------------------------------------------------------------------------------

    def _carry(self, mailing: Mailing) -> Result:
        pen = journal.Journal(self.publication.journal)
        committed = False
        log = issuelog.IssueLog(self._log_path(mailing))
        try:
            leased = None if self._on_sqlite else self.lease
            books = ledger.Ledger(
                self.engine, mailing.id, str(pen.holder),
                lease_ms=None if leased is None else int(leased.total_seconds() * 1000),
            )  # fmt: skip
            former = self._free(mailing.id)
            books.take(free=former, settle=self._settler(mailing.id), now=self.clock())
            # A former sender that let go in good order left the log complete; one that died may not have.
            self._complete(log, mailing.id, doubtful=bool(former))
            result = _run_fast(self._run(mailing, books, pen, log, leased))
            committed = True
            self._complete(log, mailing.id, doubtful=False)
        finally:
            log.close()
            pen.close(forget=committed)
        self._sweep()
        return result

    async def _run(
        self, mailing: Mailing, books: ledger.Ledger, pen: journal.Journal, log: issuelog.IssueLog,
        leased: timedelta | None,
    ) -> Result:  # fmt: skip
        def recorded(settled: Sequence[Settled]) -> None:
            log.settled(mailing.id, settled)
            self.progress(settled)

        def pause(why: str) -> None:
            every = Books(self.engine, self.publication.newsletter)
            every.pause(mailing.id, reason=without_addresses(why), now=self.clock())
            log.tell("paused", mailing=mailing.id, at=self.clock(), reason=why)

        stop = asyncio.Event()
        bench = self._workbench.lay(
            mailing, books, pen, self.stationery(mailing), self.signer(), recorded=recorded, pause=pause,
            lease=leased, linger=self.linger, no_relay_after=self.no_relay_after,
        )  # fmt: skip
        watcher = asyncio.create_task(self._watch(stop))
        try:
            return await deliver(bench, stop)
        finally:
            watcher.cancel()

    async def _watch(self, stop: asyncio.Event) -> None:
        while not self.stop.is_set():  # noqa: ASYNC110 - set from a signal handler or another thread
            await asyncio.sleep(_STOP_LOOK)
        stop.set()

    # -- former holders ----------------------------------------------------------------------------------------------

    @property
    def _on_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def _right_to_send(self) -> AbstractContextManager[None]:
        return sole_sender(self.publication.var / "sending.lock") if self._on_sqlite else nullcontext()

    def _free(self, mailing: MailingId) -> Sequence[str]:
        """Name the holders whose shards may be taken: dead ones, and those past their lease."""
        now = self.clock()
        return [
            name
            for name, until in ledger.holders(self.engine, mailing)
            if self._is_dead(name) or (until is not None and until < now)
        ]

    def _is_dead(self, name: str) -> bool:
        # On SQLite whoever holds the lock on sending has outlived every other sender.
        return self._on_sqlite or journal.is_dead(self.publication.journal, journal.Holder.parse(name))

    def _settler(self, mailing: MailingId) -> ledger.Settle:
        folder, now = self.publication.journal, self.clock()

        def settle(holder: str | None, places: Sequence[Place]) -> Mapping[Spot, Outcome | Wait]:
            if holder is None:
                return recovery.due_again(places, now=now)
            known = journal.read(folder, journal.Holder.parse(holder), mailing) if self._is_dead(holder) else None
            if known is None:
                return recovery.settle_open(places, None, now=now)
            return recovery.settle_open(places, known.last, torn=known.torn, now=now)

        return settle

    def _sweep(self) -> None:
        """Remove the journals of dead senders that no shard names any more."""
        named = {journal.Holder.parse(name).journal for name, _ in ledger.holders(self.engine)}
        journal.sweep(self.publication.journal, still_named=named)

    # -- the log -----------------------------------------------------------------------------------------------------

    def _log_path(self, mailing: Mailing) -> Path:
        return self.publication.logs / f"{mailing.issue}.jsonl"

    def _complete(self, log: issuelog.IssueLog, mailing: MailingId, *, doubtful: bool) -> None:
        if doubtful or log.behind:
            log.fill(mailing, accounts.logged_outcomes(self.engine, mailing))


def _run_fast(work: Coroutine[Any, Any, Result]) -> Result:
    """Run on uvloop where it is installed: twice as many letters for the same work."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
