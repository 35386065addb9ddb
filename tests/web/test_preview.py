"""The preview's pages as they are answered; test_preview_browser.py looks at them."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lxml import html as lxml_html

from biweekly.publication import data_root
from biweekly.web.preview import VIEWS

if TYPE_CHECKING:
    from tests.web.conftest import Asking

ISSUE = "2026-11-26"
HERE = f"/i/{ISSUE}"


def dom(text: str) -> Any:
    return lxml_html.document_fromstring(text)


def broken(root: Path) -> None:
    text = (data_root() / "templates" / "parts.mjml.j2").read_text("utf-8")
    (root / "templates").mkdir(exist_ok=True)
    (root / "templates" / "parts.mjml.j2").write_text(text.replace('border-top="6px', 'bordr-top="6px'), "utf-8")


def test_the_list_leads_to_each_issue_and_says_how_it_stands(asking: "Asking", publication: Path) -> None:
    shutil.copytree(publication / "issues" / ISSUE, publication / "issues" / "2026-12-10")
    (publication / "issues" / "2026-12-10" / "issue.toml").write_text("subject = ", "utf-8")
    page = asking.get("/")
    tree = dom(page.text)
    assert page.status_code == 200
    assert [one.get("href") for one in tree.cssselect(".issues a")] == ["/i/2026-12-10", HERE]
    assert [one.text_content().strip() for one in tree.cssselect(".issues .state")] == ["cannot be read", "draft"]


def test_a_list_without_an_issue_says_how_the_first_is_made(asking: "Asking", publication: Path) -> None:
    shutil.rmtree(publication / "issues")
    assert "biweekly issue compose" in asking.get("/").text


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_the_issue_and_leads_to_the_others(asking: "Asking", view: str) -> None:
    page = asking.get(f"{HERE}?view={view}")
    tree = dom(page.text)
    assert page.status_code == 200
    assert tree.cssselect("h1")[0].text_content() == "A Second Track Through the Gorge"
    assert {one.get("href") for one in tree.cssselect(".views a")} == {f"{HERE}?view={name}" for name in VIEWS}
    assert [one.text_content() for one in tree.cssselect(".views [aria-current]")] == [VIEWS[view]]
    frames = tree.cssselect("iframe")
    assert [one.get("id") for one in frames] == {
        "phone": ["phone"], "desktop": ["desktop"], "text": [],
    }.get(view, ["phone", "desktop"])  # fmt: skip
    for frame in frames:
        assert "allow-scripts" not in frame.get("sandbox")
        shown = asking.get(frame.get("src"))
        assert shown.status_code == 200
        assert "Through the Gorge" in shown.text
    if view == "text":
        assert "By Marta Lindqvist, 19" in tree.cssselect("pre.text")[0].text_content()


def test_a_view_that_is_none_is_the_first_one(asking: "Asking") -> None:
    assert 'id="desktop"' in asking.get(f"{HERE}?view=<x>").text


def test_next_leads_to_the_issues_own_address_in_the_same_view(asking: "Asking") -> None:
    answer = asking.get("/i/next?view=text")
    assert (answer.status_code, answer.headers["location"]) == (307, f"{HERE}?view=text")


def test_the_margin_says_what_is_in_and_what_is_out_and_why(asking: "Asking") -> None:
    tree = dom(asking.get(HERE).text)
    assert [one.text_content() for one in tree.cssselect(".margin h3")] == [
        "Analytical Articles", "Field Reports", "News Digest", "Staff Publications", "Upcoming Events",
    ]  # fmt: skip
    assert tree.cssselect("details summary")[0].text_content() == "2 left out"
    assert "under embargo" in tree.cssselect("details")[0].text_content()
    assert "Fits whole." in tree.cssselect(".verdict")[0].text_content()


def test_what_a_report_says_is_text_in_every_page(asking: "Asking", publication: Path) -> None:
    path = publication / "issues" / ISSUE / "issue.toml"
    text = path.read_text("utf-8")
    path.write_text(
        re.sub(r"^subject = .*$", 'subject = "<script>alert(1)</script>"', text, count=1, flags=re.MULTILINE)
    )
    for page in ("/", HERE, f"{HERE}/mail"):
        assert "<script>alert" not in asking.get(page).text


def test_the_mail_is_served_apart_under_a_policy_of_its_own(asking: "Asking") -> None:
    mail, page = asking.get(f"{HERE}/mail"), asking.get(HERE)
    policy = mail.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-same-origin" in policy
    assert "script" not in policy.replace("allow-scripts", "")
    assert "allow-scripts" not in policy
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    for answer in (mail, page):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_mail_shows_its_pictures_from_here_and_opens_its_links_elsewhere(asking: "Asking") -> None:
    mail = dom(asking.get(f"{HERE}/mail").text)
    source = mail.cssselect("img")[0].get("src")
    picture = asking.get(source)
    assert re.fullmatch(r"/m/[0-9a-f]{64}", source)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    for link in mail.cssselect("a[href]"):
        inside = link.get("href").startswith(("#", "mailto:"))
        assert (link.get("target") == "_blank") is not inside, link.get("href")


def test_the_dark_view_switches_the_mails_own_dark_styles_on(asking: "Asking") -> None:
    assert "prefers-color-scheme: dark" in asking.get(f"{HERE}/mail").text
    dark = asking.get(f"{HERE}/mail?dark=1").text
    assert "prefers-color-scheme" not in dark
    assert "@media all" in dark


def test_without_pictures_their_descriptions_stay(asking: "Asking") -> None:
    bare = dom(asking.get(f"{HERE}/mail?pictures=0").text)
    assert [one.get("src") for one in bare.cssselect("img")] == [None]
    assert "ferry" in bare.cssselect("img")[0].get("alt")


def test_the_letter_leads_on_to_the_whole_text_in_this_preview(asking: "Asking") -> None:
    mail = dom(asking.get(f"{HERE}/mail").text)
    onward = [one.get("href") for one in mail.cssselect(".more a") if "web" in one.text_content()]
    assert onward
    web = asking.get(onward[0].partition("#")[0])
    assert web.status_code == 200
    assert "CONCLUSIONS:" in web.text
    assert f'id="{onward[0].partition("#")[2]}"' in web.text
    assert web.text == asking.get(f"{HERE}/web").text
    assert asking.get("/w/" + "x" * 24).status_code == 404


def test_leaving_does_nothing_here_and_says_so(asking: "Asking") -> None:
    assert "the sample reader of the preview stays" in asking.get("/u/sample").text


def test_a_fault_is_shown_with_its_lines_once_and_a_hint(asking: "Asking", publication: Path) -> None:
    broken(publication)
    page = asking.get(HERE)
    tree = dom(page.text)
    fault = tree.cssselect("[role=alert]")[0].text_content()
    assert "template-unknown-attribute" in fault
    assert "templates/parts.mjml.j2:" in fault
    assert "did you mean border-top?" in fault
    assert fault.count("bordr-top=") == 1
    assert "bordr-top" in tree.cssselect(".lines .marked")[0].text_content()
    assert "will stand here" in page.text


def test_behind_a_fault_stands_the_last_good_preview(asking: "Asking", publication: Path) -> None:
    good = dom(asking.get(HERE).text).cssselect("iframe")[0].get("src")
    broken(publication)
    tree = dom(asking.get(HERE).text)
    assert tree.cssselect("[role=alert]")
    assert tree.cssselect(".stale iframe")[0].get("src") == good
    assert "Through the Gorge" in asking.get(good).text


def test_a_configuration_that_is_wrong_is_said_on_every_page(asking: "Asking", publication: Path) -> None:
    (publication / "config.toml").write_text("[publication]\nnmae = 'x'\n", "utf-8")
    for page in ("/", HERE):
        answer = asking.get(page)
        assert answer.status_code == 500
        assert "nmae" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/i/2001-01-01", "/i/..%2F..", "/i/2001-01-01/mail", "/m/" + "0" * 64, "/m/..%2Fsecret",
        "/static/..%2Fbell.py",
        "/static/preview.py", "/i/%00",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_in_a_page(asking: "Asking", path: str) -> None:
    answer = asking.get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "review.example"])
def test_another_host_name_gets_nothing(asking: "Asking", host: str) -> None:
    answer = asking.get(HERE, host=host)
    assert answer.status_code == 400
    assert "Gorge" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed_from_here(asking: "Asking", method: str) -> None:
    assert asking.get(HERE, method=method).status_code == 405
