import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from biweekly.errors import RenderError
from biweekly.model.issue import Author, Form, ReportId, VariantName
from biweekly.render.safe import one_line

if TYPE_CHECKING:
    from tests.render.conftest import Press

HARD = [
    "é > x",
    "14\u00a0min",
    "e\u0301",
    "👩\u200d🚀 ❤\ufe0f",
    "नमस्ते दुनिया",
    "שָׁלוֹם",
    "a\\b \\n \\u{a0}",
    "two\nlines\tand a tab",
    "5 < 6 & 7",
    "\"quoted\" 'x'",
    "{{ name }} {% if %} {# #}",
    "%%x%% [[x]] *|X|*",
    "</td></table></div>",
    "<!--[if mso",
    "it\u0092s \u200f right",
    "\u00ad soft \u2028 line",
    "&amp; &nbsp; &#10;",
    "bwslot_0_ and bwph",
    "😀" * 30,
]


def dom(html: str) -> Any:
    return lxml_html.document_fromstring(html.encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))


def words(text: str) -> str:
    return re.sub(r"[ \t\n]+", " ", text).strip()


def test_an_edition_has_html_and_text_and_a_variant_of_text_alone(press: "Press") -> None:
    edition = press.render()
    html, text = edition.variants
    assert (html.name, text.name) == (VariantName.HTML, VariantName.TEXT)
    assert text.html is None
    assert html.text == text.text
    assert len(edition.web_id) >= 22
    assert re.fullmatch(r"[0-9a-f]{8}", edition.nonce)
    assert edition.sender == "The Upland Analyst <issues@analyst.example>"
    assert edition.reply_to == "editors@analyst.example"
    assert edition.list_id == "The Upland Analyst <issues.analyst.example>"


def test_a_sender_in_another_alphabet_is_written_as_a_header_can_hold_it(press: "Press") -> None:
    press.publication = press.publication.model_copy(
        update={"name": "Сарапшы", "sender": "Сарапшы <issues@үстірт.example>", "reply_to": '"A, B" <a@b.example>'}
    )
    edition = press.render()
    assert edition.sender.isascii()
    assert "<issues@xn--" in edition.sender
    assert edition.reply_to == '"A, B" <a@b.example>'
    assert edition.list_id.isascii()


@pytest.mark.parametrize("hard", HARD)
def test_a_hard_title_comes_out_as_it_went_in(press: "Press", hard: str) -> None:
    report = press.report("one", hard, authors=(Author(hard, bio=hard),), url="https://a.example/")
    press.only(report, subject=hard, preheader=hard)
    edition = press.render()
    tree = dom(edition.variants[0].html or "")
    assert words(tree.find(".//h1").text_content()) == one_line(hard)
    assert words(tree.find(".//title").text) == one_line(hard)
    assert one_line(hard) in words(tree.cssselect("p.meta")[0].text_content())
    assert one_line(hard) in words(tree.cssselect("p.person")[0].text_content())
    assert edition.subject == one_line(hard)
    assert re.sub(r"\s", "", one_line(hard)) in re.sub(r"\s", "", edition.variants[0].text)


@pytest.mark.parametrize("hard", HARD)
def test_a_hard_description_of_a_picture_comes_out_as_it_went_in(press: "Press", hard: str) -> None:
    water = press.reports[ReportId("water")]
    press.reports[water.id] = replace(water, images=(replace(water.images[0], alt=hard, caption=hard),))
    tree = dom(press.html())
    assert tree.cssselect(".plate img")[0].get("alt") == one_line(hard)
    assert words(tree.cssselect(".caption")[0].text_content()).startswith(one_line(hard))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(title=st.text(min_size=1), body=st.text())
def test_whatever_a_report_says_the_issue_is_built_and_the_title_is_its_own(
    press: "Press", title: str, body: str
) -> None:
    press.only(press.report("one", title, body=body, lead=body, form="full"), press.report("two", title, body=body))
    tree = dom(press.html())
    shown = one_line(title) or "Untitled"
    # Blanks of every kind are compared as one: what HTML makes of a line of them is the browser's.
    assert re.sub(r"\s+", " ", tree.find(".//h1").text_content()).strip() == re.sub(r"\s+", " ", shown).strip()
    assert tree.xpath("string(//*[contains(@class, 'foot')])").strip()


def test_the_same_input_gives_the_same_bytes_in_another_process(press: "Press") -> None:
    script = (
        "import importlib.util, sys; s = importlib.util.spec_from_file_location('c', sys.argv[1]);"
        "c = importlib.util.module_from_spec(s); sys.modules['c'] = c; s.loader.exec_module(c); i, r = c.the_issue();"
        "from biweekly.frozen import to_json; import hashlib;"
        "print(c.Press(i, r, pictures=c.SHOWN).render().sha256)"
    )
    conftest = Path(__file__).with_name("conftest.py")
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script, conftest],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert hashes == {press.render().sha256}


def test_another_key_or_another_template_gives_another_address(press: "Press") -> None:
    first = press.render()
    press.swap("parts.mjml.j2", "26px 32px", "27px 32px")
    second = press.render()
    press.key = b"x" * 32
    third = press.render()
    assert len({first.web_id, second.web_id, third.web_id}) == 3
    assert first.nonce == second.nonce != third.nonce


