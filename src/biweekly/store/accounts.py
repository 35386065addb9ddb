"""Edge: database. The account of a mailing: counts that add up, what is in flight, and every place by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, and_, func, select, text

from biweekly.delivery.lanes import LaneInfo
from biweekly.model.mailing import Lane, MailingId, Outcome, OutcomeState, Spot, Tally
from biweekly.model.subscriber import SubscriberId
from biweekly.store.database import reading
from biweekly.store.ledger import counts_as_waiting
from biweekly.store.tables import address, audience, lane, outcome, waiting

TO_GO: Final = "to go"
WAITING: Final = "waiting"
_PAGE: Final = 5_000
# Claimed for the first time and not settled; claimed from the waiting rows.
_IN_FLIGHT: Final = (
    (
        "SELECT count(*) FROM shard s"
        " JOIN audience a ON a.mailing = s.mailing AND a.lane = s.lane AND a.pos >= s.cursor AND a.pos < s.inflight"
        " WHERE s.mailing = :mailing"
        " AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.mailing = a.mailing AND o.lane = a.lane AND o.pos = a.pos)"
        " AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.mailing = a.mailing AND w.lane = a.lane AND w.pos = a.pos)"
    ),
    "SELECT count(*) FROM waiting WHERE mailing = :mailing AND claim IS NOT NULL",
)


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


def in_flight(engine: Engine, mailing_id: MailingId) -> int:
    """Count the places that a sender has claimed and that are not settled: their letters may be on the wire."""
    with reading(engine) as connection:
        return sum(int(connection.execute(text(one), {"mailing": mailing_id}).scalar_one()) for one in _IN_FLIGHT)


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
