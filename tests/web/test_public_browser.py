"""The public pages in a real browser: as a person sees them, on a phone and a desktop, in light and in dark."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
import uvicorn

from biweekly.audience.validate import require
from biweekly.model.address import Mailbox
from biweekly.model.issue import VariantName
from biweekly.model.mailing import MailingId
from biweekly.model.subscriber import Standing, Subscriber, SubscriberId
from biweekly.tokens import Purpose, Signer
from biweekly.web.public import PublicDoors, public_app

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
SIGNER = Signer([b"n" * 32])
ISSUE = (
    "<!doctype html><html lang=en><title>Issue</title><body><h1 style='color:#135'>Words</h1><img src='/m/{}'"
    " alt='A picture'><script>document.title = 'ran'</script></body>"
)


class Site:
    """The pages on a port of their own, with one person on the list."""

    def __init__(self, folder: Path) -> None:
        self.standing = Standing.ACTIVE
        self.folder = folder
        self.departures: list[str] = []
        # Listening before the server runs: whoever comes early waits in the queue.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(public_app(self.doors()), log_level="error", access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def doors(self) -> PublicDoors:
        return PublicDoors(
            publication="Central Steppe Review", public_url="http://127.0.0.1", signer=SIGNER, reader=self.reader,
            leave=self.leave, edition_page=lambda _: ISSUE, picture=lambda _: None,
        )  # fmt: skip

    def reader(self, number: SubscriberId) -> Subscriber:
        mailbox = Mailbox("A Name", require("a.rather.long.local.part+with-a-tag@newsroom.bücher.example"))
        return Subscriber(number, mailbox, self.standing, VariantName.HTML, NOW)

    def leave(self, _number: SubscriberId, _mailing: MailingId, way: str) -> bool:
        self.departures.append(way)
        self.standing = Standing.LEFT
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as running:
        yield running


LINK = f"/u/{SIGNER.sign(Purpose.UNSUBSCRIBE, 1, 7)}"
TEST_LINK = f"/u/{SIGNER.sign(Purpose.UNSUBSCRIBE, 0, 0)}"


def _violations(page: "Page") -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page)
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found.response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_is_accessible_and_never_scrolls_sideways(
    site: Site, browser_page: "Page", width: int, scheme: str
) -> None:
    browser_page.set_viewport_size({"width": width, "height": 700})
    browser_page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    problems: list[str] = []
    browser_page.on("console", lambda message: problems.append(message.text))
    for standing, path in [
        (Standing.ACTIVE, "/"), (Standing.ACTIVE, LINK), (Standing.LEFT, LINK), (Standing.ACTIVE, TEST_LINK),
        (Standing.ACTIVE, "/u/cut"),
    ]:  # fmt: skip
        site.standing = standing
        browser_page.goto(site.url + path)
        assert _violations(browser_page) == [], path
        assert browser_page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        # The style sheet came, so the policy of the page lets it in.
        assert browser_page.evaluate("getComputedStyle(document.body).maxWidth") != "none", path
    assert [one for one in problems if "404" not in one] == []


def test_one_press_is_enough_and_looking_is_not(site: Site, browser_page: "Page") -> None:
    browser_page.goto(site.url + LINK)
    browser_page.reload()
    assert site.departures == []
    browser_page.get_by_role("button", name="Unsubscribe").click()
    assert browser_page.get_by_role("heading", name="You are out").is_visible()
    assert site.departures == ["unsubscribe page"]
    assert browser_page.context.cookies() == []


def test_it_works_from_the_keyboard(site: Site, browser_page: "Page") -> None:
    browser_page.goto(site.url + LINK)
    browser_page.keyboard.press("Tab")
    browser_page.keyboard.press("Enter")
    browser_page.get_by_role("heading", name="You are out").wait_for()
    assert site.departures == ["unsubscribe page"]


def test_the_web_version_keeps_its_styles_and_runs_no_script(site: Site, browser_page: "Page") -> None:
    browser_page.goto(f"{site.url}/w/any")
    assert browser_page.title() == "Issue"
    assert browser_page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(17, 51, 85)"
