import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.reports.marks import Kind, Mark, is_sentence, is_title, mark

PROSE = "The quarry road was closed in May, and the lorries have found another way down."


def kinds(*lines: str) -> list[Kind]:
    return [one.kind for one in mark(lines)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (PROSE, Kind.TEXT),
        ("THE QUARRY ROAD", Kind.TEXT),
        ("By Anna Lund", Kind.BYLINE),
        ("By mid-autumn the road was open.", Kind.TEXT),
        ("By Anna Lund (5/6/2015 issue of the Valley Review)", Kind.BYLINE),
        ("Wednesday, 06 May 2015", Kind.DATELINE),
        ("May 6th, 2015, The Valley Review", Kind.DAY),
        ("Published in Field Reports", Kind.SECTION),
        ("The essay was published in the spring.", Kind.TEXT),
        ("In this issue:", Kind.CONTENTS),
        ("Be the first to comment!", Kind.END),
    ],
)
def test_a_line_is_known_for_what_it_is(line: str, kind: Kind) -> None:
    assert kinds(line) == [kind]


@pytest.mark.parametrize(
    "line", ["Read more ...", "###", "- - -", "612 words", "[PDF]", "Click here to download PDF", "-30-"]
)
def test_what_is_no_text_is_left_out_and_the_rest_goes_on(line: str) -> None:
    assert [one.text for one in mark([PROSE, line, PROSE])] == [PROSE, PROSE]


@pytest.mark.parametrize(
    "line", ["Visit also", "Newsletter", "Back to top", "© The Valley Review 2015", "Related items"]
)
def test_a_page_ends_only_once_a_text_has_begun(line: str) -> None:
    assert [one.text for one in mark(["Home", line, PROSE, line, PROSE])] == ["Home", PROSE]


@pytest.mark.parametrize(
    "line",
    [
        "Latest from the front of the dispute are the apple crates, which the owners put up in May by night.",
        "Related articles of the road law were repealed in 2014, and nobody in the valley was told of it.",
        "Copyright in the map of 2011 lies with the province. It has never been asked for leave to print it.",
        "(c) In 2015 the road was closed nine times.",
    ],
)
def test_a_paragraph_that_begins_like_the_end_of_a_page_is_a_paragraph(line: str) -> None:
    assert [one.text for one in mark([PROSE, line, PROSE])] == [PROSE, line, PROSE]


def test_lines_keep_their_numbers_in_the_source() -> None:
    found = mark(["", "By Anna Lund", "", f"{PROSE}By Marek Holt (5/6/2015 issue of the Valley Review){PROSE}"])
    assert [(one.kind, one.line) for one in found] == [
        (Kind.BYLINE, 2), (Kind.TEXT, 4), (Kind.BYLINE, 4), (Kind.TEXT, 4),
    ]  # fmt: skip


def test_published_in_takes_the_section_from_the_line_below() -> None:
    (section,) = mark(["Published in", "Field Reports"])
    assert (section.kind, section.text, section.line) == (Kind.SECTION, "Field Reports", 1)


def test_a_date_below_makes_a_byline_of_a_line_that_names_nobody() -> None:
    byline, day, _ = mark(["By friends of the far valley", "May 6th, 2015, The Valley Review", PROSE])
    assert (byline.kind, day.kind) == (Kind.BYLINE, Kind.DAY)
    assert byline.byline is not None
    assert not byline.byline.sure


def test_a_name_alone_above_the_publications_date_is_a_byline() -> None:
    byline, *_ = mark(["Anna Lund", "May 6th, 2015, The Valley Review", PROSE])
    assert byline.kind is Kind.BYLINE


def test_a_date_in_the_middle_of_a_text_is_text() -> None:
    assert kinds("By Anna Lund", PROSE, "4 May 2015", PROSE) == [Kind.BYLINE, Kind.TEXT, Kind.TEXT, Kind.TEXT]


@pytest.mark.parametrize(
    ("line", "title"),
    [("THE QUARRY ROAD", True), ("Who Owns the Road?", True), ("The road was closed.", False), ("word " * 27, False),
     ("quarry-1", False), ("x" * 161, False)],
)  # fmt: skip
def test_a_title_is_short_and_no_sentence(line: str, title: bool) -> None:
    assert is_title(line.strip()) is title


def test_only_a_long_line_is_a_paragraph() -> None:
    assert is_sentence(PROSE)
    assert not is_sentence("It was closed.")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=80).map(str.strip), max_size=8))
def test_any_lines_are_marked_in_their_order(lines: list[str]) -> None:
    found: list[Mark] = mark(lines)
    assert [one.line for one in found] == sorted(one.line for one in found)
    assert all(one.text for one in found)
