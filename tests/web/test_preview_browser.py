"""The preview in a real browser, live: as an editor sees it while they save."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from biweekly.publication import data_root
from biweekly.web.preview import VIEWS

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.web.conftest import PreviewSite

pytestmark = pytest.mark.browser

HERE = "/i/2026-11-26"
FERRY = "reports/2026-11-18-the-last-ferry-to-kerbent.md"


@pytest.fixture
def page(browser_page: "Page") -> Iterator["Page"]:
    """A page whose console stays silent: no script fails and no policy is broken."""
    problems: list[str] = []
    browser_page.context.on("console", lambda message: problems.append(message.text))
    browser_page.context.on("weberror", lambda error: problems.append(str(error.error)))
    yield browser_page
    assert problems == []


def until(page: "Page", claim: str) -> None:
    """Look again and again until something is true in the page; its policy forbids the browser to do so itself."""
    for _ in range(3000):
        if page.evaluate(claim):
            return
        page.wait_for_timeout(10)
    pytest.fail(f"never true: {claim}")


def violations(page: "Page") -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    # What stands in the frames is the mail, which has rules of its own (tests/render).
    found = Axe().run(page, options={"iframes": False})
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found.response["violations"]]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def break_template(root: Path) -> None:
    text = (data_root() / "templates" / "parts.mjml.j2").read_text("utf-8")
    (root / "templates").mkdir(exist_ok=True)
    (root / "templates" / "parts.mjml.j2").write_text(text.replace('border-top="6px', 'bordr-top="6px'), "utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1440])
def test_every_page_is_accessible_and_never_scrolls_sideways(
    site: "PreviewSite", page: "Page", width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    paths = ["/", "/mailbox", *(f"{HERE}?view={view}" for view in VIEWS)]
    for path in paths:
        page.goto(site.url + path)
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    break_template(site.folder)
    for path in (HERE, f"{HERE}?view=text"):
        page.goto(site.url + path)
        assert page.get_by_role("alert").is_visible()
        until(page, "document.getAnimations().length === 0")
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


@pytest.mark.parametrize("width", [320, 700, 900, 1100, 1180, 1260, 1366, 1440, 1600, 2200])
def test_both_frames_are_there_whole_at_every_width(site: "PreviewSite", page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(site.url + HERE)
    boxes = []
    for name in ("phone", "desktop"):
        frame = page.frame_locator(f"#{name}")
        frame.locator(".foot").first.wait_for()
        until(
            page,
            f"(() => {{ const d = document.querySelector('#{name}').contentDocument.documentElement;"
            " return d.scrollHeight <= d.clientHeight + 1; })()",
        )
        box = page.locator(f".{name} .glass").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width
        boxes.append(box)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Beside each other from a small laptop up, so that neither is far below.
    assert (boxes[0]["y"] == boxes[1]["y"]) is (width >= 900)
    inside = page.evaluate("document.querySelector('#desktop').contentWindow.innerWidth")
    assert abs(inside - 700) <= 2


def test_a_save_is_shown_without_a_reload_and_the_page_stays_where_it_was(site: "PreviewSite", page: "Page") -> None:
    page.goto(site.url + HERE)
    mail = page.frame_locator("#phone")
    mail.get_by_role("heading", name="The Last Ferry to Kerbent").wait_for()
    page.get_by_text("2 left out").click()
    page.evaluate("window.stayed = true")
    page.evaluate("scrollTo(0, 1200)")
    page.get_by_text("Live").wait_for()
    edit(site.folder / FERRY, "The Last Ferry to Kerbent", "The First Ferry to Kerbent")
    mail.get_by_role("heading", name="The First Ferry to Kerbent").wait_for()
    page.get_by_text("Updated").wait_for()
    page.locator(".order").get_by_text("The First Ferry to Kerbent").wait_for()
    assert page.evaluate("window.stayed")
    assert page.evaluate("scrollY") == 1200
    assert page.evaluate("document.querySelector('#left-out').open")
    assert page.locator("iframe").count() == 2


def test_the_plain_text_is_live_too(site: "PreviewSite", page: "Page") -> None:
    page.goto(f"{site.url}{HERE}?view=text")
    page.get_by_text("Live").wait_for()
    edit(site.folder / FERRY, "The Last Ferry to Kerbent", "The First Ferry to Kerbent")
    page.locator("pre").get_by_text("The First Ferry to Kerbent").first.wait_for()


def test_the_list_shows_an_issue_as_it_comes_to_be(site: "PreviewSite", page: "Page") -> None:
    page.goto(site.url)
    page.get_by_text("Live").wait_for()
    shutil.copytree(site.folder / "issues" / "2026-11-26", site.folder / "issues" / "2026-12-10")
    page.get_by_text("2026-12-10").wait_for()


def test_a_fault_stands_before_the_last_good_page_and_goes_when_it_is_put_right(
    site: "PreviewSite", page: "Page"
) -> None:
    page.goto(site.url + HERE)
    page.get_by_text("Live").wait_for()
    page.evaluate("window.stayed = true")
    break_template(site.folder)
    page.get_by_role("alert").wait_for()
    assert page.get_by_role("alert").get_by_text("did you mean border-top?").is_visible()
    assert page.get_by_role("alert").get_by_text("bordr-top", exact=False).first.is_visible()
    assert page.frame_locator("#phone").get_by_role("heading", name="The Last Ferry to Kerbent").is_visible()
    until(page, "getComputedStyle(document.querySelector('.glass')).opacity < 0.5")
    assert violations(page) == []
    edit(site.folder / "templates" / "parts.mjml.j2", "bordr-top", "border-top")
    page.get_by_role("alert").wait_for(state="detached")
    until(page, "getComputedStyle(document.querySelector('.glass')).opacity == 1")
    assert page.evaluate("window.stayed")


def test_a_page_that_began_with_a_fault_becomes_the_preview(site: "PreviewSite", page: "Page") -> None:
    break_template(site.folder)
    page.goto(site.url + HERE)
    assert page.get_by_role("alert").is_visible()
    edit(site.folder / "templates" / "parts.mjml.j2", "bordr-top", "border-top")
    page.frame_locator("#phone").get_by_role("heading", name="The Last Ferry to Kerbent").wait_for()
    assert page.get_by_role("alert").count() == 0


def test_the_page_says_that_the_preview_has_stopped(site: "PreviewSite", browser_page: "Page") -> None:
    # The browser itself reports a line that broke, so the console is not silent here.
    browser_page.goto(site.url + HERE)
    browser_page.get_by_text("Live").wait_for()
    site.__exit__()
    browser_page.get_by_text("The preview has stopped").wait_for()


def test_no_script_of_a_mail_ever_runs(site: "PreviewSite", browser_page: "Page") -> None:
    text = (data_root() / "templates" / "issue.mjml.j2").read_text("utf-8")
    (site.folder / "templates").mkdir()
    mark = "{{ parts.masthead() }}"
    sly = '<mj-raw><img src="/m/0" alt="" onerror="parent.document.title = 1" /></mj-raw>'
    (site.folder / "templates" / "issue.mjml.j2").write_text(text.replace(mark, sly + mark), "utf-8")
    browser_page.goto(site.url + HERE)
    browser_page.frame_locator("#phone").get_by_role("heading", name="The Last Ferry to Kerbent").wait_for()
    assert "Gorge" in browser_page.title()


def test_it_all_works_without_javascript(site: "PreviewSite", browser_page: "Page") -> None:
    browser = browser_page.context.browser
    assert browser is not None
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(site.url)
    page.get_by_role("link", name="A Second Track Through the Gorge").click()
    assert page.frame_locator("#desktop").get_by_role("heading", name="The Last Ferry to Kerbent").count() == 1
    page.get_by_role("link", name="Plain text").click()
    assert page.locator("pre").get_by_text("The Last Ferry to Kerbent").count() == 1
    page.get_by_role("link", name="Dark", exact=True).click()
    ground = page.frame_locator("#phone").locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    assert ground == "rgb(20, 23, 26)"
    page.get_by_role("link", name="Open alone").first.click()
    assert page.get_by_role("heading", name="The Last Ferry to Kerbent").is_visible()
    page.go_back()
    break_template(site.folder)
    page.reload()
    assert page.get_by_role("alert").is_visible()


def test_reading_on_opens_the_web_version_beside_the_preview(site: "PreviewSite", page: "Page") -> None:
    page.goto(site.url + HERE)
    with page.expect_popup() as opened:
        page.frame_locator("#phone").get_by_role("link", name="Full text on the web").first.click()
    web = opened.value
    web.get_by_text("A second track will cure the delay that can be photographed").wait_for()
    assert "/w/" in web.url
