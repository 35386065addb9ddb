"""Wiring. Builds the parts from the configuration; the only place that knows them all."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import Engine

from biweekly.apart import freeze, freeze_apart
from biweekly.delivery.issuelog import IssueLog
from biweekly.delivery.sending_lock import sole_sender
from biweekly.errors import IssueError
from biweekly.model.address import Address
from biweekly.model.issue import Edition, Frozen, IssueId, VariantName
from biweekly.model.mailing import (
    Lane,
    Letter,
    Mailing,
    MailingId,
    MailingKind,
    MailingState,
    Place,
    Ruled,
    Settled,
    Spot,
)
from biweekly.model.subscriber import SubscriberId
from biweekly.postroom import Postroom
from biweekly.publication import Publication
from biweekly.services.mailings import Doors, Mailings
from biweekly.services.steering import Steering
from biweekly.store import accounts, open_database
from biweekly.store.books import Books
from biweekly.store.migrations import upgrade
from biweekly.tokens import Purpose

if TYPE_CHECKING:
    from biweekly.services.subscriptions import Subscriptions
    from biweekly.web.public.doors import PublicDoors

_ANSWER_WITHIN: Final = 5.0  # seconds


def utc_now() -> datetime:
    """Ask the clock."""
    return datetime.now(UTC)


def open_store(publication: Publication) -> Engine:
    """Open the publication's database and bring it up to date."""
    engine = open_database(publication.database_url)
    upgrade(engine)
    return engine


