"""A mailing carried through a relay that misbehaves, held against the relay's own record."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, update
from tests.transports.relay import Fault, Relay

from biweekly.config import parse_config
from biweekly.errors import RelayUnavailable
from biweekly.frozen import seal, to_json
from biweekly.model.issue import Edition, IssueId, Variant, VariantName
from biweekly.model.mailing import Mailing, MailingKind, MailingState, Settled
from biweekly.postroom import Postroom
from biweekly.publication import Publication
from biweekly.services.mailings import Carried
from biweekly.store import accounts, tables, writing
from biweekly.store.books import Books

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
READERS = 12
CONFIG = """
[publication]
name = "The Example Review"
from = "news@review.example"
reply_to = "desk@review.example"
sections = ["Field Reports"]
postal_address = "1 Example Street"
public_url = "http://127.0.0.1:8765"
[[relay]]
host = "127.0.0.1"
port = {port}
tls = "none"
connections = 2
{login}
[delivery]
batch = 5
"""


@dataclass
class Post:
    """A mailing that has begun, and the means to carry it."""

    room: Postroom
    books: Books
    mailing: Mailing

    def carry(self) -> Carried:
        return self.room.carry(self.mailing)

    def states(self) -> dict[str, str]:
        return {line.address: line.state for line in accounts.lines(self.books.engine, self.mailing.id)}

    def replies(self) -> dict[str, str]:
        return {line.address: line.reply for line in accounts.lines(self.books.engine, self.mailing.id)}


Begin = Callable[..., Post]


@pytest.fixture
def begin(sqlite_engine: Engine, tmp_path: Path) -> Begin:
    """Begins a mailing to twelve readers through a relay."""

    def start(relay: Relay, *, login: str = "", progress: Callable[[Sequence[Settled]], None] = lambda _: None) -> Post:
        config = parse_config(CONFIG.format(port=relay.port, login=login), environ={})
        (tmp_path / "password").write_text("wrong horse\n")
        publication = Publication(tmp_path, config)
        edition = seal(Edition(
            sha256="", issue=IssueId("2026-11-26"), subject="A bridge", preheader="", audience="active",
            sender="The Example Review <news@review.example>", reply_to="desk@review.example",
            list_id="The Example Review <issues.review.example>", public_url="http://127.0.0.1:8765",
            nonce="0a1b2c3d", web_id="w", web="<p>x</p>", pictures=(), reports=(),
            variants=(
                Variant(VariantName.HTML, "<p>Dear bwph_reader_name_0a1b2c3d</p>", "Dear bwph_reader_name_0a1b2c3d\n"),
                Variant(VariantName.TEXT, None, "Dear bwph_reader_name_0a1b2c3d\n"),
            ),
        ))  # fmt: skip
        with writing(sqlite_engine) as connection:
            for n in range(1, READERS + 1):
                person = {"id": n, "key_hash": n.to_bytes(16), "address_id": n, "standing": "active", "variant": "html"}
                mailbox = {
                    "id": n,
                    "subscriber": n,
                    "address": f"r{n}@d.example",
                    "name": f"R {n}",
                    "domain": "d.example",
                }
                connection.execute(insert(tables.subscriber).values(**person, since=NOW))
                connection.execute(insert(tables.address).values(**mailbox, at=NOW))
        books = Books(sqlite_engine, "main")
        frozen = (edition.sha256, "w", to_json(edition))
        mailing = books.enter_and_begin(edition.issue, MailingKind.REGULAR, frozen, expected=READERS, now=NOW)
        room = Postroom(publication, sqlite_engine, threading.Event(), progress=progress, clock=lambda: NOW)
        return Post(room, books, mailing)

    return start


def arrived(relay: Relay) -> Counter[str]:
    return Counter(one.recipients[0] for one in relay.accepted)


def account(post: Post, relay: Relay) -> Counter[str]:
    """Hold the ledger against the relay's record; return how many stand in each state."""
    states, there = post.states(), arrived(relay)
    assert len(states) == READERS
    assert max(there.values(), default=1) == 1, "somebody was mailed twice"
    assert {a for a, s in states.items() if s == "accepted"} <= set(there)
    assert set(there) <= {a for a, s in states.items() if s in {"accepted", "uncertain"}}
    tally = post.books.tally(post.mailing.id)
    assert tally.adds_up
    assert tally == post.books.recount(post.mailing.id)
    return Counter(states.values())


BEFORE_CONTENT = ("connect", "banner", "ehlo", "mail", "rcpt", "data")


@pytest.mark.parametrize("at", BEFORE_CONTENT)
@pytest.mark.parametrize("do", ["drop", "reset", "garbage"])
def test_a_connection_lost_before_the_content_costs_nobody_a_letter(begin: Begin, at: str, do: str) -> None:
    with Relay(faults=[Fault(at, do, times=2)]) as relay:
        post = begin(relay)
        post.carry()
        assert account(post, relay) == {"accepted": READERS}


