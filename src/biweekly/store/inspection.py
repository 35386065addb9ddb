"""Edge: database. Whether every planned place of every mailing is in exactly one state, and what is wrong if not.

Nothing is changed. All questions are asked of one consistent state, so that a mailing under way disturbs nothing.
"""

# ruff: noqa: S608 - the questions are put together from this module's own words

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from biweekly.model.mailing import MailingId, MailingState, OutcomeState
from biweekly.store.database import reading
from biweekly.store.tables import SHARD_SIZE

_EXAMPLES: Final = 3
_TABLES: Final = ("audience", "lane", "shard", "waiting", "outcome", "ruling")
_LANE: Final = "lane {lane} ({name})"
_PLACE: Final = "lane {lane}, place {pos}"
_NOT_BEGUN: Final = (MailingState.SCHEDULED, MailingState.COOLING_OFF, MailingState.MISSED)
_OVER: Final = (MailingState.SENT, MailingState.CANCELLED)


@dataclass(frozen=True, slots=True)
class _Question:
    check: str
    sentence: str
    query: str


def _same(one: str, other: str) -> str:
    return f"{one}.mailing = {other}.mailing AND {one}.lane = {other}.lane AND {one}.pos = {other}.pos"


def _no(table: str, of: str, *, more: str = "") -> str:
    return f"NOT EXISTS (SELECT 1 FROM {table} x WHERE {_same('x', of)}{more})"


def _strays(table: str) -> str:
    return f"SELECT t.lane, t.pos FROM {table} t WHERE t.mailing = :mailing AND {_no('audience', 't')}"


