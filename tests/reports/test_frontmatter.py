from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from biweekly.errors import ReportError
from biweekly.model.issue import Author, Kind, Report, SetAside, Status
from biweekly.reports.fields import KNOWN
from biweekly.reports.frontmatter import parse, part, read, standing_warnings

TODAY = date(2026, 11, 24)
BODY = "The ferry has not come since the ice, and nobody has asked after it.\n"
SECTIONS = ("Analytical Articles", "Field Reports")


def a_file(*settings: str, body: str = BODY, fence: str = "+++") -> str:
    return "\n".join([fence, *settings, fence, "", body])


def codes(report: Report) -> list[str]:
    return [one.code for one in report.warnings]


def refused(text: str) -> ReportError:
    with pytest.raises(ReportError) as caught:
        parse(text, name="reports/one.md")
    return caught.value


def taken_in(text: str | bytes, *, source: str = "inbox/Draft 3 (final).md", url: str | None = None) -> Report:
    raw = text.encode() if isinstance(text, str) else text
    (report,) = read(raw, source=source, url=url, sections=SECTIONS, today=TODAY, zone=UTC)
    assert isinstance(report, Report), report
    return report


# --- the parts of a file -----------------------------------------------------------------------------------------


def test_a_file_is_its_front_matter_and_its_text() -> None:
    report = parse(a_file('title = "The Last Ferry"', 'authors = ["Anna Lund"]', "published = 2026-11-20"), name="x.md")
    assert (report.id, report.title, report.body) == ("x", "The Last Ferry", BODY)
    assert report.authors == (Author("Anna Lund"),)
    assert report.published == date(2026, 11, 20)
    assert report.status is Status.READY
    assert (report.lead, report.lead_from) == (BODY.strip(), "first_paragraph")
    assert codes(report) == []


def test_each_part_knows_its_first_line() -> None:
    parted = part("\n\n+++\na = 1\n+++\n\nText.\n+++\nmore", name="x.md")
    assert (parted.language, parted.head, parted.head_line, parted.body_line) == ("toml", "a = 1", 4, 6)
    assert parted.body == "Text.\n+++\nmore"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_and_a_byte_order_mark_are_read(end: str) -> None:
    text = "\ufeff" + a_file('title = "One"').replace("\n", end)
    assert parse(text, name="one.md").body == BODY


def test_front_matter_that_is_never_closed_is_named_with_the_line_that_opened_it() -> None:
    error = refused(f'\n+++\ntitle = "One"\n\n{BODY}')
    assert (error.code, error.place) == ("bad-front-matter", "reports/one.md:2")
    assert error.hint == "put a line with +++ below the last setting"


def test_broken_toml_is_named_with_its_line_in_the_file() -> None:
    error = refused(a_file('title = "One"', "section = Field Reports"))
    assert (error.code, error.place) == ("bad-front-matter", "reports/one.md:3")
    assert "not valid TOML" in error.message
    assert "straight quotes" in (error.hint or "")


@pytest.mark.parametrize("value", ["[" * 3000, "9" * 5000, "0x" + "f" * 5000, "[{a = -9223372036854775809}]"])
def test_toml_that_python_chokes_on_is_broken_toml(value: str) -> None:
    error = refused(a_file('title = "One"', f"weight = {value}"))
    assert error.code == "bad-front-matter"


def test_a_file_without_a_text_says_so_below_its_front_matter() -> None:
    error = refused(a_file('title = "One"', body="Too short.\n"))
    assert (error.code, error.place) == ("empty-body", "reports/one.md:4")


def test_a_file_without_front_matter_is_a_draft_whose_heading_is_its_title() -> None:
    report = parse(f"# The Last Ferry #\n\n{BODY}", name="notes/ferry.md")
    assert (report.id, report.title, report.status, report.body) == ("ferry", "The Last Ferry", Status.DRAFT, BODY)
    assert "no_front_matter" in codes(report)


def test_a_file_without_a_title_is_a_draft_and_never_set_aside() -> None:
    report = parse(a_file('authors = ["Anna Lund"]', "published = 2026-11-20"), name="x.md")
    assert (report.title, report.status, codes(report)) == (None, Status.DRAFT, ["no_title"])


def test_without_a_title_what_was_on_hold_stays_on_hold() -> None:
    assert parse(a_file('status = "hold"'), name="x.md").status is Status.HOLD


def test_a_heading_that_says_nothing_is_no_title_and_is_not_lost() -> None:
    report = parse(a_file(body=f"# ![](dam.jpg)\n\n{BODY}"), name="x.md")
    assert report.title is None
    assert report.body.startswith("# ![](dam.jpg)\n")


def test_the_text_loses_what_nobody_sees_and_a_terminal_might_obey() -> None:
    report = parse(a_file('title = "\\u001b[2JOne\\u0000"', body=f"\x1b[2J{BODY}\x00"), name="x.md")
    assert report.title == "[2JOne"
    assert report.body == f"[2J{BODY}"


