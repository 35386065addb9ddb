import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from biweekly.audience.sorting import in_order
from biweekly.audience.validate import require
from biweekly.errors import StoreError
from biweekly.model.address import Mailbox
from biweekly.model.issue import VariantName
from biweekly.model.mailing import MailingId
from biweekly.model.subscriber import Standing, Subscriber, SubscriberId
from biweekly.services.subscriptions import Basis, Subscriptions
from biweekly.store.people import People
from biweekly.tokens import Purpose, Signer
from biweekly.web.public import PublicDoors, public_app
from biweekly.web.public.leaving import mask

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
SIGNER = Signer([b"n" * 32, b"o" * 32])
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
ISSUE = "<!doctype html><html lang=en><title>Issue</title><script>alert(1)</script><p style='color:#000'>Words</p>"
ONE_CLICK = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
MULTIPART_BODY = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'


@dataclass
class World:
    """A list of two people, one issue and one picture, kept in memory."""

    folder: Path
    people: dict[int, Subscriber] = field(default_factory=dict)
    departures: list[tuple[int, int, str]] = field(default_factory=list)
    broken: bool = False

    def reader(self, number: SubscriberId) -> Subscriber | None:
        if self.broken:
            raise StoreError("no answer", code="database-locked")
        return self.people.get(number)

    def leave(self, number: SubscriberId, mailing: MailingId, way: str) -> bool:
        if self.broken:
            raise StoreError("no answer", code="database-locked")
        self.departures.append((number, mailing, way))
        person = self.people.get(number)
        if person is None or person.standing is not Standing.ACTIVE:
            return False
        self.people[number] = Subscriber(person.id, person.mailbox, Standing.LEFT, person.variant, person.since)
        return True

    def doors(self) -> PublicDoors:
        return PublicDoors(
            publication="The Steppe <Review>",
            public_url="https://news.example.org/letters",
            signer=SIGNER,
            reader=self.reader,
            leave=self.leave,
            edition_page=lambda web_id: ISSUE if web_id == "unguessable" else None,
            picture=lambda sha256: self.folder / sha256,
        )

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return _ask(self.doors(), method, path, **more)


def _ask(doors: PublicDoors, method: str, path: str, **more: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=public_app(doors))
        async with httpx.AsyncClient(transport=transport, base_url="http://news.example.org") as client:
            return await client.request(method, path, **more)

    return asyncio.run(go())


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / hashlib.sha256(PNG).hexdigest()).write_bytes(PNG)
    (tmp_path / ("0" * 64)).write_bytes(b"<svg onload=alert(1)>")
    return World(tmp_path, {1: _person(1, "nino.beridze@bücher.example"), 2: _person(2, "levan@example.net")})


def _person(number: int, text: str, standing: Standing = Standing.ACTIVE) -> Subscriber:
    return Subscriber(SubscriberId(number), Mailbox("A Name", require(text)), standing, VariantName.HTML, NOW)


def _link(subscriber: int, mailing: int = 7) -> str:
    return f"/u/{SIGNER.sign(Purpose.UNSUBSCRIBE, subscriber, mailing)}"


PICTURE = f"/m/{hashlib.sha256(PNG).hexdigest()}"


# --- leaving ---


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_whoever_only_looks_changes_nothing(world: World, method: str) -> None:
    response = world.ask(method, _link(1))
    assert response.status_code == (200 if method in {"GET", "HEAD"} else 405)
    assert world.departures == []


def test_the_page_shows_half_an_address_and_one_button(world: World) -> None:
    response = world.ask("GET", _link(1))
    assert "nin•••@bücher.example" in response.text
    assert "beridze" not in response.text
    assert response.text.count("<button") == 1
    assert "The Steppe &lt;Review&gt;" in response.text
    assert "<script" not in response.text


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (ONE_CLICK, b"List-Unsubscribe=One-Click"),
        (MULTIPART, MULTIPART_BODY),
        ({}, b""),
        (ONE_CLICK, b""),
        ({"content-type": "application/json"}, b"{"),
        (ONE_CLICK, b"\xff\xfe&=&%"),
        ({"content-type": "multipart/form-data"}, b"no boundary"),
    ],
)
def test_a_mail_programs_post_is_enough_whatever_its_body(world: World, headers: dict[str, str], body: bytes) -> None:
    response = world.ask("POST", _link(1), headers=headers, content=body)
    assert (response.status_code, response.text) == (200, "You are out.\n")
    assert "location" not in response.headers
    assert "set-cookie" not in response.headers
    assert world.departures == [(1, 7, "one-click")]
    assert world.people[1].standing is Standing.LEFT
    assert world.people[2].standing is Standing.ACTIVE


