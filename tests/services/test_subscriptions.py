from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from biweekly.audience.roster import read_roster
from biweekly.audience.row import BadRow, Row
from biweekly.audience.sorting import in_order
from biweekly.errors import AddressError, NothingToDo, Refused
from biweekly.model.issue import VariantName
from biweekly.model.mailing import MailingId
from biweekly.model.subscriber import Standing
from biweekly.services.subscriptions import Admission, Basis, Subscriptions
from biweekly.store.people import People

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
BASIS = Basis("import of a.csv", "", NOW)
SAMPLE = Path(__file__).parents[2] / "subscribers" / "sample.csv"


@pytest.fixture
def subscriptions(engine: Engine) -> Subscriptions:
    return Subscriptions(People(engine, key=b"k" * 32), in_order=in_order)


def _rows(*texts: str) -> list[Row | BadRow]:
    return [Row(line, text) for line, text in enumerate(texts, 2)]


def _standing(subscriptions: Subscriptions, text: str) -> Standing:
    return subscriptions.find(text).standing


def test_the_sample_list_has_twenty_two_people_and_three_refusals(subscriptions: Subscriptions) -> None:
    plan = subscriptions.plan_import(read_roster(SAMPLE))
    assert (plan.rows, plan.new, len(plan.invalid), plan.duplicates) == (25, 22, 3, 0)
    done = subscriptions.import_all(read_roster(SAMPLE), basis=BASIS)
    assert done == plan
    assert all(bad.reason and bad.line > 1 for bad in done.invalid)
    everyone = list(subscriptions.export())[1:]
    assert sum(one[2] == "text" for one in everyone) == 2
    assert any(one[0].startswith("bounce") for one in everyone)
    assert any(one[0].startswith("greylist") for one in everyone)
    assert any(len(one[1]) == 64 for one in everyone)
    assert not all(one[0].split("@")[0].isascii() for one in everyone)
    assert not all(one[0].split("@")[1].isascii() for one in everyone)


def test_a_plan_changes_nothing(subscriptions: Subscriptions) -> None:
    assert subscriptions.plan_import(_rows("a@example.org")).new == 1
    with pytest.raises(NothingToDo):
        subscriptions.find("a@example.org")


def test_running_an_import_again_is_harmless(subscriptions: Subscriptions) -> None:
    rows = _rows(*[f"r{number}@example.org" for number in range(30)])
    assert subscriptions.import_all(rows, basis=BASIS).new == 30
    again = subscriptions.import_all(rows, basis=BASIS)
    assert (again.new, again.known) == (0, 30)


def test_an_import_that_stopped_half_way_is_finished_by_the_next(subscriptions: Subscriptions) -> None:
    rows = _rows(*[f"r{number}@example.org" for number in range(12_000)])

    def stop(_: Admission) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        subscriptions.import_all(rows, basis=BASIS, progress=stop)
    after = subscriptions.import_all(rows, basis=BASIS)
    assert after.known == 5_000
    assert after.known + after.new == 12_000


def test_an_import_brings_nobody_back(subscriptions: Subscriptions) -> None:
    texts = ["left@example.org", "suppressed@example.org", "erased@example.org", "stays@example.org"]
    subscriptions.import_all(_rows(*texts), basis=BASIS)
    leaver = subscriptions.find("left@example.org").id
    assert subscriptions.withdraw(leaver, mailing=MailingId(3), source="one-click", at=NOW)
    assert not subscriptions.withdraw(leaver, mailing=MailingId(3), source="one-click", at=NOW)
    subscriptions.suppress("suppressed@example.org", reason="asked by telephone", source="by hand", at=NOW)
    subscriptions.erase("erased@example.org", source="by hand", at=NOW)
    subscriptions.suppress("never-here@example.org", reason="asked by telephone", source="by hand", at=NOW)
    result = subscriptions.import_all(
        _rows(*(one.upper() for one in texts), "never-here@example.org", "new@example.org"), basis=BASIS
    )
    assert (result.new, result.known, result.left, result.suppressed) == (1, 1, 1, 3)
    assert _standing(subscriptions, "left@example.org") is Standing.LEFT
    assert _standing(subscriptions, "suppressed@example.org") is Standing.SUPPRESSED
    with pytest.raises(NothingToDo, match="suppressed"):
        subscriptions.find("erased@example.org")


