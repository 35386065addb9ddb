import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from biweekly.model.issue import Form
from biweekly.render.plaintext import markdown_text

if TYPE_CHECKING:
    from tests.render.conftest import Press


def test_links_are_numbered_and_stand_below() -> None:
    assert markdown_text("See [a](https://a.example) and [b](https://b.example), [a](https://a.example) again.") == (
        "See a [1] and b [2], a [1] again.\n\n[1] https://a.example\n[2] https://b.example"
    )


def test_an_address_that_is_its_own_text_is_not_written_twice() -> None:
    assert markdown_text("<https://a.example/x> or <a@b.example>") == "https://a.example/x or a@b.example"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("> one\n>\n> two", "> one\n>\n> two"),
        ("- a\n- b\n  - c", "- a\n- b\n\n  - c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("# Head\n\ntext", "Head\n\ntext"),
        ("a  \nb\nc", "a\nb c"),
        ("*a* **b** `c`", "_a_ b c"),
        ("***", "* * *"),
        ("    code  here\n", "    code  here"),
        ("5 < 6 &amp; <b>", "5 < 6 & <b>"),
        ("![a map](https://a.example/x.png)", "a map"),
        ("| a | b |\n|---|---|\n| 1 | 22 |", "a  b\n-  --\n1  22"),
    ],
)
def test_markdown_reads_as_plain_text(markdown: str, text: str) -> None:
    assert markdown_text(markdown) == text


def test_a_table_too_wide_for_a_line_becomes_a_list() -> None:
    wide = "word " * 12
    assert markdown_text(f"| a | b |\n|---|---|\n| {wide} | {wide} |").startswith("a: word word")


@given(st.text())
def test_no_line_is_too_wide_whatever_a_report_says(markdown: str) -> None:
    for line in markdown_text(markdown).split("\n"):
        # Addresses stand whole, and code is set as it is, in a list too.
        assert len(line) <= 200 or "://" in line or "    " in line


def test_the_text_has_the_same_things_in_the_same_order_as_the_html(press: "Press") -> None:
    edition = press.render()
    text = re.sub(r"\s+", " ", edition.variants[0].text)
    tree: Any = lxml_html.document_fromstring(edition.variants[0].html or "")
    titles = [re.sub(r"\s+", " ", one.text_content()).strip() for one in tree.cssselect("h1, h2, h3")]
    place = text.index("Analytical Articles")
    for title in titles:
        place = text.index(title, place)
    ours = set(re.findall(r"\w{3,}", text))
    theirs = set(re.findall(r"\w{3,}", " ".join(one.text_content() for one in tree.cssselect(".paper p, .paper li"))))
    assert len(ours & theirs) / len(theirs) > 0.95


def test_no_line_of_an_issue_is_wider_than_a_mail_may_be(press: "Press") -> None:
    text = press.text()
    assert all(len(line) <= 78 for line in text.split("\n"))
    assert text.endswith("Aral-Tobe 720000\n")
    assert "\n\n\n\n" not in text
    assert not re.search(r"[ \t]\n|\t|<[a-z]|&\w+;|\{\{|[\u200b-\u200d\u034f\u00ad]", text)


def test_an_issue_without_a_number_note_or_contents_shows_none(press: "Press") -> None:
    press.only(press.report("one", "Only One"), number=None)
    text = press.text()
    assert text.startswith("The Upland Analyst\n26\u00a0November\u00a02026\n")
    assert "In this issue" not in text
    assert "From the editors" not in text
    assert "Contributors" not in text


def test_each_form_prints_what_it_says(press: "Press") -> None:
    report = press.report("one", "One", lead="The lead.", body="The lead.\n\nThe rest.", url="https://a.example/one")
    for form, lead, rest in [(Form.FULL, 1, 1), (Form.LEAD, 1, 0), (Form.TITLE, 0, 0)]:
        press.only(replace(report, form=form.value))
        edition = press.render()
        for rendering in (edition.variants[0].html or "", edition.variants[0].text, edition.web):
            assert (rendering.count("The lead."), rendering.count("The rest.")) == (lead, rest)
            assert "https://a.example/one" in rendering
