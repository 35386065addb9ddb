"""What becomes of the places that a dead sender left open."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.delivery.recovery import due_again, settle_open
from biweekly.model.issue import VariantName
from biweekly.model.mailing import Lane, Outcome, OutcomeState, Place, Spot, Wait
from biweekly.model.subscriber import SubscriberId

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


def place(pos: int, *, opened: int = 0, attempts: int = 0) -> Place:
    return Place(
        Spot(Lane(1), pos, opened), SubscriberId(pos + 1), f"r{pos}@d.example", "", "d.example", VariantName.HTML,
        attempts=attempts, began=NOW - timedelta(hours=1) if attempts else None,
    )  # fmt: skip


def fate_of(journal: dict[Spot, int] | None, *, torn: bool = False, attempts: int = 0) -> Outcome | Wait:
    one = place(0, attempts=attempts)
    return settle_open([one], journal, torn=torn, now=NOW)[one.spot]


def test_handed_over_without_a_reply_is_in_doubt() -> None:
    found = fate_of({place(0).spot: 0})
    assert isinstance(found, Outcome)
    assert (found.state, found.code, found.at) == (OutcomeState.IN_DOUBT, 0, NOW)
    assert "answer" in found.reply


@pytest.mark.parametrize("code", [200, 250, 299])
def test_a_journalled_acceptance_is_accepted(code: int) -> None:
    found = fate_of({place(0).spot: code})
    assert isinstance(found, Outcome)
    assert (found.state, found.code) == (OutcomeState.ACCEPTED, code)


@pytest.mark.parametrize("code", [354, 421, 450, 550, 554, 999])
def test_any_other_reply_is_due_again_with_its_tries(code: int) -> None:
    assert fate_of({place(0).spot: code}, attempts=3) == Wait(NOW, 3)


def test_what_the_journal_does_not_name_had_not_left() -> None:
    assert fate_of({place(7).spot: 0}, attempts=2) == Wait(NOW, 2)


def test_a_torn_last_record_may_have_named_anybody_whom_no_other_names() -> None:
    found = fate_of({}, torn=True)
    assert isinstance(found, Outcome)
    assert found.state is OutcomeState.IN_DOUBT
    known = fate_of({place(0).spot: 250}, torn=True)
    assert isinstance(known, Outcome)
    assert known.state is OutcomeState.ACCEPTED


def test_without_a_journal_that_can_be_believed_all_is_in_doubt() -> None:
    found = settle_open([place(n) for n in range(3)], None, now=NOW)
    assert [one.state for one in found.values() if isinstance(one, Outcome)] == [OutcomeState.IN_DOUBT] * 3


def test_a_record_of_an_earlier_round_says_nothing_about_this_one() -> None:
    again = place(0, opened=1)
    assert settle_open([again], {place(0).spot: 250}, now=NOW)[again.spot] == Wait(NOW, 0)


def test_what_nobody_held_is_due_again() -> None:
    ones = [place(0), place(1, attempts=2)]
    assert due_again(ones, now=NOW) == {ones[0].spot: Wait(NOW, 0), ones[1].spot: Wait(NOW, 2)}


@given(codes=st.dictionaries(st.integers(0, 30), st.integers(0, 999)), torn=st.booleans(), believed=st.booleans())
def test_every_open_place_has_one_fate_and_nothing_that_may_have_left_is_due(
    codes: dict[int, int], torn: bool, believed: bool
) -> None:
    ones = [place(n) for n in range(31)]
    journal = {place(n).spot: code for n, code in codes.items()} if believed else None
    found = settle_open(ones, journal, torn=torn, now=NOW)
    assert found.keys() == {one.spot for one in ones}
    for one in ones:
        fate, code = found[one.spot], codes.get(one.spot.pos)
        if isinstance(fate, Wait):
            assert believed
            assert code is not None or not torn
            assert code is None or (code != 0 and code // 100 != 2)
        else:
            assert fate.state in {OutcomeState.ACCEPTED, OutcomeState.IN_DOUBT}
