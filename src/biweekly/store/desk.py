"""Edge: database. The calendar's rows: occurrences, their milestones, and who did what.

Rows decide and clocks only wake: a milestone is taken by one process in one transaction and settled, with everything
that follows from it in the database, in another; a process that dies in between loses it to the next one after its
lease. Any number of processes may do this at once.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, RowMapping, and_, func, insert, or_, select, update

from biweekly.model.issue import IssueId
from biweekly.model.occurrence import (
    AuditEntry,
    Milestone,
    MilestoneKind,
    MilestoneState,
    Occurrence,
    OccurrenceId,
    OccurrenceState,
    Planned,
    Ruling,
    Taken,
)
from biweekly.store.database import insert_or, reading, writing
from biweekly.store.tables import audit, milestone, occurrence

CLOCK: Final = "clock"
LEASE: Final = timedelta(minutes=10)
_OPEN: Final = (OccurrenceState.PLANNED, OccurrenceState.COMPOSED)
_UNSETTLED: Final = (MilestoneState.PENDING, MilestoneState.WORKING)
# A clock that was far ahead and came back has called issues missed that are still to come.
_SURELY_TO_COME: Final = timedelta(days=1)

Rows = Mapping[date, tuple[Occurrence, Mapping[MilestoneKind, Milestone]]]


class Desk:
    """The calendar of one newsletter."""

    def __init__(self, engine: Engine, newsletter: str) -> None:
        """`newsletter` is the key under which this publication's rows are kept."""
        self._engine = engine
        self._newsletter = newsletter

    # -- what is to come -----------------------------------------------------------------------------------------------

    def materialise(self, planned: Sequence[Planned], *, now: datetime) -> int:
        """Make the rows agree with the schedule; returns how many occurrences were new or changed.

        A nominal date is one row for ever. Dues of issues that are still open are computed anew; open issues to come
        whose date the schedule no longer has are cancelled, and come back with it. What is settled stays as it is.
        """
        if _agree(self._rows_since(planned, now), planned, now):
            return 0
        with writing(self._engine) as connection:
            changed = 0
            for one in sorted(planned, key=lambda one: one.nominal):
                changed += self._plan(connection, one, now)
            return changed + self._cancel_others(connection, planned, now)

    def newest(self) -> date | None:
        """Return the latest nominal date that stands in the calendar."""
        with reading(self._engine) as connection:
            found: date | None = connection.execute(
                select(func.max(occurrence.c.nominal)).where(
                    occurrence.c.newsletter == self._newsletter, occurrence.c.state != OccurrenceState.CANCELLED
                )
            ).scalar()
            return found

    def next_due(self) -> datetime | None:
        """Return when the earliest milestone that nobody has settled is due."""
        with reading(self._engine) as connection:
            found: datetime | None = connection.execute(
                select(milestone.c.due)
                .join(occurrence, occurrence.c.id == milestone.c.occurrence)
                .where(occurrence.c.newsletter == self._newsletter, milestone.c.state == MilestoneState.PENDING)
                .order_by(milestone.c.due)
                .limit(1)
            ).scalar()
            return found

    def occurrences(self, *, since: date | None = None) -> Sequence[Occurrence]:
        """Return the occurrences from a day on, the earliest first."""
        query = select(occurrence).where(occurrence.c.newsletter == self._newsletter).order_by(occurrence.c.nominal)
        if since is not None:
            query = query.where(occurrence.c.nominal >= since)
        with reading(self._engine) as connection:
            return [_read(row) for row in connection.execute(query).mappings()]

    def milestones(self, wanted: OccurrenceId) -> Mapping[MilestoneKind, Milestone]:
        """Return an occurrence's milestones."""
        with reading(self._engine) as connection:
            return _milestones(connection, [wanted]).get(wanted, {})

    # -- settling ------------------------------------------------------------------------------------------------------

    def take(self, *, now: datetime, lease: timedelta = LEASE) -> Taken | None:
        """Take the earliest milestone that is due, for this process alone; None where nothing is.

        A milestone waits for the earlier one of its occurrence. One that was taken and not settled within the lease
        (or was taken at a time that is still to come, by a clock that has been set back) is taken again.
        """
        query = self._due(now, lease)
        with reading(self._engine) as connection:
            if connection.execute(query).first() is None:
                return None
        with writing(self._engine) as connection:
            row = connection.execute(query.with_for_update(skip_locked=True, of=milestone)).first()
            if row is None:
                return None
            connection.execute(
                update(milestone)
                .where(milestone.c.occurrence == row.occurrence, milestone.c.kind == row.kind)
                .values(state=MilestoneState.WORKING, settled=now)
            )
            return _taken(connection, OccurrenceId(row.occurrence), MilestoneKind(row.kind))

    def settle(self, taken: Taken, ruling: Ruling, *, now: datetime) -> bool:
        """Write down what became of a milestone: all of it in one transaction, with a line in the audit log.

        False where another process has taken it meanwhile; then nothing is written.
        """
        with writing(self._engine) as connection:
            key = taken.occurrence.id
            # The occurrence first, as everywhere: two processes never wait for each other.
            connection.execute(select(occurrence.c.id).where(occurrence.c.id == key).with_for_update())
            if not _flip(connection, taken, {"state": ruling.milestone, "settled": now, "note": ruling.note}):
                return False
            if ruling.closes:
                connection.execute(
                    update(milestone)
                    .where(milestone.c.occurrence == key, milestone.c.state.in_(_UNSETTLED))
                    .values(state=ruling.milestone, settled=now, note=ruling.note)
                )
            changes = {"state": ruling.occurrence, "issue": ruling.issue, "reason": ruling.reason}
            kept = {name: value for name, value in changes.items() if value is not None}
            if kept:
                connection.execute(update(occurrence).where(occurrence.c.id == key).values(kept))
            what = f"{taken.kind} {ruling.milestone}"
            write_down(connection, who=CLOCK, what=what, subject=_subject(taken), detail=ruling.note, at=now)
            return True

    def put_back(self, taken: Taken) -> None:
        """Give back a milestone that could not be settled now: it is due again at once."""
        with writing(self._engine) as connection:
            _flip(connection, taken, {"state": MilestoneState.PENDING, "settled": None})

    # -- within --------------------------------------------------------------------------------------------------------

    def _due(self, now: datetime, lease: timedelta) -> Any:
        before = milestone.alias()
        run_out = or_(milestone.c.settled < now - lease, milestone.c.settled > now + lease)
        return (
            select(milestone.c.occurrence, milestone.c.kind)
            .join(occurrence, occurrence.c.id == milestone.c.occurrence)
            .where(
                occurrence.c.newsletter == self._newsletter,
                milestone.c.due <= now,
                or_(
                    milestone.c.state == MilestoneState.PENDING,
                    and_(milestone.c.state == MilestoneState.WORKING, run_out),
                ),
                ~select(before.c.kind)
                .where(
                    before.c.occurrence == milestone.c.occurrence,
                    before.c.due < milestone.c.due,
                    before.c.state.in_(_UNSETTLED),
                )
                .exists(),
            )
            .order_by(milestone.c.due, milestone.c.kind.desc(), milestone.c.occurrence)
            .limit(1)
        )

    def _rows_since(self, planned: Sequence[Planned], now: datetime) -> Rows:
        since = min([one.nominal for one in planned], default=now.date() - _SURELY_TO_COME)
        found = self.occurrences(since=since)
        with reading(self._engine) as connection:
            marks = _milestones(connection, [one.id for one in found])
        return {one.nominal: (one, marks.get(one.id, {})) for one in found}

    def _plan(self, connection: Connection, one: Planned, now: datetime) -> int:
        added = _add(
            connection, occurrence, {"newsletter": self._newsletter, "nominal": one.nominal, "due": one.due,
                                     "state": OccurrenceState.PLANNED},
        )  # fmt: skip
        row = connection.execute(
            select(occurrence)
            .where(occurrence.c.newsletter == self._newsletter, occurrence.c.nominal == one.nominal)
            .with_for_update()
        ).mappings().one()  # fmt: skip
        standing = _read(row)
        for kind, due in _dues(one):
            _add(
                connection, milestone,
                {"occurrence": standing.id, "kind": kind, "due": due, "state": MilestoneState.PENDING},
            )  # fmt: skip
        if added:
            return 1
        revived = _comes_back(standing, one, now)
        if standing.state not in _OPEN and not revived:
            return 0
        for kind, due in _dues(one):
            _recompute(connection, standing.id, kind, due, revive=revived, now=now)
        changes: dict[str, Any] = {"due": one.due}
        if revived:
            changes["state"] = OccurrenceState.COMPOSED if standing.issue else OccurrenceState.PLANNED
            changes["reason"] = None
        connection.execute(update(occurrence).where(occurrence.c.id == standing.id).values(changes))
        if revived:
            what = "back on the calendar"
        elif standing.due != one.due:
            what = "moved"
        else:
            return 0
        detail = f"due {one.due:%Y-%m-%d %H:%M} UTC, was {standing.due:%Y-%m-%d %H:%M} UTC"
        write_down(connection, who=CLOCK, what=what, subject=one.nominal.isoformat(), detail=detail, at=now)
        return 1

    def _cancel_others(self, connection: Connection, planned: Sequence[Planned], now: datetime) -> int:
        wanted = {one.nominal for one in planned}
        rows = connection.execute(
            select(occurrence)
            .where(
                occurrence.c.newsletter == self._newsletter, occurrence.c.due > now, occurrence.c.state.in_(_OPEN)
            )
            .order_by(occurrence.c.nominal)
            .with_for_update()
        ).mappings()  # fmt: skip
        gone = [one for one in map(_read, rows) if one.nominal not in wanted]
        reason = "the schedule no longer has this date"
        for one in gone:
            connection.execute(
                update(occurrence)
                .where(occurrence.c.id == one.id)
                .values(state=OccurrenceState.CANCELLED, reason=reason)
            )
            connection.execute(
                update(milestone)
                .where(milestone.c.occurrence == one.id, milestone.c.state.in_(_UNSETTLED))
                .values(state=MilestoneState.CANCELLED, settled=now, note=reason)
            )
            subject = one.nominal.isoformat()
            write_down(connection, who=CLOCK, what="cancelled", subject=subject, detail=reason, at=now)
        return len(gone)