_IN_SHARD: Final = "h.mailing = a.mailing AND h.lane = a.lane AND h.lo <= a.pos AND h.hi > a.pos"
_RULABLE: Final = (
    f"(r.ruling IN ('sent', 'again') AND before.state = {OutcomeState.IN_DOUBT:d})"
    f" OR (r.ruling = 'resend' AND before.state IN ({OutcomeState.REFUSED:d}, {OutcomeState.EXPIRED:d}))"
)
# Each row of an answer is something wrong; the sentence says it.
_QUESTIONS: Final[Sequence[_Question]] = (
    _Question(
        "audience",
        f"{_LANE}: {{planned}} places were planned, and {{there}} are there, up to place {{last}}",
        (
            "SELECT l.lane, l.name, l.planned, count(a.pos) AS there, coalesce(max(a.pos), -1) AS last FROM lane l"
            " LEFT JOIN audience a ON a.mailing = l.mailing AND a.lane = l.lane WHERE l.mailing = :mailing"
            " GROUP BY l.lane, l.name, l.planned"
            " HAVING count(a.pos) <> l.planned OR coalesce(max(a.pos), -1) <> l.planned - 1"
        ),
    ),
    _Question(
        "audience",
        f"{_PLACE}: its lane was not planned",
        (
            "SELECT a.lane, min(a.pos) AS pos FROM audience a WHERE a.mailing = :mailing AND NOT EXISTS"
            " (SELECT 1 FROM lane l WHERE l.mailing = a.mailing AND l.lane = a.lane) GROUP BY a.lane"
        ),
    ),
    _Question(
        "audience",
        f"{_PLACE}: its subscriber or its address is gone from the database",
        (
            "SELECT a.lane, a.pos FROM audience a LEFT JOIN address d ON d.id = a.address_id LEFT JOIN subscriber s"
            " ON s.id = a.subscriber WHERE a.mailing = :mailing AND (d.id IS NULL OR s.id IS NULL)"
        ),
    ),
    _Question("stray", f"{_PLACE}: an outcome without a planned place", _strays("outcome")),
    _Question("stray", f"{_PLACE}: waits without a planned place", _strays("waiting")),
    _Question("stray", f"{_PLACE}: a ruling without a planned place", _strays("ruling")),
    _Question(
        "rounds",
        f"{_PLACE}: its {{there}} outcomes are of rounds up to {{last}}",
        (
            "SELECT o.lane, o.pos, count(*) AS there, max(o.round) AS last FROM outcome o WHERE o.mailing = :mailing"
            " GROUP BY o.lane, o.pos HAVING count(*) <> max(o.round) + 1 OR min(o.round) <> 0"
        ),
    ),
    _Question(
        "rounds",
        f"{_PLACE}: waits in round {{round}} after {{there}} outcomes",
        (
            "SELECT w.lane, w.pos, w.round, count(o.round) AS there FROM waiting w"
            f" LEFT JOIN outcome o ON {_same('o', 'w')} WHERE w.mailing = :mailing GROUP BY w.lane, w.pos, w.round"
            " HAVING count(o.round) <> w.round"
        ),
    ),
    _Question(
        "rounds",
        f"{_PLACE}: round {{round}} was opened by nobody",
        (
            "SELECT t.lane, t.pos, t.round FROM outcome t WHERE t.mailing = :mailing AND t.round > 0"
            f" AND {_no('ruling', 't', more=' AND x.round = t.round')}"
            " UNION SELECT t.lane, t.pos, t.round FROM waiting t WHERE t.mailing = :mailing AND t.round > 0"
            f" AND {_no('ruling', 't', more=' AND x.round = t.round')}"
        ),
    ),
    _Question(
        "rounds",
        f"{_PLACE}: round {{round}} was opened and has neither an outcome nor a waiting row",
        (
            "SELECT t.lane, t.pos, t.round FROM ruling t WHERE t.mailing = :mailing"
            f" AND {_no('outcome', 't', more=' AND x.round = t.round')}"
            f" AND {_no('waiting', 't', more=' AND x.round = t.round')}"
        ),
    ),
    _Question(
        "rounds",
        f"{_PLACE}: round {{round}} was opened by {{ruling}} after an outcome that nobody rules on so",
        (
            "SELECT r.lane, r.pos, r.round, r.ruling FROM ruling r LEFT JOIN outcome before"
            f" ON {_same('before', 'r')} AND before.round = r.round - 1"
            f" WHERE r.mailing = :mailing AND (before.state IS NULL OR NOT ({_RULABLE}))"
        ),
    ),
    _Question(
        "shards",
        "lane {lane}, from place {lo}: claimed up to {inflight} and settled up to {cursor}, of {lo} to {hi}",
        (
            "SELECT h.lane, h.lo, h.hi, h.cursor, h.inflight FROM shard h WHERE h.mailing = :mailing"
            " AND NOT (h.lo <= h.cursor AND h.cursor <= h.inflight AND h.inflight <= h.hi AND h.lo < h.hi)"
        ),
    ),
    _Question(
        "shards",
        f"{_LANE}: its {{planned}} places are divided into shards of {{there}} places in all, up to {{last}}",
        (
            "SELECT l.lane, l.name, l.planned, coalesce(sum(h.hi - h.lo), 0) AS there, coalesce(max(h.hi), 0) AS last"
            " FROM lane l LEFT JOIN shard h ON h.mailing = l.mailing AND h.lane = l.lane WHERE l.mailing = :mailing"
            " GROUP BY l.lane, l.name, l.planned"
            " HAVING coalesce(sum(h.hi - h.lo), 0) <> l.planned OR coalesce(max(h.hi), 0) <> l.planned"
            f" OR coalesce(max(h.hi - h.lo), 0) > {SHARD_SIZE} OR coalesce(max(h.lo % {SHARD_SIZE}), 0) <> 0"
        ),
    ),
    _Question(
        "lost",
        f"{_PLACE}: was claimed, nobody has it, and it has neither an outcome nor a waiting row",
        (
            f"SELECT a.lane, a.pos FROM audience a JOIN shard h ON {_IN_SHARD} WHERE a.mailing = :mailing"
            " AND a.pos < CASE WHEN h.holder IS NULL THEN h.inflight ELSE h.cursor END"
            f" AND {_no('outcome', 'a')} AND {_no('waiting', 'a')}"
        ),
    ),
    _Question(
        "claims",
        f"{_PLACE}: was settled and never claimed",
        (
            f"SELECT a.lane, a.pos FROM audience a JOIN shard h ON {_IN_SHARD} WHERE a.mailing = :mailing"
            f" AND a.pos >= h.inflight AND NOT ({_no('outcome', 'a')} AND {_no('waiting', 'a')})"
        ),
    ),
    _Question(
        "claims",
        f"{_PLACE}: waits under a claim of generation {{claim}}, and its shard has no such holder",
        (
            f"SELECT a.lane, a.pos, a.claim FROM waiting a LEFT JOIN shard h ON {_IN_SHARD} WHERE a.mailing = :mailing"
            " AND a.claim IS NOT NULL AND (h.holder IS NULL OR h.generation <> a.claim)"
        ),
    ),
)

