import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from biweekly.audience.row import Entry
from biweekly.audience.validate import require
from biweekly.model.issue import VariantName
from biweekly.model.mailing import MailingId
from biweekly.model.subscriber import Standing, SubscriberId
from biweekly.store import reading, tables, writing
from biweekly.store.people import People

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


@pytest.fixture
def people(engine: Engine) -> People:
    return People(engine, key=b"k" * 32)


def _entries(people: People, *texts: str, name: str = "", variant: str = "html") -> Sequence[Entry]:
    return sorted(
        (people.hash_of(one.key), line, one.on_wire, name, one.domain, variant)
        for line, one in enumerate(map(require, texts), 1)
    )


def _admit(people: People, *texts: str, name: str = "", variant: str = "html") -> int:
    entries = _entries(people, *texts, name=name, variant=variant)
    known = people.admit(entries, source="import of a.csv", wording="I agree.", event="imported", at=NOW)
    return len(entries) - len(known)


def _id(people: People, text: str) -> SubscriberId:
    found = people.find(require(text))
    assert found is not None
    return found.id


def _standing(people: People, text: str) -> Standing | None:
    found = people.find(require(text))
    return None if found is None else found.standing


def test_who_is_let_in_is_active_and_found_in_any_spelling(people: People) -> None:
    assert _admit(people, "Nino@Bücher.example", name="Nino Beridze", variant="text") == 1
    found = people.find(require("nino@BÜCHER.example"))
    assert found is not None
    assert found.mailbox is not None
    assert found.mailbox.address.written == "Nino@bücher.example"
    assert (found.mailbox.name, found.standing, found.variant, found.since) == (
        "Nino Beridze", Standing.ACTIVE, VariantName.TEXT, NOW
    )  # fmt: skip
    assert people.get(found.id) == found
    assert people.get(SubscriberId(99)) is None


def test_consent_is_written_down_with_source_and_wording(people: People) -> None:
    _admit(people, "a@example.org")
    (event,) = people.history(_id(people, "a@example.org"))
    assert (event.event, event.source, event.wording, event.at) == ("imported", "import of a.csv", "I agree.", NOW)


def test_letting_in_again_changes_nothing(people: People) -> None:
    _admit(people, "a@example.org", "b@example.org", name="First")
    assert _admit(people, "A@example.org", "b@example.org", "c@example.org", name="Second", variant="text") == 1
    found = people.find(require("a@example.org"))
    assert found is not None
    assert found.mailbox is not None
    assert (found.mailbox.address.written, found.mailbox.name, found.variant) == (
        "a@example.org", "First", VariantName.HTML
    )  # fmt: skip
    assert len(people.history(found.id)) == 1


@pytest.mark.parametrize("standing", [one for one in Standing if one is not Standing.ERASED])
def test_a_list_never_changes_where_somebody_stands(people: People, engine: Engine, standing: Standing) -> None:
    _admit(people, "a@example.org")
    with writing(engine) as connection:
        connection.execute(tables.subscriber.update().values(standing=standing))
    assert _admit(people, "a@example.org") == 0
    assert _standing(people, "a@example.org") is standing


def test_leaving_counts_once_however_often_it_is_asked(people: People) -> None:
    _admit(people, "a@example.org")
    person = _id(people, "a@example.org")
    later = NOW + timedelta(hours=1)
    done = [people.leave(person, mailing_id=MailingId(7), source="one-click", at=later) for _ in range(3)]
    assert done == [True, False, False]
    assert _standing(people, "a@example.org") is Standing.LEFT
    assert [(one.event, one.source) for one in people.history(person)] == [
        ("imported", "import of a.csv"), ("left", "one-click")
    ]  # fmt: skip
    assert not people.leave(SubscriberId(4711), mailing_id=None, source="one-click", at=later)


