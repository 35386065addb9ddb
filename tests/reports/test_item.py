from datetime import date

import pytest

from biweekly.model.issue import Kind, Report, SetAside
from biweekly.reports.item import Page, understand
from biweekly.reports.marks import mark

PROSE = "The quarry road was closed in May, and the lorries have found another way down."
MORE = "The owners were not asked. They have since put up a barrier of apple crates."
PAGE = Page("page.txt", None, ("Analytical Articles", "Field Reports", "Upcoming Events"), date(2026, 11, 24))


def item(*lines: str, page: Page = PAGE, last: bool = True) -> Report:
    found = understand(mark(lines), page, last=last)
    assert isinstance(found, Report), found
    return found


def test_below_a_dateline_the_first_line_is_the_title_and_above_a_byline_the_nearest() -> None:
    assert item("Wednesday, 06 May 2015", "The Quarry Road", "By Anna Lund", PROSE).title == "The Quarry Road"
    assert item("Home", "Archive", "The Quarry Road", "Published in Field Reports", "By Anna Lund", PROSE).title == (
        "The Quarry Road"
    )


def test_what_stands_between_title_and_byline_is_the_lead_and_opens_the_text() -> None:
    report = item("Wednesday, 06 May 2015", "The Quarry Road", PROSE, "By Anna Lund", MORE)
    assert (report.lead, report.lead_from) == (PROSE, "teaser")
    assert report.body == f"{PROSE}\n\n{MORE}\n"


def test_a_first_line_that_is_a_head_or_followed_by_no_prose_is_no_title() -> None:
    assert item("BACKGROUND", PROSE, MORE).title is None
    assert item("The road is closed", "The crates are out", "Nobody drives").title is None


def test_a_content_systems_mark_is_no_part_of_a_title() -> None:
    assert item("The Quarry Road Featured", "By Anna Lund", PROSE).title == "The Quarry Road"


@pytest.mark.parametrize("line", ["quarry-road-1", "IMG_2034", "crates.jpeg"])
def test_a_pictures_file_name_is_no_paragraph(line: str) -> None:
    assert item("The Quarry Road", "By Anna Lund", PROSE, line, MORE).body == f"{PROSE}\n\n{MORE}\n"


def test_another_papers_headline_under_a_picture_is_left_out_and_said() -> None:
    report = item("The Quarry Road", "By Anna Lund", PROSE, "Apple growers take the road – Hill Post", MORE)
    assert report.body == f"{PROSE}\n\n{MORE}\n"
    assert "caption_left_out" in [one.code for one in report.warnings]


def test_where_and_when_a_text_was_printed_first_is_kept() -> None:
    report = item("Published in Field Reports", "The Quarry Road", "Anna Lund", "Hill Post, May 6, 2015", PROSE, MORE)
    assert (report.published, report.extra) == (date(2015, 5, 6), {"outlet": "Hill Post"})
    assert [one.name for one in report.authors] == ["Anna Lund"]


def test_an_invitation_without_an_author_is_an_event() -> None:
    assert (
        item("An Evening on the Road", PROSE, "Please register by Friday. RSVP to the mayor's office.").kind
        is Kind.EVENT
    )
    assert item("An Evening on the Road", "By Anna Lund", PROSE, "Please register by Friday.").kind is Kind.REPORT


def test_a_section_that_was_cut_off_at_its_end_is_the_only_one_that_begins_so() -> None:
    assert item("The Quarry Road", "Published in Analytical", "By Anna Lund", PROSE).section == "Analytical Articles"
    assert item("The Quarry Road", "Published in Ana", "By Anna Lund", PROSE).section == "Ana"


def test_only_the_end_of_a_capture_can_be_cut_off() -> None:
    cut = "The lorries have found another way down, across four gardens and a vineyard that belongs to"
    assert [one.code for one in item("The Road", "By Anna Lund", cut, last=True).warnings][-1] == "truncated"
    assert "truncated" not in [one.code for one in item("The Road", "By Anna Lund", cut, last=False).warnings]


@pytest.mark.parametrize("text", ["", ".", "?" * 30, "Too short."])
def test_what_is_no_text_is_set_aside_with_the_line_of_its_head(text: str) -> None:
    found = understand(mark(["", "By Anna Lund", text]), PAGE, last=True)
    assert isinstance(found, SetAside)
    assert (found.code, found.line) == ("empty-body", 2)
