"""Pure. An issue laid out for reading: what stands where, in which form, with which words.

HTML and plain text are both written from a `Page`, so that they hold the same things in the same order. All strings
are plain text but `note` and `body`, which are Markdown. The objects here are what templates see (docs/templates.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parseaddr
from typing import Final

from biweekly.config import PublicationConfig
from biweekly.errors import RenderError
from biweekly.model.issue import Author, Entry, Form, Image, Issue, Kind, Picture, Report, ReportId
from biweekly.render.safe import clean, clean_url, host_of, one_line
from biweekly.render.words import Words, direction_of, words_for

CONTENTS_FROM: Final = 4
_WORDS_A_MINUTE: Final = 230


@dataclass(frozen=True, slots=True)
class Plate:
    """A picture as printed; `width` and `height` are those of the file, in px. `credit` is a finished phrase."""

    url: str
    alt: str
    caption: str
    credit: str
    width: int
    height: int


NO_PLATES: Final[Mapping[str, Plate]] = {}


@dataclass(frozen=True, slots=True)
class Note:
    """A correction under a report: its label and its text."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """A report in its place. What is empty is not printed.

    `shows_title` is false for a digest whose title its section says already. `plates` are all its pictures by path,
    `plate` the one under its headline. `host` is where `url` leads, for people to read. `minutes` is how long the whole
    text takes to read, where a letter prints its lead only and no address says where the rest is: then the web version
    has it. Elsewhere it is 0.
    """

    anchor: str
    title: str
    shows_title: bool
    section: str
    form: Form
    kind: Kind
    byline: str
    date: str
    lead: str
    body: str
    url: str
    host: str
    minutes: int
    pdf_url: str
    plate: Plate | None
    plates: Mapping[str, Plate]
    corrections: tuple[Note, ...]
    language: str
    direction: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """A section with the items that stand in it."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Contributor:
    """An author with what there is to say about them; `joint` stands between, so that both read as a sentence."""

    name: str
    joint: str
    about: str


@dataclass(frozen=True, slots=True)
class Page:
    """A laid-out issue. `lead` is the story at the top; it stands in no shelf.

    `contents` is empty below four items. Where `lead_opens`, a short lead stands above it and is not named in it.
    """

    name: str
    language: str
    direction: str
    number: str
    date: str
    iso_date: str
    subject: str
    preheader: str
    note: str
    contents: tuple[Item, ...]
    lead: Item | None
    lead_opens: bool
    shelves: tuple[Shelf, ...]
    contributors: tuple[Contributor, ...]
    address: tuple[str, ...]
    editors: str

    def continues(self, shelf: Shelf) -> bool:
        """Whether a section goes on right below the lead, which has said its name."""
        return (
            self.lead is not None
            and shelf is self.shelves[0]
            and shelf.title == self.lead.section
            and not (self.contents and self.lead_opens)
        )


def lay_out(
    issue: Issue,
    reports: Mapping[ReportId, Report],
    *,
    publication: PublicationConfig,
    pictures: Mapping[tuple[ReportId, str], Picture],
) -> Page:
    """Lay an issue out. Raises RenderError `report-missing` where an entry's report was not handed in."""
    words = words_for(publication.language)
    forms = {one.title: one.form for one in publication.sections}
    items: list[Item] = []
    for number, entry in enumerate(issue.entries, 1):
        report = reports.get(entry.report)
        if report is None:
            raise RenderError(
                f"the issue names the report {entry.report}, which is not there",
                code="report-missing", template=f"issues/{issue.id}/issue.toml",
                hint=f"biweekly issue remove {issue.id} {entry.report}",
            )  # fmt: skip
        form = entry.form or (Form(report.form) if report.form else None) or forms.get(entry.section, Form.LEAD)
        items.append(_item(number, entry, report, form, publication, words, pictures))
    lead = items[0] if items and items[0].kind is Kind.REPORT and items[0].form is not Form.TITLE else None
    opens = lead is not None and lead.form is Form.LEAD
    printed = (reports[entry.report] for entry in issue.entries)
    return Page(
        name=one_line(publication.name),
        language=publication.language,
        direction=direction_of(publication.language),
        number=words.number.format(number=issue.number) if issue.number is not None else "",
        date=words.date(issue.date),
        iso_date=issue.date.isoformat(),
        subject=one_line(issue.subject),
        preheader=one_line(issue.preheader),
        note=clean(issue.note).strip(),
        contents=tuple(items[1:] if opens else items) if len(items) >= CONTENTS_FROM else (),
        lead=lead,
        lead_opens=opens,
        shelves=_shelved(items[1:] if lead else items),
        contributors=_contributors(printed),
        address=tuple(line for raw in clean(publication.postal_address).split("\n") if (line := raw.strip())),
        editors=clean_url(f"mailto:{parseaddr(publication.reply_to)[1]}") or "",
    )


