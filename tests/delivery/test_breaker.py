"""The breaker: ten in a row or half of forty, and only what is no reader's fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.delivery.breaker import IN_A_ROW, Breaker
from biweekly.delivery.scope import counts_for_breaker
from biweekly.errors import DeliveryInDoubt, RelayUnavailable, TransportError
from biweekly.model.mailing import Phase, Reply

TAKEN = Reply(250, "taken", Phase.CONTENT, "2.0.0")
POLICY = Reply(550, "unauthenticated", Phase.CONTENT, "5.7.26")
NOBODY = Reply(550, "no such user", Phase.RCPT, "5.1.1")
PATIENCE = Reply(421, "too fast", Phase.RCPT, "4.7.28")
DOUBT = DeliveryInDoubt("the answer did not come", code="delivery-in-doubt")
AWAY = RelayUnavailable("no connection", code="relay-unreachable")
answers = st.sampled_from([TAKEN, POLICY, NOBODY, PATIENCE, DOUBT, AWAY])


def test_ten_in_a_row_trip_it_in_the_relays_own_words() -> None:
    breaker = Breaker()
    assert [breaker.note(POLICY) for _ in range(IN_A_ROW - 1)] == [None] * (IN_A_ROW - 1)
    why = breaker.note(POLICY)
    assert why is not None
    assert why.startswith("10 letters in a row failed")
    assert why.endswith("550 5.7.26 unauthenticated")


def test_one_that_was_taken_begins_the_row_anew() -> None:
    breaker = Breaker()
    for _ in range(3):
        assert [breaker.note(POLICY) for _ in range(IN_A_ROW - 1)] == [None] * (IN_A_ROW - 1)
        for _ in range(30):
            breaker.note(TAKEN)


def test_half_of_the_last_forty_trip_it_without_a_row() -> None:
    breaker = Breaker()
    tripped = [breaker.note(one) for _ in range(20) for one in (TAKEN, POLICY)]
    assert tripped[:-1] == [None] * 39
    assert tripped[-1] is not None
    assert tripped[-1].startswith("20 of the last 40 letters failed")


def test_a_letter_in_doubt_counts_and_speaks_for_itself() -> None:
    breaker = Breaker()
    told = [breaker.note(DOUBT) for _ in range(IN_A_ROW)][-1]
    assert told is not None
    assert told.endswith("the answer did not come")


@pytest.mark.parametrize("answer", [TAKEN, NOBODY, PATIENCE, AWAY])
def test_what_is_the_readers_affair_or_asks_for_patience_never_trips_it(answer: Reply | TransportError) -> None:
    breaker = Breaker()
    assert {breaker.note(answer) for _ in range(500)} == {None}


@given(st.lists(answers, max_size=200))
def test_it_trips_exactly_at_ten_in_a_row_or_half_of_forty(given_answers: list[Reply | TransportError]) -> None:
    breaker = Breaker()
    failed: list[bool] = []
    for answer in given_answers:
        why = breaker.note(answer)
        if isinstance(answer, RelayUnavailable):
            assert why is None
            continue
        failed.append(counts_for_breaker(answer) if isinstance(answer, Reply) else True)
        row = len(failed) >= IN_A_ROW and all(failed[-IN_A_ROW:])
        half = len(failed) >= 40 and sum(failed[-40:]) >= 20
        assert (why is not None) == (failed[-1] and (row or half))