_RECOUNT: Final = (
    "SELECT l.lane, l.name, l.planned, l.accepted, l.waiting, l.refused, l.expired, l.skipped, l.in_doubt,"
    " sum(CASE WHEN w.pos IS NULL AND o.state = 1 THEN 1 ELSE 0 END) AS n_accepted,"
    " sum(CASE WHEN w.attempts > 0 OR w.round > 0 THEN 1 ELSE 0 END) AS n_waiting,"
    " sum(CASE WHEN w.pos IS NULL AND o.state = 2 THEN 1 ELSE 0 END) AS n_refused,"
    " sum(CASE WHEN w.pos IS NULL AND o.state = 3 THEN 1 ELSE 0 END) AS n_expired,"
    " sum(CASE WHEN w.pos IS NULL AND o.state = 4 THEN 1 ELSE 0 END) AS n_skipped,"
    " sum(CASE WHEN w.pos IS NULL AND o.state = 5 THEN 1 ELSE 0 END) AS n_in_doubt"
    " FROM lane l LEFT JOIN audience a ON a.mailing = l.mailing AND a.lane = l.lane"
    f" LEFT JOIN waiting w ON {_same('w', 'a')} LEFT JOIN outcome o ON {_same('o', 'a')}"
    f" AND NOT EXISTS (SELECT 1 FROM outcome x WHERE {_same('x', 'o')} AND x.round > o.round)"
    " WHERE l.mailing = :mailing"
    " GROUP BY l.lane, l.name, l.planned, l.accepted, l.waiting, l.refused, l.expired, l.skipped, l.in_doubt"
    " ORDER BY l.lane"
)
_COUNTED: Final = ("accepted", "waiting", "refused", "expired", "skipped", "in_doubt")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: in which mailing (None: in none that exists), which of the checks found it, and what it is."""

    mailing: MailingId | None
    issue: str
    check: str
    message: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was looked at, and what is wrong with it."""

    mailings: int
    places: int
    problems: Sequence[Problem]


def inspect(engine: Engine) -> Inspection:
    """Look at every place of every mailing."""
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901 - the same one
        problems = list(_orphans(connection))
        rows = connection.execute(text("SELECT id, issue, state, planned FROM mailing ORDER BY id")).all()
        for key, issue, state, planned in rows:
            problems += [
                Problem(MailingId(key), issue, check, message)
                for check, message in _look_at(connection, key, MailingState(state), planned)
            ]
        places = connection.execute(text("SELECT count(*) FROM audience")).scalar_one()
    return Inspection(len(rows), int(places), problems)


def _orphans(connection: Connection) -> Iterator[Problem]:
    for table in _TABLES:
        query = f"SELECT DISTINCT mailing FROM {table} WHERE mailing NOT IN (SELECT id FROM mailing)"
        for (key,) in connection.execute(text(query)):
            yield Problem(None, "", "stray", f"table {table} has rows of a mailing {key} that does not exist")


def _look_at(connection: Connection, key: int, state: MailingState, planned: int) -> Iterator[tuple[str, str]]:
    for asked in _QUESTIONS:
        yield from ((asked.check, one) for one in _sentences(connection, key, asked))
    yield from _recount(connection, key, state, planned)


def _sentences(connection: Connection, key: int, asked: _Question) -> Iterator[str]:
    found = connection.execute(text(asked.query), {"mailing": key}).mappings()
    for row in found.fetchmany(_EXAMPLES):
        yield asked.sentence.format_map(dict(row))
    more = sum(1 for _ in found)
    if more:
        yield f"and {more:,} more of these"


def _recount(connection: Connection, key: int, state: MailingState, planned: int) -> Iterator[tuple[str, str]]:
    """Count every lane's places anew and hold the counts that are kept against them."""
    total = left = 0
    for row in connection.execute(text(_RECOUNT), {"mailing": key}).mappings():
        found = {name: int(row[f"n_{name}"]) for name in _COUNTED}
        total += row["planned"]
        left += row["planned"] - sum(found.values()) + found["waiting"]
        for name in _COUNTED:
            if row[name] != found[name]:
                words = f"{row[name]} are counted as {name.replace('_', ' ')}, and {found[name]} are"
                yield "counts", f"{_LANE.format_map(dict(row))}: {words}"
    if state in _NOT_BEGUN:
        if total:
            yield "state", f"the mailing is {state.replace('_', ' ')}, and {total:,} places are planned"
        return
    if total != planned:
        yield "counts", f"{planned:,} places were planned, and the lanes have {total:,}"
    if state in _OVER and left:
        yield "state", f"the mailing is {state}, and {left:,} places are to go or wait"
