from dataclasses import replace
from datetime import UTC, date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from biweekly.model.issue import Author, Kind, Report, SetAside, Status
from biweekly.reports.canonical import write
from biweekly.reports.capture import read
from biweekly.reports.frontmatter import parse

TODAY = date(2026, 11, 24)
SECTIONS = ("Analytical Articles", "Field Reports", "News Digest", "Upcoming Events")
URL = "https://review.example/publications/field-reports/item/77-quarry.html"

LEAD = (
    "The quarry road above Sunet-Telek was closed in May for the ninth time in two years, and the lorries have found "
    "another way down. It crosses four gardens."
)
REST = "The owners were not asked. They have since put up a barrier of apple crates, and a price list."
LAST = "Nobody can say how long the arrangement will last, “but the crates are good crates,” says the mayor."

PAGE = f"""Wednesday, 06 May 2015

THE QUARRY ROAD

Published in Field Reports

By Anna Marie Lund (5/6/2015 issue of the Valley Review)

{LEAD}

{LEAD} {REST}

{LAST}

Read 411 times

Visit also

the lakes desk

Staff Publications

Paper Owen Farraday, The Price of Gravel, October 2014.

The Valley Review is a biweekly publication of the Institute of Hills & Roads Programme, somewhere up the valley.

Newsletter

Sign up for upcoming events, latest news and articles from the Valley Review

Newsletter
"""


def outcomes(text: str, *, url: str | None = None) -> list[Report | SetAside]:
    return list(read(text.encode(), source="page.txt", url=url, sections=SECTIONS, today=TODAY, zone=UTC))


def the_reports(text: str, *, url: str | None = None) -> list[Report]:
    found = outcomes(text, url=url)
    reports = [one for one in found if isinstance(one, Report)]
    assert len(reports) == len(found), found
    return reports


def the_report(text: str, *, url: str | None = None) -> Report:
    (report,) = the_reports(text, url=url)
    return report


def codes(report: Report) -> list[str]:
    return [one.code for one in report.warnings]


def paragraphs(report: Report) -> list[str]:
    return report.body.strip().split("\n\n")


# --- the page of one report --------------------------------------------------------------------------------------


def test_a_captured_page_comes_out_whole_and_nothing_of_the_page_around_it() -> None:
    report = the_report(PAGE, url=URL)
    assert report.title == "THE QUARRY ROAD"
    assert report.authors == (Author("Anna Marie Lund"),)
    assert report.byline_raw == "By Anna Marie Lund (5/6/2015 issue of the Valley Review)"
    assert report.section == "Field Reports"
    assert (report.published, report.issue_date) == (date(2015, 5, 6), date(2015, 5, 6))
    assert (report.kind, report.status) == (Kind.REPORT, Status.READY)
    assert (report.lead, report.lead_from) == (LEAD, "teaser")
    assert paragraphs(report) == [f"{LEAD} {REST}", LAST]
    assert (report.id, report.url) == ("2015-05-06-the-quarry-road", URL)
    assert (report.source.kind, report.source.url, report.source.importer) == ("capture", URL, "capture/1")
    assert [(one.code, one.line) for one in report.warnings] == [("title_all_caps", 1)]


def test_a_captured_page_is_the_same_after_its_file_is_read_again() -> None:
    report = the_report(PAGE, url=URL)
    assert replace(parse(write(report), name=f"{report.id}.md"), warnings=()) == replace(report, warnings=())


def test_no_break_spaces_and_soft_hyphens_hide_nothing_of_the_page() -> None:
    spoilt = PAGE.replace("is a biweekly", "is a\u00a0bi\u00adweekly").replace("Read 411", "Read\u00a0411")
    assert paragraphs(the_report(spoilt)) == [f"{LEAD} {REST}", LAST]


def test_furniture_that_is_glued_to_the_last_sentence_is_cut_off() -> None:
    glued = PAGE.replace(f"{LAST}\n\nRead 411 times", f"{LAST}Read 411 times")
    assert paragraphs(the_report(glued))[-1] == LAST
    about = f"THE QUARRY ROAD\n\nBy Anna Lund\n\n{LEAD}\n\n{LAST}The Valley Review is a weekly journal of the hills."
    assert paragraphs(the_report(about)) == [LEAD, LAST]


def test_a_text_that_speaks_of_newsletters_and_publications_keeps_its_words() -> None:
    prose = "The Hill Post is a monthly newsletter of the herders. It was published in the spring, and read 40 times."
    report = the_report(f"THE HILL POST\n\nBy Anna Lund\n\n{LEAD}\n\n{prose}\n\n{LAST} {REST * 10}")
    assert prose in report.body