# --- who did what ----------------------------------------------------------------------------------------------------


def record(engine: Engine, *, who: str, what: str, subject: str, detail: str = "", at: datetime) -> None:
    """Write down who did what to which subject (an issue's id, or a nominal date), in a transaction of its own."""
    with writing(engine) as connection:
        write_down(connection, who=who, what=what, subject=subject, detail=detail, at=at)


def write_down(connection: Connection, *, who: str, what: str, subject: str, detail: str = "", at: datetime) -> None:
    """Write down who did what as a part of the transaction that does it."""
    connection.execute(insert(audit).values(at=at, who=who, what=what, subject=subject, detail=detail))


def history(engine: Engine, subject: str) -> Sequence[AuditEntry]:
    """Return everything that was written down about a subject, the oldest first."""
    with reading(engine) as connection:
        rows = connection.execute(select(audit).where(audit.c.subject == subject).order_by(audit.c.id)).mappings()
        return [AuditEntry(row["at"], row["who"], row["what"], row["subject"], row["detail"]) for row in rows]


# --- rows ------------------------------------------------------------------------------------------------------------


def _dues(one: Planned) -> tuple[tuple[MilestoneKind, datetime], ...]:
    return (MilestoneKind.COMPOSE, one.cutoff), (MilestoneKind.SEND, one.due)


