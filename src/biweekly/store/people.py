"""Edge: database. The people: who they are, where they stand, what they agreed to, and how they go.

An address is found by a keyed hash of its normal form; the hash alone survives when a person is erased, so that no
list ever brings them back.
"""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, and_, func, insert, or_, select, update

from biweekly.audience.row import Entry
from biweekly.audience.validate import restore
from biweekly.model.address import Address, Mailbox
from biweekly.model.issue import VariantName
from biweekly.model.mailing import MailingId
from biweekly.model.subscriber import Consent, Standing, Subscriber, SubscriberId
from biweekly.store import admission
from biweekly.store.database import reading, writing
from biweekly.store.tables import address, audience, basis, consent, mailing, outcome, subscriber, suppression, waiting

KEY_PURPOSE: Final = "addresses"
_MAY_LEAVE: Final = (Standing.UNCONFIRMED, Standing.ACTIVE, Standing.PAUSED, Standing.BOUNCED)
_PERSON: Final = (
    select(
        subscriber.c.id, subscriber.c.standing, subscriber.c.variant, subscriber.c.since,
        address.c.address, address.c.name,
    )
    .select_from(subscriber)
    .outerjoin(address, address.c.id == subscriber.c.address_id)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Erased:
    """Who was erased, and under which addresses they had been known."""

    subscriber: SubscriberId
    addresses: tuple[str, ...]


class People:
    """The people of one publication. `key` is for the hashes (`Publication.key(KEY_PURPOSE)`)."""

    def __init__(self, engine: Engine, *, key: bytes) -> None:
        self._engine = engine
        self._key = key

    def hash_of(self, key: str) -> bytes:
        """Return what stands for an address (`Address.key`) in the database: 16 bytes of HMAC-SHA-256."""
        return hmac.digest(self._key, key.encode(), "sha256")[:16]

    # --- many at once ---

    def standings(self, hashes: Sequence[bytes]) -> Mapping[bytes, Standing]:
        """Return the standing of those among these that are known or suppressed."""
        with reading(self._engine) as connection:
            return admission.standings(connection, hashes)

    def admit(
        self, entries: Sequence[Entry], *, source: str, wording: str, event: str, at: datetime
    ) -> Mapping[bytes, Standing]:
        """Let in everyone of these who is new, in one transaction; return the standing of the others, left as it is."""
        with writing(self._engine) as connection:
            admission.take_turn(connection)
            return admission.admit(connection, entries, basis=_basis(connection, source, wording), event=event, at=at)

    # --- one by one ---

    def find(self, wanted: Address) -> Subscriber | None:
        """Find a person by address, in whatever spelling."""
        return self._one(subscriber.c.key_hash == self.hash_of(wanted.key))

    def get(self, wanted: SubscriberId) -> Subscriber | None:
        """Return a person by number."""
        return self._one(subscriber.c.id == wanted)

    def suppressed(self, wanted: Address) -> bool:
        """Whether an address is never to be mailed, whoever's it is."""
        return self.standings([self.hash_of(wanted.key)]).get(self.hash_of(wanted.key)) is Standing.SUPPRESSED

    def page(
        self,
        *,
        standing: Standing | None = None,
        domain: str | None = None,
        after: SubscriberId | None = None,
        limit: int = 1000,
    ) -> Sequence[Subscriber]:
        """Return up to `limit` people by number, those after `after`; the erased only where asked for."""
        query = _PERSON.where(subscriber.c.id > (after or 0)).order_by(subscriber.c.id).limit(limit)
        query = query.where(subscriber.c.standing == (standing or subscriber.c.standing))
        if standing is None:
            query = query.where(subscriber.c.standing != Standing.ERASED)
        if domain is not None:
            query = query.where(address.c.domain == domain)
        with reading(self._engine) as connection:
            return [_read(row) for row in connection.execute(query).mappings()]

    def walk(self, *, standing: Standing | None = None, domain: str | None = None) -> Iterator[Subscriber]:
        """Yield everyone, page by page, without holding the database."""
        after: SubscriberId | None = None
        while found := self.page(standing=standing, domain=domain, after=after):
            yield from found
            after = found[-1].id

    def count(self) -> Mapping[Standing, int]:
        """Count people by standing."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(subscriber.c.standing, func.count()).group_by(subscriber.c.standing))
            return {Standing(standing): count for standing, count in rows}

    def history(self, wanted: SubscriberId) -> Sequence[Consent]:
        """Return what a person agreed to and withdrew, the oldest first."""
        query = (
            select(consent.c.subscriber, consent.c.at, consent.c.event, basis.c.source, basis.c.wording)
            .join(basis, basis.c.id == consent.c.basis)
            .where(consent.c.subscriber == wanted)
            .order_by(consent.c.at, consent.c.id)
        )
        with reading(self._engine) as connection:
            return [
                Consent(SubscriberId(one.subscriber), one.at, one.event, one.source, one.wording)
                for one in connection.execute(query)
            ]

    def leave(self, wanted: SubscriberId, *, mailing_id: MailingId | None, source: str, at: datetime) -> bool:
        """Take a person off the list at their own wish; False where they were not on it. Any number of times."""
        with writing(self._engine) as connection:
            done = connection.execute(
                update(subscriber)
                .where(subscriber.c.id == wanted, subscriber.c.standing.in_(_MAY_LEAVE))
                .values(standing=Standing.LEFT, paused_until=None)
            )
            if done.rowcount:
                _note(connection, wanted, "left", source, "", at, mailing_id)
            return bool(done.rowcount)

    def suppress(self, wanted: Address, *, reason: str, source: str, at: datetime) -> bool:
        """Never mail an address again, whether anybody has it or not; False where that was so already."""
        key_hash = self.hash_of(wanted.key)
        with writing(self._engine) as connection:
            admission.take_turn(connection)
            changed = _suppress(connection, key_hash, reason=reason, source=source, at=at)
            person = connection.execute(
                select(subscriber.c.id).where(
                    subscriber.c.key_hash == key_hash, subscriber.c.standing != Standing.SUPPRESSED
                )
            ).scalar()
            if person is not None:
                connection.execute(
                    update(subscriber)
                    .where(subscriber.c.id == person)
                    .values(standing=Standing.SUPPRESSED, paused_until=None)
                )
                _note(connection, person, "suppressed", source, reason, at)
            return changed or person is not None

    def known_addresses(self, wanted: SubscriberId) -> Sequence[str]:
        """Return every address a person ever had here, in the form for the wire."""
        with reading(self._engine) as connection:
            return _addresses(connection, wanted)

    def erase(self, wanted: Address, *, source: str, at: datetime) -> Erased | None:
        """Empty every row that names a person, and keep the hash of the address as a suppression; None if unknown.

        Places of past mailings stay and still add up. On SQLite the file holds no trace afterwards; PostgreSQL gives
        the bytes free at its next VACUUM.
        """
        key_hash = self.hash_of(wanted.key)
        with writing(self._engine) as connection:
            admission.take_turn(connection)
            person = connection.execute(select(subscriber.c.id).where(subscriber.c.key_hash == key_hash)).scalar()
            if person is None:
                return None
            addresses = _addresses(connection, person)
            _empty_replies(connection, person, addresses)
            connection.execute(
                update(address).where(address.c.subscriber == person).values(address="", name="", domain="")
            )
            connection.execute(
                update(subscriber)
                .where(subscriber.c.id == person)
                .values(key_hash=None, standing=Standing.ERASED, paused_until=None)
            )
            _suppress(connection, key_hash, reason="erased", source=source, at=at)
            _note(connection, person, "erased", source, "", at)
        self._forget_old_pages()
        return Erased(SubscriberId(person), tuple(addresses))

    def _one(self, condition: ColumnElement[bool]) -> Subscriber | None:
        with reading(self._engine) as connection:
            row = connection.execute(_PERSON.where(condition)).mappings().first()
        return None if row is None else _read(row)

    def _forget_old_pages(self) -> None:
        """Write SQLite's log back and empty it: it still holds the pages as they were."""
        if self._engine.dialect.name == "sqlite":
            raw = self._engine.raw_connection()
            try:
                cast("Any", raw.driver_connection).execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                raw.close()


def _read(row: RowMapping) -> Subscriber:
    mailbox = Mailbox(row["name"], restore(row["address"])) if row["address"] else None
    return Subscriber(
        SubscriberId(row["id"]), mailbox, Standing(row["standing"]), VariantName(row["variant"]), row["since"]
    )


def _addresses(connection: Connection, person: int) -> Sequence[str]:
    query = select(address.c.address).where(address.c.subscriber == person, address.c.address != "").distinct()
    return sorted(connection.execute(query).scalars())


def _basis(connection: Connection, source: str, wording: str) -> int:
    """Find or write down what people agreed to; the caller has the turn, so that nobody else writes the same."""
    source = source[:255]
    query = select(basis.c.id).where(basis.c.source == source, basis.c.wording == wording)
    found = connection.execute(query).scalar()
    if found is None:
        key = connection.execute(insert(basis).values(source=source, wording=wording)).inserted_primary_key
        found = cast("Any", key)[0]
    return int(found)


def _note(
    connection: Connection,
    person: int,
    event: str,
    source: str,
    wording: str,
    at: datetime,
    mailing_id: MailingId | None = None,
) -> None:
    admission.take_turn(connection)
    connection.execute(
        insert(consent).values(
            subscriber=person, at=at, event=event, basis=_basis(connection, source, wording), mailing=mailing_id or None
        )
    )


def _suppress(connection: Connection, key_hash: bytes, *, reason: str, source: str, at: datetime) -> bool:
    if connection.execute(select(suppression.c.reason).where(suppression.c.key_hash == key_hash)).first():
        return False
    connection.execute(insert(suppression).values(key_hash=key_hash, reason=reason[:64], at=at, source=source[:255]))
    return True


def _empty_replies(connection: Connection, person: int, addresses: Sequence[str]) -> None:
    """Empty what relays said of a person's places where they named the address, as many do."""
    places = connection.execute(
        select(audience.c.mailing, audience.c.lane, audience.c.pos).where(
            audience.c.mailing.in_(select(mailing.c.id)), audience.c.subscriber == person
        )
    ).all()
    for table in (outcome, waiting):
        named = or_(*(func.lower(table.c.reply).contains(one.lower(), autoescape=True) for one in addresses))
        for place in places:
            connection.execute(
                update(table)
                .where(
                    and_(table.c.mailing == place.mailing, table.c.lane == place.lane, table.c.pos == place.pos), named
                )
                .values(reply="")
            )