def test_the_page_stays_out_when_the_teaser_is_all_there_is() -> None:
    report = the_report(f"THE QUARRY ROAD\n\nBy Anna Lund\n\n{LEAD}\n\nRead more ...\n\nNewsletter\n\nSign up\n")
    assert paragraphs(report) == [LEAD]


@pytest.mark.parametrize("times", [1, 2])
def test_a_teaser_of_several_paragraphs_is_kept_once(times: int) -> None:
    teaser = f"{LEAD}\n\n{REST}\n\n" * times
    assert paragraphs(the_report(f"THE QUARRY ROAD\n\nBy Anna Lund\n\n{teaser}{LAST}")) == [LEAD, REST, LAST]


def test_a_teaser_that_stops_at_an_abbreviation_is_made_whole_from_the_text() -> None:
    whole = "The road matters to the U.S. garrison above it, which has a helicopter."
    page = f"THE QUARRY ROAD\n\nBy Anna Lund\n\nThe road matters to the U.\n\n{whole} {REST}\n\n{LAST}"
    report = the_report(page)
    assert report.lead == whole
    assert "teaser_cut_at_abbreviation" in codes(report)
    assert parse(write(report), name="x.md").lead == whole


@pytest.mark.parametrize(
    ("heading", "published", "issue_date"),
    [
        ("By Anna Lund (5/6/2015 issue of the Valley Review)", None, date(2015, 5, 6)),
        ("By Anna Lund (the 05/06/2015 issue of the Valley Review)", None, date(2015, 6, 5)),
        ("By Anna Lund\n\nMay 6th, 2015, The Valley Review", date(2015, 5, 6), None),
        ("By Anna Lund\n\nMay 6, 2015", date(2015, 5, 6), None),
        ("By Anna Lund\n\nWednesday, 06 May 2015 12:32", date(2015, 5, 6), None),
    ],
)
def test_dates_are_read_as_they_are_printed(heading: str, published: date | None, issue_date: date | None) -> None:
    report = the_report(f"The Quarry Road\n\n{heading}\n\n{LEAD}\n\n{LAST}")
    assert (report.published, report.issue_date) == (published, issue_date)
    assert [one.name for one in report.authors] == ["Anna Lund"]


def test_a_date_without_a_year_stays_without_one() -> None:
    report = the_report(f"The Quarry Road\n\nBy Anna Lund\n\nMay 6th, the Valley Review\n\n{LEAD}\n\n{LAST}")
    assert (report.published, report.published_partial) == (None, "--05-06")
    assert codes(report) == ["date_without_year"]


def test_a_date_to_come_is_said() -> None:
    assert "future_date" in codes(the_report(PAGE.replace("06 May 2015", "06 May 2027")))


def test_a_section_is_named_as_configured_or_said_to_be_unknown() -> None:
    assert the_report(PAGE.replace("in Field Reports", "in field reports")).section == "Field Reports"
    other = the_report(PAGE.replace("in Field Reports", "in Sport"))
    assert (other.section, "unknown_section" in codes(other)) == ("Sport", True)


def test_a_page_without_an_author_says_so_and_names_nobody() -> None:
    report = the_report(PAGE.replace("By Anna Marie Lund", "By empty"))
    assert (report.authors, "no_author" in codes(report)) == ((), True)


def test_a_byline_that_names_no_people_is_kept_as_it_came() -> None:
    report = the_report(PAGE.replace("By Anna Marie Lund", "By friends of the far valley"))
    assert report.authors == ()
    assert report.byline_raw == "By friends of the far valley (5/6/2015 issue of the Valley Review)"
    assert "byline_unread" in codes(report)


def test_a_page_without_a_title_is_a_draft() -> None:
    report = the_report(f"By Anna Lund (5/6/2015 issue of the Valley Review)\n\n{LEAD}\n\n{LAST}")
    assert (report.title, report.status) == (None, Status.DRAFT)
    assert report.id == "2015-05-06-anna-lund-the-quarry-road-above-sunet-telek-was-closed-in"
    assert "no_title" in codes(report)


def test_an_analysis_has_its_heads_in_bold_and_a_lead_without_one() -> None:
    page = f"The Quarry Road\n\nBy Anna Lund\n\nBACKROUND: {LEAD}\n\nIMPLICATIONS: {REST}\n\nCONCLUSIONS: {LAST}"
    report = the_report(page)
    assert [one.split(" ")[0] for one in paragraphs(report)] == [
        "**BACKROUND:**",
        "**IMPLICATIONS:**",
        "**CONCLUSIONS:**",
    ]
    assert report.lead == LEAD
    assert "label_typo" in codes(report)