def _subject(taken: Taken) -> str:
    return taken.occurrence.nominal.isoformat()


def _read(row: RowMapping) -> Occurrence:
    issue = None if row["issue"] is None else IssueId(row["issue"])
    return Occurrence(
        OccurrenceId(row["id"]), row["nominal"], row["due"], OccurrenceState(row["state"]), issue, row["reason"]
    )


def _milestones(
    connection: Connection, wanted: Sequence[OccurrenceId]
) -> dict[OccurrenceId, dict[MilestoneKind, Milestone]]:
    found: dict[OccurrenceId, dict[MilestoneKind, Milestone]] = {}
    for row in connection.execute(select(milestone).where(milestone.c.occurrence.in_(wanted))).mappings():
        kind = MilestoneKind(row["kind"])
        found.setdefault(OccurrenceId(row["occurrence"]), {})[kind] = Milestone(
            kind, row["due"], MilestoneState(row["state"]), row["settled"], row["note"]
        )
    return found


def _taken(connection: Connection, key: OccurrenceId, kind: MilestoneKind) -> Taken:
    row = connection.execute(select(occurrence).where(occurrence.c.id == key)).mappings().one()
    marks = _milestones(connection, [key])[key]
    own, compose = marks[kind], marks[MilestoneKind.COMPOSE]
    return Taken(_read(row), kind, own.due, compose.due, compose.state, cast("datetime", own.settled))