# --- YAML, leniently ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("title: No", "No"),
        ("title: 10:30", "10:30"),
        ("title: 010", "010"),
        ("title: ~", "~"),
        ("title: 2026-11-24", "2026-11-24"),
        ("title: 'A: B'", "A: B"),
        ('title: "Quoted \\"twice\\""', 'Quoted "twice"'),
    ],
)
def test_yaml_is_the_words_that_stand_there(line: str, title: str) -> None:
    report = parse(a_file(line, "author: Anna Lund", "date: 2026-11-20", fence="---"), name="x.md")
    assert (report.title, codes(report)) == (title, [])


def test_yaml_that_is_none_is_read_line_by_line_with_a_warning() -> None:
    report = parse(
        a_file("title: GEORGIA: THE HONEYMOON IS OVER", "authors:", "  - Anna Lund", '  - "Marek Holt"',
               "date: 2026-11-20", "tags: [trade, 'customs']", fence="---"),
        name="x.md",
    )  # fmt: skip
    assert report.title == "GEORGIA: THE HONEYMOON IS OVER"
    assert [one.name for one in report.authors] == ["Anna Lund", "Marek Holt"]
    assert (report.published, report.tags) == (date(2026, 11, 20), ("trade", "customs"))
    assert [(one.code, one.line) for one in report.warnings] == [("yaml_repaired", 2)]


def test_what_other_programs_call_the_same_thing_is_understood() -> None:
    report = parse(
        a_file("title: One", "author: Anna Lund and Marek Holt", "date: 24 November 2026", "category: Field Reports",
               "summary: Short.", "keywords: a, b", "lang: ka", "draft: true", fence="---"),
        name="x.md",
    )  # fmt: skip
    assert [one.name for one in report.authors] == ["Anna Lund", "Marek Holt"]
    assert (report.published, report.section, report.lead) == (date(2026, 11, 24), "Field Reports", "Short.")
    assert (report.tags, report.language, report.status) == (("a", "b"), "ka", Status.DRAFT)
    assert codes(report) == []


@pytest.mark.parametrize(
    "head", ["- a\n- b", "just words", "? [a, b]\n: c", "a: *b", "a: &b [*b]", "a: !!python/name:x y"]
)
def test_yaml_that_is_no_list_of_settings_is_still_a_file(head: str) -> None:
    assert parse(f"---\n{head}\n---\n\n# One\n\n{BODY}", name="x.md").title == "One"


def test_half_a_character_that_yaml_can_write_is_left_out() -> None:
    report = parse(a_file('title: "On\\ud800e"', 'mood: "\\udfff"', fence="---"), name="x.md")
    assert report.title == "One"
    assert report.extra == {"mood": ""}


# --- settings: what decides is understood or refused -------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "cure"),
    [
        ('status = "raedy"', 'write status = "ready"'),
        ('status = "?"', "write one of draft, ready, hold, withdrawn"),
        ('kind = "digets"', 'write kind = "digest"'),
        ('embargo_until = "soon"', "write embargo_until = 2026-11-24T09:00:00Z"),
        ("embargo_until = 9999-12-31T23:59:59-12:00", "write embargo_until = 2026-11-24T09:00:00Z"),
        ('expires = "never"', "write expires = 2026-11-24"),
        ('received = "yesterday"', "write received = 2026-11-24T09:00:00Z"),
        ('id = "a/b"', "write letters, digits and hyphens"),
        ('id = ".."', "write letters, digits and hyphens"),
        (f'id = "{"ა" * 70}"', "write letters, digits and hyphens"),
    ],
)
def test_what_decides_whether_and_when_a_report_is_mailed_is_understood_or_refused(setting: str, cure: str) -> None:
    error = refused(a_file('title = "One"', setting))
    assert (error.code, error.place, error.hint) == ("bad-front-matter", "reports/one.md:3", cure)


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-11-26T09:00:00Z", datetime(2026, 11, 26, 9, tzinfo=UTC)),
        ("2026-11-26T09:00:00+05:00", datetime(2026, 11, 26, 4, tzinfo=UTC)),
        ("2026-11-26T09:00:00", datetime(2026, 11, 26, 14, tzinfo=UTC)),
        ("2026-11-26", datetime(2026, 11, 26, 5, tzinfo=UTC)),
        ('"26 November 2026"', datetime(2026, 11, 26, 5, tzinfo=UTC)),
        ('"2026-07-01 09:00"', datetime(2026, 7, 1, 13, tzinfo=UTC)),
    ],
)
def test_an_embargo_without_a_zone_ends_on_the_publications_own_clock(written: str, instant: datetime) -> None:
    text = a_file('title = "One"', f"embargo_until = {written}")
    assert parse(text, name="x.md", zone=ZoneInfo("America/New_York")).embargo_until == instant


