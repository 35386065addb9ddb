"""Wiring. The newsroom of a publication: the editorial service with its files, templates, compiler and pictures."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path

from biweekly.cadence import cutoff_for, next_nominal
from biweekly.config import ScheduleConfig
from biweekly.issues import folder
from biweekly.issues.sent import sent_reports
from biweekly.model.issue import Edition, Issue, Report, ReportId
from biweekly.publication import Publication
from biweekly.services.editorial import Doors, Newsroom, Pictures, Shelf

_FORTNIGHT = timedelta(weeks=2)


def open_newsroom(publication: Publication, *, cutoff: datetime | None = None) -> Newsroom:
    """Build the editorial service of a publication. Nothing heavy is imported before something is rendered.

    With `cutoff`, what nobody has looked at yet and was written by then counts as received then.
    """
    from biweekly.reports import content_hash

    schedule = publication.config.schedule
    return Newsroom(
        Doors(
            sections=publication.config.publication.ordered_sections(),
            zone=_zone(publication),
            period=timedelta(weeks=schedule.every_weeks) if schedule is not None else _FORTNIGHT,
            shelf=partial(_shelf, publication, cutoff),
            content_hash=content_hash,
            listing=partial(folder.listing, publication.issues),
            read=partial(folder.read, publication.issues),
            write=lambda issue, titles: folder.write(publication.issues, issue, titles=titles),
            resolve=lambda word, today: folder.resolve(publication.issues, word, today=today),
            place=partial(folder.place_of_word, publication.issues),
            sent=partial(sent_reports, publication.issues),
            next_date=partial(_next_date, schedule) if schedule is not None else None,
            cutoff_of=partial(_cutoff_of, schedule) if schedule is not None else None,
            pictures=partial(_take_in, publication),
            render=partial(_render, publication),
            write_files=partial(_write_files, publication),
        )
    )


def _zone(publication: Publication) -> tzinfo:
    schedule = publication.config.schedule
    return schedule.zone if schedule is not None else UTC


def _next_date(schedule: ScheduleConfig, day: date) -> date:
    return next_nominal(schedule, after=day)


def _cutoff_of(schedule: ScheduleConfig, day: date) -> datetime:
    return cutoff_for(day, schedule)


def _shelf(publication: Publication, cutoff: datetime | None, now: datetime) -> Shelf:
    from biweekly.reports import read_folder

    sections = [one.title for one in publication.config.publication.sections]
    return read_folder(publication.reports, sections=sections, now=now, zone=_zone(publication), cutoff=cutoff)


def _take_in(publication: Publication, reports: Sequence[Report]) -> Pictures:
    """Take in what these reports show. A picture that cannot be used stops the rendering: a gap would go unseen."""
    from biweekly.pictures import PictureStore, take_in

    taken = take_in(reports, folder=publication.reports, store=PictureStore(publication.media))
    if taken.errors:
        raise taken.errors[0]
    return taken.pictures


def _render(publication: Publication, issue: Issue, reports: Mapping[ReportId, Report], pictures: Pictures) -> Edition:
    from biweekly.render import compile_mjml, inline, render_edition

    return render_edition(
        issue,
        reports,
        publication=publication.config.publication,
        templates=publication.template,
        compile_mjml=compile_mjml,
        inline=inline,
        pictures=pictures,
        key=publication.key("edition"),
    )


def _write_files(publication: Publication, edition: Edition, out: Path) -> Sequence[str]:
    from biweekly.frozen import to_json
    from biweekly.issues.proofs import write_proofs
    from biweekly.pictures import PictureStore

    return write_proofs(edition, out, to_json=to_json, picture=PictureStore(publication.media).path_of)
