"""Edge: database. Many people at once: who of a list is known already, and letting in the others.

A list of a million is let in at full speed only without a statement for each row: hashes are looked up by the
thousand, and rows go in by `executemany` on SQLite and by COPY on PostgreSQL.
"""

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Connection, text

from biweekly.audience.row import Entry
from biweekly.model.subscriber import Standing
from biweekly.store.tables import to_ms

EVENT: Final = "imported"
# Whoever adds people to PostgreSQL takes this lock first: two lists at once must not meet on the unique index.
_TURN: Final = 2026112602


def take_turn(connection: Connection) -> None:
    """Wait until nobody else changes who is on the list; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})


def standings(connection: Connection, hashes: Sequence[bytes]) -> Mapping[bytes, Standing]:
    """Return the standing of those that are known; a suppressed address has one although nobody may own it."""
    found: dict[bytes, Standing] = {}
    if not hashes:
        return found
    for query in (
        "SELECT key_hash, standing FROM subscriber WHERE key_hash",
        "SELECT key_hash, 'suppressed' FROM suppression WHERE key_hash",
    ):
        for key_hash, standing in _among(connection, query, hashes):
            found[bytes(key_hash)] = Standing(standing)
    return found


def admit(
    connection: Connection, entries: Sequence[Entry], *, basis: int, event: str, at: datetime
) -> Mapping[bytes, Standing]:
    """Let in, as active, everyone who is not known; return the standing of the others, who stay as they are.

    The entries' hashes are distinct. `basis` is what they agreed to. Belongs in a writing transaction.
    """
    take_turn(connection)
    known = standings(connection, [entry[0] for entry in entries])
    new = [entry for entry in entries if entry[0] not in known]
    if new:
        people, addresses = (_ids(connection, table, len(new)) for table in ("subscriber", "address"))
        when = to_ms(at)
        _insert(
            connection, "subscriber", ("id", "key_hash", "address_id", "standing", "variant", "since"),
            [
                (person, entry[0], address, Standing.ACTIVE.value, entry[5], when)
                for person, address, entry in zip(people, addresses, new, strict=True)
            ],
        )  # fmt: skip
        _insert(
            connection, "address", ("id", "subscriber", "address", "name", "domain", "at"),
            [
                (address, person, entry[2], entry[3], entry[4], when)
                for person, address, entry in zip(people, addresses, new, strict=True)
            ],
        )  # fmt: skip
        _insert(
            connection, "consent", ("subscriber", "at", "event", "basis"),
            [(person, when, event, basis) for person in people],
        )  # fmt: skip
    return known


def _among(connection: Connection, query: str, hashes: Sequence[bytes]) -> Sequence[tuple[Any, ...]]:
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(f"{query} = ANY(%s)", (list(hashes),))
    else:
        marks = ",".join(itertools.repeat("?", len(hashes)))
        rows = connection.exec_driver_sql(f"{query} IN ({marks})", tuple(hashes))
    return cast("Sequence[tuple[Any, ...]]", rows.all())


def _ids(connection: Connection, table: str, count: int) -> Sequence[int]:
    """Reserve ids, rising. On SQLite nobody else writes until this transaction ends, and rows are never deleted."""
    if connection.dialect.name == "postgresql":
        rows = connection.execute(
            text("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)"),
            {"table": table, "count": count},
        )
        return sorted(row[0] for row in rows)
    last = connection.exec_driver_sql(f"SELECT coalesce(max(id), 0) FROM {table}").scalar_one()  # noqa: S608 - ours
    return range(last + 1, last + 1 + count)


def _insert(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        driver = cast("Any", connection.connection.driver_connection)
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(rows))  # noqa: S608 - ours
