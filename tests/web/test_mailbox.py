"""The built-in mailbox, looked at through the preview's pages."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from biweekly.sample import lay_out
from biweekly.web.preview import preview_app

LETTER = (
    b"From: editors@review.example\r\nTo: =?utf-8?b?0JDQuQ==?= <ay@example.org>\r\nSubject: A <b>bold</b> issue\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nIn plain words\r\n"
    b'--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>In colour</p><a href="https://x.example/">on</a>'
    b'<img src="https://review.example/m/aa">\r\n--x--\r\n'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lay_out(tmp_path, public_url="https://review.example")
    return tmp_path


class Browser:
    """Asks the preview of a folder, without a socket between."""

    def __init__(self, root: Path) -> None:
        self.site = httpx.ASGITransport(preview_app(root, environ={}, watch=False))

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.site, base_url="http://127.0.0.1") as client:
                return await client.get(path)

        return asyncio.run(ask())


@pytest.fixture
def client(root: Path) -> Browser:
    return Browser(root)


def catch(root: Path, number: int, raw: bytes = LETTER) -> None:
    folder = root / "var" / "mailbox"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:06d}.eml").write_bytes(raw)


def test_an_empty_mailbox_says_what_will_be_here(client: Browser) -> None:
    page = client.get("/mailbox").text
    assert "Letters will stand here" in page
    assert "biweekly test next --to" in page


def test_letters_are_listed_newest_first_and_escaped(client: Browser, root: Path) -> None:
    catch(root, 1)
    catch(root, 2, LETTER.replace(b"A <b>bold</b> issue", b"The second"))
    page = client.get("/mailbox").text
    assert page.index("The second") < page.index("A &lt;b&gt;bold&lt;/b&gt; issue")
    assert "Ай &lt;ay@example.org&gt;" in page
    assert "2 letters" in page


def test_a_letter_shows_its_headers_its_mail_and_its_text(client: Browser, root: Path) -> None:
    catch(root, 7)
    page = client.get("/mailbox/7").text
    assert "editors@review.example" in page
    assert 'src="/mailbox/7/mail"' in page
    assert "In plain words" in client.get("/mailbox/7?view=text").text
    assert client.get("/mailbox/7/raw").content == LETTER


def test_the_mail_stands_in_a_sandbox_with_its_pictures_from_here(client: Browser, root: Path) -> None:
    catch(root, 7)
    answer = client.get("/mailbox/7/mail")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert 'src="/m/aa"' in answer.text
    assert re.search(r'<a target="_blank"[^>]*href="https://x.example/"', answer.text)


def test_a_letter_without_html_is_shown_as_its_text(client: Browser, root: Path) -> None:
    catch(root, 3, b"Subject: Plain\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nOnly words\r\n")
    page = client.get("/mailbox/3").text
    assert "Only words" in page
    assert "As mail" not in page
    assert client.get("/mailbox/3/mail").text.strip() == "Only words"


@pytest.mark.parametrize("address", ["/mailbox/99", "/mailbox/99/mail", "/mailbox/99/raw", "/mailbox/x"])
def test_what_was_not_caught_is_not_there(client: Browser, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    assert "nothing" in answer.text or "No such" in answer.text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"Content-Type: multipart/alternative\r\n\r\n",
        b"Content-Type: text/html; charset=nope\r\n\r\nx",
    ],
)
def test_a_file_that_is_no_letter_of_ours_is_shown_as_far_as_it_goes(client: Browser, root: Path, raw: bytes) -> None:
    catch(root, 1, raw)
    assert client.get("/mailbox").status_code == 200
    assert client.get("/mailbox/1").status_code == 200