def test_one_mailbox_twice_in_a_list_is_one_person_as_the_first_line_has_them(subscriptions: Subscriptions) -> None:
    rows = [
        Row(2, "Nino@bücher.example", "First"),
        Row(3, "x@example.org"),
        Row(4, "nino@xn--bcher-kva.example", "Second"),
    ]
    result = subscriptions.import_all(rows, basis=BASIS)
    assert (result.new, result.duplicates) == (2, 1)
    mailbox = subscriptions.find("nino@bücher.example").mailbox
    assert mailbox is not None
    assert (mailbox.name, mailbox.address.written) == ("First", "Nino@bücher.example")


_TEXTS = st.sampled_from(
    ["a@example.org", "A@example.org", "b@example.org", "b", "b@", "c@bücher.example", "gone@example.org", "x y@z"]
)


@given(st.lists(_TEXTS, max_size=20))
def test_every_row_has_exactly_one_fate(texts: list[str]) -> None:
    class Nobody:
        """A register in which only `gone` is known."""

        def hash_of(self, key: str) -> bytes:
            return key.encode()

        def standings(self, hashes: list[bytes]) -> dict[bytes, Standing]:
            return {one: Standing.LEFT for one in hashes if one.startswith(b"gone")}

    plan = Subscriptions(Nobody(), in_order=in_order).plan_import(_rows(*texts))  # type: ignore[arg-type]
    assert plan.adds_up
    assert plan.rows == len(texts)


def test_adding_one_person_says_whether_they_are_new(subscriptions: Subscriptions) -> None:
    basis = Basis("added by hand", "", NOW)
    person, new = subscriptions.add("Nino@example.org", name="Nino", variant=VariantName.TEXT, basis=basis)
    assert new
    assert person.variant is VariantName.TEXT
    same, new = subscriptions.add("nino@example.org", name="Other", variant=VariantName.HTML, basis=basis)
    assert not new
    assert same == person


def test_adding_does_not_bring_back_who_left_or_was_suppressed(subscriptions: Subscriptions) -> None:
    basis = Basis("added by hand", "", NOW)
    person, _ = subscriptions.add("a@example.org", name="", variant=VariantName.HTML, basis=basis)
    subscriptions.withdraw(person.id, mailing=None, source="one-click", at=NOW)
    with pytest.raises(Refused) as caught:
        subscriptions.add("a@example.org", name="", variant=VariantName.HTML, basis=basis)
    assert caught.value.code == "subscriber-left"
    subscriptions.erase("a@example.org", source="by hand", at=NOW)
    with pytest.raises(Refused) as caught:
        subscriptions.add("a@example.org", name="", variant=VariantName.HTML, basis=basis)
    assert caught.value.code == "address-suppressed"


@pytest.mark.parametrize(("text", "name"), [("a@", ""), ("a@example.org", "A\nBcc: b@example.org")])
def test_adding_what_cannot_stand_in_a_letter_is_refused(subscriptions: Subscriptions, text: str, name: str) -> None:
    with pytest.raises(AddressError):
        subscriptions.add(text, name=name, variant=VariantName.HTML, basis=BASIS)


def test_an_erasure_is_planned_with_every_address(subscriptions: Subscriptions) -> None:
    subscriptions.import_all(_rows("a@example.org"), basis=BASIS)
    person, addresses = subscriptions.plan_erasure("a@example.org")
    assert list(addresses) == ["a@example.org"]
    assert _standing(subscriptions, "a@example.org") is Standing.ACTIVE
    assert subscriptions.erase("a@example.org", source="by hand", at=NOW).subscriber == person.id
    with pytest.raises(NothingToDo):
        subscriptions.erase("a@example.org", source="by hand", at=NOW)


def test_an_export_is_a_list_that_can_be_imported(subscriptions: Subscriptions) -> None:
    subscriptions.import_all([Row(2, "a@bücher.example", "A", VariantName.TEXT)], basis=BASIS)
    header, row = subscriptions.export()
    assert header == ("email", "name", "variant", "standing", "since")
    assert row == ("a@bücher.example", "A", "text", "active", "2026-11-26T09:00:00+00:00")
