"""What a monitor is told: read back by the parser that monitors use, on either database, and without an address."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sqlalchemy import Engine, insert, update

from biweekly.config import parse_config
from biweekly.daemon import listen
from biweekly.delivery.pace import Pace, unhindered
from biweekly.errors import StoreError
from biweekly.model.issue import IssueId
from biweekly.model.mailing import Mailing, MailingId, MailingKind, MailingState, Outcome, OutcomeState, Settled, Tally
from biweekly.publication import Publication
from biweekly.store import tables, writing
from biweekly.store.books import Books
from biweekly.store.ledger import Ledger
from biweekly.store.paces import PaceBook
from biweekly.web.metrics.families import Facts, Told, families
from biweekly.web.metrics.openmetrics import CONTENT_TYPE, Family, Sample, write
from biweekly.web.metrics.page import HOST, answer, clock_file, text_of

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MAILING = Mailing(
    MailingId(7),
    "main",
    IssueId("2026-11-26"),
    MailingKind.REGULAR,
    "e",
    MailingState.SENDING,
    10,
    None,
    NOW,
    NOW,
    None,
)
NOTHING = Facts(NOW, "0.1.0", (), {}, {}, None, None, None)


def parsed(text: str) -> dict[str, Any]:
    """Each family by its name, as a monitor reads the page."""
    return {one.name: one for one in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = [one for family in parsed(text).values() for one in family.samples]
    return {(one.name, frozenset(one.labels.items())): one.value for one in found}


def label(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


# --- the format --------------------------------------------------------------------------------------------------

_WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=20)


@given(
    st.lists(st.tuples(_WORDS, st.floats(allow_nan=False, allow_infinity=False)), unique_by=lambda one: one[0]),
    # Blanks around a description are nothing that a reader of the format keeps.
    _WORDS.map(str.strip),
)
def test_whatever_is_told_is_read_back_as_it_was(pairs: list[tuple[str, float]], words: str) -> None:
    told = Family("some_seconds", "gauge", words, [Sample(value, {"who": who}) for who, value in pairs], unit="seconds")
    text = write([told])
    if not pairs:
        assert text == "# EOF\n"
        return
    family = parsed(text)["some_seconds"]
    assert (family.type, family.unit, family.documentation) == ("gauge", "seconds", words)
    assert [(one.labels["who"], one.value) for one in family.samples] == pairs


def test_a_counter_and_an_info_have_their_own_endings() -> None:
    text = write([
        Family("letters", "counter", "Letters.", [Sample(3)]), Family("it", "info", "It.", [Sample(1, {"v": "2"})]),
    ])  # fmt: skip
    assert samples(text) == {("letters_total", frozenset()): 3.0, ("it_info", label(v="2")): 1.0}


# --- the facts ---------------------------------------------------------------------------------------------------


def test_of_what_is_not_known_nothing_is_told() -> None:
    assert list(samples(write(families(NOTHING)))) == [("biweekly_info", label(version="0.1.0"))]


def test_everything_known_is_a_sample_with_its_unit() -> None:
    pace = Pace(14.0, 3.5, 7.0, NOW, timedelta(seconds=30), NOW + timedelta(seconds=20), "450 4.7.28 too fast")
    facts = replace(
        NOTHING,
        mailings=[Told(MAILING, Tally(10, 1, 4, 2, 1, 1, 1), in_flight=1)],
        letters={"smtp.example:465": (9, 4)},
        paces={("lane", "big.example"): pace, ("relay", "smtp.example:465"): unhindered(None)},
        oldest_wait=NOW - timedelta(hours=1),
        next_due=NOW + timedelta(minutes=5),
        clock_woke=NOW - timedelta(seconds=12),
    )
    text = write(families(facts))
    mailing = {"issue": "2026-11-26", "mailing": "7", "kind": "regular"}
    lane = label(kind="lane", name="big.example")
    states = {"to_go": 1, "accepted": 4, "waiting": 2, "failed": 1, "uncertain": 1, "skipped": 1}
    assert samples(text) == {
        ("biweekly_info", label(version="0.1.0")): 1,
        **{("biweekly_places", label(**mailing, state=state)): count for state, count in states.items()},
        ("biweekly_in_flight", label(**mailing)): 1,
        ("biweekly_paused", label(**mailing)): 0,
        ("biweekly_relay_letters_total", label(relay="smtp.example:465")): 9,
        ("biweekly_relay_letters_today", label(relay="smtp.example:465")): 4,
        ("biweekly_pace_letters_per_second", lane): 3.5,
        ("biweekly_rest_seconds", lane): 20,
        ("biweekly_oldest_waiting_age_seconds", frozenset()): 3600,
        ("biweekly_next_due_timestamp_seconds", frozenset()): (NOW + timedelta(minutes=5)).timestamp(),
        ("biweekly_clock_tick_age_seconds", frozenset()): 12,
    }
    assert all(name.endswith(one.unit) for name, one in parsed(text).items())


# --- the page ----------------------------------------------------------------------------------------------------


@pytest.fixture
def publication(tmp_path: Path) -> Publication:
    config = parse_config(
        '[publication]\nname = "R"\nfrom = "news@review.example"\nreply_to = "desk@review.example"\nsections = ["A"]\n'
        'postal_address = "1 Example Street"\npublic_url = "http://127.0.0.1:8765"\n'
        '[[relay]]\nhost = "127.0.0.1"\nport = 25\ntls = "none"\nrate = 14.0\n',
        environ={},
    )
    return Publication(tmp_path, config)


@pytest.fixture
def opened() -> Iterator[socket.socket]:
    with listen(HOST, 0) as door:
        yield door


@pytest.fixture
def served(opened: socket.socket, publication: Publication, engine: Engine) -> Iterator[ThreadingHTTPServer]:
    server = answer(opened, text_of(publication, engine, lambda: NOW))
    yield server
    server.shutdown()
    server.server_close()


def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/metrics"


def test_a_mailing_under_way_is_told_from_the_rows_and_no_address_is(
    served: ThreadingHTTPServer, publication: Publication, engine: Engine
) -> None:
    with writing(engine) as connection:
        for n in range(1, 5):
            person = {"id": n, "key_hash": n.to_bytes(16), "address_id": n, "standing": "active", "variant": "html"}
            mailbox = {"id": n, "subscriber": n, "address": f"secret{n}@d.example", "name": "", "domain": "d.example"}
            connection.execute(insert(tables.subscriber).values(**person, since=NOW))
            connection.execute(insert(tables.address).values(**mailbox, at=NOW))
    mailing = Books(engine, "main").enter_and_begin(
        IssueId("2026-11-26"), MailingKind.REGULAR, ("e".ljust(64), "w", b"{}"), expected=4, now=NOW
    )
    ledger = Ledger(engine, mailing.id, "boot/1/a", lease_ms=None)
    ledger.take(free=[], settle=lambda _holder, _places: {}, now=NOW)
    first, *_ = ledger.turn([], wanted=2, now=NOW).places
    ledger.turn([Settled(first, Outcome(OutcomeState.ACCEPTED, NOW, 250))], wanted=0, now=NOW)
    PaceBook(engine).count_accepted("127.0.0.1:25", 1, now=NOW)
    clock_file(publication).touch()

    told = httpx.get(url(served))
    assert (told.status_code, told.headers["content-type"]) == (200, CONTENT_TYPE)
    found = samples(told.text)
    who = {"issue": "2026-11-26", "mailing": str(mailing.id), "kind": "regular"}
    assert found["biweekly_places", label(**who, state="accepted")] == 1
    assert found["biweekly_places", label(**who, state="to_go")] == 3
    assert found["biweekly_in_flight", label(**who)] == 1
    assert found["biweekly_relay_letters_total", label(relay="127.0.0.1:25")] == 1
    assert found["biweekly_pace_letters_per_second", label(kind="relay", name="127.0.0.1:25")] == 14
    assert ("biweekly_clock_tick_age_seconds", frozenset()) in found
    assert "@" not in told.text
    assert "secret" not in told.text


def test_a_mailing_to_come_is_due_and_one_that_was_paused_says_so(served: ThreadingHTTPServer, engine: Engine) -> None:
    books = Books(engine, "main")
    frozen = ("e".ljust(64), "w", b"{}")
    books.enter(IssueId("2026-11-26"), MailingKind.REGULAR, frozen, due=NOW + timedelta(hours=1), now=NOW)
    assert (
        samples(httpx.get(url(served)).text)["biweekly_next_due_timestamp_seconds", frozenset()]
        == (NOW + timedelta(hours=1)).timestamp()
    )
    with writing(engine) as connection:
        connection.execute(update(tables.mailing).values(state=MailingState.PAUSED, started=NOW))
    found = samples(httpx.get(url(served)).text)
    assert [value for (name, _), value in found.items() if name == "biweekly_paused"] == [1]


def test_nothing_else_is_there_and_the_port_is_this_machines_alone(served: ThreadingHTTPServer) -> None:
    assert httpx.get(url(served).replace("/metrics", "/")).status_code == 404
    assert httpx.post(url(served)).status_code == 501
    assert served.server_address[0] == "127.0.0.1"


def test_a_database_that_does_not_answer_is_said_by_its_code(opened: socket.socket) -> None:
    def locked() -> str:
        raise StoreError("in use", code="database-locked")

    server = answer(opened, locked)
    told = httpx.get(url(server))
    assert (told.status_code, told.text) == (503, "database-locked: in use\n")
    server.shutdown()
    server.server_close()