def test_fifty_presses_at_once_are_one_departure(people: People) -> None:
    _admit(people, "a@example.org")
    person = _id(people, "a@example.org")
    done: list[bool] = []

    def press() -> None:
        done.append(people.leave(person, mailing_id=MailingId(7), source="one-click", at=NOW))

    threads = [threading.Thread(target=press) for _ in range(50)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(done) == [False] * 49 + [True]
    assert len(people.history(person)) == 2


def test_two_lists_at_once_let_everybody_in_once(people: People, engine: Engine) -> None:
    texts = [f"r{number}@example.org" for number in range(400)]
    failures: list[BaseException] = []

    def run() -> None:
        try:
            for start in range(0, 400, 50):
                _admit(people, *texts[start : start + 50])
        except BaseException as error:  # noqa: BLE001 - the assertion below shows it
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    assert people.count() == {Standing.ACTIVE: 400}
    with reading(engine) as connection:
        for table in (tables.subscriber, tables.address, tables.consent):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 400


def test_a_suppressed_address_is_never_let_in(people: People) -> None:
    assert people.suppress(require("a@example.org"), reason="complaint", source="by hand", at=NOW)
    assert not people.suppress(require("A@example.org"), reason="again", source="by hand", at=NOW)
    assert people.suppressed(require("a@example.org"))
    assert _admit(people, "a@example.org", "b@example.org") == 1
    assert people.find(require("a@example.org")) is None
    hashes = [people.hash_of(key) for key in ("a@example.org", "b@example.org", "c@example.org")]
    assert people.standings(hashes) == {hashes[0]: Standing.SUPPRESSED, hashes[1]: Standing.ACTIVE}


def test_suppressing_somebody_on_the_list_takes_them_off(people: People) -> None:
    _admit(people, "a@example.org")
    assert people.suppress(require("a@example.org"), reason="complaint", source="by hand", at=NOW)
    assert _standing(people, "a@example.org") is Standing.SUPPRESSED
    assert people.history(_id(people, "a@example.org"))[-1].event == "suppressed"
    assert not people.leave(_id(people, "a@example.org"), mailing_id=None, source="one-click", at=NOW)


def test_erasing_leaves_a_number_and_a_hash_and_no_way_back(people: People, engine: Engine) -> None:
    _admit(people, "a@example.org", "b@example.org", name="A Name")
    person = _id(people, "a@example.org")
    with writing(engine) as connection:  # an older address of the same person
        connection.execute(
            insert(tables.address).values(
                subscriber=person, address="old@example.net", name="A Name", domain="example.net", at=NOW
            )
        )
    erased = people.erase(require("A@example.org"), source="by hand", at=NOW)
    assert erased is not None
    assert erased.subscriber == person
    assert erased.addresses == ("a@example.org", "old@example.net")
    assert people.find(require("a@example.org")) is None
    gone = people.get(person)
    assert gone is not None
    assert (gone.standing, gone.mailbox) == (Standing.ERASED, None)
    assert people.count() == {Standing.ACTIVE: 1, Standing.ERASED: 1}
    assert people.suppressed(require("a@example.org"))
    assert _admit(people, "a@example.org") == 0
    with reading(engine) as connection:
        kept = connection.execute(select(tables.address).where(tables.address.c.subscriber == person)).all()
        assert {(one.address, one.name, one.domain) for one in kept} == {("", "", "")}
        assert connection.execute(
            select(tables.subscriber.c.key_hash).where(tables.subscriber.c.id == person)
        ).scalar() is None  # fmt: skip
    assert people.erase(require("a@example.org"), source="by hand", at=NOW) is None
    assert not people.leave(person, mailing_id=None, source="one-click", at=NOW)


def test_erasing_empties_what_relays_said_of_the_person(people: People, engine: Engine) -> None:
    _admit(people, "a@example.org", "b@example.org")
    with writing(engine) as connection:
        connection.execute(
            insert(tables.edition).values(
                sha256="e", newsletter="main", issue="2026-11-26", web_id="w", frozen_at=NOW, body=b"")
        )  # fmt: skip
        connection.execute(
            insert(tables.mailing).values(
                id=1, newsletter="main", issue="2026-11-26", kind="regular", edition="e", state="sent", created=NOW)
        )  # fmt: skip
        for pos, text in enumerate(["a@example.org", "b@example.org"]):
            person = _id(people, text)
            connection.execute(
                insert(tables.audience).values(
                    mailing=1, lane=0, pos=pos, subscriber=person, address_id=person, variant=0)
            )  # fmt: skip
            for number, reply in enumerate([f"<{text.upper()}>: no such user", "2.0.0 queued"]):
                connection.execute(
                    insert(tables.outcome).values(
                        mailing=1, lane=0, pos=pos, round=number, state=2, attempts=1, code=550, at=NOW, reply=reply)
                )  # fmt: skip
    people.erase(require("a@example.org"), source="by hand", at=NOW)
    with reading(engine) as connection:
        replies = connection.execute(
            select(tables.outcome.c.reply).order_by(tables.outcome.c.pos, tables.outcome.c.round)
        ).scalars().all()  # fmt: skip
    assert replies == ["", "2.0.0 queued", "<B@EXAMPLE.ORG>: no such user", "2.0.0 queued"]


def test_no_byte_of_an_erased_person_is_left_in_the_file(sqlite_engine: Engine, tmp_path: Path) -> None:
    people = People(sqlite_engine, key=b"k" * 32)
    _admit(people, *[f"reader-{number}@example.org" for number in range(300)], name="Somebody")
    _admit(people, "very.particular@example.net", name="Particular Person")

    def files_with(needle: bytes) -> list[str]:
        return [one.name for one in tmp_path.rglob("*") if one.is_file() and needle in one.read_bytes()]

    assert files_with(b"very.particular")
    people.erase(require("very.particular@example.net"), source="by hand", at=NOW)
    assert files_with(b"very.particular") == []
    assert files_with(b"Particular Person") == []
    assert files_with(b"reader-7@example.org")


def test_people_are_listed_by_page_standing_and_domain(people: People) -> None:
    _admit(people, *[f"r{number}@example.org" for number in range(5)])
    _admit(people, "x@bücher.example")
    people.leave(_id(people, "r2@example.org"), mailing_id=None, source="one-click", at=NOW)
    people.erase(require("r3@example.org"), source="by hand", at=NOW)
    first = people.page(limit=2)
    following = people.page(limit=9, after=first[-1].id)
    assert len(first) == 2
    assert len(following) == 3
    assert {one.standing for one in following} <= {Standing.ACTIVE, Standing.LEFT}
    assert [one.id for one in people.page(standing=Standing.LEFT)] == [_id(people, "r2@example.org")]
    assert [one.id for one in people.page(domain="xn--bcher-kva.example")] == [_id(people, "x@bücher.example")]
    assert len(list(people.walk())) == 5
    assert len(list(people.walk(standing=Standing.ERASED))) == 1


def test_another_key_knows_nobody(people: People, engine: Engine) -> None:
    _admit(people, "a@example.org")
    assert People(engine, key=b"x" * 32).find(require("a@example.org")) is None


def test_looking_up_nobody_asks_for_nothing(people: People) -> None:
    assert people.standings([]) == {}
