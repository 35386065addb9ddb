"""Edge: database. What people rule about places: the uncertain count as sent or are due again, the failed once more.

A ruling opens a round: the outcome before it stays as it is, and the last round stands.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, Row, Select, and_, func, insert, literal, select, update

from biweekly.errors import NothingToDo, Refused
from biweekly.model.mailing import (
    Failed,
    Lane,
    MailingId,
    MailingState,
    Outcome,
    OutcomeState,
    Ruled,
    Spot,
    Wait,
)
from biweekly.model.subscriber import Standing, SubscriberId
from biweekly.store.database import reading, writing
from biweekly.store.tables import address, audience, lane, mailing, outcome, ruling, subscriber, waiting

_ENDED: Final = (MailingState.CANCELLED, MailingState.MISSED)
_COLUMN: Final = {
    OutcomeState.IN_DOUBT: lane.c.in_doubt,
    OutcomeState.REFUSED: lane.c.refused,
    OutcomeState.EXPIRED: lane.c.expired,
}
_FAILED: Final = (OutcomeState.REFUSED, OutcomeState.EXPIRED)
_PAGE: Final = 5_000


def rule(
    engine: Engine,
    mailing_id: MailingId,
    subscribers: Sequence[SubscriberId] | None,
    what: Literal["sent", "again"],
    *,
    who: str,
    why: str,
    now: datetime,
) -> Sequence[Ruled]:
    """Settle uncertain places by a person's word: *sent* makes them accepted, *again* opens a round due now.

    `subscribers` None means all that are uncertain. Returns what was settled. Raises NothingToDo
    `nothing-uncertain`, and Refused `mailing-ended` for *again* in a mailing that was ended.
    """
    with writing(engine) as connection:
        state = _take_turn(connection, mailing_id)
        if what == "again":
            _refuse_ended(state)
        query = _standing(mailing_id, OutcomeState.IN_DOUBT)
        if subscribers is not None:
            query = query.where(audience.c.subscriber.in_(subscribers))
        rows = connection.execute(query).all()
        if not rows:
            raise NothingToDo("no place of this mailing is uncertain", code="nothing-uncertain")
        fate: Outcome | Wait = Wait(now, 0)
        if what == "sent":
            fate = Outcome(OutcomeState.ACCEPTED, now, 0, f"ruled sent by {who}")
        return _open_round(connection, mailing_id, rows, what, fate, who=who, why=why, now=now)


def resend(engine: Engine, mailing_id: MailingId, *, who: str, why: str, now: datetime) -> Sequence[Ruled]:
    """Open a round, due now, for every place that was refused or given up; returns them.

    Raises NothingToDo `nothing-failed`, and Refused `mailing-ended` in a mailing that was ended.
    """
    with writing(engine) as connection:
        _refuse_ended(_take_turn(connection, mailing_id))
        rows = connection.execute(_standing(mailing_id, *_FAILED)).all()
        if not rows:
            raise NothingToDo("no place of this mailing has failed", code="nothing-failed")
        return _open_round(connection, mailing_id, rows, "resend", Wait(now, 0), who=who, why=why, now=now)


def count_failed(engine: Engine, mailing_id: MailingId) -> Failed:
    """Count the places whose standing outcome is a failure. Readers who are not mailed any more are *gone*."""
    standing = _standing(mailing_id, *_FAILED).subquery()
    query = (
        select(standing.c.state, subscriber.c.standing, func.count())
        .join(subscriber, subscriber.c.id == standing.c.subscriber)
        .group_by(standing.c.state, subscriber.c.standing)
    )
    states: Counter[OutcomeState] = Counter()
    gone = 0
    with reading(engine) as connection:
        for state, who, count in connection.execute(query):
            states[OutcomeState(state)] += count
            gone += 0 if who == Standing.ACTIVE else count
    return Failed(states[OutcomeState.REFUSED], states[OutcomeState.EXPIRED], gone)


def _take_turn(connection: Connection, mailing_id: MailingId) -> MailingState | None:
    """Wait until nobody else rules on this mailing, begins or ends it; return where it stands."""
    query = select(mailing.c.state).where(mailing.c.id == mailing_id).with_for_update()
    found = connection.execute(query).scalar()
    return None if found is None else MailingState(found)


def _refuse_ended(state: MailingState | None) -> None:
    if state in _ENDED:
        raise Refused("this mailing was ended; nobody is mailed again by it", code="mailing-ended")


def _standing(mailing_id: MailingId, *states: OutcomeState) -> Select[Any]:
    """Ask for the places whose last round ended so, and that no later round has opened again."""
    o, later, a = outcome.c, outcome.alias("later"), audience.c
    reopened = select(literal(1)).where(
        waiting.c.mailing == o.mailing, waiting.c.lane == o.lane, waiting.c.pos == o.pos
    )
    outdone = select(literal(1)).where(
        later.c.mailing == o.mailing, later.c.lane == o.lane, later.c.pos == o.pos, later.c.round > o.round
    )
    return (
        select(o.lane, o.pos, o.round, o.state, a.subscriber, func.coalesce(address.c.domain, "").label("domain"))
        .select_from(outcome)
        .join(audience, and_(a.mailing == o.mailing, a.lane == o.lane, a.pos == o.pos))
        .outerjoin(address, address.c.id == a.address_id)
        .where(o.mailing == mailing_id, o.state.in_([int(one) for one in states]))
        .where(~reopened.correlate(outcome).exists(), ~outdone.correlate(outcome).exists())
        .order_by(o.lane, o.pos)
    )


def _open_round(
    connection: Connection, mailing_id: MailingId, rows: Sequence[Row[Any]], what: str, fate: Outcome | Wait, *,
    who: str, why: str, now: datetime,
) -> Sequence[Ruled]:  # fmt: skip
    spots = [{"mailing": mailing_id, "lane": row.lane, "pos": row.pos, "round": row.round + 1} for row in rows]
    for page in _pages(spots):
        connection.execute(insert(ruling), [{**one, "ruling": what, "who": who, "why": why, "at": now} for one in page])
        if isinstance(fate, Outcome):
            ended = {"state": int(fate.state), "attempts": 0, "code": fate.code, "at": fate.at, "reply": fate.reply}
            connection.execute(insert(outcome), [{**one, **ended} for one in page])
        else:
            connection.execute(insert(waiting), [{**one, "attempts": 0, "next_at": fate.until} for one in page])
    # Lanes in rising order, as every sender writes them: two who wait for each other would wait for ever.
    moved = Counter((row.lane, OutcomeState(row.state)) for row in rows)
    into = lane.c.accepted if isinstance(fate, Outcome) else lane.c.waiting
    for (number, state), count in sorted(moved.items()):
        came = _COLUMN[state]
        connection.execute(
            update(lane)
            .where(lane.c.mailing == mailing_id, lane.c.lane == number)
            .values({came: came - count, into: into + count})
        )
    if isinstance(fate, Wait):
        connection.execute(
            update(mailing)
            .where(mailing.c.id == mailing_id, mailing.c.state == MailingState.SENT)
            .values(state=MailingState.SENDING, finished=None)
        )
    return [
        Ruled(Spot(Lane(row.lane), row.pos, row.round + 1), SubscriberId(row.subscriber), row.domain, fate)
        for row in rows
    ]


def _pages(spots: Sequence[dict[str, int]]) -> Iterable[Sequence[dict[str, int]]]:
    return (spots[start : start + _PAGE] for start in range(0, len(spots), _PAGE))