@dataclass(frozen=True)
class Office:
    """Everything about mailings of one publication, ready for use. Close it when done, or use it as a context."""

    publication: Publication
    engine: Engine
    books: Books
    postroom: Postroom
    mailings: Mailings
    stop: threading.Event

    @property
    def steering(self) -> Steering:
        """What staff do to a mailing that has begun."""
        return Steering(self.mailings)

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        """Use it until the block ends, however it ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.close()

    def freeze(self, issue: IssueId) -> tuple[Edition, Frozen]:
        """Render an issue, and return its edition with hash, web address and bytes."""
        return freeze(self.publication, issue, utc_now())

    def test_letters(self, issue: IssueId, addresses: Sequence[Address]) -> list[Letter]:
        """Write marked copies. Their unsubscribe link names nobody, so that pressing it changes nothing."""
        edition, _ = self.freeze(issue)
        now = utc_now()
        nobody = Mailing(
            MailingId(0), self.publication.newsletter, issue, MailingKind.TEST, edition.sha256, MailingState.SENDING,
            planned=len(addresses), due=None, stamp=now, started=now, finished=None,
        )  # fmt: skip
        paper = self.postroom.stationery_of(edition, nobody, mark="[Test] ")
        token = self.postroom.signer().sign(Purpose.UNSUBSCRIBE, 0, 0)
        return [
            paper.address(
                Place(Spot(Lane(0), number), SubscriberId(0), one.on_wire, "", one.domain, VariantName.HTML),
                unsubscribe=token,
            )
            for number, one in enumerate(addresses)
        ]


def open_office(
    publication: Publication,
    *,
    progress: Callable[[Sequence[Settled]], None] = lambda _: None,
    clock: Callable[[], datetime] = utc_now,
    stop: threading.Event | None = None,
    apart: bool = False,
) -> Office:
    """Build the mailing service. `stop`, set from any thread, ends a mailing under way in good order.

    With `apart` issues are rendered in a process of their own: for one that will send for a long time.
    """
    engine = open_store(publication)
    delivery = publication.config.delivery
    books = Books(engine, publication.newsletter, seeds=delivery.seeds, canary=delivery.canary)
    stop = stop or threading.Event()
    postroom = Postroom(publication, engine, stop, progress=progress, clock=clock)
    schedule = publication.config.schedule
    doors = Doors(
        books=books,
        freeze=lambda issue: (freeze_apart if apart else freeze)(publication, issue, clock()),
        carry=postroom.carry,
        insist_free=lambda: _insist_free(publication, engine),
        mailed=lambda mailing: _write_sent(publication, books, mailing),
        log=postroom.log,
        log_ruled=lambda mailing, ruled: _log_ruled(publication, mailing, ruled),
        complete_log=lambda mailing: _complete_log(publication, engine, mailing),
        clock=clock,
        to_relay=bool(publication.config.relay),
        late_limit=schedule.late_limit if schedule else Doors.LATE_LIMIT,
        cooling_off=schedule.cooling_off if schedule else Doors.COOLING_OFF,
    )
    return Office(publication, engine, books, postroom, Mailings(doors), stop)


@contextmanager
def _log_of(publication: Publication, mailing: Mailing) -> Iterator[IssueLog]:
    log = IssueLog(publication.logs / f"{mailing.issue}.jsonl")
    try:
        yield log
    finally:
        log.close()


def _log_ruled(publication: Publication, mailing: Mailing, ruled: Sequence[Ruled]) -> None:
    with _log_of(publication, mailing) as log:
        log.ruled(mailing.id, ruled)


def _complete_log(publication: Publication, engine: Engine, mailing: Mailing) -> None:
    with _log_of(publication, mailing) as log:
        log.fill(mailing.id, accounts.logged_outcomes(engine, mailing.id))


def _insist_free(publication: Publication, engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        with sole_sender(publication.var / "sending.lock"):
            pass


def _write_sent(publication: Publication, books: Books, mailing: Mailing) -> None:
    """See to it that sent.toml stands beside the issue, so that a copy of the folder knows what was mailed.

    It tells of the regular mailing; a stop-press adds the reports that only its own edition has.
    """
    from biweekly.frozen import from_json
    from biweekly.issues.sent import Sent, read_sent, write_sent

    standing: Sent | None = None
    # One that cannot be read says nothing; what is written now is the truth about this issue.
    with suppress(IssueError):
        standing = read_sent(publication.issues, mailing.issue)
    first = standing if mailing.kind is MailingKind.STOP_PRESS else None
    if first is None and standing is not None and standing.edition == mailing.edition:
        return
    edition = from_json(books.edition(mailing.edition))
    reports = {entry.report: entry.sha256 for entry in edition.reports}
    if first is not None:
        if not reports.items() <= first.reports.items():
            write_sent(publication.issues, replace(first, reports={**first.reports, **reports}))
        return
    mailed = mailing.started or mailing.stamp or utc_now()
    write_sent(publication.issues, Sent(mailing.issue, mailing.edition, mailed, mailing.planned, reports))


def answers(url: str) -> bool:
    """Whether anything answers at an address, whatever it says."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - config.py allows http and https only
    try:
        urllib.request.urlopen(request, timeout=_ANSWER_WITHIN).close()  # noqa: S310 - as above
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True


def open_people(publication: Publication, engine: Engine) -> "Subscriptions":
    """Build the service that keeps the list."""
    from biweekly.audience.sorting import in_order
    from biweekly.services.subscriptions import Subscriptions
    from biweekly.store.people import KEY_PURPOSE, People

    return Subscriptions(People(engine, key=publication.key(KEY_PURPOSE)), in_order=in_order)


def public_doors(publication: Publication) -> "PublicDoors":
    """Build what the pages that letters point to may do in the world."""
    from biweekly.frozen import from_json
    from biweekly.pictures.store import PictureStore
    from biweekly.store import editions
    from biweekly.store.people import KEY_PURPOSE, People
    from biweekly.web.public.doors import PublicDoors

    engine = open_store(publication)
    people = People(engine, key=publication.key(KEY_PURPOSE))
    postroom = Postroom(publication, engine, threading.Event())

    def edition_page(web_id: str) -> str | None:
        body = editions.fetch_by_web_id(engine, web_id)
        return None if body is None else from_json(body).web

    return PublicDoors(
        publication=publication.config.publication.name,
        public_url=publication.config.publication.public_url,
        signer=postroom.signer(),
        reader=people.get,
        leave=lambda who, mailing, way: people.leave(who, mailing_id=mailing, source=way, at=utc_now()),
        edition_page=edition_page,
        picture=PictureStore(publication.media).path_of,
    )
