"""A publication, an issue of every form and kind, and the way from one to the other."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from biweekly.config import PublicationConfig
from biweekly.errors import RenderError
from biweekly.model.issue import (
    Author,
    Correction,
    Edition,
    Entry,
    Image,
    Issue,
    IssueId,
    Kind,
    Picture,
    Report,
    ReportId,
)
from biweekly.publication import data_root
from biweekly.render import compile_mjml, inline, render_edition

LONG = (
    "The two governments signed the agreement on a wet Tuesday in the old customs house, eleven years after it was"
    " first announced. It settles who keeps the upper reservoir filled in winter, who pays for the turbines, and"
    " what happens in a dry year. Nobody in the valley expects the last part to hold."
)


def a_report(name: str, title: str | None, **fields: object) -> Report:
    """A report with a body of three paragraphs unless told otherwise."""
    made = Report(
        id=ReportId(name),
        title=title,
        body=f"{LONG}\n\n{LONG}\n\n{LONG}",
        lead=LONG,
        authors=(Author("Daniyar Osmonbek"),),
        published=date(2026, 11, 19),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


ANALYSIS = f"""BACKGROUND: {LONG}

{LONG} The [protocol of 2015](https://archive.example/protocol?a=1&b=2) was never *published*.

> Water is not the quarrel. The meter is the quarrel.

IMPLICATIONS: {LONG}

## What the meters say

| Year | Inflow, km³ | Shortfall |
|------|------------:|----------:|
| 2023 | 9.1 | 0.4 |
| 2024 | 7.8 | 1.7 |

- The northern canal loses a third of what it carries.
- The southern one has **no meter** at all.

CONCLUSIONS: {LONG}
"""

DIGEST = """### Lakeside airport reopens

**12 November.** Flights resumed after fourteen months; the
[first passengers](https://wire.example/a) were schoolchildren.

### Court frees a geologist

**14 November.** The appeal court in Aral-Tobe found that the samples had been bought in a shop.
"""


def the_issue() -> tuple[Issue, dict[ReportId, Report]]:
    """An issue that holds every form and kind."""
    reports = [
        (
            "Analytical Articles",
            a_report(
                "water",
                "After the Customs House: Who Owns the Winter Water",
                body=ANALYSIS,
                authors=(
                    Author("Aigerim Sadykova", bio="Aigerim Sadykova writes on rivers and borders."),
                    Author("Tomas Lindqvist", affiliation="Institute for Upland Studies"),
                ),
                images=(
                    Image("water/dam.png", "A low dam across a brown river, seen from the east bank",
                          "The upper reservoir in October.", "Lena Brandt"),
                ),
                form="full",
                url="https://analyst.example/articles/winter-water",
                pdf_url="https://analyst.example/articles/winter-water.pdf",
            ),
        ),
        ("Analytical Articles", a_report("rail", "A Railway Without a Border", url="https://analyst.example/rail",
            images=(Image("rail/train.png", "A freight train under a signal gantry"),))),
        ("Field Reports", a_report("bazaar", "The Bazaar at Karasuu Counts Its Own Votes",
            authors=(Author("Jonas Feld", place="Karasuu"),), url="https://analyst.example/bazaar")),
        ("Field Reports", a_report("name", "Әлімжан’s Bridge: Five “Temporary” Years & Counting",
            authors=(Author("Nurlan Әбдіғали"),),
            corrections=(Correction(date(2026, 11, 20), "The bridge is 84 metres long, not 48."),))),
        ("News Digest", a_report("digest", "News Digest", kind=Kind.DIGEST, body=DIGEST, form="full",
            authors=(), published=None)),
        ("Staff Publications", a_report("book", "The Meter and the Map", form="title", published=None)),
        ("Staff Publications", a_report("paper", "Pasture Law in Four Valleys", form="title",
            url="https://press.example/p")),
        ("Upcoming Events", a_report("talk", "Reading the Rivers: a Talk", kind=Kind.EVENT, authors=(), published=None,
            body="Thursday 3 December, 18:00 (UTC+5). Old Library, Aral-Tobe. Free, in two languages.", form="full")),
    ]  # fmt: skip
    return (
        Issue(
            id=IssueId("2026-11-26"),
            date=date(2026, 11, 26),
            number=24,
            subject="After the Customs House, and seven more",
            preheader="Who keeps the upper reservoir filled in winter, and who pays for the turbines",
            note="This is the last issue of the year but one. We will be **back on 10 December**.",
            entries=tuple(Entry(one.id, section, "0" * 64) for section, one in reports),
        ),
        {one.id: one for _, one in reports},
    )


def the_publication(**fields: object) -> PublicationConfig:
    return PublicationConfig.model_validate(
        {
            "name": "The Upland Analyst",
            "from": "The Upland Analyst <issues@analyst.example>",
            "reply_to": "editors@analyst.example",
            "sections": [
                {"title": "Analytical Articles", "form": "lead"},
                {"title": "Field Reports", "form": "lead"},
                "News Digest",
                "Staff Publications",
                "Upcoming Events",
            ],
            "postal_address": "The Upland Analyst\n12 Quay Street\nAral-Tobe 720000",
            "public_url": "https://news.analyst.example",
            **fields,
        }
    )


def built_in(name: str) -> tuple[str, str]:
    path = data_root() / "templates" / name
    if not path.is_file():
        raise RenderError("there is no such template", code="template-missing", template=f"templates/{name}")
    return path.read_text("utf-8"), f"templates/{name}"


@dataclass
class Press:
    """Renders, with anything swapped."""

    issue: Issue
    reports: dict[ReportId, Report]
    publication: PublicationConfig = field(default_factory=the_publication)
    pictures: Mapping[tuple[ReportId, str], Picture] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    key: bytes = b"k" * 32

    def templates(self, name: str) -> tuple[str, str]:
        return (self.own[name], f"templates/{name}") if name in self.own else built_in(name)

    def swap(self, name: str, old: str, new: str) -> None:
        """Change a built-in template in one place, which must be there."""
        text = built_in(name)[0]
        assert old in text
        self.own[name] = text.replace(old, new, 1)

    def line_of(self, name: str, text: str) -> int:
        return self.templates(name)[0].split(text)[0].count("\n") + 1

    def report(self, name: str, title: str | None, **fields: object) -> Report:
        return a_report(name, title, **fields)

    def only(self, *reports: Report, **fields: object) -> None:
        """Print these and nothing else."""
        self.reports = {one.id: one for one in reports}
        entries = tuple(Entry(one.id, one.section or "Field Reports", "0" * 64) for one in reports)
        self.issue = replace(self.issue, entries=entries, note="", **fields)  # type: ignore[arg-type]

    def render(self) -> Edition:
        return render_edition(
            self.issue,
            self.reports,
            publication=self.publication,
            templates=self.templates,
            compile_mjml=compile_mjml,
            inline=inline,
            pictures=self.pictures,
            key=self.key,
        )

    def html(self) -> str:
        html = self.render().variants[0].html
        assert html is not None
        return html

    def text(self) -> str:
        return self.render().variants[0].text


SHOWN = {
    (ReportId("water"), "water/dam.png"): Picture("a" * 64, "image/png", 1200, 800),
    (ReportId("rail"), "rail/train.png"): Picture("b" * 64, "image/png", 900, 600),
}


@pytest.fixture
def press() -> Press:
    issue, reports = the_issue()
    return Press(issue, reports, pictures=SHOWN)
