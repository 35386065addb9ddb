"""Edge: database. How fast relays and lanes may be mailed: rows that survive a restart and hold for every sender."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import Engine, select, text

from biweekly.delivery.pace import Pace
from biweekly.store.database import insert_or, reading, writing
from biweekly.store.tables import daily, from_ms, pace, to_ms

_MILLISECOND: Final = timedelta(milliseconds=1)
_RESERVE: Final = text(
    "INSERT INTO pace (kind, name, slot) VALUES (:kind, :name, CAST(:now AS BIGINT) + CAST(:length AS BIGINT))"
    " ON CONFLICT (kind, name) DO UPDATE SET slot = CAST(:length AS BIGINT)"
    " + CASE WHEN pace.slot > CAST(:now AS BIGINT) THEN pace.slot ELSE CAST(:now AS BIGINT) END RETURNING slot"
)


class PaceBook:
    """What is asked of the rows. Each call is one transaction."""

    def __init__(self, engine: Engine) -> None:
        """Ask this database."""
        self._engine = engine

    def read(self, kind: str, names: Iterable[str]) -> Mapping[str, Pace]:
        """Return the pace of each name; one that has no row was never slowed down."""
        wanted = list(names)
        with reading(self._engine) as connection:
            rows = connection.execute(select(pace).where(pace.c.kind == kind, pace.c.name.in_(wanted))).mappings()
            found = {
                row["name"]: Pace(
                    rate=row["rate"], too_fast=row["too_fast"], since=row["since"],
                    rest=row["rest_ms"] * _MILLISECOND, rest_until=row["rest_until"], why=row["why"],
                )
                for row in rows
            }  # fmt: skip
        return {name: found.get(name, Pace()) for name in wanted}

    def keep(self, kind: str, name: str, now: Pace) -> None:
        """Write a pace down."""
        values = {
            "rate": now.rate, "too_fast": now.too_fast, "since": now.since, "rest_ms": now.rest // _MILLISECOND,
            "rest_until": now.rest_until, "why": now.why[:500],
        }  # fmt: skip
        with writing(self._engine) as connection:
            put = insert_or(connection, pace).values(kind=kind, name=name, **values)
            connection.execute(put.on_conflict_do_update(index_elements=["kind", "name"], set_=values))

    def reserve(self, kind: str, name: str, slots: int, *, rate: float, now: datetime) -> datetime:
        """Reserve so many slots at a rate behind everybody else's, and return when the first of them is."""
        length = max(1, round(slots * 1000 / rate))
        with writing(self._engine) as connection:
            end = connection.execute(
                _RESERVE, {"kind": kind, "name": name, "now": to_ms(now), "length": length}
            ).scalar_one()
        return from_ms(end - length)

    def accepted_on(self, relay: str, day: date) -> int:
        """Return how many letters a relay took on a day."""
        with reading(self._engine) as connection:
            query = select(daily.c.accepted).where(daily.c.relay == relay, daily.c.day == day)
            return int(connection.execute(query).scalar() or 0)

    def count_accepted(self, relay: str, letters: int, *, now: datetime) -> None:
        """Add to what a relay took on the day of `now`, by UTC."""
        day = now.astimezone(UTC).date()
        with writing(self._engine) as connection:
            put = insert_or(connection, daily).values(relay=relay, day=day, accepted=letters)
            connection.execute(
                put.on_conflict_do_update(
                    index_elements=["relay", "day"], set_={"accepted": daily.c.accepted + letters}
                )
            )
