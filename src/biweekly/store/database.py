"""Edge: database. Open a database by its URL, and read and write it safely.

SQLite runs in WAL with synchronous=FULL, foreign keys on, and BEGIN IMMEDIATE for every writing transaction;
PostgreSQL through psycopg 3 as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from biweekly.errors import ConfigError, StoreError

_BUSY_MS = 10_000


def open_database(url: str) -> Engine:
    """Open a database, without touching its tables (`migrate` does).

    Raises ConfigError `database-url` for a URL that is not understood, StoreError `database-unreachable`.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        elif parsed.get_backend_name() != "sqlite":
            raise ConfigError(
                f"{parsed.get_backend_name()} is not a database that biweekly knows", code="database-url",
                key="database.url", hint="sqlite:///path/to/file.db or postgresql://user@host/name",
            )  # fmt: skip
        engine = create_engine(parsed, poolclass=QueuePool, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(f"database.url: {error}", code="database-url", key="database.url") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_as_asked)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Read a consistent state."""
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise _explain(error, engine) from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Run one writing transaction; it commits when the block ends and rolls back when the block raises."""
    try:
        with engine.connect().execution_options(biweekly_writes=True) as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        raise _explain(error, engine) from error


def insert_or(connection: Connection, table: Table) -> Any:
    """Return an INSERT that takes ON CONFLICT, of this connection's dialect."""
    # One of the two: the other's dialect takes a tenth of a second and megabytes to import.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own habit of opening transactions late would let a reader turn into a writer half-way and fail at
    # once with "database is locked"; BEGIN is ours (see _begin_as_asked).
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _begin_as_asked(connection: Connection) -> None:
    writes = connection.get_execution_options().get("biweekly_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _explain(error: SQLAlchemyError, engine: Engine) -> StoreError:
    cause = str(getattr(error, "orig", None) or error).splitlines()[0]
    place = engine.url.render_as_string(hide_password=True)
    if "no such table" in cause or "does not exist" in cause:
        return StoreError(
            f"the database is not set up: {cause}", code="database-not-set-up", place=place, hint="biweekly db upgrade"
        )
    if "locked" in cause or "lock timeout" in cause:
        return StoreError(
            "the database is in use and did not answer in time", code="database-locked", place=place,
            hint="try again; if it stays so, look for a program that holds it open",
        )  # fmt: skip
    return StoreError(cause, code="database-error", place=place, hint="biweekly doctor")
