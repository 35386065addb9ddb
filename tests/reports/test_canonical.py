import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Literal

from hypothesis import example, given
from hypothesis import strategies as st

from biweekly.model.issue import Author, Correction, Image, Kind, Report, ReportId, Source, Status
from biweekly.reports.canonical import quote, write
from biweekly.reports.fields import KNOWN
from biweekly.reports.frontmatter import parse
from biweekly.reports.habits import NOBODY
from biweekly.reports.tidy import UNSEEN, heading_apart, opening

BODY = "The ferry has not come since the ice, and nobody has asked after it.\n"
REPORT = Report(ReportId("2026-11-20-the-last-ferry"), "The Last Ferry", BODY, lead=BODY.strip())


def one_line(text: str) -> str:
    return " ".join(UNSEEN.sub("", text).split())


# --- reports as reading makes them: every text on one line, a body that opens with no heading of its own -----------

LETTERS = st.characters(codec="utf-8")
LINES = st.text(LETTERS | st.sampled_from('+-="\\#[]\n\r\x85\x1c'), max_size=40).map(one_line)
WORDS = LINES.filter(bool)
BODIES = (
    st.lists(st.text(LETTERS | st.sampled_from("+-#*_ \n"), max_size=80), min_size=1, max_size=4)
    .map(lambda parts: "\n\n".join([*parts, BODY]).replace("\r", "\n"))
    .map(lambda text: f"{UNSEEN.sub('', text).strip()}\n")
    .filter(lambda text: heading_apart(text)[0] is None and len(text) > 20)
)
DAYS = st.dates()
INSTANTS = st.datetimes(timezones=st.just(UTC))
VALUES = st.recursive(
    st.text(LETTERS, max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.booleans() | DAYS | INSTANTS
    | st.floats(allow_nan=False) | st.times() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
OTHERS = {
    "author",
    "date",
    "category",
    "categories",
    "summary",
    "description",
    "teaser",
    "image",
    "lang",
    "keywords",
    "embargo",
}
EXTRA = st.dictionaries(
    st.text(LETTERS, max_size=12).filter(lambda key: key not in OTHERS and key not in KNOWN), VALUES, max_size=3
)

AUTHORS = st.builds(
    Author, WORDS.filter(lambda name: name.casefold() not in NOBODY), *[st.none() | WORDS] * 3
)  # fmt: skip
IMAGES = st.builds(Image, WORDS, LINES, LINES, LINES, st.sampled_from(["lead", "inline"]))
SOURCES = st.builds(
    Source, WORDS, *[st.none() | WORDS] * 3, st.none() | INSTANTS, *[st.none() | WORDS] * 3
)  # fmt: skip


@st.composite
def reports(draw: st.DrawFn) -> Report:
    body = draw(BODIES)
    lead_from: Literal["given", "teaser", "first_paragraph"] = draw(
        st.sampled_from(["given", "teaser", "first_paragraph"])
    )
    title = draw(st.none() | WORDS)
    published = draw(st.none() | DAYS | INSTANTS)
    return Report(
        id=ReportId(draw(st.from_regex(r"[a-z0-9]{1,20}(-[a-z0-9ა-ჰ]{1,20}){0,3}", fullmatch=True))),
        title=title,
        body=body,
        kind=draw(st.sampled_from(Kind)),
        status=draw(st.sampled_from([one for one in Status if title or one is not Status.READY])),
        authors=tuple(draw(st.lists(AUTHORS, max_size=3))),
        byline_raw=draw(st.none() | WORDS),
        section=draw(LINES),
        published=published,
        published_partial=draw(st.sampled_from([None, "--11-19"])),
        issue_date=draw(st.none() | DAYS),
        received=draw(st.none() | INSTANTS),
        embargo_until=draw(st.none() | INSTANTS),
        expires=draw(st.none() | DAYS),
        lead=draw(WORDS) if lead_from != "first_paragraph" else opening(body),
        lead_from=lead_from,
        images=tuple(draw(st.lists(IMAGES, max_size=2))),
        url=draw(st.none() | WORDS),
        pdf_url=draw(st.none() | WORDS),
        tags=tuple(draw(st.lists(WORDS, max_size=3))),
        language=draw(st.sampled_from(["en", "ka", "zh-Hans"])),
        weight=draw(st.integers(-(2**63), 2**63 - 1)),
        form=draw(st.sampled_from([None, "full", "lead", "title"])),
        corrections=tuple(draw(st.lists(st.builds(Correction, DAYS, WORDS), max_size=2))),
        source=draw(st.just(Source()) | SOURCES),
        extra=draw(EXTRA),
    )


@given(reports())
@example(replace(REPORT, title='"""+++\\', lead="+++", lead_from="teaser"))
@example(replace(REPORT, extra={"embargo.x": "[source]", "": {"": [[]]}}))
def test_writing_a_report_and_reading_it_back_loses_nothing(report: Report) -> None:
    text = write(report)
    read = parse(text, name=f"reports/{report.id}.md")
    assert replace(read, warnings=()) == report
    assert write(read) == text
    assert {one.code for one in read.warnings} <= {
        "unknown_key",
        "no_author",
        "no_date",
        "no_title",
        "no_alt",
        "date_without_year",
    }


@given(st.text(LETTERS))
def test_words_in_quotes_are_toml(words: str) -> None:
    assert tomllib.loads(f"v = {quote(words)}") == {"v": words}


def test_what_could_not_be_understood_is_written_as_it_came() -> None:
    text = '+++\ntitle = "One"\nweight = "heavy"\nauthors = [7]\nmood = { a = 12:00:00 }\n+++\n\n' + BODY
    again = tomllib.loads(write(parse(text, name="one.md")).split("+++")[1])
    assert again["weight"] == "heavy"
    assert again["authors.0"] == 7
    assert again["mood"] == {"a": time(12)}


def test_what_stands_beside_a_known_thing_is_written_beside_it() -> None:
    text = (
        '+++\ntitle = "One"\nauthors = [{ name = "Anna Lund", handle = "@a" }]\n'
        '[[images]]\npath = "d.jpg"\nlicence = "CC"\n'
        f'[[corrections]]\ndate = 2026-11-20\ntext = "It rose."\nby = "AL"\n[source]\nmood = "x"\n+++\n\n{BODY}'
    )
    again = tomllib.loads(write(parse(text, name="one.md")).split("+++")[1])
    assert again["authors"] == [{"name": "Anna Lund", "handle": "@a"}]
    assert again["images"] == [{"path": "d.jpg", "licence": "CC"}]
    assert again["corrections"] == [{"date": date(2026, 11, 20), "text": "It rose.", "by": "AL"}]
    assert again["source"] == {"mood": "x"}


def test_a_lead_that_reading_would_find_by_itself_is_not_written_twice() -> None:
    assert "lead" not in write(REPORT)
    chosen = replace(REPORT, lead="The ferry has not come.")
    assert 'lead = "The ferry has not come."\nlead_from = "first_paragraph"' in write(chosen)
    assert parse(write(chosen), name="x.md").lead_from == "first_paragraph"


def test_settings_stand_in_a_fixed_order_and_what_is_not_there_is_left_out() -> None:
    report = replace(
        REPORT,
        authors=(Author("Anna Lund"),),
        published=date(2026, 11, 20),
        received=datetime(2026, 11, 21, 9, tzinfo=UTC),
    )
    assert write(report) == (
        '+++\nid = "2026-11-20-the-last-ferry"\ntitle = "The Last Ferry"\nauthors = ["Anna Lund"]\nstatus = "ready"\n'
        f"published = 2026-11-20\nreceived = 2026-11-21T09:00:00Z\n+++\n\n{BODY}"
    )
