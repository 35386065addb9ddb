from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert

from biweekly.model.issue import IssueId
from biweekly.model.mailing import MailingId, MailingKind
from biweekly.store import tables, writing
from biweekly.store.books import Books

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def readers(engine: Engine) -> Callable[[int], Sequence[int]]:
    """Makes that many active subscribers over three domains and returns their numbers."""

    def make(count: int) -> Sequence[int]:
        numbers = range(1, count + 1)
        with writing(engine) as connection:
            connection.execute(
                insert(tables.subscriber),
                [
                    {"id": n, "key_hash": n.to_bytes(16), "address_id": n, "standing": "active",
                     "variant": "text" if n % 5 == 0 else "html", "since": NOW}
                    for n in numbers
                ],
            )  # fmt: skip
            connection.execute(
                insert(tables.address),
                [
                    {"id": n, "subscriber": n, "address": f"reader{n}@d{n % 3}.example", "name": f"Reader {n}",
                     "domain": f"d{n % 3}.example", "at": NOW}
                    for n in numbers
                ],
            )  # fmt: skip
        return numbers

    return make


@pytest.fixture
def books(engine: Engine) -> Books:
    return Books(engine, "main")


@pytest.fixture
def begun(books: Books) -> Callable[..., MailingId]:
    """Enters a mailing and freezes its audience in one commit."""

    def begin(planned: int, *, issue: str = "2026-11-26", kind: MailingKind = MailingKind.REGULAR) -> MailingId:
        frozen = (f"{issue}-{kind}".ljust(64, "0"), f"{issue}-{kind}", b"{}")
        return books.enter_and_begin(IssueId(issue), kind, frozen, expected=planned, now=NOW).id

    return begin