def test_the_one_click_post_answers_the_same_for_ever(world: World) -> None:
    answers = {
        (one.status_code, one.text)
        for subscriber in (1, 1, 99)
        for one in [world.ask("POST", _link(subscriber), headers=ONE_CLICK, content=b"List-Unsubscribe=One-Click")]
    }
    assert answers == {(200, "You are out.\n")}


def test_pressing_the_button_shows_that_it_worked(world: World) -> None:
    for _ in range(2):
        response = world.ask("POST", _link(1), data={"press": "leave"})
        assert response.status_code == 200
        assert "You are out" in response.text
        assert "nin•••@bücher.example" in response.text
    assert world.departures == [(1, 7, "unsubscribe page")] * 2
    again = world.ask("GET", _link(1))
    assert "You are out" in again.text
    assert "<button" not in again.text


@pytest.mark.parametrize("standing", [Standing.LEFT, Standing.SUPPRESSED])
def test_who_is_out_already_is_told_so(world: World, standing: Standing) -> None:
    world.people[1] = _person(1, "nino.beridze@example.org", standing)
    assert "Nothing comes to" in world.ask("GET", _link(1)).text


def test_an_erased_person_is_nobodys_address(world: World) -> None:
    world.people[1] = Subscriber(SubscriberId(1), None, Standing.ERASED, VariantName.HTML, NOW)
    response = world.ask("GET", _link(1))
    assert response.status_code == 200
    assert "@" not in response.text
    assert world.ask("POST", _link(1), data={"press": "leave"}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_link_of_a_test_copy_is_harmless(world: World, method: str) -> None:
    response = world.ask(method, _link(0))
    assert response.status_code == 200
    assert "test copy" in response.text
    assert world.departures == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        _link(1)[:-1], _link(1)[:20], _link(1) + "x", "/u/x", "/u/%00", "/u/%C3%A9", "/u/..%2f..%2fetc%2fpasswd",
        "/u/" + Signer([b"retired" * 5]).sign(Purpose.UNSUBSCRIBE, 1, 7), "/u/" + "A" * 5000,
    ],
)  # fmt: skip
def test_a_link_that_is_not_ours_gets_the_same_friendly_page(
    world: World, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    with caplog.at_level(logging.WARNING):
        response = world.ask(method, path, headers=ONE_CLICK, content=b"List-Unsubscribe=One-Click")
    assert response.status_code == 404
    assert response.text == world.ask("GET", "/u/nothing").text
    assert world.departures == []
    if "%2f" not in path:  # a server sees slashes there, and no link of ours
        assert "unsubscribe link refused" in caplog.text
        assert len(path) < 20 or path.removeprefix("/u/") not in caplog.text


def test_an_old_key_still_opens(world: World) -> None:
    old = Signer([b"o" * 32]).sign(Purpose.UNSUBSCRIBE, 1, 7)
    assert world.ask("POST", f"/u/{old}").status_code == 200
    assert world.people[1].standing is Standing.LEFT


def test_a_slash_too_many_is_not_redirected(world: World) -> None:
    response = world.ask("POST", _link(1) + "/")
    assert response.status_code == 404
    assert "location" not in response.headers


def test_a_body_that_nobody_sends_is_refused(world: World) -> None:
    response = world.ask("POST", _link(1), headers=ONE_CLICK, content=b"x" * 20_000)
    assert response.status_code == 413
    assert world.departures == []


def test_a_body_without_an_end_is_refused(world: World) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    assert world.ask("POST", _link(1), content=endless()).status_code == 413
    assert world.departures == []


def test_when_the_database_does_not_answer_nobody_is_told_that_they_are_out(world: World) -> None:
    world.broken = True
    for response in (world.ask("POST", _link(1)), world.ask("GET", _link(1))):
        assert response.status_code == 503
        assert response.headers["retry-after"] == "60"
        assert "nothing was changed" in response.text


def test_the_whole_way_into_the_database(engine: Engine, tmp_path: Path) -> None:
    people = People(engine, key=b"k" * 32)
    subscriptions = Subscriptions(people, in_order=in_order)
    person, _ = subscriptions.add(
        "nino@example.org", name="Nino", variant=VariantName.HTML, basis=Basis("added by hand", "", NOW)
    )

    def leave(number: SubscriberId, mailing: MailingId, way: str) -> bool:
        return subscriptions.withdraw(number, mailing=mailing, source=way, at=NOW)

    doors = PublicDoors(
        publication="Review", public_url="http://127.0.0.1:8765", signer=SIGNER, reader=people.get, leave=leave,
        edition_page=lambda _: None, picture=lambda _: tmp_path / "none",
    )  # fmt: skip
    for _ in range(3):
        assert _ask(doors, "POST", _link(person.id), headers=MULTIPART, content=MULTIPART_BODY).status_code == 200
    assert subscriptions.find("nino@example.org").standing is Standing.LEFT
    assert [one.source for one in people.history(person.id)] == ["added by hand", "one-click"]


# --- the web version and the pictures ---


def test_the_web_version_is_the_frozen_page_and_can_run_nothing(world: World) -> None:
    response = world.ask("GET", "/w/unguessable")
    assert response.text == ISSUE
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "img-src 'self' https://news.example.org https: data:" in policy


@pytest.mark.parametrize("path", ["/w/other", "/w/", "/w/%2e%2e", "/w/" + "x" * 300, "/w/a'b", "/w"])
def test_there_is_no_other_web_version(world: World, path: str) -> None:
    assert world.ask("GET", path).status_code == 404


def test_a_picture_can_be_kept_for_ever(world: World) -> None:
    response = world.ask("GET", PICTURE)
    assert response.content == PNG
    assert response.headers["content-type"] == "image/png"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert world.ask("HEAD", PICTURE).status_code == 200


@pytest.mark.parametrize("path", ["/m/" + "0" * 64, "/m/" + "1" * 64, "/m/x", "/m/%2e%2e%2fsecret", PICTURE.upper()])
def test_only_pictures_by_their_hash_are_given(world: World, path: str) -> None:
    assert world.ask("GET", path).status_code == 404


# --- every page ---

PATHS = ["/", _link(1), _link(0), "/u/x", "/w/unguessable", "/w/x", PICTURE, "/m/x", "/style.css", "/robots.txt", "/no"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_strict_about_what_may_follow(world: World, path: str) -> None:
    headers = world.ask("GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-robots-tag"] == "noindex"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers
    if path.startswith("/u/"):
        assert headers["cache-control"] == "no-store"


def test_the_front_names_the_publication(world: World) -> None:
    response = world.ask("GET", "/")
    assert response.status_code == 200
    assert "The Steppe &lt;Review&gt;" in response.text


@pytest.mark.parametrize(
    ("path", "link"), [("/", "./style.css"), (_link(1), "../style.css"), ("/a/b/c", "../../style")]
)
def test_pages_find_their_style_behind_any_path(world: World, path: str, link: str) -> None:
    assert f'href="{link}' in world.ask("GET", path).text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("nino.beridze@example.org", "nin•••@example.org"),
        ("nino@example.org", "ni•••@example.org"),
        ("x@example.org", "•••@example.org"),
        ("δοκιμή@bücher.example", "δοκ•••@bücher.example"),
    ],
)
def test_a_masked_address_never_shows_more_than_half_of_the_name(written: str, shown: str) -> None:
    assert mask(written) == shown


