"""`db check`: each thing that can be wrong is found by name, and nothing is found where nothing is."""

from collections.abc import Callable, Sequence
from datetime import datetime

import pytest
from sqlalchemy import Engine, text
from tests.store.ending import carry, hold

from biweekly.model.issue import IssueId
from biweekly.model.mailing import MailingId, MailingKind
from biweekly.store import writing
from biweekly.store.books import Books
from biweekly.store.inspection import inspect

Begin = Callable[..., MailingId]
Readers = Callable[[int], Sequence[int]]
WORDS = {1: "accepted", 2: "refused", 3: "in doubt", 4: "later", 5: "expired", 6: "in doubt", 7: "in doubt"}
# What is done to the rows, which check finds it, and what it says; `{p2}` is the place of subscriber 2.
DAMAGE = {
    "an outcome lost": ("DELETE FROM outcome WHERE {p1}", "lost", "nobody has it"),
    "a waiting row lost": ("DELETE FROM waiting WHERE {p4}", "lost", "nobody has it"),
    "an outcome of nobody's": (
        "INSERT INTO outcome SELECT mailing, lane, 77, round, state, attempts, code, at, reply FROM outcome WHERE {p1}",
        "stray", "place 77: an outcome without",
    ),
    "a waiting row of nobody's": ("UPDATE waiting SET pos = 77 WHERE {p4}", "stray", "place 77: waits without"),
    "a ruling of nobody's": ("UPDATE ruling SET pos = 77 WHERE {p6}", "stray", "place 77: a ruling without"),
    "rows of no mailing": ("UPDATE waiting SET mailing = 99", "stray", "mailing 99 that does not exist"),
    "a place lost": ("DELETE FROM audience WHERE {p1}", "audience", "places were planned"),
    "a place of another lane": ("UPDATE audience SET lane = 60 WHERE {p1}", "audience", "its lane was not planned"),
    "an address lost": ("UPDATE audience SET address_id = 999 WHERE {p1}", "audience", "is gone"),
    "a round skipped": ("UPDATE outcome SET round = 2 WHERE {p1}", "rounds", "1 outcomes are of rounds up to 2"),
    "two states at once": ("UPDATE waiting SET round = 0 WHERE {p6}", "rounds", "waits in round 0 after 1 outcomes"),
    "a round nobody opened": ("DELETE FROM ruling WHERE {p7}", "rounds", "round 1 was opened by nobody"),
    "a waiting round nobody opened": ("DELETE FROM ruling WHERE {p6}", "rounds", "round 1 was opened by nobody"),
    "a round without an end": ("DELETE FROM waiting WHERE {p6}", "rounds", "neither an outcome nor a waiting row"),
    "an accepted place opened again": (
        "UPDATE outcome SET state = 1 WHERE round = 0 AND {p6}", "rounds", "opened by again after an outcome",
    ),
    "a cursor past its claim": ("UPDATE shard SET cursor = inflight + 1 WHERE lane = 0", "shards", "settled up to"),
    "a shard lost": ("DELETE FROM shard WHERE lane = 0", "shards", "are divided into shards of 0"),
    "a shard cut off": ("UPDATE shard SET hi = hi - 1, cursor = lo, inflight = lo", "shards", "are divided into"),
    "settled and never claimed": ("UPDATE shard SET cursor = lo, inflight = lo", "claims", "was settled and never"),
    "a claim without a holder": ("UPDATE waiting SET claim = 1 WHERE {p4}", "claims", "has no such holder"),
    "a count too high": ("UPDATE lane SET accepted = accepted + 1 WHERE lane = 0", "counts", "counted as accepted"),
    "a waiting count too low": ("UPDATE lane SET waiting = 0", "counts", "counted as waiting"),
    "a plan that changed": ("UPDATE mailing SET planned = 8", "counts", "8 places were planned"),
    "over, with places to go": ("UPDATE mailing SET state = 'sent'", "state", "the mailing is sent, and"),
    "not begun, with places": ("UPDATE mailing SET state = 'missed'", "state", "the mailing is missed, and"),
}  # fmt: skip


def lived(engine: Engine, readers: Readers, begun: Begin, now: datetime) -> Books:
    """A mailing to nine in which something of everything has happened."""
    readers(9)
    mailing = begun(9)
    carry(engine, mailing, WORDS, now)
    books = Books(engine, "main")
    books.rule(mailing, [6], "again", who="nino", why="", now=now)  # type: ignore[list-item]  # a number is a subscriber
    books.rule(mailing, [7], "sent", who="nino", why="", now=now)  # type: ignore[list-item]  # the same
    return books


def place_of(number: int) -> str:
    """Where a subscriber has their place, as a condition on any table of places."""
    return f"(lane, pos) IN (SELECT a.lane, a.pos FROM audience a WHERE a.subscriber = {number})"  # noqa: S608 - ours


def test_where_nothing_is_wrong_nothing_is_found(engine: Engine, readers: Readers, begun: Begin, now: datetime) -> None:
    books = lived(engine, readers, begun, now)
    books.enter(IssueId("2026-12-10"), MailingKind.REGULAR, ("e" * 64, "next", b""), due=now, now=now)
    found = inspect(engine)
    assert (found.mailings, found.places, list(found.problems)) == (2, 9, [])


def test_a_sender_at_work_is_nothing_wrong(engine: Engine, readers: Readers, begun: Begin, now: datetime) -> None:
    books = lived(engine, readers, begun, now)
    (mailing,) = books.of_issue(IssueId("2026-11-26"))
    places = hold(engine, mailing.id, now).turn([], wanted=2, now=now).places
    assert [place.was_waiting for place in places] == [True, False]
    assert inspect(engine).problems == []
    assert books.in_flight(mailing.id) == 2


def test_an_empty_database_is_in_order(engine: Engine) -> None:
    found = inspect(engine)
    assert (found.mailings, found.places, list(found.problems)) == (0, 0, [])


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda name: name.replace(" ", "-"))
def test_what_is_wrong_is_named(engine: Engine, readers: Readers, begun: Begin, now: datetime, damage: str) -> None:
    lived(engine, readers, begun, now)
    statement, check, words = DAMAGE[damage]
    with writing(engine) as connection:
        connection.execute(text(statement.format(**{f"p{n}": place_of(n) for n in range(1, 10)})))
    problems = inspect(engine).problems
    assert [one for one in problems if one.check == check and words in one.message], problems
    assert all(one.issue == "2026-11-26" for one in problems if one.mailing is not None)


def test_of_many_the_first_are_named_and_the_rest_counted(
    engine: Engine, readers: Readers, begun: Begin, now: datetime
) -> None:
    readers(9)
    mailing = begun(9)
    carry(engine, mailing, dict.fromkeys(range(1, 10), "accepted"), now)
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM outcome"))
    lost = [one.message for one in inspect(engine).problems if one.check == "lost"]
    assert len(lost) == 4
    assert lost[-1] == "and 6 more of these"
