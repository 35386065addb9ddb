"""Edge: database. A mailing ended before everybody was mailed: the rest is skipped, and may get another edition.

Ending takes the mailing's row and then its shards, in the order in which every sender takes them, and asks for a paused
mailing that nobody holds. Afterwards the shards have another generation and nothing left to claim.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select, text, update

from biweekly.errors import Refused, StoreError
from biweekly.model.mailing import MailingId, MailingState, OutcomeState
from biweekly.store import mailings
from biweekly.store.tables import lane, mailing, shard, to_ms

CANCELLED: Final = "cancelled"
STOP_PRESS: Final = "stop-press"
_PATIENCE_MS: Final = 10_000

_SAME: Final = "x.mailing = a.mailing AND x.lane = a.lane AND x.pos = a.pos"
_HAS_OUTCOME: Final = f"EXISTS (SELECT 1 FROM outcome x WHERE {_SAME})"  # noqa: S608 - own words
_WAITS: Final = f"EXISTS (SELECT 1 FROM waiting x WHERE {_SAME})"  # noqa: S608 - own words
# The last round stands: a place that a person opened again has no outcome, whatever the rounds before it ended with.
_UNSETTLED: Final = f"({_WAITS} OR NOT {_HAS_OUTCOME})"


def insist_at_rest(connection: Connection, mailing_id: MailingId) -> None:
    """Lock a mailing for ending it; Refused `not-paused`, or `another-sender` where somebody holds a part of it.

    A sender that was frozen in the midst of a commit is not waited for: StoreError `database-locked`, as on SQLite.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = {_PATIENCE_MS}"))
    query = select(mailing.c.state).where(mailing.c.id == mailing_id).with_for_update()
    if connection.execute(query).scalar() != MailingState.PAUSED:
        raise Refused("only a paused mailing can be ended", code="not-paused", hint="biweekly pause")
    held = select(shard.c.holder).where(shard.c.mailing == mailing_id).order_by(shard.c.lo, shard.c.lane)
    if any(connection.execute(held.with_for_update()).scalars()):
        raise Refused(
            "a sender still holds a part of this mailing: letters in flight have up to 30 s", code="another-sender",
            hint="wait a little, then the same again; biweekly status",
        )  # fmt: skip


def end_rest(connection: Connection, mailing_id: MailingId, *, reply: str, reason: str, now: datetime) -> int:
    """Skip every place without an outcome and say that the mailing is cancelled; returns how many there were.

    `reply` stands with each place, `reason` with the mailing. What is in doubt stays so. `insist_at_rest` comes first.
    Raises StoreError `ledger-broken` where the places are not those that the lanes' counts tell of.
    """
    words = {"mailing": mailing_id, "skipped": int(OutcomeState.SKIPPED), "now": to_ms(now), "reply": reply}
    fresh = connection.execute(
        text(
            "INSERT INTO outcome (mailing, lane, pos, round, state, attempts, code, at, reply)"  # noqa: S608 - own words
            " SELECT a.mailing, a.lane, a.pos, 0, CAST(:skipped AS SMALLINT), 0, 0, CAST(:now AS BIGINT),"
            " CAST(:reply AS VARCHAR) FROM audience a"
            f" WHERE a.mailing = :mailing AND NOT {_HAS_OUTCOME} AND NOT {_WAITS}"
        ),
        words,
    ).rowcount
    again = connection.execute(
        text(
            "INSERT INTO outcome (mailing, lane, pos, round, state, attempts, code, at, reply)"
            " SELECT mailing, lane, pos, round, CAST(:skipped AS SMALLINT), attempts, 0, CAST(:now AS BIGINT),"
            " CAST(:reply AS VARCHAR) FROM waiting WHERE mailing = :mailing"
        ),
        words,
    ).rowcount
    connection.execute(text("DELETE FROM waiting WHERE mailing = :mailing"), words)
    c = lane.c
    ended = c.accepted + c.refused + c.expired + c.skipped + c.in_doubt
    left = connection.execute(select(func.sum(c.planned - ended)).where(c.mailing == mailing_id)).scalar() or 0
    if left != fresh + again:
        raise StoreError(
            f"{fresh + again} places have no outcome, and the counts tell of {left}; nothing was changed",
            code="ledger-broken", hint="biweekly db check",
        )  # fmt: skip
    connection.execute(
        update(lane).where(c.mailing == mailing_id).values(skipped=c.skipped + (c.planned - ended), waiting=0)
    )
    connection.execute(
        update(shard)
        .where(shard.c.mailing == mailing_id)
        .values(cursor=shard.c.hi, inflight=shard.c.hi, generation=shard.c.generation + 1, lease_until=None)
    )
    connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id)
        .values(state=MailingState.CANCELLED, reason=reason, finished=now, paused_at=None)
    )
    return fresh + again


def carry_over(connection: Connection, stopped: MailingId, to: MailingId, *, now: datetime) -> int:
    """Freeze the readers of every place without an outcome as the audience of another mailing, which begins.

    Lanes, variants and addresses are those of the stopped mailing. Comes before `end_rest`, in the same transaction.
    """
    connection.execute(
        text(
            "INSERT INTO audience (mailing, lane, pos, subscriber, address_id, variant)"  # noqa: S608 - own words
            " SELECT CAST(:to AS BIGINT), a.lane, row_number() OVER (PARTITION BY a.lane ORDER BY a.pos) - 1,"
            f" a.subscriber, a.address_id, a.variant FROM audience a WHERE a.mailing = :stopped AND {_UNSETTLED}"
        ),
        {"to": to, "stopped": stopped},
    )
    rows = connection.execute(select(lane.c.lane, lane.c.name, lane.c.stage).where(lane.c.mailing == stopped))
    lanes = {row.lane: (row.name, row.stage) for row in rows}
    return mailings.divide_work(connection, to, lanes, not_mailed={}, now=now)
