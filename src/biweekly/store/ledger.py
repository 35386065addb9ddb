"""Edge: database. The ledger of a mailing: claims under a generation, outcomes inserted once, counts that agree.

The hot path is written by hand, in one transaction a turn: outcomes and waiting rows of what was settled, the cursor
and the lanes' counts, then the next claim. A sender that lost a shard to another finds its generation gone and stops.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine

from biweekly.errors import StoppedPartWay
from biweekly.model.issue import VariantName
from biweekly.model.mailing import (
    Lane,
    MailingId,
    MailingState,
    Outcome,
    OutcomeState,
    Place,
    Settled,
    Spot,
    Wait,
)
from biweekly.model.subscriber import Standing, SubscriberId
from biweekly.store.database import reading, writing
from biweekly.store.tables import SHARD_SIZE, from_ms, to_ms

_VARIANTS: Final = (VariantName.HTML, VariantName.TEXT)
_COUNTS: Final = {
    OutcomeState.ACCEPTED: "accepted",
    OutcomeState.REFUSED: "refused",
    OutcomeState.EXPIRED: "expired",
    OutcomeState.SKIPPED: "skipped",
    OutcomeState.IN_DOUBT: "in_doubt",
}
_PLACE: Final = (
    " ad.address, ad.name, ad.domain, a.variant, s.standing, a.subscriber"
    " FROM audience a JOIN address ad ON ad.id = a.address_id JOIN subscriber s ON s.id = a.subscriber"
)
_SAME_PLACE: Final = " w.mailing = a.mailing AND w.lane = a.lane AND w.pos = a.pos"

# What becomes of the places that a former holder (by name; None: there never was one) left open.
Settle = Callable[[str | None, Sequence[Place]], Mapping[Spot, Outcome | Wait]]


class Fenced(StoppedPartWay):
    """Another sender has taken a shard over: what this one held there is the other's to settle."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The answer to a turn.

    Places claimed, what staff want of the mailing now, when the next waiting place is due, and whether there are
    places here that nobody has claimed yet.
    """

    places: Sequence[Place]
    state: MailingState
    next_due: datetime | None
    unclaimed: bool = False


@dataclass(slots=True)
class _Shard:
    lane: int
    lo: int
    hi: int
    cursor: int
    inflight: int
    generation: int
    ahead: set[int] = field(default_factory=set)  # settled positions beyond the cursor

    def settle(self, pos: int) -> None:
        self.ahead.add(pos)
        while self.cursor in self.ahead:
            self.ahead.remove(self.cursor)
            self.cursor += 1


class Ledger:
    """A holder's side of one mailing. Not for several threads at once: the engine's writer thread owns it.

    After an error of the database it must not be used again: what it remembers may be ahead of what was written.
    Recovery by the next holder settles that.
    """

    def __init__(self, engine: Engine, mailing: MailingId, holder: str, *, lease_ms: int | None) -> None:
        """`lease_ms` is how long a shard stays ours without renewal; None where a lock of the system guards it."""
        self._engine = engine
        self._mailing = mailing
        self._holder = holder
        self._lease_ms = lease_ms
        self._shards: dict[tuple[int, int], _Shard] = {}
        self._rota: deque[_Shard] = deque()
        self._for_update = "" if engine.dialect.name == "sqlite" else " FOR UPDATE"

    # -- taking and giving back ---------------------------------------------------------------------------------

    def take(self, *, free: Iterable[str], settle: Settle, now: datetime) -> Sequence[Settled]:
        """Take the shards that nobody holds, or whose holder is in `free` (proven dead, or past its lease).

        What their former holders left open is settled in the same commit, as `settle` decides from their journals.
        Returns what was settled so, for the log.
        """
        dead = set(free)
        settled: list[Settled] = []
        with writing(self._engine) as connection:
            rows = _all(
                connection,
                "SELECT lane, lo, hi, cursor, inflight, generation, holder FROM shard WHERE mailing = ?"
                f" AND (holder IS NULL OR holder <> ?) ORDER BY lo, lane{self._for_update}",
                (self._mailing, self._holder),
            )
            for lane, lo, hi, cursor, inflight, generation, holder in rows:
                if holder is not None and holder not in dead:
                    continue
                shard = _Shard(lane, lo, hi, cursor, inflight, generation)
                left = self._open_places(connection, shard)
                fates = settle(holder, left)
                settled += [Settled(place, fates[place.spot]) for place in left]
                shard.cursor = inflight
                self._change_shard(
                    connection, shard, "cursor = ?, generation = generation + 1, holder = ?, lease_until = ?",
                    (inflight, self._holder, self._lease(now)),
                )  # fmt: skip
                shard.generation += 1
                self._shards[lane, lo] = shard
                self._rota.append(shard)
            self._write(connection, settled)
        return settled

    def release(self, settled: Sequence[Settled], unhanded: Sequence[Place], *, now: datetime) -> None:
        """Stop in good order: settle what came back, make what was claimed but never handed due again, let go."""
        again = []
        for place in sorted(unhanded, key=lambda one: one.spot, reverse=True):
            shard = self._shard_of(place.spot)
            if not place.was_waiting and place.spot.pos == shard.inflight - 1:
                shard.inflight -= 1  # never handed, and the last of its claim: simply not claimed
            else:
                again.append(Settled(place, Wait(now, place.attempts)))
        with writing(self._engine) as connection:
            self._advance([*settled, *again])
            for shard in _in_order(self._shards.values()):
                self._change_shard(
                    connection, shard, "cursor = ?, inflight = ?, holder = NULL, lease_until = NULL",
                    (shard.cursor, shard.inflight),
                )  # fmt: skip
            self._write(connection, [*settled, *again])
        self._shards.clear()
        self._rota.clear()

    # -- the turn ---------------------------------------------------------------------------------------------------

    def turn(
        self, settled: Sequence[Settled], *, wanted: int, now: datetime, allowed: Mapping[Lane, int] | None = None
    ) -> Turn:
        """Record what was settled and claim up to `wanted` places, in one commit.

        `allowed` bounds what is claimed of each lane; without it any number may come from any. Places whose reader has
        left or been suppressed since planning come back with `mailable` false. Raises Fenced where another sender has
        taken over a shard of these; then nothing of this turn was written.
        """
        with writing(self._engine) as connection:
            found = _one(connection, "SELECT state FROM mailing WHERE id = ?", (self._mailing,))
            state = MailingState(found[0]) if found else MailingState.CANCELLED
            self._advance(settled)
            # The shards come first, in one order for everybody: they are the fence, and a taker holds them locked
            # while it settles what we may be writing here.
            touched = {id(shard): shard for shard in (self._shard_of(one.place.spot) for one in settled)}
            for shard in _in_order(touched.values()):
                self._change_shard(connection, shard, "cursor = ?, lease_until = ?", (shard.cursor, self._lease(now)))
            self._write(connection, settled)
            going = state is MailingState.SENDING and wanted > 0
            places = self._claim(connection, wanted, now, allowed) if going else []
            due = _one(
                connection,
                "SELECT min(next_at) FROM waiting WHERE mailing = ? AND claim IS NULL",
                (self._mailing,),
            )
        return Turn(places, state, None if due is None or due[0] is None else from_ms(due[0]), bool(self._rota))

    def renew(self, *, now: datetime) -> None:
        """Renew the lease on every shard held; raises Fenced where one is gone."""
        with writing(self._engine) as connection:
            for shard in _in_order(self._shards.values()):
                self._change_shard(connection, shard, "lease_until = ?", (self._lease(now),))

    def _claim(
        self, connection: Connection, wanted: int, now: datetime, allowed: Mapping[Lane, int] | None
    ) -> list[Place]:
        left = defaultdict(lambda: wanted) if allowed is None else dict(allowed)
        places = self._claim_waiting(connection, wanted, now, [one for one, most in left.items() if most <= 0])
        for place in places:
            left[place.spot.lane] -= 1
        for _ in range(len(self._rota)):
            if len(places) >= wanted:
                break
            shard = self._rota[0]
            lane = Lane(shard.lane)
            start, to = shard.inflight, min(shard.hi, shard.inflight + min(wanted - len(places), max(0, left[lane])))
            if to > start:
                left[lane] -= to - start
                shard.inflight = to
                self._change_shard(connection, shard, "inflight = ?", (to,))
                rows = _all(
                    connection,
                    f"SELECT a.pos,{_PLACE} WHERE a.mailing = ? AND a.lane = ? AND a.pos >= ? AND a.pos < ?"
                    " ORDER BY a.pos",
                    (self._mailing, shard.lane, start, to),
                )
                places += [_place(Spot(lane, row[0]), row[1:]) for row in rows]
            if to >= shard.hi:
                self._rota.popleft()
            else:
                self._rota.rotate(-1)
        return places

    def _claim_waiting(self, connection: Connection, wanted: int, now: datetime, closed: Sequence[Lane]) -> list[Place]:
        shut = f" AND w.lane NOT IN ({', '.join(str(int(one)) for one in closed)})" if closed else ""
        rows = _all(
            connection,
            f"SELECT w.lane, w.pos, w.round, w.attempts, w.first_at,{_PLACE} JOIN waiting w ON{_SAME_PLACE}"
            " JOIN shard h ON h.mailing = w.mailing AND h.lane = w.lane AND h.lo <= w.pos AND h.hi > w.pos"
            f" WHERE w.mailing = ? AND w.claim IS NULL AND w.next_at <= ? AND h.holder = ?{shut}"
            " ORDER BY w.next_at LIMIT ?",
            (self._mailing, to_ms(now), self._holder, wanted),
        )
        spots = [Spot(Lane(row[0]), row[1], row[2]) for row in rows]
        _many(
            connection,
            "UPDATE waiting SET claim = ? WHERE mailing = ? AND lane = ? AND pos = ?",
            [(self._shard_of(spot).generation, self._mailing, spot.lane, spot.pos) for spot in spots],
        )
        return [
            _place(spot, row[5:], attempts=row[3], first_ms=row[4], was_waiting=True)
            for spot, row in zip(spots, rows, strict=True)
        ]

    # -- writing ----------------------------------------------------------------------------------------------------

    def _write(self, connection: Connection, settled: Sequence[Settled]) -> None:
        outcomes: list[tuple[Any, ...]] = []
        waits: list[tuple[Any, ...]] = []
        counts: Counter[tuple[int, str]] = Counter()
        for one in settled:
            place, spot, fate = one.place, one.place.spot, one.fate
            where = (self._mailing, spot.lane, spot.pos)
            if counts_as_waiting(place.attempts, spot.round):
                counts[spot.lane, "waiting"] -= 1
            if isinstance(fate, Outcome):
                counts[spot.lane, _COUNTS[fate.state]] += 1
                outcomes.append((*where, spot.round, int(fate.state), one.attempts, fate.code, to_ms(fate.at),
                                 None if fate.state is OutcomeState.ACCEPTED else fate.reply))  # fmt: skip
            else:
                if counts_as_waiting(fate.attempts, spot.round):
                    counts[spot.lane, "waiting"] += 1
                first_ms = None if place.began is None else to_ms(place.began)
                waits.append((*where, spot.round, fate.attempts, first_ms, to_ms(fate.until), fate.code, fate.reply))
        _many(
            connection,
            "DELETE FROM waiting WHERE mailing = ? AND lane = ? AND pos = ?",
            [(self._mailing, one.place.spot.lane, one.place.spot.pos) for one in settled if one.place.was_waiting],
        )
        _many(
            connection,
            "INSERT INTO outcome (mailing, lane, pos, round, state, attempts, code, at, reply)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            outcomes,
        )
        _many(
            connection,
            "INSERT INTO waiting (mailing, lane, pos, round, attempts, first_at, next_at, code, reply)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            waits,
        )
        for (lane, column), change in sorted(counts.items()):
            _run(
                connection,
                f"UPDATE lane SET {column} = {column} + ? WHERE mailing = ? AND lane = ?",
                (change, self._mailing, lane),
            )

    def _advance(self, settled: Iterable[Settled]) -> None:
        for one in settled:
            if not one.place.was_waiting:
                self._shard_of(one.place.spot).settle(one.place.spot.pos)

    def _change_shard(self, connection: Connection, shard: _Shard, what: str, values: tuple[Any, ...]) -> None:
        changed = _run(
            connection,
            f"UPDATE shard SET {what} WHERE mailing = ? AND lane = ? AND lo = ? AND generation = ?",
            (*values, self._mailing, shard.lane, shard.lo, shard.generation),
        )
        if changed != 1:
            raise Fenced(
                "another sender has taken over; what was in flight here is settled there", code="fenced",
                hint="biweekly status",
            )  # fmt: skip

    # -- finding ----------------------------------------------------------------------------------------------------

    def _open_places(self, connection: Connection, shard: _Shard) -> list[Place]:
        """Return what was claimed in a shard and has neither an outcome nor an unclaimed waiting row."""
        fresh = _all(
            connection,
            f"SELECT a.pos,{_PLACE} WHERE a.mailing = ? AND a.lane = ? AND a.pos >= ? AND a.pos < ?"
            " AND NOT EXISTS (SELECT 1 FROM outcome o WHERE o.mailing = a.mailing AND o.lane = a.lane"
            f" AND o.pos = a.pos) AND NOT EXISTS (SELECT 1 FROM waiting w WHERE{_SAME_PLACE}) ORDER BY a.pos",
            (self._mailing, shard.lane, shard.cursor, shard.inflight),
        )
        again = _all(
            connection,
            f"SELECT w.pos, w.round, w.attempts, w.first_at,{_PLACE} JOIN waiting w ON{_SAME_PLACE}"
            " WHERE w.mailing = ? AND w.lane = ? AND w.pos >= ? AND w.pos < ? AND w.claim IS NOT NULL ORDER BY w.pos",
            (self._mailing, shard.lane, shard.lo, shard.hi),
        )
        lane = Lane(shard.lane)
        return [
            *(_place(Spot(lane, row[0]), row[1:]) for row in fresh),
            *(
                _place(Spot(lane, row[0], row[1]), row[4:], attempts=row[2], first_ms=row[3], was_waiting=True)
                for row in again
            ),
        ]

    def _shard_of(self, spot: Spot) -> _Shard:
        return self._shards[spot.lane, spot.pos - spot.pos % SHARD_SIZE]

    def _lease(self, now: datetime) -> int | None:
        return None if self._lease_ms is None else to_ms(now) + self._lease_ms


def counts_as_waiting(attempts: int, opened: int) -> bool:
    """Whether people would say that a place with a waiting row waits: it was tried, or a person opened a round.

    One that was claimed and never tried is still *to go*.
    """
    return attempts > 0 or opened > 0


def holders(engine: Engine, mailing: MailingId | None = None) -> Sequence[tuple[str, datetime | None]]:
    """Return who holds shards, of one mailing or of any, and until when their lease runs."""
    which = "" if mailing is None else "mailing = ? AND "
    with reading(engine) as connection:
        rows = _all(
            connection,
            f"SELECT holder, max(lease_until) FROM shard WHERE {which}holder IS NOT NULL GROUP BY holder",
            () if mailing is None else (mailing,),
        )
    return [(name, None if until is None else from_ms(until)) for name, until in rows]


def _place(
    spot: Spot, row: Sequence[Any], *, attempts: int = 0, first_ms: int | None = None, was_waiting: bool = False
) -> Place:
    written, name, domain, variant, standing, reader = row
    return Place(
        spot=spot, subscriber=SubscriberId(reader), address=written, name=name, domain=domain,
        variant=_VARIANTS[variant], attempts=attempts, began=None if first_ms is None else from_ms(first_ms),
        mailable=standing == Standing.ACTIVE, was_waiting=was_waiting,
    )  # fmt: skip


def _in_order(shards: Iterable[_Shard]) -> Sequence[_Shard]:
    return sorted(shards, key=lambda one: (one.lo, one.lane))


# -- the driver, without a layer in between -----------------------------------------------------------------------


def _marked(connection: Connection, sql: str) -> str:
    return sql if connection.dialect.paramstyle == "qmark" else sql.replace("?", "%s")


def _run(connection: Connection, sql: str, values: tuple[Any, ...]) -> int:
    return connection.exec_driver_sql(_marked(connection, sql), values).rowcount


def _many(connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(_marked(connection, sql), list(rows))


def _all(connection: Connection, sql: str, values: tuple[Any, ...]) -> Sequence[Any]:
    return connection.exec_driver_sql(_marked(connection, sql), values).fetchall()


def _one(connection: Connection, sql: str, values: tuple[Any, ...]) -> Any:
    return connection.exec_driver_sql(_marked(connection, sql), values).fetchone()
