"""What becomes of a letter that was just tried, and when it is tried again."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from biweekly.config import DeliveryConfig
from biweekly.delivery.retry import SECOND_LOOK, Due, Patience, judge
from biweekly.errors import DeliveryInDoubt, RelayUnavailable, TransportError
from biweekly.model.mailing import Outcome, OutcomeState, Phase, Reply, Wait

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PATIENCE = Patience(waits=DeliveryConfig().retry, give_up_after=DeliveryConfig().give_up_after)
LATER = Reply(451, "later", Phase.RCPT, "4.7.1")


def fate(
    answer: Reply | TransportError, *, attempts: int = 1, age: timedelta = timedelta(0), jitter: float = 0.0
) -> Outcome | Wait | Due:
    """What becomes of it, tried for the first time `age` ago."""
    return judge(answer, attempts=attempts, began=NOW - age, now=NOW, patience=PATIENCE, jitter=jitter)


def refusal(code: int, enhanced: str | None, phase: Phase = Phase.RCPT, text: str = "no") -> Reply:
    return Reply(code, text, phase, enhanced)


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (Reply(250, "queued", Phase.CONTENT, "2.0.0"), OutcomeState.ACCEPTED),
        (Reply(252, "taken", Phase.CONTENT), OutcomeState.ACCEPTED),
        (refusal(550, "5.1.1"), OutcomeState.REFUSED),
        (refusal(551, "5.1.6"), OutcomeState.REFUSED),
        (refusal(556, "5.1.10"), OutcomeState.REFUSED),
        (refusal(550, "5.2.1"), OutcomeState.REFUSED),
        (refusal(552, "5.2.2"), OutcomeState.REFUSED),
        (refusal(554, "5.2.2", Phase.CONTENT), OutcomeState.REFUSED),
        (refusal(553, "5.6.7"), OutcomeState.REFUSED),
        (refusal(550, None), OutcomeState.REFUSED),
        (refusal(553, None), OutcomeState.REFUSED),
    ],
)
def test_what_is_final_is_an_outcome(reply: Reply, state: OutcomeState) -> None:
    assert fate(reply) == Outcome(state, NOW, reply.code, str(reply))


@pytest.mark.parametrize(
    "reply",
    [
        LATER,
        refusal(421, None),
        refusal(450, "4.2.1"),
        refusal(452, "4.2.2"),
        refusal(452, "4.5.3"),
        refusal(451, "4.3.0"),
        refusal(450, "4.7.27"),
        refusal(451, "4.7.650"),
        # for good, and not for the reader's sake
        refusal(550, "5.7.1"),
        refusal(550, "5.7.26", Phase.CONTENT),
        refusal(550, "5.7.515"),
        refusal(554, None, Phase.CONTENT, "spam"),
        refusal(554, None, Phase.CONTENT),
        refusal(554, None, Phase.BANNER),
        refusal(552, "5.3.4", Phase.MAIL),
        refusal(554, "5.6.0", Phase.CONTENT),
        refusal(503, "5.5.1"),
        refusal(530, "5.7.0", Phase.MAIL),
        refusal(535, "5.7.8", Phase.AUTH),
        # what makes no sense
        refusal(354, None),
        refusal(199, None),
        refusal(0, None),
    ],
)
def test_everything_else_waits(reply: Reply) -> None:
    assert fate(reply, attempts=1) == Wait(NOW + 5 * MINUTE, 1, reply.code, str(reply))


def test_what_may_have_arrived_is_in_doubt() -> None:
    for lost in (DeliveryInDoubt("gone after the dot", code="x"), TransportError("gone", code="x")):
        found = fate(lost)
        assert isinstance(found, Outcome)
        assert (found.state, found.code, found.reply) == (OutcomeState.IN_DOUBT, 0, lost.message)


def test_what_had_not_left_is_due_again_and_no_attempt_is_used_up() -> None:
    gone = RelayUnavailable("connection refused", code="relay-unreachable")
    # Whatever its age: it is the relay that rests, and a letter that was never tried does not grow old.
    assert fate(gone, attempts=9, age=400 * HOUR) == Due("relay-unreachable", "connection refused")


def test_the_waits_grow_to_the_last_one_and_stay_there() -> None:
    waits = [fate(LATER, attempts=attempts) for attempts in range(1, 9)]
    minutes = [(one.until - NOW) / MINUTE for one in waits if isinstance(one, Wait)]
    assert minutes == [5, 10, 20, 40, 67, 67, 67, 67]


def test_a_wait_is_moved_by_a_tenth_at_most() -> None:
    for attempts, usual in enumerate(PATIENCE.waits, 1):
        assert PATIENCE.wait(attempts, jitter=-1) == usual * 0.9
        assert PATIENCE.wait(attempts, jitter=1) == usual * 1.1
        assert PATIENCE.wait(attempts, jitter=7) == usual * 1.1


def test_the_whole_schedule_of_a_letter_that_is_always_put_off() -> None:
    now, attempts, tried = NOW, 1, [NOW]
    while isinstance(found := judge(LATER, attempts=attempts, began=NOW, now=now, patience=PATIENCE, jitter=0), Wait):
        now, attempts = found.until, attempts + 1
        tried.append(now)
    assert isinstance(found, Outcome)
    assert found.state is OutcomeState.EXPIRED
    ages = [(one - NOW) / MINUTE for one in tried]
    assert ages[:7] == [0, 5, 15, 35, 75, 142, 209]
    assert {later - earlier for earlier, later in pairwise(ages[5:])} == {67}
    assert 48 * 60 - 67 < ages[-1] <= 48 * 60
    assert found.reply == str(LATER)


def test_a_letter_never_waits_past_our_patience() -> None:
    last = PATIENCE.give_up_after - 67 * MINUTE
    assert isinstance(fate(LATER, attempts=40, age=last), Wait)
    given_up = fate(LATER, attempts=40, age=last + timedelta(seconds=1))
    assert given_up == Outcome(OutcomeState.EXPIRED, NOW, 451, str(LATER))


@given(
    attempts=st.integers(1, 1000), age=st.timedeltas(timedelta(0), timedelta(days=5)), jitter=st.floats(-1, 1),
    give_up=st.timedeltas(timedelta(0), timedelta(days=4)),
    waits=st.lists(st.timedeltas(timedelta(seconds=1), timedelta(days=1)), min_size=1, max_size=6),
)  # fmt: skip
def test_no_wait_ends_after_the_age_at_which_it_is_given_up(
    attempts: int, age: timedelta, jitter: float, give_up: timedelta, waits: list[timedelta]
) -> None:
    patience = Patience(tuple(waits), give_up)
    found = judge(LATER, attempts=attempts, began=NOW - age, now=NOW, patience=patience, jitter=jitter)
    if isinstance(found, Wait):
        assert NOW < found.until <= NOW - age + give_up
    else:
        assert isinstance(found, Outcome)
        assert found.state is OutcomeState.EXPIRED


@pytest.mark.parametrize("enhanced", ["5.1.2", "5.4.4"])
def test_a_domain_said_not_to_exist_is_believed_a_day_later(enhanced: str) -> None:
    reply = refusal(550, enhanced)
    assert fate(reply) == Wait(NOW + SECOND_LOOK, 1, 550, str(reply))
    assert fate(reply, attempts=2, age=SECOND_LOOK - MINUTE) == Wait(NOW + SECOND_LOOK, 2, 550, str(reply))
    assert fate(reply, attempts=2, age=SECOND_LOOK) == Outcome(OutcomeState.REFUSED, NOW, 550, str(reply))


@given(
    code=st.integers(-1, 1000),
    text=st.text(),
    phase=st.sampled_from(Phase),
    enhanced=st.none() | st.from_regex(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
)
def test_any_code_and_any_text_gives_a_fate_and_only_2yz_is_accepted(
    code: int, text: str, phase: Phase, enhanced: str | None
) -> None:
    found = fate(Reply(code, text, phase, enhanced))
    assert isinstance(found, Outcome | Wait)
    accepted = isinstance(found, Outcome) and found.state is OutcomeState.ACCEPTED
    assert accepted == (200 <= code < 300)
    refused = isinstance(found, Outcome) and found.state is OutcomeState.REFUSED
    assert not refused or 500 <= code < 600


@given(detail=st.integers(0, 999), code=st.sampled_from([450, 550, 553, 554]), text=st.text())
def test_nobody_is_refused_for_policy(detail: int, code: int, text: str) -> None:
    assume(not (code == 450 and detail == 1))
    assert isinstance(fate(Reply(code, text, Phase.RCPT, f"{code // 100}.7.{detail}")), Wait)