def test_a_note_about_the_author_goes_to_the_author() -> None:
    page = (
        f"The Quarry Road\n\nBy Anna Lund and Marek Holt\n\n{LEAD}\n\n{LAST}\n\nAUTHOR'S BIO: Marek Holt grows apples."
    )
    report = the_report(page)
    assert report.authors == (Author("Anna Lund"), Author("Marek Holt", bio="Marek Holt grows apples."))
    assert paragraphs(report) == [LEAD, LAST]


def test_a_text_that_is_markup_by_chance_stays_what_it_says() -> None:
    page = f"The Quarry Road\n\nBy Anna Lund\n\n# 1 on the list is *the road*, <b>closed</b>.\n\n{LEAD}"
    assert paragraphs(the_report(page))[0] == r"\# 1 on the list is \*the road\*, \<b>closed\</b>."


def test_a_capture_that_stops_in_the_middle_says_so() -> None:
    report = the_report(f"The Quarry Road\n\nBy Anna Lund\n\n{LEAD}\n\n{LAST.rpartition(' says')[0]} and the lorries")
    assert codes(report)[-1] == "truncated"


def test_a_manuscript_in_wrapped_lines_becomes_paragraphs() -> None:
    manuscript = (
        "The Quarry Road\n\nBy Anna Lund\n\nThe quarry road above Sunet-Telek was closed in May for the ninth\n"
        "time in two years, and the lorries have found another way down. It\ncrosses four gardens.\n\n"
        "The owners were not asked. They have since put up a barrier of apple\ncrates, and a price list.\n\n-30-\n"
    )
    assert paragraphs(the_report(manuscript)) == [LEAD, REST]


def test_nothing_but_text_is_a_draft_with_every_word() -> None:
    report = the_report(f"{LEAD}\n\n{LAST}")
    assert (report.title, report.status, paragraphs(report)) == (None, Status.DRAFT, [LEAD, LAST])


@pytest.mark.parametrize("text", ["", " \n\n ", "\u00a0", "\ufeff", "###\n\nRead more ..."])
def test_a_file_with_nothing_to_read_is_set_aside(text: str) -> None:
    (aside,) = outcomes(text)
    assert isinstance(aside, SetAside)
    assert (aside.source, aside.code) == ("page.txt", "empty-body")
    assert aside.cure


def test_a_head_without_a_text_is_set_aside_at_its_line() -> None:
    (aside,) = outcomes("\n\nThe Quarry Road\n\nBy Anna Lund (5/6/2015 issue of the Valley Review)\n\n.\n")
    assert isinstance(aside, SetAside)
    assert (aside.code, aside.line, aside.message) == ("empty-body", 3, "it has a head and no text")


# --- listings ----------------------------------------------------------------------------------------------------

ISSUE = "(5/6/2015 issue of the Valley Review)"


def test_a_listing_with_its_sections_above_is_read_in_page_order() -> None:
    page = (
        f"Published in Field Reports\n\nBy Anna Lund {ISSUE}\n\n{LEAD}\n\n"
        f"Published in Analytical Articles\n\nBy Marek Holt {ISSUE}\n\n{REST}\n\n"
    )
    first, second = the_reports(page, url="https://review.example/publications/itemlist/tag/roads")
    assert [(one.section, one.authors[0].name, one.body.strip()) for one in (first, second)] == [
        ("Field Reports", "Anna Lund", LEAD),
        ("Analytical Articles", "Marek Holt", REST),
    ]
    assert first.url is None
    assert first.source.url == "https://review.example/publications/itemlist/tag/roads"


def test_a_listing_with_its_sections_below_is_told_apart() -> None:
    page = (
        f"The Quarry Road\n\nBy Anna Lund {ISSUE}\n\n{LEAD}\n\nPublished in Field Reports\n\n"
        f"The Price List\n\nBy Marek Holt {ISSUE}\n\n{REST}\n\nPublished in Analytical Articles\n"
    )
    first, second = the_reports(page)
    assert [(one.title, one.section) for one in (first, second)] == [
        ("The Quarry Road", "Field Reports"),
        ("The Price List", "Analytical Articles"),
    ]


def test_bylines_that_are_glued_to_the_sentence_before_part_the_items() -> None:
    page = f"By Anna Lund {ISSUE}{LEAD}By Marek Holt {ISSUE}{REST}byHarout Dale {ISSUE}{LAST}"
    found = the_reports(page)
    assert [(one.authors[0].name, one.body.strip()) for one in found] == [
        ("Anna Lund", LEAD), ("Marek Holt", REST), ("Harout Dale", LAST),
    ]  # fmt: skip


