"""Wiring. Builds the parts from the configuration; the only place that knows them all."""

from sqlalchemy import Engine

from biweekly.publication import Publication
from biweekly.store import open_database
from biweekly.store.migrations import upgrade


def open_store(publication: Publication) -> Engine:
    """Open the publication's database and bring it up to date."""
    engine = open_database(publication.database_url)
    upgrade(engine)
    return engine
