"""Conduct. Who is on the list: letting people in, taking them off, never bringing back who left."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from biweekly.audience.row import BadRow, Entry, Row, trouble_with_name
from biweekly.audience.validate import Invalid, require, validate
from biweekly.errors import AddressError, NothingToDo, Refused
from biweekly.model.address import Address
from biweekly.model.issue import VariantName
from biweekly.model.mailing import MailingId
from biweekly.model.subscriber import Standing, Subscriber, SubscriberId

_BATCH: Final = 5_000
_PLAIN_VARIANT: Final = VariantName.HTML.value
EXPORT_HEADER: Final = ("email", "name", "variant", "standing", "since")


class Erased(Protocol):
    """Who was erased."""

    @property
    def subscriber(self) -> SubscriberId:
        """The number that stays in places of past mailings."""
        ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address the person had."""
        ...


class Register(Protocol):
    """What is asked of the database (`store.people.People`)."""

    def hash_of(self, key: str) -> bytes:
        """Return what stands for an address."""
        ...

    def standings(self, hashes: Sequence[bytes]) -> Mapping[bytes, Standing]:
        """Return the standing of those that are known."""
        ...

    def admit(
        self, entries: Sequence[Entry], *, source: str, wording: str, event: str, at: datetime
    ) -> Mapping[bytes, Standing]:
        """Let in who is new; return the standing of the others."""
        ...

    def find(self, wanted: Address) -> Subscriber | None:
        """Find a person by address."""
        ...

    def suppressed(self, wanted: Address) -> bool:
        """Whether an address is never mailed."""
        ...

    def known_addresses(self, wanted: SubscriberId) -> Sequence[str]:
        """Return every address a person had."""
        ...

    def walk(self, *, standing: Standing | None = None, domain: str | None = None) -> Iterator[Subscriber]:
        """Yield everyone."""
        ...

    def leave(self, wanted: SubscriberId, *, mailing_id: MailingId | None, source: str, at: datetime) -> bool:
        """Take a person off at their own wish."""
        ...

    def suppress(self, wanted: Address, *, reason: str, source: str, at: datetime) -> bool:
        """Never mail an address again."""
        ...

    def erase(self, wanted: Address, *, source: str, at: datetime) -> Erased | None:
        """Empty everything that names a person."""
        ...


@dataclass(frozen=True, slots=True)
class Basis:
    """What an import rests on: where it comes from, the wording people agreed to, and when."""

    source: str
    wording: str
    at: datetime


@dataclass(slots=True)
class Admission:
    """What an import would do, or did. Every row of the list is counted once."""

    rows: int = 0
    new: int = 0
    known: int = 0
    left: int = 0
    suppressed: int = 0
    duplicates: int = 0
    recoded: int = 0
    invalid: list[BadRow] = field(default_factory=list)

    @property
    def adds_up(self) -> bool:
        """Whether every row has one fate."""
        fates = self.new + self.known + self.left + self.suppressed + self.duplicates + len(self.invalid)
        return fates == self.rows


