"""From a folder of reports to letters in a relay, by commands alone."""

import asyncio
import email
import email.policy
import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from tests.journeys.house import House, RelayProcess

from biweekly.publication import open_publication
from biweekly.web.public import public_app
from biweekly.wiring import public_doors

HEADERS = (
    "From", "Reply-To", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
    "Feedback-ID", "Precedence", "MIME-Version", "Content-Type",
)  # fmt: skip


class Catcher:
    """A real SMTP server's handler that keeps what it took."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str, bytes]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.letters.append((str(envelope.mail_from), envelope.rcpt_tos[0], envelope.content))
        return "250 2.0.0 taken"


@pytest.fixture
def catcher() -> Iterator[tuple[Catcher, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    handler = Catcher()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


def parse(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def parts_of(message: EmailMessage) -> tuple[str, str | None]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert isinstance(text, EmailMessage)
    return text.get_content(), html.get_content() if isinstance(html, EmailMessage) else None


@pytest.mark.slow
def test_a_thousand_subscribers_get_one_letter_each(house: House, catcher: tuple[Catcher, int]) -> None:
    handler, port = catcher
    house.use_relay(port, batch=100)
    addresses = house.subscribe(1000)
    issue = house.compose()
    report = house.json("send", issue, "--live", "--confirm", f"{issue}:1000")
    assert Counter(to for _, to, _ in handler.letters) == Counter(addresses)
    assert (report["accepted"], report["planned"], report["adds_up"], report["state"]) == (1000, 1000, True, "sent")
    assert house.states(issue) == dict.fromkeys(addresses, "accepted")

    seen_ids = set()
    for _, to, content in handler.letters:
        message = parse(content)
        assert content.isascii()
        assert max(map(len, content.split(b"\r\n"))) <= 998
        for header in HEADERS:
            assert len(message.get_all(header, [])) == 1, header
        assert to in message["To"]
        seen_ids.add(message["Message-ID"])
        text, html = parts_of(message)
        assert "QORA DOVON" in text.upper()
        assert "Visit also" not in text + (html or "")
        assert (html is None) == (addresses.index(to) % 5 == 0)
    assert len(seen_ids) == 1000

    log = [json.loads(line) for line in (house.root / "var/logs" / f"{issue}.jsonl").read_text().splitlines()]
    told = [line for line in log if line["event"] == "accepted"]
    assert len({(line["lane"], line["pos"]) for line in told}) == len(told) == 1000
    assert "@" not in "".join(line["reply"] for line in told)


async def ask_pages(house: House, links: set[str], one_click: str) -> None:
    """Open every link, then press the one-click button, on the pages as `serve` runs them."""
    site = httpx.ASGITransport(public_app(public_doors(open_publication(house.root, environ={}))))
    async with httpx.AsyncClient(transport=site, base_url="http://127.0.0.1:8765") as client:
        for link in links:
            assert (await client.get(urlsplit(link).path)).status_code == 200, link
        press = await client.post(urlsplit(one_click).path, data={"List-Unsubscribe": "One-Click"})
    assert (press.status_code, press.headers.get("location"), press.headers.get("set-cookie")) == (200, None, None)


def test_every_link_in_a_letter_answers(house: House, catcher: tuple[Catcher, int]) -> None:
    handler, port = catcher
    house.use_relay(port)
    house.subscribe(2)
    issue = house.compose()
    house.run("send", issue, "--live", "--confirm", f"{issue}:2")
    (content,) = (letter for _, to, letter in handler.letters if to.startswith("reader1@"))
    message = parse(content)
    one_click = re.fullmatch(r"<(http://127\.0\.0\.1:8765/u/[\w.-]+)>", message["List-Unsubscribe"])
    assert one_click
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text, html = parts_of(message)
    links = set(re.findall(r"http://127\.0\.0\.1:8765/[^\s\"<>]*", text + (html or "")))
    assert one_click[1] in links
    assert any("/w/" in link for link in links)
    asyncio.run(ask_pages(house, links, one_click[1]))
    assert "left" in house.run("subscribers", "show", "reader1@d1.example").stdout


def test_an_issue_is_mailed_once(house: House, catcher: tuple[Catcher, int]) -> None:
    handler, port = catcher
    house.use_relay(port)
    house.subscribe(3)
    issue = house.compose()
    refused = house.run("send", issue, "--live", "--confirm", f"{issue}:4", expect=4)
    assert "count-changed" in refused.stderr
    assert handler.letters == []
    house.run("send", issue, "--live", "--confirm", f"{issue}:3")
    again = house.run("send", issue, "--live", "--confirm", f"{issue}:3", expect=4)
    assert "already-mailed" in again.stderr
    assert len(handler.letters) == 3
    assert (house.root / "issues" / issue / "sent.toml").exists()


def test_a_whole_send_into_the_mailbox_is_a_rehearsal(house: House) -> None:
    house.subscribe(3)
    issue = house.compose()
    report = house.json("send", issue, "--live", "--confirm", f"{issue}:3")
    assert (report["kind"], report["accepted"], report["adds_up"]) == ("test", 3, True)
    assert not (house.root / "issues" / issue / "sent.toml").exists()
    assert house.json("send", issue)["subscribers"] == 3
    refused = house.run("schedule", issue, expect=4)
    assert "no-relay" in refused.stderr


def test_a_test_copy_is_marked_and_never_counted(house: House, catcher: tuple[Catcher, int]) -> None:
    handler, port = catcher
    house.use_relay(port)
    issue = house.compose()
    said = house.run("test", issue, "--to", "editor@review.example")
    assert "accepted" in said.stdout
    ((_, to, content),) = handler.letters
    message = parse(content)
    assert to == "editor@review.example"
    assert message["Subject"].startswith("[Test] ")
    assert "no-mailing" in house.run("report", issue, expect=1).stderr


def test_a_copy_of_the_folder_without_var_plans_the_same(
    house: House, catcher: tuple[Catcher, int], tmp_path: Path
) -> None:
    _, port = catcher
    house.use_relay(port)
    house.subscribe(1)
    issue = house.compose()
    house.run("send", issue, "--live", "--confirm", f"{issue}:1")
    copy = tmp_path / "copy"
    for path in sorted(house.root.rglob("*")):
        if "var" not in path.relative_to(house.root).parts and path.is_file():
            target = copy / path.relative_to(house.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    there = type(house)(copy)
    assert there.json("issue", "plan") == house.json("issue", "plan")


def test_an_erased_person_leaves_no_address_behind_and_the_report_still_adds_up(
    house: House, start_relay: Callable[..., RelayProcess]
) -> None:
    fault = {"at": "rcpt", "do": "reply", "text": "550 5.1.1 <reader1@d1.example> is unknown here", "to": "reader1@"}
    relay = start_relay("--fault", json.dumps(fault))
    house.use_relay(relay.port)
    house.subscribe(3)
    issue = house.compose()
    house.run("send", issue, "--live", "--confirm", f"{issue}:3", expect=1)
    (house.root / "subscribers" / "invented.csv").unlink()
    house.run("subscribers", "erase", "reader1@d1.example", "--apply")
    for path in (house.root / "var").rglob("*"):
        if path.is_file():
            assert b"reader1@d1.example" not in path.read_bytes(), path
    report = house.json("report", issue)
    assert (report["accepted"], report["failed"], report["adds_up"]) == (2, 1, True)
