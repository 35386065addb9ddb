import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from biweekly.model.issue import Author, Correction, Image, Report, Source
from biweekly.reports.fields import KNOWN, OTHER_NAMES
from biweekly.reports.frontmatter import parse

BODY = "The ferry has not come since the ice, and nobody has asked after it.\n"


def read(*settings: str) -> Report:
    return parse("\n".join(["+++", 'title = "One"', *settings, "+++", "", BODY]), name="one.md")


def test_every_setting_has_its_row_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
    chapter = page.partition("\n## Settings\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", chapter, re.MULTILINE)) == sorted(KNOWN)
    assert [one for one in OTHER_NAMES if f"`{one}`" not in chapter] == []


def said(report: Report) -> list[tuple[str, int | None]]:
    """The warnings with their lines, but for those of what a file without author and date lacks."""
    return [(one.code, one.line) for one in report.warnings if one.code not in {"no_author", "no_date"}]


@pytest.mark.parametrize(
    ("setting", "authors"),
    [
        ('authors = "Anna Lund and Marek Holt"', (Author("Anna Lund"), Author("Marek Holt"))),
        ('authors = ["Lund, Anna", "Marek  Holt"]', (Author("Lund, Anna"), Author("Marek Holt"))),
        ('authors = [{ name = "Anna Lund", place = "Osh" }]', (Author("Anna Lund", place="Osh"),)),
        ('authors = { name = "Anna Lund", bio = "Writes." }', (Author("Anna Lund", bio="Writes."),)),
        ('authors = "the friends of the valley"', (Author("the friends of the valley"),)),
        ('authors = ["admin", "Anna Lund"]', (Author("Anna Lund"),)),
        ('authors = ""', ()),
    ],
)
def test_people_may_be_written_in_several_ways(setting: str, authors: tuple[Author, ...]) -> None:
    report = read(setting)
    assert report.authors == authors
    assert said(report) == []


def test_what_is_no_author_is_kept_and_said() -> None:
    report = read('authors = [7, { place = "Osh" }, "Anna Lund"]')
    assert report.authors == (Author("Anna Lund"),)
    assert report.extra == {"authors.0": 7, "authors.1": {"place": "Osh"}}
    assert said(report) == [("bad_value", 3), ("bad_value", 3)]


def test_what_an_author_has_besides_stays_with_that_author() -> None:
    report = read('authors = ["admin", { name = "Anna Lund", handle = "@anna" }]')
    assert report.extra == {"authors.0.handle": "@anna"}


def test_pictures_are_paths_or_tables() -> None:
    assert read('image = "one/dam.jpg"').images == (Image("one/dam.jpg"),)
    report = read("[[images]]", 'path = "one/a  b.jpg"', 'alt = "A  dam"', 'role = "inline"', 'licence = "CC"')
    assert report.images == (Image("one/a  b.jpg", alt="A dam", role="inline"),)
    assert report.extra == {"images.0.licence": "CC"}
    assert said(report) == [("unknown_key", 7)]


def test_a_picture_without_alt_text_is_said_at_its_line() -> None:
    assert said(read('images = ["one/dam.jpg"]')) == [("no_alt", 3)]


def test_a_picture_without_a_path_is_kept_and_said() -> None:
    report = read('images = [{ alt = "A dam" }]')
    assert (report.images, report.extra) == ((), {"images.0": {"alt": "A dam"}})
    assert said(report) == [("bad_value", 3)]


def test_corrections_have_a_date_and_a_text_and_keep_the_rest() -> None:
    report = read(
        "corrections = [",
        '  { date = 2026-11-20, text = "It was the dam.", by = "AL" },',
        '  { text = "Undated." },',
        "]",
    )
    assert report.corrections == (Correction(date(2026, 11, 20), "It was the dam."),)
    assert report.extra == {"corrections.0.by": "AL", "corrections.1": {"text": "Undated."}}


