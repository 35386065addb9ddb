from hypothesis import given
from hypothesis import strategies as st

from biweekly.render.wrap import cells, wrap


def test_a_line_breaks_at_spaces_and_never_at_no_break_spaces() -> None:
    assert wrap("one two\u00a0three four", width=9) == "one\ntwo\u00a0three\nfour"


def test_chinese_fills_a_line_with_half_as_many_characters() -> None:
    assert wrap("水" * 10, width=8) == "水水水水\n水水水水\n水水"


def test_a_mark_is_never_cut_from_its_letter() -> None:
    assert all(not line.startswith("\u0301") for line in wrap("e\u0301" * 20, width=5).split("\n"))


def test_an_address_is_never_cut() -> None:
    url = "https://a.example/" + "x" * 100
    assert wrap(f"see {url} there", width=20) == f"see\n{url}\nthere"


def test_the_rest_of_a_list_item_stands_under_its_beginning() -> None:
    assert wrap("one two three", width=8, first="1. ") == "1. one\n   two\n   three"


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], include_characters=" ")),
    st.integers(8, 80),
)
def test_no_line_is_too_wide_and_no_character_is_lost(text: str, width: int) -> None:
    done = wrap(text, width=width)
    assert all(cells(line) <= width for line in done.split("\n") if "http" not in line and "mailto" not in line)
    assert done.replace("\n", "").replace(" ", "") == text.replace(" ", "")
