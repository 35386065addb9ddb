"""Edge: database. The door: open a database, read a consistent state of it, write to it in one transaction."""

from biweekly.store.database import open_database, reading, writing

__all__ = ["open_database", "reading", "writing"]
