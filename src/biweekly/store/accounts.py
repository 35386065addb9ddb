"""Edge: database. The account of a mailing: counts that add up, every place by name, and what people rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, and_, func, insert, literal_column, select, update

from biweekly.delivery.lanes import LaneInfo
from biweekly.errors import NothingToDo, Refused
from biweekly.model.mailing import Lane, MailingId, Outcome, OutcomeState, Spot, Tally
from biweekly.model.subscriber import SubscriberId
from biweekly.store.database import reading, writing
from biweekly.store.ledger import counts_as_waiting
from biweekly.store.tables import address, audience, lane, mailing, outcome, ruling, waiting

TO_GO: Final = "to go"
WAITING: Final = "waiting"
_PAGE: Final = 5_000


def tally(engine: Engine, mailing_id: MailingId) -> Tally:
    """Add up a mailing from the counts that move with the outcomes."""
    c = lane.c
    with reading(engine) as connection:
        planned, accepted, wait, refused, expired, skipped, in_doubt = connection.execute(
            select(
                *(func.coalesce(func.sum(column), 0) for column in
                  (c.planned, c.accepted, c.waiting, c.refused, c.expired, c.skipped, c.in_doubt))
            ).where(c.mailing == mailing_id)
        ).one()  # fmt: skip
    settled = accepted + wait + refused + expired + skipped + in_doubt
    return Tally(
        planned=int(planned), to_go=int(planned - settled), accepted=int(accepted), waiting=int(wait),
        failed=int(refused + expired), uncertain=int(in_doubt), skipped=int(skipped),
    )  # fmt: skip


def lane_infos(engine: Engine, mailing_id: MailingId) -> Sequence[LaneInfo]:
    """Return the lanes of a mailing as they were planned."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(lane.c.lane, lane.c.name, lane.c.stage).where(lane.c.mailing == mailing_id).order_by(lane.c.lane)
        )
        return [LaneInfo(Lane(row.lane), row.name, row.stage) for row in rows]


