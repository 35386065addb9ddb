import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from biweekly.reports.tidy import decode, markdown, opening, plain, tidy


def test_a_page_that_is_windows_1252_keeps_its_quotation_marks() -> None:
    assert decode("“Quoted”".encode("cp1252")) == ("“Quoted”", "windows-1252")
    assert decode("“Quoted”".encode("utf-8-sig")) == ("“Quoted”", None)
    assert decode("“Quoted”".encode("utf-16")) == ("“Quoted”", None)


def test_what_a_content_system_did_to_quotation_marks_is_undone_and_said() -> None:
    tidied = tidy('The “fresh voice†for \\"all\\" and the “impossible†quarrel.\nItâ€™s KÃ¶vÃ©r')
    assert tidied.lines == ['The “fresh voice” for "all" and the “impossible” quarrel.', "It’s Kövér"]
    assert {one.code for one in tidied.warnings} == {"backslash_quotes", "mojibake"}


def test_a_dagger_that_closes_nothing_stays() -> None:
    assert tidy("A footnote† here.").lines == ["A footnote† here."]


def test_wrapped_lines_become_paragraphs_and_keep_their_line_numbers() -> None:
    text = (
        "THE QUARRY ROAD\n\nThe road to the quarry was closed for the ninth time this year, and\n"
        "nobody in the valley was told why it had been closed or by whom it\n"
        "had been ordered. The drivers waited for two days at the bridge and re-\nturned.\n\nThe end.\n"
    )
    lines = tidy(text).lines
    assert lines[2].endswith("at the bridge and re-turned.")
    assert lines[7] == "The end."
    assert [one.code for one in tidy(text).warnings] == ["linebreak_hyphen"]


def test_a_run_in_head_is_bold() -> None:
    assert markdown("BACKGROUND: It rose.") == "**BACKGROUND:** It rose."
    assert opening("**BACKGROUND:** It rose.\n") == "It rose."


def test_the_opening_passes_over_headings_and_pictures() -> None:
    assert opening("# Title\n\n![a](b.jpg)\n\nThe *first* [words](https://x.example).\n\nMore.") == "The first words."


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=200))
def test_plain_text_survives_markdown_word_for_word(text: str) -> None:
    line = " ".join(text.split())
    if not line:
        return
    html = MarkdownIt("commonmark", {"html": True}).render(markdown(line))
    shown = re.sub(r"</?(?:p|strong)>", "", html).strip()
    for sign, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(sign, letter)
    assert shown.split() == line.split() or "".join(shown.split()) == "".join(line.split())
    assert "".join(plain(markdown(line)).split()) == "".join(line.split())


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("A [link](https://x.example/a_(b)_c) here", "A link here"),
        ("A [link [1]](https://x.example 'its title') here", "A link [1] here"),
        ("[![A dam](dam.jpg)](https://x.example) Text", "Text"),
        ("A [link][ref] and <https://x.example>", "A link and https://x.example"),
        (r"Not \[a link\](b)", "Not [a link](b)"),
        ("**Bold *and* more** and `code`", "Bold and more and code"),
    ],
)
def test_markup_is_taken_off_and_the_words_stay(marked: str, words: str) -> None:
    assert plain(marked) == words
