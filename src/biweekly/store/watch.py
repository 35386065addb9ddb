"""Edge: database. How mailings stand while they go: lane by lane, what is on its way, who sends, how long people wait.

Everything here only reads rows, and may be asked while other processes send.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Engine, RowMapping, and_, case, func, select

from biweekly.model.mailing import Lane, MailingId, Tally
from biweekly.store.database import reading
from biweekly.store.tables import audience, daily, lane, outcome, shard, waiting


@dataclass(frozen=True, slots=True)
class LaneStanding:
    """A lane of a mailing: who is on its way (`in_flight`, a part of those to go or waiting), and its counts."""

    lane: Lane
    name: str
    stage: int
    in_flight: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class Waits:
    """Who waits: since when the one who has waited longest, and when the next one is due."""

    oldest: datetime | None
    next_try: datetime | None


def lanes(engine: Engine, mailing: MailingId) -> Sequence[LaneStanding]:
    """Return the lanes of a mailing in their order."""
    c = lane.c
    with reading(engine) as connection:
        rows = connection.execute(select(lane).where(c.mailing == mailing).order_by(c.lane)).mappings().all()
        away = _in_flight(connection, mailing)
    return [
        LaneStanding(Lane(row["lane"]), row["name"], row["stage"], away.get(row["lane"], 0), _tally(row))
        for row in rows
    ]  # fmt: skip


def _tally(row: RowMapping) -> Tally:
    failed = row["refused"] + row["expired"]
    settled = row["accepted"] + row["waiting"] + failed + row["skipped"] + row["in_doubt"]
    return Tally(
        planned=row["planned"], to_go=row["planned"] - settled, accepted=row["accepted"], waiting=row["waiting"],
        failed=failed, uncertain=row["in_doubt"], skipped=row["skipped"],
    )  # fmt: skip


def _in_flight(connection: Connection, mailing: MailingId) -> Mapping[int, int]:
    """Count what is claimed and has neither an outcome nor an unclaimed waiting row, by lane."""
    a, h, o, w = audience.c, shard.c, outcome.c, waiting.c
    settled = select(o.pos).where(o.mailing == a.mailing, o.lane == a.lane, o.pos == a.pos)
    put_off = select(w.pos).where(w.mailing == a.mailing, w.lane == a.lane, w.pos == a.pos)
    claimed = (
        select(a.lane, func.count())
        .select_from(shard)
        .join(audience, and_(a.mailing == h.mailing, a.lane == h.lane, a.pos >= h.cursor, a.pos < h.inflight))
        .where(h.mailing == mailing, h.cursor < h.inflight)
        .where(~settled.correlate(audience).exists(), ~put_off.correlate(audience).exists())
        .group_by(a.lane)
    )
    found: dict[int, int] = dict(connection.execute(claimed).all())
    again = select(w.lane, func.count()).where(w.mailing == mailing, w.claim.is_not(None)).group_by(w.lane)
    for number, count in connection.execute(again):
        found[number] = found.get(number, 0) + count
    return found


def waits(engine: Engine, mailings: Sequence[MailingId]) -> Waits:
    """Say of several mailings who has waited longest, since the first try, and when the next one is due."""
    with reading(engine) as connection:
        oldest, next_try = connection.execute(
            select(func.min(waiting.c.first_at), func.min(case((waiting.c.claim.is_(None), waiting.c.next_at)))).where(
                waiting.c.mailing.in_(mailings)
            )
        ).one()
    return Waits(oldest, next_try)


def letters_by_relay(engine: Engine, day: date) -> Mapping[str, tuple[int, int]]:
    """Return how many letters each relay has taken, in all and on a day (by UTC)."""
    today = func.sum(case((daily.c.day == day, daily.c.accepted), else_=0))
    query = select(daily.c.relay, func.sum(daily.c.accepted), today).group_by(daily.c.relay).order_by(daily.c.relay)
    with reading(engine) as connection:
        return {relay: (int(total), int(of_day)) for relay, total, of_day in connection.execute(query)}