_SEGMENTS = st.one_of(
    st.sampled_from(["u", "w", "m", "", ".", "..", "style.css", "robots.txt", _link(1)[3:], "unguessable", "0" * 64]),
    st.text(max_size=20),
    st.binary(max_size=20).map(lambda raw: raw.decode("latin-1")),
)


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT", "TRACE", "BREW"]),
    segments=st.lists(_SEGMENTS, max_size=4),
    headers=st.dictionaries(
        st.sampled_from([b"content-type", b"range", b"if-none-match", b"host", b"cookie", b"content-length"]),
        st.one_of(st.sampled_from([b"application/x-www-form-urlencoded", b"bytes=9-1", b"multipart/form-data"]),
                  st.binary(max_size=20)),
        max_size=3,
    ),
    body=st.one_of(st.binary(max_size=60), st.sampled_from([b"press=leave", b"press=leave&" * 60, b"%ff=%00"])),
)  # fmt: skip
def test_nothing_that_arrives_is_our_failure(
    tmp_path_factory: pytest.TempPathFactory,
    method: str,
    segments: Sequence[str],
    headers: dict[bytes, bytes],
    body: bytes,
) -> None:
    world = World(tmp_path_factory.getbasetemp(), {1: _person(1, "nino@example.org")})
    app = public_app(world.doors())
    path = "/" + "/".join(segments)
    status = asyncio.run(_raw(app, method, path, headers, body))
    assert 200 <= status < 500
    if method != "POST":
        assert world.departures == []


async def _raw(app: Callable[..., Any], method: str, path: str, headers: dict[bytes, bytes], body: bytes) -> int:
    """Call the application as a server would, without a client that would put the request right."""
    statuses: list[int] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode("utf-8", "replace"), "query_string": b"", "root_path": "",
        "headers": list(headers.items()), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "extensions": {},
    }  # fmt: skip
    await app(scope, receive, send)
    return statuses[0]