def test_an_import_reads_an_embargo_in_the_publications_zone_too() -> None:
    raw = a_file('title = "One"', "embargo_until = 2026-11-26T09:00:00").encode()
    (report,) = read(raw, source="x.md", url=None, sections=(), today=TODAY, zone=ZoneInfo("Asia/Tashkent"))
    assert isinstance(report, Report)
    assert report.embargo_until == datetime(2026, 11, 26, 4, tzinfo=UTC)


# --- import ------------------------------------------------------------------------------------------------------


def test_an_imported_file_gets_an_id_of_its_date_and_title() -> None:
    report = taken_in(a_file('title = "The Last Ferry"', "published = 2026-11-20"))
    assert report.id == "2026-11-20-the-last-ferry"
    assert (report.source.kind, report.source.importer) == ("file", "frontmatter/1")


@pytest.mark.parametrize("setting", ['id = "ferry"', '"id" = "ferry"', 'id   = "ferry"'])
def test_an_imported_file_that_names_its_id_keeps_it(setting: str) -> None:
    assert taken_in(a_file(setting, 'title = "The Last Ferry"')).id == "ferry"


def test_another_tables_id_is_not_the_reports() -> None:
    text = a_file('title = "The Last Ferry"', "[source]", 'id = "7"')
    assert taken_in(text).id == "the-last-ferry"


def test_imported_by_hand_a_file_without_front_matter_is_ready() -> None:
    report = taken_in(f"# The Last Ferry\n\n{BODY}", url="https://review.example/ferry")
    assert (report.status, report.url) == (Status.READY, "https://review.example/ferry")
    assert codes(report) == ["no_author", "no_date"]
    assert taken_in(BODY).status is Status.DRAFT


def test_an_imported_file_may_be_in_another_encoding_and_says_so() -> None:
    report = taken_in(f"# Café\n\n{BODY}".encode("cp1252"))
    assert report.title == "Café"
    assert "encoding_guessed" in codes(report)


def test_what_cannot_be_read_on_import_is_set_aside_with_its_line() -> None:
    (aside,) = read(b"+++\n[\n+++\n", source="x.md", url=None, sections=(), today=TODAY, zone=UTC)
    assert isinstance(aside, SetAside)
    assert (aside.source, aside.code, aside.line) == ("x.md", "bad-front-matter", 2)


def test_a_section_that_is_not_there_and_a_date_to_come_are_said() -> None:
    report = parse(a_file('title = "One"', 'section = "Sport"', "published = 2026-12-01"), name="x.md")
    found = standing_warnings(report, sections=SECTIONS, today=TODAY)
    assert [one.code for one in found] == ["unknown_section", "future_date"]
    known = parse(a_file('title = "One"', 'section = "field reports"', "published = 2026-11-24"), name="x.md")
    assert standing_warnings(known, sections=SECTIONS, today=TODAY) == []


# --- anything at all ---------------------------------------------------------------------------------------------

KEYS = [*KNOWN, "date", "author", "mood"]
VALUES = (
    """
"x" | "" | 1 | true | 1.5 | nan | 2026-11-24 | 0001-01-01T00:00:00+12:00 | 9999-12-31 | 12:00:00 | [] | [[]] | {}
{ name = "x", path = "", date = 2026-01-01, text = "t" } | [{ name = 1, path = [1] }] | [1, 'a'] | "--11-24" | 'ready'
'event' | "\\u0000" | - x | No | a: b | *x | 0xffffffffffffffffff
""".strip()
    .replace("\n", " | ")
    .split(" | ")
)
SETTINGS = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from([" = ", ": "]), st.sampled_from(VALUES)), max_size=8
)


@given(st.sampled_from(["+++", "---"]), SETTINGS, st.text(max_size=60))
def test_any_settings_make_a_report_or_a_reason(fence: str, settings: list[tuple[str, str, str]], body: str) -> None:
    raw = a_file(*("".join(one) for one in settings), body=body + BODY, fence=fence).encode("utf-8", "replace")
    (one,) = read(raw, source="x.md", url=None, sections=SECTIONS, today=TODAY, zone=ZoneInfo("Asia/Tashkent"))
    if isinstance(one, SetAside):
        assert one.code in {"bad-front-matter", "empty-body"}
        assert one.line is not None
        assert one.cure
    else:
        assert one.kind in Kind
        assert one.id


@given(st.binary(max_size=400))
@example(b"+++\n+++")
@example(b"---\n\x00: \xff\n---\n" + BODY.encode())
@example(b"\xff\xfe+\x00")
def test_any_bytes_make_a_report_or_a_reason(raw: bytes) -> None:
    (one,) = read(raw, source="x.md", url=None, sections=SECTIONS, today=TODAY, zone=UTC)
    assert isinstance(one, Report) or (one.code in {"bad-front-matter", "empty-body"} and one.cure)