def test_a_listings_address_names_the_section_of_its_items_and_a_tags_does_not() -> None:
    page = f"By Anna Lund {ISSUE}\n\n{LEAD}\n\nBy Marek Holt {ISSUE}\n\n{REST}\n"
    named = the_reports(page, url="https://review.example/publications/field-reports.html?start=20")
    assert {one.section for one in named} == {"Field Reports"}
    tagged = the_reports(page, url="https://review.example/itemlist/tag/field-reports")
    assert {one.section for one in tagged} == {""}


def test_an_item_without_a_text_is_set_aside_and_its_neighbours_go_on() -> None:
    page = f"By Anna Lund {ISSUE}\n\n{LEAD}\n\nBy empty {ISSUE}\n\n.\n\nBy Marek Holt {ISSUE}\n\n{REST}\n"
    first, aside, last = outcomes(page)
    assert isinstance(first, Report)
    assert isinstance(last, Report)
    assert isinstance(aside, SetAside)
    assert (aside.code, aside.line) == ("empty-body", 5)


def test_reports_of_one_capture_never_share_an_id() -> None:
    page = "".join(f"By Anna Lund {ISSUE}\n\n{LEAD}\n\n" for _ in range(3))
    found = the_reports(page)
    assert len({one.id for one in found}) == 3
    assert found[1].id == f"{found[0].id}-2"


def test_a_list_of_contents_is_no_report() -> None:
    page = (
        "Valley Review, Volume 17\n\nContents\n\nAnalytical Articles\n\nTHE PRICE LIST\n\nTHE QUARRY ROAD\n\n"
        f"By Anna Lund {ISSUE}\n\n{LEAD}\n\n{LAST}"
    )
    aside, report = outcomes(page)
    assert isinstance(aside, SetAside)
    assert (aside.code, aside.line) == ("contents-list", 3)
    assert isinstance(report, Report)
    assert paragraphs(report) == [LEAD, LAST]


def test_a_digest_and_an_event_are_known_by_their_section() -> None:
    digest = the_report(PAGE.replace("in Field Reports", "in News Digest"))
    event = the_report(PAGE.replace("in Field Reports", "in Upcoming Events"))
    assert (digest.kind, event.kind) == (Kind.DIGEST, Kind.EVENT)


def test_the_days_inside_a_digest_are_its_text() -> None:
    page = (
        f"Wednesday, 06 May 2015\n\n6 MAY 2015 NEWS DIGEST\n\nPublished in News Digest\n\nBy Anna Lund {ISSUE}\n\n"
        f"ROAD CLOSED\n\n4 May\n\n{LEAD}\n\nCRATES FOUND\n\n5 May\n\n{REST}\n"
    )
    report = the_report(page)
    assert report.title == "6 MAY 2015 NEWS DIGEST"
    assert paragraphs(report) == ["ROAD CLOSED", "4 May", LEAD, "CRATES FOUND", "5 May", REST]


# --- anything at all ---------------------------------------------------------------------------------------------

LINES = st.sampled_from([
    *PAGE.splitlines(), "By mid-autumn the road was open.", f"{LEAD}By Zoya Pyle {ISSUE}{REST}", "Contents", "May 9th",
    "Published in", "AUTHOR'S BIO:", "BACKGROUND:", "quarry-1", "Click here to download PDF", "Hill Post, May 6, 2015",
])  # fmt: skip
SAID = {"empty-body", "contents-list"}


@given(st.lists(LINES | st.text(max_size=60), max_size=14).map("\n\n".join))
@example("By ")
@example("Published in\n\n\n")
@example("By Anna Lund (5/6/2015 issue of the Valley Review)" * 3)
def test_any_page_makes_reports_or_reasons_and_their_files_can_be_read(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    found = list(read(raw, source="page.txt", url=URL, sections=SECTIONS, today=TODAY, zone=UTC))
    assert found
    ids = [one.id for one in found if isinstance(one, Report)]
    assert len(set(ids)) == len(ids)
    for one in found:
        if isinstance(one, SetAside):
            assert one.code in SAID
            assert one.cure
        else:
            again = parse(write(one), name=f"{one.id}.md")
            assert replace(again, warnings=()) == replace(one, warnings=())


@given(st.binary(max_size=300))
def test_any_bytes_make_reports_or_reasons(raw: bytes) -> None:
    found = read(raw, source="page.txt", url=None, sections=SECTIONS, today=TODAY, zone=UTC)
    assert all(isinstance(one, Report) or one.code in SAID for one in found)
