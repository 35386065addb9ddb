"""Edge: database. Bring a database up to date, whatever release wrote it.

Every migration is tested on a filled database of either kind. Foreign keys are off while SQLite's tables are rebuilt,
because dropping a table with them on deletes its children without a word.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from biweekly.errors import StoreError
from biweekly.store.database import reading

HEAD: Final = "0001"


def version(engine: Engine) -> str | None:
    """Return the revision a database is at; None where it is empty."""
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


def upgrade(engine: Engine) -> bool:
    """Bring the database to this release's shape; True where anything was done.

    Raises StoreError `database-newer` for a database that a later release wrote.
    """
    at = version(engine)
    if at == HEAD:
        return False
    if at is not None and at > HEAD:
        raise StoreError(
            f"the database was written by a newer release (revision {at}, this program knows {HEAD})",
            code="database-newer", place=engine.url.render_as_string(hide_password=True),
            hint="update biweekly, or restore the backup made before the update",
        )  # fmt: skip
    with engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            _outside_transaction(connection, "PRAGMA foreign_keys=OFF")
        try:
            with connection.execution_options(biweekly_writes=True).begin():
                _run(connection)
        finally:
            if sqlite:
                _outside_transaction(connection, "PRAGMA foreign_keys=ON")
    return True


def _outside_transaction(connection: Connection, pragma: str) -> None:
    # Inside a transaction SQLite takes this pragma and does nothing.
    driver = connection.connection.driver_connection
    if driver is not None:
        driver.execute(pragma)


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        # Two processes of a first start must not migrate at once; the lock ends with the transaction.
        connection.execute(text("SELECT pg_advisory_xact_lock(2026112601)"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        if broken:
            raise StoreError(f"the migration would leave {len(broken)} loose rows", code="migration-broken")