def _shelved(items: Iterable[Item]) -> tuple[Shelf, ...]:
    """Group by section, sections in order of first appearance; a section without items is not there."""
    shelves: dict[str, list[Item]] = {}
    for item in items:
        shelves.setdefault(item.section, []).append(item)
    return tuple(Shelf(title, tuple(found)) for title, found in shelves.items())


def _item(
    number: int,
    entry: Entry,
    report: Report,
    form: Form,
    publication: PublicationConfig,
    words: Words,
    pictures: Mapping[tuple[ReportId, str], Picture],
) -> Item:
    title = one_line(report.title or "") or words.untitled
    section = one_line(entry.section)
    url = clean_url(report.url) if report.url else None
    plates = {
        image.path: _plate(image, picture, publication.public_url, words)
        for image in report.images
        if (picture := pictures.get((report.id, image.path))) is not None
    }
    # A picture that the text itself shows is not shown twice.
    first = next(
        (
            one.path
            for one in report.images
            if one.role == "lead" and one.path in plates and one.path not in report.body
        ),
        None,
    )
    return Item(
        anchor=f"item-{number}",
        title=title,
        shows_title=not (report.kind is Kind.DIGEST and title.casefold() == section.casefold()),
        section=section,
        form=form,
        kind=report.kind,
        byline=_byline(report.authors, words),
        # The day an event was announced reads as the day it takes place.
        date=words.date(_day(report.published)) if report.published and report.kind is not Kind.EVENT else "",
        lead=one_line(report.lead),
        body=clean(report.body).strip(),
        url=url or "",
        host=host_of(url) if url else "",
        minutes=_minutes(report) if form is Form.LEAD and not url else 0,
        pdf_url=(clean_url(report.pdf_url) if report.pdf_url else None) or "",
        plate=plates[first] if first is not None else None,
        plates=plates,
        corrections=tuple(
            Note(words.correction.format(date=words.date(one.date)), one_line(one.text)) for one in report.corrections
        ),
        language=report.language,
        direction=direction_of(report.language),
    )


def _minutes(report: Report) -> int:
    """How long the text takes to read; 0 where its lead is all of it."""
    words = len(report.body.split())
    return max(1, round(words / _WORDS_A_MINUTE)) if words > len(report.lead.split()) else 0


def _day(published: date | datetime) -> date:
    return published.date() if isinstance(published, datetime) else published


def _plate(image: Image, picture: Picture, public_url: str, words: Words) -> Plate:
    credit = one_line(image.credit)
    return Plate(
        url=f"{public_url}/m/{picture.sha256}",
        alt=one_line(image.alt),
        caption=one_line(image.caption),
        # Some say themselves what they are: "Map: A. Name".
        credit=words.picture_by.format(credit=credit) if credit and ":" not in credit else credit,
        width=picture.width,
        height=picture.height,
    )


def _byline(authors: tuple[Author, ...], words: Words) -> str:
    """`By A and B in Dushanbe`: the place once where all share it, else behind each name."""
    if not authors:
        return ""
    places = {one_line(one.place or "") for one in authors}
    if len(places) == 1:
        named = words.names(tuple(one_line(one.name) for one in authors))
        place = places.pop()
        tail = f" {words.in_place.format(place=place)}" if place else ""
        return words.by.format(names=named) + tail
    return words.by.format(
        names=words.names(
            tuple(
                one_line(one.name) + (f" {words.in_place.format(place=one_line(one.place))}" if one.place else "")
                for one in authors
            )
        )
    )


def _contributors(reports: Iterable[Report]) -> tuple[Contributor, ...]:
    """Everyone with something to say about them, once, in printing order."""
    found: dict[str, Contributor] = {}
    for author in (one for report in reports for one in report.authors):
        name = one_line(author.name)
        bio, affiliation = one_line(author.bio or ""), one_line(author.affiliation or "")
        if name in found or not (bio or affiliation):
            continue
        if bio.startswith(f"{name} "):
            found[name] = Contributor(name, " ", bio.removeprefix(name).strip())
        else:
            found[name] = Contributor(name, ": " if bio else ", ", bio or affiliation)
    return tuple(found.values())
