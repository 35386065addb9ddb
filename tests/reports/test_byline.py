import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.reports.byline import Byline, read_byline, read_people, read_section, split_bracketed

ISSUE = "(1/25/2006 issue of the Valley Review)"


def names(text: str) -> list[str] | None:
    people = read_people(text)
    return None if people is None else [one.name for one in people]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna Lund", ["Anna Lund"]),
        ("Anna Lund and Marek Holt", ["Anna Lund", "Marek Holt"]),
        ("Anna Lund & Marek Holt", ["Anna Lund", "Marek Holt"]),
        ("Anna Lund, Marek Holt and Ivo Stern", ["Anna Lund", "Marek Holt", "Ivo Stern"]),
        ("S. Frederick Ashe", ["S. Frederick Ashe"]),
        ("John C.K. Dale", ["John C.K. Dale"]),
        ("Said al-Shishani", ["Said al-Shishani"]),
        ("A. B. d'Orsay", ["A. B. d'Orsay"]),
        ("Aida Karim kyzy", ["Aida Karim kyzy"]),
        ("Dr. Anna Lund, PhD", ["Anna Lund"]),
        ("Tomáš Baran", ["Tomáš Baran"]),
        ("Айгуль Сатарова", ["Айгуль Сатарова"]),
        ("ნინო ხარატელი", ["ნინო ხარატელი"]),
        ("empty", []),
        ("Super User", []),
        ("the end of the year the road was open", None),
        ("mid-autumn", None),
        ("Anna Marie Louise Josephine Theresia Lund", None),
    ],
)
def test_people_are_read_by_name(text: str, expected: list[str] | None) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "affiliation", "place"),
    [
        ("Anna Lund, Tbilisi", None, "Tbilisi"),
        ("Anna Lund, New York", None, "New York"),
        ("Anna Lund in Bishkek", None, "Bishkek"),
        ("Anna Lund, University of Ovre", "University of Ovre", None),
        ("Anna Lund, Institute for War and Peace", "Institute for War and Peace", None),
        ("Anna Lund is a freelance journalist based in Almaty", "a freelance journalist based in Almaty", None),
        ("Anna Lund, freelance writer, Almaty, Kazakhstan", "freelance writer", "Almaty, Kazakhstan"),
    ],
)
def test_what_stands_beside_a_name_is_no_second_author(text: str, affiliation: str | None, place: str | None) -> None:
    people = read_people(text)
    assert people is not None
    assert [(one.name, one.affiliation, one.place) for one in people] == [("Anna Lund", affiliation, place)]


@pytest.mark.parametrize(
    "line", ["By mid-autumn the road was open.", "By the end of the year", "By and large", "Byron Lund"]
)
def test_prose_that_begins_with_by_is_no_byline(line: str) -> None:
    assert read_byline(line) is None


def test_a_byline_without_a_blank_is_read() -> None:
    byline = read_byline("byHarout Dale")
    assert byline is not None
    assert [one.name for one in byline.authors] == ["Harout Dale"]


def test_the_last_by_before_the_bracket_counts() -> None:
    line = f"The chairs were filled by deputies carrying short letters.By Zoya Pyle {ISSUE}The next one begins."
    before, byline, after = split_bracketed(line)
    assert before == "The chairs were filled by deputies carrying short letters."
    assert isinstance(byline, Byline)
    assert [one.name for one in byline.authors] == ["Zoya Pyle"]
    assert after == "The next one begins."


def test_a_citation_in_prose_is_no_byline() -> None:
    line = f"This was foreseen, as argued by Anna Lund {ISSUE}, and nobody listened to it at the time."
    assert split_bracketed(line) == [line]


def test_a_bracket_after_no_names_leaves_the_authors_empty_and_says_so() -> None:
    (byline,) = split_bracketed(f"By friends of the Review in the far valley {ISSUE}")
    assert isinstance(byline, Byline)
    assert byline.authors == ()
    assert not byline.sure


def test_published_in_is_a_section_only_as_a_line_of_its_own() -> None:
    assert read_section("Published in Field Reports") == "Field Reports"
    assert read_section("The essay was published in the weekend issue") is None
    assert read_section("Published in the capital, it was read in the valley. Nobody replied.") is None


@given(st.text(alphabet=st.sampled_from("By abyANzé.,&()/0129“” issueand\n'-"), max_size=300))
def test_taking_bylines_out_of_a_line_loses_no_text(line: str) -> None:
    pieces = split_bracketed(line)
    text = "".join(piece.raw if isinstance(piece, Byline) else piece for piece in pieces)
    assert text.split() == line.split() or "".join(text.split()) == "".join(line.split())