@pytest.mark.parametrize(
    ("at", "do"),
    [("content", "drop"), ("content", "reset"), ("dot", "drop"), ("dot", "reset"), ("dot", "garbage"),
     ("dot", "accept-and-drop"), ("dot", "accept-and-garbage")],
)  # fmt: skip
def test_a_connection_lost_from_the_content_on_leaves_that_letter_uncertain(begin: Begin, at: str, do: str) -> None:
    with Relay(faults=[Fault(at, do, to="^r5@")]) as relay:
        post = begin(relay)
        post.carry()
        assert account(post, relay) == {"accepted": READERS - 1, "uncertain": 1}
        assert post.states()["r5@d.example"] == "uncertain"


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("550 5.1.1 no such user", "failed"),
        ("451 4.7.1 greylisted", "waiting"),
        ("452 4.2.2 full", "waiting"),
        ("550 5.7.26 unauthenticated", "waiting"),
        ("554 5.7.1 blocked", "waiting"),
    ],
)
@pytest.mark.parametrize("at", ["rcpt", "dot"])
def test_a_reply_to_one_reader_is_that_readers_alone(begin: Begin, at: str, reply: str, state: str) -> None:
    with Relay(faults=[Fault(at, "reply", text=reply, to="^r5@")]) as relay:
        post = begin(relay)
        post.carry()
        assert account(post, relay) == {"accepted": READERS - 1, state: 1}
        assert reply.split(" ", 2)[2] in post.replies()["r5@d.example"]


def test_a_relay_that_closes_after_every_third_letter_loses_nobody(begin: Begin) -> None:
    closing = [Fault("mail", "reply", text="421 4.3.2 enough for now", nth=n) for n in (3, 6, 9)]
    with Relay(faults=closing) as relay:
        post = begin(relay)
        post.carry()
        states = account(post, relay)
        assert states["accepted"] == READERS


def test_a_refused_login_stops_at_once_and_everybody_is_still_to_go(begin: Begin) -> None:
    with Relay(login=("desk", "right horse")) as relay:
        post = begin(relay, login='user = "desk"\npassword_file = "password"')
        with pytest.raises(RelayUnavailable) as error:
            post.carry()
        assert error.value.code == "relay-login-refused"
        assert "wrong horse" not in str(error.value)
        assert account(post, relay) == {"to go": READERS}
        tried = [line for one in relay.connections for line in one.commands if line.startswith("AUTH")]
        assert 1 <= len(tried) <= 2  # one for each connection under way, and no second


def test_a_relay_that_is_not_there_leaves_everybody_to_go(begin: Begin) -> None:
    with Relay() as relay:
        post = begin(relay)
    room = replace(post.room, no_relay_after=timedelta(0))
    carried = room.carry(post.mailing)
    assert (carried.ending, carried.trouble and carried.trouble.code) == ("no relay", "relay-unreachable")
    assert post.books.tally(post.mailing.id).to_go == READERS


def test_who_leaves_after_planning_is_skipped(begin: Begin, sqlite_engine: Engine) -> None:
    with Relay() as relay:
        post = begin(relay)
        with writing(sqlite_engine) as connection:
            person = tables.subscriber
            connection.execute(update(person).where(person.c.id.in_([2, 11])).values(standing="left"))
        post.carry()
        assert account(post, relay) == {"accepted": READERS - 2, "skipped": 2}


def test_a_pause_is_seen_at_the_next_claim_and_the_rest_stays_to_go(begin: Begin) -> None:
    posts: list[Post] = []
    paused: list[bool] = []

    def pause_at_once(_: Sequence[Settled]) -> None:
        if paused:
            return
        paused.append(True)
        posts[0].books.change_state(
            posts[0].mailing.id, MailingState.PAUSED, only_from=(MailingState.SENDING,), reason="by hand"
        )

    with Relay(latency=0.01) as relay:
        posts.append(begin(relay, progress=pause_at_once))
        carried = posts[0].carry()
        states = account(posts[0], relay)
        assert carried.ending == "paused"
        assert states["to go"] > 0
        posts[0].books.change_state(posts[0].mailing.id, MailingState.SENDING, only_from=(MailingState.PAUSED,))
        posts[0].carry()
        assert account(posts[0], relay) == {"accepted": READERS}


def test_a_waiting_letter_goes_out_byte_for_byte_when_its_time_has_come(begin: Begin) -> None:
    with Relay(faults=[Fault("dot", "reply", text="451 4.7.1 later", to="^r5@", times=1)]) as relay:
        post = begin(relay)
        carried = post.carry()
        assert account(post, relay)["waiting"] == 1
        assert carried.next_due is not None
        due = carried.next_due
        replace(post.room, clock=lambda: due).carry(post.mailing)
        assert account(post, relay) == {"accepted": READERS}
        (second,) = (one for one in relay.accepted if one.recipients[0] == "r5@d.example")
        other = next(one for one in relay.accepted if one.recipients[0] == "r4@d.example")
        date = b"\r\nDate: Thu, 26 Nov 2026 09:00:00 +0000\r\n"
        assert date in second.content
        assert date in other.content


def test_a_waiting_letter_expires_when_its_worth_is_gone(begin: Begin) -> None:
    with Relay(faults=[Fault("dot", "reply", text="451 4.7.1 later", to="^r5@")]) as relay:
        post = begin(relay)
        now = NOW
        for _ in range(200):
            carried = replace(post.room, clock=lambda at=now: at).carry(post.mailing)  # type: ignore[misc]  # bound early
            if carried.next_due is None:
                break
            now = carried.next_due
        assert account(post, relay) == {"accepted": READERS - 1, "failed": 1}
        assert now - NOW <= timedelta(hours=48)


def test_relays_that_repeat_an_address_do_not_bring_it_into_the_books(begin: Begin, tmp_path: Path) -> None:
    with Relay(faults=[Fault("rcpt", "reply", text="550 5.1.1 <r5@d.example>: unknown", to="^r5@")]) as relay:
        post = begin(relay)
        post.carry()
    assert post.replies()["r5@d.example"] == "550 5.1.1 <subscriber 5>: unknown"
    assert "r5@d.example" not in (tmp_path / "var/logs/2026-11-26.jsonl").read_text()