def test_a_source_may_be_an_address_a_kind_or_a_table() -> None:
    assert read('source = "https://review.example/a"').source == Source(url="https://review.example/a")
    assert read('source = "wire"').source == Source(kind="wire")
    table = read("[source]", 'kind = "feed"', "fetched = 2026-11-24T09:00:00+02:00", 'mood = "x"')
    assert table.source == Source(kind="feed", fetched=datetime(2026, 11, 24, 7, tzinfo=UTC))
    assert table.extra == {"source.mood": "x"}


def test_a_source_that_is_not_understood_is_kept() -> None:
    assert read("source = 7").extra == {"source": 7}
    assert read("[source]", 'fetched = "yesterday"').extra == {"source.fetched": "yesterday"}


@pytest.mark.parametrize(
    ("setting", "published", "partial"),
    [
        ("published = 2026-11-24", date(2026, 11, 24), None),
        ("published = 2026-11-24T23:30:00-05:00", datetime(2026, 11, 25, 4, 30, tzinfo=UTC), None),
        ("published = 2026-11-24T23:30:00", date(2026, 11, 24), None),
        ('published = "24 November 2026"', date(2026, 11, 24), None),
        ('published = "--11-24"', None, "--11-24"),
        ('published_partial = "--11-24"', None, "--11-24"),
    ],
)
def test_a_date_is_a_day_an_instant_or_what_there_is_of_it(
    setting: str, published: date | None, partial: str | None
) -> None:
    report = read(setting)
    assert (report.published, report.published_partial) == (published, partial)
    assert [code for code, _ in said(report)] == (["date_without_year"] if partial else [])


@pytest.mark.parametrize(
    ("setting", "key", "code"),
    [
        ('published = "last week"', "published", "bad_date"),
        ("published = 0001-01-01T00:00:00+12:00", "published", "bad_date"),
        ('published_partial = "November"', "published_partial", "bad_date"),
        ('issue_date = "soon"', "issue_date", "bad_date"),
        ('weight = "heavy"', "weight", "bad_value"),
        ("tags = [[]]", "tags", "bad_value"),
        ('form = "half"', "form", "bad_value"),
        ("section = {}", "section", "bad_value"),
    ],
)
def test_what_readers_see_and_nobody_understands_stays_empty_and_is_kept(setting: str, key: str, code: str) -> None:
    report = read(setting)
    assert getattr(report, key) in {None, "", 0, ()}
    assert key in report.extra
    assert said(report) == [(code, 3)]


def test_an_unknown_setting_is_kept_and_the_nearest_known_one_named() -> None:
    report = read('sectoin = "Field Reports"', 'mood = "grey"')
    assert report.extra == {"sectoin": "Field Reports", "mood": "grey"}
    assert [one.message for one in report.warnings if one.code == "unknown_key"] == [
        "unknown setting sectoin; did you mean section?",
        "unknown setting mood; it is kept",
    ]


def test_a_canonical_name_wins_over_another_programs() -> None:
    report = read('description = "For machines."', 'lead = "For readers."')
    assert report.lead == "For readers."
    assert report.extra == {"description": "For machines."}


@pytest.mark.parametrize(
    ("settings", "lead_from"),
    [
        (['lead = "Short."'], "given"),
        (['lead = "Short."', 'lead_from = "teaser"'], "teaser"),
        (['lead = "Short."', 'lead_from = "first_paragraph"'], "first_paragraph"),
        (['lead = "Short."', 'lead_from = "thin air"'], "given"),
        (['lead_from = "teaser"'], "first_paragraph"),
    ],
)
def test_a_lead_says_where_it_is_from(settings: list[str], lead_from: str) -> None:
    assert read(*settings).lead_from == lead_from


def test_events_and_notices_need_no_author() -> None:
    assert [one.code for one in read('kind = "event"', "published = 2026-11-24").warnings] == []
    assert [one.code for one in read('kind = "digest"', "published = 2026-11-24").warnings] == ["no_author"]
