"""Wiring. The clock half of `serve`: the fortnight with the calendar, the newsroom and the mailings behind it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, tzinfo
from typing import Final

from biweekly.errors import NothingToDo
from biweekly.issues import folder
from biweekly.model.issue import IssueId
from biweekly.model.mailing import Mailing, MailingKind, MailingState
from biweekly.newsroom import open_newsroom
from biweekly.publication import Publication
from biweekly.services.fortnight import Doors, Fortnight
from biweekly.services.safety import warn_or_refuse
from biweekly.store.books import Books
from biweekly.store.desk import Desk
from biweekly.wiring import answers, open_office, utc_now

_NEVER_WENT: Final = (MailingState.MISSED, MailingState.CANCELLED)


@contextmanager
def open_clock(
    publication: Publication,
    *,
    say: Callable[[str], None],
    stop: threading.Event,
    clock: Callable[[], datetime] = utc_now,
    apart: bool = False,
) -> Iterator[Fortnight]:
    """Build the fortnight of a publication; `stop`, set from any thread, ends a mailing under way in good order.

    With `apart` issues are rendered in a process of their own.
    """
    office = open_office(publication, clock=clock, stop=stop, apart=apart)

    def compose(nominal: date, cutoff: datetime) -> IssueId | None:
        try:
            newsroom = open_newsroom(publication, cutoff=cutoff)
            return newsroom.compose_issue(now=clock(), on=nominal, cutoff=cutoff).issue.id
        except NothingToDo:
            return None

    def schedule(issue: IssueId, due: datetime) -> None:
        url = publication.config.publication.public_url
        for warning in warn_or_refuse(publication.config, public_url_answers=answers(url)):
            say(f"{issue}: {warning}")
        office.mailings.schedule(issue, due=due, now=clock())

    rhythm = publication.config.schedule
    doors = Doors(
        calendar=Desk(office.engine, publication.newsletter),
        compose=compose,
        schedule=schedule,
        mailing=lambda nominal, issue: find_mailing(publication, office.books, nominal, issue),
        work=office.mailings.work,
        say=say,
    )
    try:
        yield Fortnight(doors, rhythm)
    finally:
        office.close()


def find_mailing(publication: Publication, books: Books, nominal: date, issue: IssueId | None) -> Mailing | None:
    """Find the regular mailing of an occurrence, by its issue, by an issue of that date, or by its own due.

    One that goes or went out counts before one that was missed or cancelled.
    """
    rhythm = publication.config.schedule
    dated = [one.id for one in folder.listing(publication.issues) if one.day == nominal]
    wanted = dict.fromkeys([*([issue] if issue else []), IssueId(nominal.isoformat()), *dated])
    found = [one for name in wanted for one in books.of_issue(name)]
    if rhythm is not None:
        coming = books.in_states(MailingState.SCHEDULED, MailingState.COOLING_OFF)
        found += [one for one in coming if _is_on(one, nominal, rhythm.zone)]
    regular = [one for one in found if one.kind is MailingKind.REGULAR]
    return min(regular, key=lambda one: one.state in _NEVER_WENT, default=None)


def _is_on(mailing: Mailing, nominal: date, zone: tzinfo) -> bool:
    return mailing.due is not None and mailing.due.astimezone(zone).date() == nominal
