"""Edge: database. Which part of a mailing may be sent: seeds first, then the canary and a wait, then everybody."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, select, text

from biweekly.model.mailing import MailingId
from biweekly.store.database import reading
from biweekly.store.tables import lane, outcome, waiting

SEEDS, CANARY, REST = 0, 1, 2
SEED_LANE, CANARY_LANE = "seeds", "canary"


def open_stage(engine: Engine, mailing_id: MailingId, wait: timedelta, now: datetime) -> tuple[int, datetime | None]:
    """Return the stage that may be claimed now, and until when it waits where it has to.

    A stage is over once each of its places was tried; the one after the canary waits from its last outcome on, or where
    a place was put off, from its first try.
    """
    c = lane.c
    tried = c.accepted + c.waiting + c.refused + c.expired + c.skipped + c.in_doubt
    with reading(engine) as connection:
        stage = connection.execute(select(func.min(c.stage)).where(c.mailing == mailing_id, c.planned > tried)).scalar()
        if stage is None or stage < REST:
            return REST if stage is None else int(stage), None
        tries = _latest(connection, outcome, "at", mailing_id), _latest(connection, waiting, "first_at", mailing_id)
    last = max((at for at in tries if at is not None), default=None)
    if last is None or now >= last + wait:
        return REST, None
    return CANARY, last + wait


def _latest(connection: Connection, table: Table, column: str, mailing_id: MailingId) -> datetime | None:
    """Return the latest moment of the canary's rows."""
    of_canary = (lane.c.mailing == table.c.mailing) & (lane.c.lane == table.c.lane)
    query = select(func.max(table.c[column])).join(lane, of_canary)
    found: datetime | None = connection.execute(
        query.where(table.c.mailing == mailing_id, lane.c.stage == CANARY)
    ).scalar()
    return found


def set_apart(
    connection: Connection, mailing_id: MailingId, *, seeds: tuple[str, ...], canary: float, active: str
) -> None:
    """Note in a temporary table `early` who goes first: the seeds by address, and a share of the others by chance.

    The chance is the same for a mailing however often it is looked at: a hash of reader and mailing decides.
    """
    connection.execute(text("CREATE TEMPORARY TABLE early (subscriber BIGINT PRIMARY KEY, stage INTEGER NOT NULL)"))
    for seed in dict.fromkeys(one.lower() for one in seeds):
        _set_apart_seed(connection, seed, active)
    if canary > 0:
        total = connection.execute(
            text("SELECT count(*) FROM subscriber WHERE standing = :active"), {"active": active}
        ).scalar_one()
        connection.execute(
            text(
                "INSERT INTO early (subscriber, stage) SELECT s.id, :stage FROM subscriber s WHERE s.standing = :active"
                " AND s.id NOT IN (SELECT subscriber FROM early)"
                " ORDER BY ((s.id + :mailing) * 2654435761) % 1000003, s.id LIMIT :most"
            ),
            {"stage": CANARY, "active": active, "mailing": mailing_id, "most": max(1, round(total * canary))},
        )


def _set_apart_seed(connection: Connection, address: str, active: str) -> Any:
    return connection.execute(
        text(
            "INSERT INTO early (subscriber, stage) SELECT s.id, :stage FROM subscriber s"
            " JOIN address a ON a.id = s.address_id WHERE s.standing = :active AND lower(a.address) = :address"
            " AND s.id NOT IN (SELECT subscriber FROM early)"
        ),
        {"stage": SEEDS, "active": active, "address": address},
    )
