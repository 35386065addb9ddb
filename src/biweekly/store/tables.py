"""Edge: database. Every table in one place, for SQLite and PostgreSQL alike.

Times are aware UTC datetimes in Python and whole milliseconds since 1970 in the database, so that both databases hold
the same numbers. `docs/architecture.md` says what the rows mean; `ledger.py`, `people.py`, `desk.py` ask them.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    text,
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def to_ms(at: datetime) -> int:
    """Whole milliseconds since 1970 of an aware time."""
    return (at - EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    """The aware UTC time of a stored number."""
    return EPOCH + timedelta(milliseconds=ms)


class Instant(TypeDecorator[datetime]):
    """An aware moment, kept as whole milliseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Datetime to number."""
        return None if value is None else to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Number to datetime."""
        return None if value is None else from_ms(value)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite gives INTEGER PRIMARY KEY its fast rowid only under this very type.
_Id = BigInteger().with_variant(Integer, "sqlite")

# --- people -----------------------------------------------------------------------------------------------------

# `key_hash` is the first 16 bytes of HMAC-SHA-256(secret, address key): unique, and no address. NULL once erased.
subscriber = Table(
    "subscriber",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key_hash", LargeBinary(16), unique=True),
    Column("address_id", _Id),
    Column("standing", String(16), nullable=False),
    Column("variant", String(8), nullable=False),
    Column("since", Instant, nullable=False),
    Column("paused_until", Instant),
)

# Rows are never edited: a change of address or name makes a new one, and frozen places point at the old. Erasing
# empties all of a person's. Nothing else in the database holds an address.
address = Table(
    "address",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("subscriber", _Id, ForeignKey("subscriber.id"), nullable=False, index=True),
    Column("address", String(320), nullable=False),
    Column("name", String(200), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("at", Instant, nullable=False),
)

# What people agreed to, said once for an import of a million.
basis = Table(
    "basis",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("source", String(255), nullable=False),
    Column("wording", String, nullable=False),
    UniqueConstraint("source", "wording"),
)

consent = Table(
    "consent",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("subscriber", _Id, ForeignKey("subscriber.id"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("event", String(32), nullable=False),
    Column("basis", _Id, ForeignKey("basis.id"), nullable=False),
    Column("mailing", _Id),
)

# Survives erasure: a keyed hash and nothing that names the person.
suppression = Table(
    "suppression",
    metadata,
    Column("key_hash", LargeBinary(16), primary_key=True),
    Column("reason", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("source", String(255), nullable=False),
)

# --- editions and mailings ---------------------------------------------------------------------------------------

edition = Table(
    "edition",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("issue", String(64), nullable=False),
    Column("web_id", String(32), nullable=False, unique=True),
    Column("frozen_at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

mailing = Table(
    "mailing",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("issue", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("edition", String(64), ForeignKey("edition.sha256"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("planned", Integer, nullable=False, server_default="0"),
    Column("created", Instant, nullable=False),
    Column("due", Instant),
    Column("stamp", Instant),
    Column("started", Instant),
    Column("finished", Instant),
    Column("paused_at", Instant),
    Column("reason", String),
    Column("not_mailed", String, nullable=False, server_default="{}"),
    Index("ix_mailing_issue", "newsletter", "issue"),
    Index(
        "uq_mailing_regular",
        "newsletter",
        "issue",
        unique=True,
        sqlite_where=text("kind = 'regular'"),
        postgresql_where=text("kind = 'regular'"),
    ),
)

# --- the ledger (design: frozen audience, claims under a generation, insert-only outcomes) ---------------------------

audience = Table(
    "audience",
    metadata,
    Column("mailing", _Id, primary_key=True),
    Column("lane", SmallInteger, primary_key=True),
    Column("pos", Integer, primary_key=True),
    Column("subscriber", _Id, nullable=False),
    Column("address_id", _Id, nullable=False),
    Column("variant", SmallInteger, nullable=False),
    Index("uq_audience_subscriber", "mailing", "subscriber", unique=True),
    sqlite_with_rowid=False,
)

# Places to a shard; `lo` is always a multiple of it.
SHARD_SIZE: Final = 10_000

lane = Table(
    "lane",
    metadata,
    Column("mailing", _Id, primary_key=True),
    Column("lane", SmallInteger, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("stage", SmallInteger, nullable=False, server_default="0"),
    Column("planned", Integer, nullable=False),
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("waiting", Integer, nullable=False, server_default="0"),
    Column("refused", Integer, nullable=False, server_default="0"),
    Column("expired", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("in_doubt", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

shard = Table(
    "shard",
    metadata,
    Column("mailing", _Id, primary_key=True),
    Column("lane", SmallInteger, primary_key=True),
    Column("lo", Integer, primary_key=True),
    Column("hi", Integer, nullable=False),
    Column("cursor", Integer, nullable=False),
    Column("inflight", Integer, nullable=False),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("holder", String(160)),
    Column("lease_until", Instant),
    sqlite_with_rowid=False,
)

waiting = Table(
    "waiting",
    metadata,
    Column("mailing", _Id, primary_key=True),
    Column("lane", SmallInteger, primary_key=True),
    Column("pos", Integer, primary_key=True),
    Column("round", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("first_at", Instant),
    Column("next_at", Instant, nullable=False),
    Column("code", SmallInteger, nullable=False, server_default="0"),
    Column("reply", String, nullable=False, server_default=""),
    Column("claim", Integer),
    Index("ix_waiting_due", "mailing", "next_at"),
    sqlite_with_rowid=False,
)

outcome = Table(
    "outcome",
    metadata,
    Column("mailing", _Id, primary_key=True),
    Column("lane", SmallInteger, primary_key=True),
    Column("pos", Integer, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("state", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("code", SmallInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("reply", String),
    sqlite_with_rowid=False,
)

ruling = Table(
    "ruling",
    metadata,
    Column("mailing", _Id, primary_key=True),
    Column("lane", SmallInteger, primary_key=True),
    Column("pos", Integer, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("ruling", String(8), nullable=False),
    Column("who", String(128), nullable=False),
    Column("why", String, nullable=False),
    Column("at", Instant, nullable=False),
)

# How fast a relay or a lane may be mailed: survives a restart, and holds for every sender. `slot` is the moment from
# which nobody has been promised a slot yet.
pace = Table(
    "pace",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("rate", Double),
    Column("too_fast", Double),
    Column("since", Instant),
    Column("rest_ms", BigInteger, nullable=False, server_default="0"),
    Column("rest_until", Instant),
    Column("why", String, nullable=False, server_default=""),
    Column("slot", Instant),
)

# How many letters a relay took on a day, for the days while it warms up.
daily = Table(
    "daily",
    metadata,
    Column("relay", String(255), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("accepted", Integer, nullable=False, server_default="0"),
)

# --- the fortnight -----------------------------------------------------------------------------------------------

occurrence = Table(
    "occurrence",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("nominal", Date, nullable=False),
    Column("due", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("issue", String(64)),
    Column("reason", String),
    UniqueConstraint("newsletter", "nominal"),
)

milestone = Table(
    "milestone",
    metadata,
    Column("occurrence", _Id, ForeignKey("occurrence.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("due", Instant, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("settled", Instant),
    Column("note", String),
)

# Who did what, when: append-only.
audit = Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", String(128), nullable=False),
    Column("what", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("detail", String, nullable=False, server_default=""),
    Index("ix_audit_subject", "subject"),
)
