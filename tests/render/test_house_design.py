"""What the built-in templates promise: access, size, order, two palettes."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from lxml import html as lxml_html

from biweekly.model.issue import Author, Form, Image, Kind, Picture, ReportId
from biweekly.publication import data_root

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.render.conftest import Press


def dom(html: str) -> Any:
    return lxml_html.document_fromstring(html)


def test_everything_has_its_role_its_words_and_its_language(press: "Press") -> None:
    tree = dom(press.html())
    assert (tree.get("lang"), tree.get("dir")) == ("en", "ltr")
    first = next(one for one in tree.find("body") if one.get("lang"))
    assert (first.get("lang"), first.get("dir")) == ("en", "ltr")
    assert tree.find(".//title").text == "After the Customs House, and seven more"
    for table in tree.iter("table"):
        assert table.get("role") == "presentation" or table.cssselect("th[scope]")
    assert all(one.get("alt") is not None for one in tree.iter("img"))
    assert all(one.text_content().strip() for one in tree.iter("a") if one.get("href"))
    assert len(list(tree.iter("h1"))) == 1
    levels = [int(one.tag[1]) for one in tree.cssselect("h1, h2, h3, h4, h5, h6")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_title_list_has_the_masthead_as_its_heading(press: "Press") -> None:
    press.issue = replace(press.issue, entries=tuple(replace(one, form=Form.TITLE) for one in press.issue.entries))
    tree = dom(press.html())
    assert [one.text_content().strip() for one in tree.iter("h1")] == ["The Upland Analyst"]


def test_fifteen_reports_stay_under_eighty_thousand_bytes(press: "Press") -> None:
    picture = Image("p.png", "A bridge over a dry river bed")
    press.only(
        *(
            press.report(
                f"r{number}",
                f"The {number}th Report Has a Title of Quite the Usual Length",
                url=f"https://analyst.example/articles/the-{number}th-report-has-a-title",
                images=(picture,) if number % 3 == 0 else (),
                section=("Analytical Articles", "Field Reports", "News Digest")[number // 5],
                form="full" if number < 4 else "lead",
            )
            for number in range(15)
        )
    )
    press.pictures = {(one, "p.png"): Picture("c" * 64, "image/png", 1200, 800) for one in press.reports}
    assert len(press.html().encode()) < 80_000


def test_thirty_reports_stay_under_what_a_mail_program_shows(press: "Press") -> None:
    picture = Image("p.png", "A bridge over a dry river bed", "The bridge in October, seen from the south.")
    press.only(
        *(
            press.report(
                f"r{number}",
                f"The {number}th Report Has a Title of Quite the Usual Length",
                url=f"https://analyst.example/articles/the-{number}th-report",
                images=(picture,) if number % 8 == 0 else (),
                section="ABCDE"[number // 6],
            )
            for number in range(30)
        )
    )
    press.pictures = {(one, "p.png"): Picture("c" * 64, "image/png", 1200, 800) for one in press.reports}
    assert len(press.html().encode()) < 90_000


def test_contents_come_from_four_items_up(press: "Press") -> None:
    several = [press.report(f"r{number}", f"Report {number}", form="full") for number in range(4)]
    press.only(*several)
    html = press.html()
    assert "In this issue" in html
    assert html.count("Report 0") == 2
    for anchor in re.findall(r'href="#([^"]+)"', html):
        assert f'id="{anchor}"' in html
    press.only(*several[:3])
    assert "In this issue" not in press.html()


def test_a_short_lead_stands_above_the_contents_and_is_not_named_in_them(press: "Press") -> None:
    press.only(*(press.report(f"r{number}", f"Report {number}") for number in range(4)))
    edition = press.render()
    for rendering in (edition.variants[0].html or "", edition.variants[0].text):
        assert rendering.index("Report 0") < rendering.index("Also in this issue") < rendering.index("Report 1")
        assert (rendering.count("Report 0"), rendering.count("Report 1")) == (1, 2)
        # The section's name stands above the lead and again where its other reports begin.
        assert rendering.count("Field Reports") == 2


def test_a_lead_without_an_address_is_whole_in_the_web_version_and_leads_there(press: "Press") -> None:
    body = "The lead.\n\nThe rest of it, " + "word " * 600
    press.only(press.report("one", "One", lead="The lead.", body=body), press.report("two", "Two", lead="x", body="x"))
    edition = press.render()
    html, text = edition.variants[0].html or "", edition.variants[0].text
    onward = f"https://news.analyst.example/w/{edition.web_id}#item-1"
    assert "The rest of it" not in html + text
    assert html.count(f'href="{onward}"') == 2
    assert f"Full text on the web, 3\u00a0min:\n{onward}" in text
    assert "The rest of it" in edition.web
    assert 'id="item-1"' in edition.web
    assert "Full text" not in edition.web
    assert "#item-2" not in html + text


def test_the_first_picture_of_a_section_is_as_wide_as_the_page(press: "Press") -> None:
    picture = Image("p.png", "A bridge over a dry river bed", credit="Map: L. Brandt")
    press.only(*(press.report(f"r{n}", f"Report {n}", images=(picture,) * (n > 0), section="AB"[n > 0])
                 for n in range(4)))  # fmt: skip
    press.pictures = {(one, "p.png"): Picture("c" * 64, "image/png", 1200, 800) for one in press.reports}
    html = press.html()
    assert re.findall(r'<img[^>]*width="(\d+)"', html) == ["576", "183", "183"]
    assert "Picture: Map" not in html
    press.pictures = {(one, "p.png"): Picture("c" * 64, "image/png", 500, 300) for one in press.reports}
    assert re.findall(r'<img[^>]*width="(\d+)"', press.html()) == ["183", "183", "183"]


def test_an_event_never_shows_the_day_it_was_announced(press: "Press") -> None:
    press.only(press.report("one", "A Talk", kind=Kind.EVENT, lead="Thursday 3 December."))
    edition = press.render()
    assert "19\u00a0November" not in (edition.variants[0].html or "") + edition.variants[0].text


def test_the_headline_comes_before_the_picture(press: "Press") -> None:
    html = press.html()
    assert html.index("<h1") < html.index("/m/" + "a" * 64)


def test_every_form_and_kind_can_stand_anywhere(press: "Press") -> None:
    picture = Image("p.png", "A map", "The valley.", "L. Brandt")
    for kind in Kind:
        for form in Form:
            reports = [
                press.report(f"r{n}", f"Report {n}", kind=kind, form=form, images=(picture,) * (n % 2))
                for n in range(5)
            ]
            press.only(*reports)
            press.pictures = {(one.id, "p.png"): Picture("c" * 64, "image/png", 1200, 800) for one in reports}
            tree = dom(press.html())
            assert [f"Report {n}" for n in range(5)] == [
                one.text_content().strip() for one in tree.cssselect("h1, h3") if "Report" in one.text_content()
            ]


def test_an_issue_from_right_to_left_says_so_and_leans_right(press: "Press") -> None:
    press.publication = press.publication.model_copy(update={"language": "fa"})
    persian = press.report(
        "one", "آب زمستان", body="> متن گزارش", form="full", language="fa", authors=(Author("نرگس"),)
    )
    press.only(persian, press.report("two", "In English"))
    html = press.html()
    assert '<html lang="fa" dir="rtl"' in html
    assert "text-align:right" in html
    assert "text-align:left;color" not in html
    assert "direction:ltr" not in html
    assert re.search(r"<blockquote[^>]*border-right:3px", html)
    assert re.search(r'<h3[^>]*lang="en" dir="ltr"', html)


def luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("#1f2328", "#ffffff"), ("#1f2328", "#f6f4ef"), ("#55534d", "#ffffff"), ("#55534d", "#f6f4ef"),
        ("#55534d", "#ece9e2"), ("#7a1f2b", "#ffffff"), ("#7a1f2b", "#f6f4ef"), ("#e8e6e1", "#1c2024"),
        ("#f4f1ea", "#1c2024"), ("#f4f1ea", "#242a30"), ("#b4b0a8", "#1c2024"), ("#b4b0a8", "#14171a"),
        ("#f0a6ae", "#1c2024"), ("#f0a6ae", "#242a30"),
    ],
)  # fmt: skip
def test_ink_stands_out_from_its_ground(ink: str, ground: str) -> None:
    sheets = "".join((data_root() / "templates" / name).read_text() for name in ("editorial.css", "screen.css"))
    template = "".join((data_root() / "templates" / f"{name}.mjml.j2").read_text() for name in ("issue", "parts"))
    assert ink in sheets
    assert ground in sheets + template
    light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 700])
def test_nothing_is_wider_than_the_screen_and_the_palette_is_the_readers(
    press: "Press", browser_page: "Page", width: int, scheme: str
) -> None:
    water = press.reports[ReportId("water")]
    press.reports[water.id] = replace(water, title=f"{water.title} {'Donaudampfschifffahrt' * 3}")
    browser_page.route("**/*", lambda route: route.abort())
    browser_page.set_viewport_size({"width": width, "height": 800})
    browser_page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    browser_page.set_content(press.html())
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    colour = "e => getComputedStyle(e).color"
    ground = "e => getComputedStyle(e.closest('table')).backgroundColor"
    inks = {browser_page.locator(".story p").first.evaluate(colour), browser_page.locator("h1").first.evaluate(colour)}
    paper = browser_page.locator(".paper h1").first.evaluate(ground)
    assert "rgb(31, 35, 40)" in inks if scheme == "light" else inks == {"rgb(232, 230, 225)", "rgb(244, 241, 234)"}
    assert paper in ({"rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"} if scheme == "light" else {"rgb(28, 32, 36)"})
