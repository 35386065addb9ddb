"""Edge: database. Frozen editions, whole, by the hash of their content."""

from datetime import datetime
from typing import cast

from sqlalchemy import Connection, Engine, insert, select

from biweekly.errors import NothingToDo
from biweekly.store.database import reading
from biweekly.store.tables import edition


def keep(
    connection: Connection, *, sha256: str, web_id: str, newsletter: str, issue: str, body: bytes, now: datetime
) -> None:
    """Keep an edition; the same one again is the same row."""
    if connection.execute(select(edition.c.sha256).where(edition.c.sha256 == sha256)).first() is None:
        connection.execute(
            insert(edition).values(
                sha256=sha256, web_id=web_id, newsletter=newsletter, issue=issue, body=body, frozen_at=now
            )
        )


def fetch(engine: Engine, sha256: str) -> bytes:
    """Return an edition as it was kept; NothingToDo `no-edition`."""
    with reading(engine) as connection:
        found = connection.execute(select(edition.c.body).where(edition.c.sha256 == sha256)).scalar()
    if found is None:
        raise NothingToDo("there is no such edition in the database", code="no-edition", place=sha256[:12])
    return bytes(cast("bytes", found))


def fetch_by_web_id(engine: Engine, web_id: str) -> bytes | None:
    """Return the edition whose web version stands at this address, if any."""
    with reading(engine) as connection:
        found = connection.execute(select(edition.c.body).where(edition.c.web_id == web_id)).scalar()
    return None if found is None else bytes(cast("bytes", found))