def test_no_socket_is_opened_while_an_issue_is_built(press: "Press", monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    press.render()
    press.own["editorial.css"] = "@import url(https://style.example/x.css); p { margin: 0 }"
    with pytest.raises(RenderError, match="@import") as caught:
        press.render()
    assert caught.value.place == "templates/editorial.css:1"
    press.own.clear()
    press.swap("issue.mjml.j2", "<mj-raw>", '<mj-raw><link rel="stylesheet" href="https://style.example/x.css" />')
    with pytest.raises(RenderError) as caught:
        press.render()
    assert caught.value.code == "template-unknown-tag"


def test_what_old_and_new_clients_need_is_all_there(press: "Press") -> None:
    html = press.html()
    assert html.startswith("<!DOCTYPE html>")
    assert html.count("<!--[if") == html.count("<![endif]-->")
    assert "!important" in html
    assert "[data-ogsc]" in html
    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"\{\{|\{%|@import|<link|bwslot_|data-premailer|\\u\{", html)
    assert all(one.isdigit() for one in re.findall(r'<img[^>]*width="([^"]*)"', html))
    assert sum(map(len, re.findall(r"<style.*?</style>", html, re.DOTALL))) < 14_000


def test_every_placeholder_is_in_its_place(press: "Press") -> None:
    edition = press.render()
    html, text = edition.variants[0].html or "", edition.variants[0].text
    unsubscribe, address = f"bwph_unsubscribe_url_{edition.nonce}", f"bwph_reader_address_{edition.nonce}"
    assert f'href="{unsubscribe}"' in html
    assert (html.count(unsubscribe), html.count(address)) == (1, 1)
    assert (text.count(unsubscribe), text.count(address)) == (1, 1)
    assert set(re.findall(r"bwph_\w+", html + text)) == {unsubscribe, address}


def test_the_web_version_holds_nothing_of_any_reader(press: "Press") -> None:
    edition = press.render()
    assert "bwph_" not in edition.web
    assert "nsubscribe" not in edition.web
    assert "noindex" in edition.web
    assert f"https://news.analyst.example/w/{edition.web_id}" in (edition.variants[0].html or "")
    assert f"https://news.analyst.example/w/{edition.web_id}" in edition.variants[0].text


def test_a_placeholder_in_the_web_version_is_an_error(press: "Press") -> None:
    press.swap("parts.mjml.j2", "words.note }}", 'words.note }} {{ ph("reader_name") }}')
    with pytest.raises(RenderError) as caught:
        press.render()
    assert caught.value.code == "template-web-placeholder"


@pytest.mark.parametrize(
    ("old", "new", "code", "template"),
    [
        ("{{ words.note }}", "{{ words.nte }}", "template-undefined", "parts.mjml.j2"),
        ("{{ words.note }}", "{{ wrds.note }}", "template-undefined", "parts.mjml.j2"),
        ("{{ words.note }}", "{{ words.note }", "template-syntax", "parts.mjml.j2"),
        ("{{ words.note }}", "{% if %}", "template-syntax", "parts.mjml.j2"),
        ("{{ words.note }}", "{{ page.__class__ }}", "template-forbidden", "parts.mjml.j2"),
        ("{{ words.note }}", "{{ 1 / 0 }}", "template-failed", "parts.mjml.j2"),
        ("{{ words.note }}", '{{ ph("no_such") }}', "template-failed", "parts.mjml.j2"),
        ("{{ words.note }}", "<blnk />", "template-unknown-tag", "parts.mjml.j2"),
        ("{{ words.note }}</p>", "{{ words.note }}", "template-unclosed-tag", "parts.mjml.j2"),
        ('<div class="note">', '<div class="note"><mj-text>', "template-misplaced-tag", "parts.mjml.j2"),
        ('border-top="6px', 'bordr-top="6px', "template-unknown-attribute", "parts.mjml.j2"),
        ("<mj-spacer", "<mj-spcer", "template-unknown-tag", "issue.mjml.j2"),
        ("<mj-breakpoint width", "<mj-breakpoint wdth", "template-unknown-attribute", "issue.mjml.j2"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_template_has_its_file_and_line(
    press: "Press", old: str, new: str, code: str, template: str
) -> None:
    line = press.line_of(template, old)
    press.swap(template, old, new)
    with pytest.raises(RenderError) as caught:
        press.render()
    assert (caught.value.code, caught.value.place) == (code, f"templates/{template}:{line}")


def test_a_template_that_is_not_there_is_named(press: "Press") -> None:
    press.swap("issue.mjml.j2", '"parts.mjml.j2"', '"prts.mjml.j2"')
    with pytest.raises(RenderError) as caught:
        press.render()
    assert (caught.value.code, caught.value.place) == ("template-missing", "templates/prts.mjml.j2")


def test_rich_text_where_no_html_can_stand_is_an_error(press: "Press") -> None:
    press.swap("parts.mjml.j2", "{{ words.note }}", '<!-- {{ rich("x") }} -->')
    with pytest.raises(RenderError) as caught:
        press.render()
    assert caught.value.code == "template-slot"


def test_an_issue_that_names_a_report_that_is_gone_is_an_error(press: "Press") -> None:
    del press.reports[ReportId("rail")]
    with pytest.raises(RenderError) as caught:
        press.render()
    assert caught.value.code == "report-missing"
    assert caught.value.hint == "biweekly issue remove 2026-11-26 rail"


def test_only_pictures_that_are_shown_belong_to_the_edition(press: "Press") -> None:
    assert [one.sha256[0] for one in press.render().pictures] == ["a", "b"]
    press.issue = replace(press.issue, entries=tuple(replace(one, form=Form.TITLE) for one in press.issue.entries))
    assert press.render().pictures == ()
