"""Edge: database. Mailings: entered, frozen when they begin, and their state as staff see and change it."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from biweekly.delivery.scope import NO_SUCH_DOMAIN
from biweekly.errors import NothingToDo, Refused
from biweekly.model.issue import IssueId
from biweekly.model.mailing import Mailing, MailingId, MailingKind, MailingState
from biweekly.model.subscriber import Standing
from biweekly.store import stages
from biweekly.store.database import reading
from biweekly.store.tables import SHARD_SIZE, address, audience, lane, mailing, shard, subscriber, to_ms, waiting

_BEFORE_THE_FIRST_LETTER: Final = (MailingState.SCHEDULED, MailingState.COOLING_OFF)
_REFUSALS: Final = 500


def _read(row: RowMapping) -> Mailing:
    return Mailing(
        id=MailingId(row["id"]), newsletter=row["newsletter"], issue=IssueId(row["issue"]),
        kind=MailingKind(row["kind"]), edition=row["edition"], state=MailingState(row["state"]),
        planned=row["planned"], due=row["due"], stamp=row["stamp"], started=row["started"],
        finished=row["finished"], reason=row["reason"],
    )  # fmt: skip


def enter(
    connection: Connection,
    *,
    newsletter: str,
    issue: IssueId,
    kind: MailingKind,
    edition: str,
    state: MailingState,
    due: datetime | None,
    now: datetime,
) -> MailingId:
    """Write a mailing down; nobody is planned yet.

    Raises Refused `already-mailed` where a regular mailing of this issue exists: the database itself holds that rule.
    """
    try:
        with connection.begin_nested():
            key = connection.execute(
                insert(mailing).values(
                    newsletter=newsletter, issue=issue, kind=kind, edition=edition, state=state, due=due, created=now
                )
            ).inserted_primary_key
    except IntegrityError as error:
        raise Refused(
            "this issue has its regular mailing already; an issue is mailed once", code="already-mailed",
            place=issue, hint=f"biweekly report {issue}",
        ) from error  # fmt: skip
    return MailingId(cast("Any", key)[0])


def find(engine: Engine, mailing_id: MailingId) -> Mailing:
    """Return one mailing; NothingToDo `no-mailing`."""
    with reading(engine) as connection:
        row = connection.execute(select(mailing).where(mailing.c.id == mailing_id)).mappings().first()
    if row is None:
        raise NothingToDo("there is no such mailing", code="no-mailing", place=str(mailing_id))
    return _read(row)


def of_issue(engine: Engine, newsletter: str, issue: IssueId) -> Sequence[Mailing]:
    """Return the mailings of an issue, the regular one first, then the newest."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(mailing).where(mailing.c.newsletter == newsletter, mailing.c.issue == issue)
        ).mappings()
        found = [_read(row) for row in rows]
    return sorted(found, key=lambda one: (one.kind is not MailingKind.REGULAR, -one.id))


