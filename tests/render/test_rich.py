import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from biweekly.render.layout import Plate
from biweekly.render.rich import fragment, sanitise

PLATE = Plate("https://news.example/m/1", "A dam", "In October.", "Picture: L. Brandt", 1200, 800)


@pytest.mark.parametrize(
    ("markup", "safe"),
    [
        ("<em>a</em>\n<strong>b</strong>", "<em>a</em>\n<strong>b</strong>"),
        ("<p>one<p>two", "<p>one</p><p>two</p>"),
        ("a<BR>b", "a<br>b"),
        ("<b>bold", "<b>bold</b>"),
        ("x<script>alert(1)</script>y", "xy"),
        ("</td></tr></table>left", "left"),
        ('<a href="javascript:alert(1)" onclick="x()">t</a>', "<a>t</a>"),
        ('<p style="position:fixed">t</p>', "<p>t</p>"),
        ('<p>a<span style="display: none">hidden</span>b</p>', "<p>ab</p>"),
        ('<p>a<span style="font-size:0">hidden</span>b</p>', "<p>ab</p>"),
        ("<p>a<span hidden>hidden</span>b</p>", "<p>ab</p>"),
        ("<!-- a -->b<?php c ?>", "b"),
    ],
)
def test_html_of_any_origin_is_repaired_and_made_harmless(markup: str, safe: str) -> None:
    assert sanitise(markup) == safe


def test_html_in_a_report_is_text() -> None:
    assert fragment("5 < 6 & <b>7</b>") == "<p>5 &lt; 6 &amp; &lt;b&gt;7&lt;/b&gt;</p>\n"


def test_the_blank_between_two_marked_words_stays() -> None:
    assert "<em>a</em>\n<strong>b</strong>" in fragment("*a*\n**b**")


def test_headings_stand_below_the_title() -> None:
    assert re.findall(r"<(h\d)>", fragment("# a\n\n## b\n\n# c", heading=4)) == ["h4", "h5", "h4"]
    assert re.findall(r"<(h\d)>", fragment("### a\n\n###### b", heading=5)) == ["h5", "h6"]


@pytest.mark.parametrize("head", ["BACKGROUND", "IMPLICATIONS", "CONCLUSIONS"])
def test_a_run_in_head_is_bold(head: str) -> None:
    assert fragment(f"{head}: The lake.") == f"<p><strong>{head}:</strong> The lake.</p>\n"
    assert fragment(f"**{head}:** The lake.") == f"<p><strong>{head}:</strong> The lake.</p>\n"


def test_links_are_made_fit_for_mail() -> None:
    done = fragment("[a](/x) [b](http://ü.example/) [c](javascript:x) [d](#e)", base="https://a.example/y")
    assert '<a href="https://a.example/x">a</a>' in done
    assert '<a href="http://xn--tda.example/">b</a>' in done
    assert done.count("<a ") == 2
    assert "c d" in done


def test_a_picture_of_the_report_is_shown_with_its_caption() -> None:
    done = fragment("![](dam.png)", plates={"dam.png": PLATE})
    assert '<p class="figure"><img src="https://news.example/m/1" alt="A dam" width="576"></p>' in done
    assert '<p class="caption">In October. Picture: L. Brandt</p>' in done


def test_a_remote_picture_becomes_a_link_to_it() -> None:
    done = fragment("![a map](https://track.example/p.gif) ![](https://track.example/q.gif)")
    assert "<img" not in done
    assert '<a href="https://track.example/p.gif">a map</a>' in done
    assert "q.gif" not in done


def test_a_table_keeps_its_alignment_and_names_its_columns() -> None:
    done = fragment("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert '<table class="data">' in done
    assert '<th align="right" scope="col">b</th>' in done
    assert '<td align="right">2</td>' in done


@given(st.text() | st.text("<>/\"'&;ab= \n![](){}*_`#-|:"))
def test_whatever_a_report_says_nothing_in_it_acts(markdown: str) -> None:
    tree = lxml_html.fragment_fromstring(fragment(markdown), create_parent="div")
    for node in tree.iterdescendants():
        assert node.tag not in {"script", "style", "iframe", "object", "form", "img", "svg", "link", "meta"}
        assert not [name for name in node.attrib if name.startswith("on") or name in {"style", "src", "id"}]
        assert node.get("href", "https:").startswith(("http:", "https:", "mailto:"))


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"], include_characters="\n")).filter(str.strip)
)
def test_words_come_out_as_they_went_in(words: str) -> None:
    escaped = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", words)
    paragraph = "\n".join(f"x{line.strip()}" for line in escaped.split("\n"))
    tree = lxml_html.fragment_fromstring(fragment(paragraph), create_parent="div")
    expected = "\n".join(f"x{line.strip()}" for line in words.split("\n"))
    # Blanks at line ends are Markdown's.
    assert re.sub(r"\s+", "", tree.text_content()) == re.sub(r"\s+", "", expected)