class Subscriptions:
    """The list of one publication.

    `in_order` puts entries in order of their hashes, however many there are (`audience.sorting.in_order`).
    """

    def __init__(self, people: Register, *, in_order: Callable[[Iterable[Entry]], Iterator[Entry]]) -> None:
        self._people = people
        self._in_order = in_order

    def plan_import(self, rows: Iterable[Row | BadRow]) -> Admission:
        """Say what importing a list would do. Nothing is changed."""
        return self._go_through(rows, lambda batch: self._people.standings([entry[0] for entry in batch]), None)

    def import_all(
        self, rows: Iterable[Row | BadRow], *, basis: Basis, progress: Callable[[Admission], None] | None = None
    ) -> Admission:
        """Let in everyone who is new, as active, and leave everyone else as they are.

        Goes batch by batch, each in a transaction: stopped half-way, running it again finds those it let in known.
        """
        return self._go_through(
            rows,
            lambda batch: self._people.admit(
                batch, source=basis.source, wording=basis.wording, event="imported", at=basis.at
            ),
            progress,
        )

    def add(self, text: str, *, name: str, variant: VariantName, basis: Basis) -> tuple[Subscriber, bool]:
        """Let in one person; returns them, and whether they are new.

        Raises AddressError `address-invalid` or `name-invalid`, Refused `subscriber-left` or `address-suppressed`:
        who has left comes back by their own act only.
        """
        address = require(text)
        if trouble := trouble_with_name(name):
            raise AddressError(trouble, code="name-invalid", place=address.written)
        entry = self._entry(Row(1, address.written, name.strip(), variant), address)
        known = self._people.admit([entry], source=basis.source, wording=basis.wording, event="added", at=basis.at).get(
            entry[0]
        )
        if known is Standing.LEFT:
            raise Refused(
                "this person has left; only they can come back", code="subscriber-left", place=address.written,
                hint=f"biweekly subscribers show {address.written}",
            )  # fmt: skip
        person = self._people.find(address)
        if known is Standing.SUPPRESSED or person is None:
            raise Refused(
                "this address is suppressed and never mailed", code="address-suppressed", place=address.written,
                hint=f"biweekly subscribers show {address.written}",
            )  # fmt: skip
        return person, known is None

    def find(self, text: str) -> Subscriber:
        """Find a person by address; NothingToDo `no-such-subscriber`, which says so where it is suppressed."""
        address = require(text)
        person = self._people.find(address)
        if person is None:
            known = "nobody has it, and it is suppressed" if self._people.suppressed(address) else "nobody has it"
            raise NothingToDo(known, code="no-such-subscriber", place=address.written, hint="biweekly subscribers list")
        return person

    def withdraw(self, subscriber: SubscriberId, *, mailing: MailingId | None, source: str, at: datetime) -> bool:
        """Take a person off the list at their own wish; False where they were not on it. Any number of times."""
        return self._people.leave(subscriber, mailing_id=mailing, source=source, at=at)

    def suppress(self, text: str, *, reason: str, source: str, at: datetime) -> bool:
        """Never mail an address again, whether anybody has it or not; False where that was so already."""
        return self._people.suppress(require(text), reason=reason, source=source, at=at)

    def plan_erasure(self, text: str) -> tuple[Subscriber, Sequence[str]]:
        """Return who would be erased and every address they had."""
        person = self.find(text)
        return person, self._people.known_addresses(person.id)

    def erase(self, text: str, *, source: str, at: datetime) -> Erased:
        """Erase a person: every row that names them is emptied, and a keyed hash keeps them from coming back.

        Past mailings keep their places and still add up. Raises NothingToDo `no-such-subscriber`.
        """
        person = self.find(text)
        erased = self._people.erase(require(text), source=source, at=at)
        if erased is None:
            raise NothingToDo("somebody erased them just now", code="no-such-subscriber", place=str(person.id))
        return erased

    def export(self, *, standing: Standing | None = None) -> Iterator[tuple[str, ...]]:
        """Yield the list as rows of `EXPORT_HEADER`, the header itself first."""
        yield EXPORT_HEADER
        for person in self._people.walk(standing=standing):
            if person.mailbox is not None:
                since = person.since.astimezone(UTC).isoformat(timespec="seconds")
                yield (
                    person.mailbox.address.written, person.mailbox.name, person.variant.value, person.standing.value,
                    since,
                )  # fmt: skip

    def _go_through(
        self,
        rows: Iterable[Row | BadRow],
        decide: Callable[[Sequence[Entry]], Mapping[bytes, Standing]],
        progress: Callable[[Admission], None] | None,
    ) -> Admission:
        result = Admission()
        ordered = _without_repeats(self._in_order(self._entries(rows, result)), result)
        while batch := list(itertools.islice(ordered, _BATCH)):
            known = decide(batch)
            result.new += len(batch) - len(known)
            for standing in known.values():
                if standing is Standing.LEFT:
                    result.left += 1
                elif standing is Standing.SUPPRESSED:
                    result.suppressed += 1
                else:
                    result.known += 1
            if progress is not None:
                progress(result)
        result.invalid.sort(key=lambda bad: bad.line)
        return result

    def _entries(self, rows: Iterable[Row | BadRow], result: Admission) -> Iterator[Entry]:
        for row in rows:
            result.rows += 1
            if isinstance(row, BadRow):
                result.invalid.append(row)
                continue
            result.recoded += row.recoded
            address = validate(row.address)
            if isinstance(address, Invalid):
                result.invalid.append(BadRow(row.line, row.address, address.reason))
            else:
                yield self._entry(row, address)

    def _entry(self, row: Row, address: Address) -> Entry:
        # `.value`: what is written to files and databases is a plain str.
        variant = row.variant.value if row.variant is not None else _PLAIN_VARIANT
        return (self._people.hash_of(address.key), row.line, address.on_wire, row.name, address.domain, variant)


def _without_repeats(ordered: Iterable[Entry], result: Admission) -> Iterator[Entry]:
    """Keep the first line of each mailbox and count the others."""
    before = b""
    for entry in ordered:
        if entry[0] == before:
            result.duplicates += 1
        else:
            before = entry[0]
            yield entry