def in_states(engine: Engine, newsletter: str, *states: MailingState) -> Sequence[Mailing]:
    """Return the mailings in any of these states, the earliest due first."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(mailing)
            .where(mailing.c.newsletter == newsletter, mailing.c.state.in_(states))
            .order_by(mailing.c.due, mailing.c.id)
        ).mappings()
        return [_read(row) for row in rows]


def change_state(
    connection: Connection,
    mailing_id: MailingId,
    to: MailingState,
    *,
    only_from: Sequence[MailingState],
    reason: str | None = None,
) -> bool:
    """Move a mailing on, only from the states named; False where it stood elsewhere."""
    done = connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id, mailing.c.state.in_(only_from))
        .values(state=to, reason=reason)
    )
    return done.rowcount == 1


def pause(connection: Connection, mailing_id: MailingId, *, reason: str | None, now: datetime) -> bool:
    """Let a mailing under way rest until a person resumes it; False where it is not under way."""
    done = connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id, mailing.c.state == MailingState.SENDING)
        .values(state=MailingState.PAUSED, reason=reason, paused_at=now)
    )
    return done.rowcount == 1


def go_on(connection: Connection, mailing_id: MailingId, *, now: datetime) -> bool:
    """Let a paused mailing go on; False where it was not paused.

    The time it was paused makes no waiting letter older. What waits because of a refusal that was not its reader's
    fault is due at once: whoever resumes has put that right.
    """
    standing = select(mailing.c.paused_at).where(mailing.c.id == mailing_id, mailing.c.state == MailingState.PAUSED)
    row = connection.execute(standing.with_for_update()).first()
    if row is None:
        return False
    # A clock that was set back must not make them older than they are.
    rested_ms = 0 if row.paused_at is None else max(0, to_ms(now) - to_ms(row.paused_at))
    connection.execute(
        text("UPDATE waiting SET first_at = first_at + :rested WHERE mailing = :mailing AND first_at IS NOT NULL"),
        {"rested": rested_ms, "mailing": mailing_id},
    )
    about_the_domain = or_(*(waiting.c.reply.like(f"5__ {status} %") for status in NO_SUCH_DOMAIN))
    connection.execute(
        update(waiting)
        .where(
            waiting.c.mailing == mailing_id, waiting.c.claim.is_(None), waiting.c.code >= _REFUSALS,
            waiting.c.next_at > now, ~about_the_domain,
        )
        .values(next_at=now)
    )  # fmt: skip
    connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id)
        .values(state=MailingState.SENDING, reason=None, paused_at=None)
    )
    return True


def finish(connection: Connection, mailing_id: MailingId, *, at: datetime) -> bool:
    """Say that a mailing is over, where it is under way and no place is to go or waits; False where it is not so.

    Who rules on a place takes the same row first, so that no round is opened in a mailing that is just over.
    """
    standing = select(mailing.c.id).where(mailing.c.id == mailing_id, mailing.c.state == MailingState.SENDING)
    if connection.execute(standing.with_for_update()).first() is None:
        return False
    settled = lane.c.accepted + lane.c.refused + lane.c.expired + lane.c.skipped + lane.c.in_doubt
    left = select(lane.c.lane).where(lane.c.mailing == mailing_id, or_(settled < lane.c.planned, lane.c.waiting != 0))
    if connection.execute(left.limit(1)).first() is not None:
        return False
    connection.execute(
        update(mailing).where(mailing.c.id == mailing_id).values(state=MailingState.SENT, reason=None, finished=at)
    )
    return True


def withdraw(connection: Connection, mailing_id: MailingId) -> bool:
    """Take back a mailing that has not begun: its row is gone and the issue can be scheduled again."""
    done = connection.execute(
        delete(mailing).where(mailing.c.id == mailing_id, mailing.c.state.in_(_BEFORE_THE_FIRST_LETTER))
    )
    return done.rowcount == 1


def clear_missed(connection: Connection, *, newsletter: str, issue: IssueId) -> None:
    """Make room for another regular mailing of an issue whose own was missed: nobody was planned for it."""
    connection.execute(
        delete(mailing).where(
            mailing.c.newsletter == newsletter, mailing.c.issue == issue, mailing.c.kind == MailingKind.REGULAR,
            mailing.c.state == MailingState.MISSED,
        )
    )  # fmt: skip


def count_readers(connection: Connection) -> Mapping[str, int]:
    """Count active readers by variant."""
    rows = connection.execute(
        select(subscriber.c.variant, func.count())
        .where(subscriber.c.standing == Standing.ACTIVE)
        .group_by(subscriber.c.variant)
    )
    return dict(rows.all())


def count_not_mailed(connection: Connection) -> Mapping[str, int]:
    """Count those outside a plan, by their standing; the erased are nobody."""
    rows = connection.execute(
        select(subscriber.c.standing, func.count())
        .where(subscriber.c.standing.not_in([Standing.ACTIVE, Standing.ERASED]))
        .group_by(subscriber.c.standing)
    )
    return dict(rows.all())


def freeze_audience(
    connection: Connection,
    mailing_id: MailingId,
    *,
    divide: Callable[[Mapping[str, int]], tuple[Sequence[str], Mapping[str, int]]],
    now: datetime,
    seeds: tuple[str, ...] = (),
    canary: float = 0.0,
) -> int:
    """Begin a mailing: freeze who gets it, in which lane and order, and fix the letters' date, in this transaction.

    `divide` names lanes and gives each recipient domain one; `seeds` (addresses) and a share `canary` of the others
    get lanes of their own, which are sent first. Returns the number of places.
    """
    counted = connection.execute(
        select(address.c.domain, func.count())
        .select_from(subscriber)
        .join(address, address.c.id == subscriber.c.address_id)
        .where(subscriber.c.standing == Standing.ACTIVE)
        .group_by(address.c.domain)
    )
    names, of_domain = divide(dict(counted.all()))
    connection.execute(text("CREATE TEMPORARY TABLE domain_lane (domain TEXT PRIMARY KEY, lane INTEGER NOT NULL)"))
    if of_domain:
        connection.execute(
            text("INSERT INTO domain_lane (domain, lane) VALUES (:domain, :lane)"),
            [{"domain": domain, "lane": number} for domain, number in of_domain.items()],
        )
    staged = {}
    if seeds or canary:
        stages.set_apart(connection, mailing_id, seeds=seeds, canary=canary, active=Standing.ACTIVE)
        staged = {len(names): stages.SEEDS, len(names) + 1: stages.CANARY}
        names = [*names, stages.SEED_LANE, stages.CANARY_LANE]
    of_lane = f"coalesce(e.stage + {len(names) - 2}, d.lane)" if staged else "d.lane"
    connection.execute(
        text(
            "INSERT INTO audience (mailing, lane, pos, subscriber, address_id, variant)"  # noqa: S608 - own words only
            f" SELECT :mailing, {of_lane}, row_number() OVER (PARTITION BY {of_lane} ORDER BY s.id) - 1, s.id, a.id,"
            " CASE s.variant WHEN 'text' THEN 1 ELSE 0 END"
            " FROM subscriber s JOIN address a ON a.id = s.address_id JOIN domain_lane d ON d.domain = a.domain"
            f"{' LEFT JOIN early e ON e.subscriber = s.id' if staged else ''} WHERE s.standing = :active"
        ),
        {"mailing": mailing_id, "active": Standing.ACTIVE},
    )
    connection.execute(text("DROP TABLE domain_lane"))
    if staged:
        connection.execute(text("DROP TABLE early"))
    last = stages.REST if staged else 0
    lanes = {number: (name, staged.get(number, last)) for number, name in enumerate(names)}
    return divide_work(connection, mailing_id, lanes, not_mailed=count_not_mailed(connection), now=now)


def divide_work(
    connection: Connection, mailing_id: MailingId, lanes: Mapping[int, tuple[str, int]], *,
    not_mailed: Mapping[str, int], now: datetime,
) -> int:  # fmt: skip
    """Make lanes (by number: name and stage) and shards for a frozen audience, and mark the mailing as begun.

    Returns the number of places.
    """
    rows = connection.execute(
        select(audience.c.lane, func.count()).where(audience.c.mailing == mailing_id).group_by(audience.c.lane)
    )
    counts: dict[int, int] = dict(rows.all())
    planned = sum(counts.values())
    if counts:
        connection.execute(
            insert(lane),
            [
                {"mailing": mailing_id, "lane": n, "name": lanes[n][0], "stage": lanes[n][1], "planned": counts[n]}
                for n in sorted(counts)
            ],
        )
        connection.execute(
            insert(shard),
            [
                {"mailing": mailing_id, "lane": n, "lo": lo, "hi": min(lo + SHARD_SIZE, counts[n]), "cursor": lo,
                 "inflight": lo}
                for n in sorted(counts)
                for lo in range(0, counts[n], SHARD_SIZE)
            ],
        )  # fmt: skip
    connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id)
        .values(
            state=MailingState.SENDING, planned=planned, stamp=now, started=now, reason=None,
            not_mailed=json.dumps(dict(not_mailed)),
        )
    )  # fmt: skip
    return planned


def not_mailed(engine: Engine, mailing_id: MailingId) -> Mapping[str, int]:
    """Return who was outside the plan when the mailing began, by reason."""
    with reading(engine) as connection:
        found = connection.execute(select(mailing.c.not_mailed).where(mailing.c.id == mailing_id)).scalar()
    return cast("Mapping[str, int]", json.loads(found or "{}"))


def insist(planned: int, expected: int) -> None:
    """Refuse to go on where the audience is not of the size a person confirmed (Refused `count-changed`)."""
    if planned != expected:
        raise Refused(
            f"{expected} subscribers were confirmed, and now there are {planned}", code="count-changed",
            hint="look at the plan again, then confirm the new number",
        )  # fmt: skip