def _flip(connection: Connection, taken: Taken, values: Mapping[str, Any]) -> bool:
    """Change a taken milestone, only while it is this very taking's."""
    done = connection.execute(
        update(milestone)
        .where(
            milestone.c.occurrence == taken.occurrence.id,
            milestone.c.kind == taken.kind,
            milestone.c.state == MilestoneState.WORKING,
            milestone.c.settled == taken.taken,
        )
        .values(values)
    )
    return done.rowcount == 1


def _add(connection: Connection, table: Any, values: Mapping[str, Any]) -> bool:
    """Insert a row where there is none with its key; False where there is."""
    added = insert_or(connection, table).values(values).on_conflict_do_nothing().returning(*table.primary_key.columns)
    return connection.execute(added).first() is not None


def _recompute(
    connection: Connection, key: OccurrenceId, kind: MilestoneKind, due: datetime, *, revive: bool, now: datetime
) -> None:
    this = and_(milestone.c.occurrence == key, milestone.c.kind == kind)
    connection.execute(update(milestone).where(this, milestone.c.state == MilestoneState.PENDING).values(due=due))
    if not revive:
        return
    # What a clock far ahead has called missed comes back only where it is still to come; a late policy judges the rest.
    stale = milestone.c.state == MilestoneState.CANCELLED
    if due > now:
        stale = or_(stale, milestone.c.state == MilestoneState.MISSED)
    connection.execute(
        update(milestone).where(this, stale).values(due=due, state=MilestoneState.PENDING, settled=None, note=None)
    )


def _comes_back(standing: Occurrence, one: Planned, now: datetime) -> bool:
    if standing.state is OccurrenceState.CANCELLED:
        return one.due > now
    return standing.state is OccurrenceState.MISSED and one.due > now + _SURELY_TO_COME


def _agree(rows: Rows, planned: Sequence[Planned], now: datetime) -> bool:
    """Whether nothing would change."""
    wanted = {one.nominal for one in planned}
    for one in planned:
        standing, marks = rows.get(one.nominal, (None, {}))
        if standing is None or len(marks) < len(_dues(one)) or _comes_back(standing, one, now):
            return False
        if standing.state in _OPEN and (standing.due != one.due or _moves(marks, one)):
            return False
    return not any(row.due > now and row.state in _OPEN and row.nominal not in wanted for row, _ in rows.values())


def _moves(marks: Mapping[MilestoneKind, Milestone], one: Planned) -> bool:
    return any(marks[kind].state is MilestoneState.PENDING and marks[kind].due != due for kind, due in _dues(one))