def recount(engine: Engine, mailing_id: MailingId) -> Tally:
    """Add up a mailing from its rows, one standing state for each place: what `tally` must agree with."""
    counts = dict.fromkeys(("accepted", WAITING, "failed", "uncertain", "skipped", TO_GO), 0)
    planned = 0
    for line in lines(engine, mailing_id):
        planned += 1
        counts[line.state] += 1
    return Tally(
        planned=planned, to_go=counts[TO_GO], accepted=counts["accepted"], waiting=counts[WAITING],
        failed=counts["failed"], uncertain=counts["uncertain"], skipped=counts["skipped"],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One place of a mailing and where it stands, in the words people read. `address` is empty once erased."""

    spot: Spot
    subscriber: SubscriberId
    address: str
    domain: str
    variant: str
    lane: str
    state: str
    attempts: int
    code: int
    reply: str
    at: datetime | None


def lines(engine: Engine, mailing_id: MailingId) -> Iterator[Line]:
    """Yield every place of a mailing once, in order of lane and place."""
    last = (-1, -1)
    while True:
        page = _page(engine, mailing_id, last)
        yield from page
        if len(page) < _PAGE:
            return
        last = (page[-1].spot.lane, page[-1].spot.pos)


def _page(engine: Engine, mailing_id: MailingId, after: tuple[int, int]) -> Sequence[Line]:
    a, o, w = audience.c, outcome.c, waiting.c
    latest = (
        select(func.max(o.round))
        .where(o.mailing == a.mailing, o.lane == a.lane, o.pos == a.pos)
        .correlate(audience)
        .scalar_subquery()
    )
    query = (
        select(
            a.lane, a.pos, a.subscriber, a.variant, address.c.address, address.c.domain, lane.c.name,
            o.round.label("o_round"), o.state, o.attempts.label("o_attempts"), o.code.label("o_code"),
            o.reply.label("o_reply"), o.at,
            w.round.label("w_round"), w.attempts.label("w_attempts"), w.code.label("w_code"),
            w.reply.label("w_reply"), w.next_at,
        )
        .select_from(audience)
        .join(address, address.c.id == a.address_id)
        .join(lane, and_(lane.c.mailing == a.mailing, lane.c.lane == a.lane))
        .outerjoin(outcome, and_(o.mailing == a.mailing, o.lane == a.lane, o.pos == a.pos, o.round == latest))
        .outerjoin(waiting, and_(w.mailing == a.mailing, w.lane == a.lane, w.pos == a.pos))
        .where(a.mailing == mailing_id, (a.lane > after[0]) | and_(a.lane == after[0], a.pos > after[1]))
        .order_by(a.lane, a.pos)
        .limit(_PAGE)
    )  # fmt: skip
    with reading(engine) as connection:
        return [_line(row) for row in connection.execute(query).mappings()]


def _line(row: Any) -> Line:
    reopened = row["w_round"] is not None
    if reopened:
        opened, attempts = row["w_round"], row["w_attempts"]
        state = WAITING if counts_as_waiting(attempts, opened) else TO_GO
        code, reply, at = row["w_code"], row["w_reply"], row["next_at"]
    elif row["state"] is not None:
        opened, attempts = row["o_round"], row["o_attempts"]
        state = OutcomeState(row["state"]).word
        code, reply, at = row["o_code"], row["o_reply"] or "", row["at"]
    else:
        opened, attempts, state, code, reply, at = 0, 0, TO_GO, 0, "", None
    return Line(
        spot=Spot(row["lane"], row["pos"], opened), subscriber=SubscriberId(row["subscriber"]),
        address=row["address"], domain=row["domain"], variant="text" if row["variant"] else "html",
        lane=row["name"], state=state, attempts=attempts, code=code, reply=reply, at=at,
    )  # fmt: skip


def logged_outcomes(engine: Engine, mailing_id: MailingId) -> Iterator[tuple[Spot, SubscriberId, str, Outcome, int]]:
    """Yield every outcome row with its subscriber, domain and tries, for filling the log."""
    query = (
        select(outcome, audience.c.subscriber, address.c.domain)
        .join(
            audience,
            and_(
                audience.c.mailing == outcome.c.mailing,
                audience.c.lane == outcome.c.lane,
                audience.c.pos == outcome.c.pos,
            ),
        )
        .join(address, address.c.id == audience.c.address_id)
        .where(outcome.c.mailing == mailing_id)
        .order_by(outcome.c.lane, outcome.c.pos, outcome.c.round)
    )
    with reading(engine) as connection:
        for row in connection.execution_options(yield_per=_PAGE).execute(query).mappings():
            fate = Outcome(OutcomeState(row["state"]), row["at"], row["code"], row["reply"] or "")
            spot = Spot(row["lane"], row["pos"], row["round"])
            yield spot, SubscriberId(row["subscriber"]), row["domain"], fate, row["attempts"]


def rule(
    engine: Engine,
    mailing_id: MailingId,
    subscribers: Sequence[SubscriberId] | None,
    what: Literal["sent", "again"],
    *,
    who: str,
    why: str,
    now: datetime,
) -> int:
    """Settle uncertain places by a person's word: *sent* makes them accepted, *again* opens a round due now.

    `subscribers` None means all that are uncertain. Returns how many were settled. Raises NothingToDo
    `nothing-uncertain`, and Refused `mailing-ended` for *again* in a cancelled mailing.
    """
    with writing(engine) as connection:
        state = connection.execute(select(mailing.c.state).where(mailing.c.id == mailing_id)).scalar()
        if what == "again" and state in {"cancelled", "missed"}:
            raise Refused("this mailing was ended; nobody is mailed again by it", code="mailing-ended")
        rows = _uncertain(connection, mailing_id, subscribers)
        if not rows:
            raise NothingToDo("no place of this mailing is uncertain", code="nothing-uncertain")
        for number, pos, last in rows:
            spot = {"mailing": mailing_id, "lane": number, "pos": pos, "round": last + 1}
            connection.execute(insert(ruling).values(**spot, ruling=what, who=who, why=why, at=now))
            if what == "sent":
                connection.execute(
                    insert(outcome).values(
                        **spot,
                        state=int(OutcomeState.ACCEPTED),
                        attempts=0,
                        code=0,
                        at=now,
                        reply=f"ruled sent by {who}",
                    )
                )
            else:
                connection.execute(insert(waiting).values(**spot, attempts=0, next_at=now))
            moved = lane.c.accepted if what == "sent" else lane.c.waiting
            connection.execute(
                update(lane)
                .where(lane.c.mailing == mailing_id, lane.c.lane == number)
                .values({lane.c.in_doubt: lane.c.in_doubt - 1, moved: moved + 1})
            )
        if what == "again":
            connection.execute(
                update(mailing)
                .where(mailing.c.id == mailing_id, mailing.c.state == "sent")
                .values(state="sending", finished=None)
            )
    return len(rows)


def _uncertain(
    connection: Connection, mailing_id: MailingId, subscribers: Sequence[SubscriberId] | None
) -> Sequence[tuple[int, int, int]]:
    o = outcome.c
    latest = (
        select(o.lane, o.pos, func.max(o.round).label("last"))
        .where(o.mailing == mailing_id)
        .group_by(o.lane, o.pos)
        .subquery()
    )
    query = (
        select(o.lane, o.pos, o.round)
        .join(latest, and_(latest.c.lane == o.lane, latest.c.pos == o.pos, latest.c.last == o.round))
        .where(o.mailing == mailing_id, o.state == int(OutcomeState.IN_DOUBT))
        .where(
            ~select(literal_column("1"))
            .select_from(waiting)
            .where(waiting.c.mailing == mailing_id, waiting.c.lane == o.lane, waiting.c.pos == o.pos)
            .correlate(outcome)
            .exists()
        )
    )
    if subscribers is not None:
        query = query.join(
            audience,
            and_(audience.c.mailing == o.mailing, audience.c.lane == o.lane, audience.c.pos == o.pos),
        ).where(audience.c.subscriber.in_(subscribers))
    return [(row.lane, row.pos, row.round) for row in connection.execute(query)]
