import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.errors import TokenError
from biweekly.tokens import Claim, Purpose, Signer

_OLD, _NEW = b"o" * 32, b"n" * 32
_SUBSCRIBERS = st.integers(0, 2**64 - 1)
_MAILINGS = st.integers(0, 2**32 - 1)


@given(_SUBSCRIBERS, _MAILINGS)
def test_a_token_says_who_and_which_mailing(subscriber: int, mailing: int) -> None:
    signer = Signer([_NEW])
    claim = signer.read(Purpose.UNSUBSCRIBE, signer.sign(Purpose.UNSUBSCRIBE, subscriber, mailing))
    assert claim == Claim(Purpose.UNSUBSCRIBE, claim.subscriber, claim.mailing)
    assert (claim.subscriber, claim.mailing) == (subscriber, mailing)


@given(_SUBSCRIBERS, _MAILINGS)
def test_a_token_is_short_and_safe_in_a_header_field(subscriber: int, mailing: int) -> None:
    token = Signer([_NEW]).sign(Purpose.UNSUBSCRIBE, subscriber, mailing)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", token)
    assert len(token) == 66


def test_the_same_link_is_made_again() -> None:
    assert Signer([_NEW]).sign(Purpose.UNSUBSCRIBE, 5, 6) == Signer([_NEW]).sign(Purpose.UNSUBSCRIBE, 5, 6)


def test_neighbours_share_nothing_that_shows() -> None:
    signer = Signer([_NEW])
    one, two = (signer.sign(Purpose.UNSUBSCRIBE, number, 1) for number in (1, 2))
    assert sum(a == b for a, b in zip(one, two, strict=True)) < 20


def test_the_first_key_signs_and_every_key_verifies() -> None:
    old = Signer([_OLD]).sign(Purpose.UNSUBSCRIBE, 5, 6)
    both = Signer([_NEW, _OLD])
    assert both.read(Purpose.UNSUBSCRIBE, old).subscriber == 5
    assert both.sign(Purpose.UNSUBSCRIBE, 5, 6) == Signer([_NEW]).sign(Purpose.UNSUBSCRIBE, 5, 6)
    with pytest.raises(TokenError):
        Signer([_NEW]).read(Purpose.UNSUBSCRIBE, old)


@given(st.integers(0, 65), st.characters())
def test_a_token_with_one_character_changed_is_not_ours(index: int, character: str) -> None:
    signer = Signer([_NEW])
    token = signer.sign(Purpose.UNSUBSCRIBE, 5, 6)
    forged = token[:index] + character + token[index + 1 :]
    try:
        claim = signer.read(Purpose.UNSUBSCRIBE, forged)
    except TokenError as error:
        assert error.code == "token-invalid"  # noqa: PT017 - either answer will do
    else:
        # The last digit of the signature has two bits that say nothing.
        assert forged == token or index == 65
        assert (claim.subscriber, claim.mailing) == (5, 6)


@given(st.one_of(st.text(max_size=100), st.text("AZaz09_-.=", min_size=60, max_size=70)))
def test_whatever_else_arrives_is_refused_and_nothing_worse(text: str) -> None:
    with pytest.raises(TokenError):
        Signer([_NEW]).read(Purpose.UNSUBSCRIBE, text)


@given(st.integers(0, 65))
def test_a_token_that_was_cut_is_refused(length: int) -> None:
    signer = Signer([_NEW])
    with pytest.raises(TokenError):
        signer.read(Purpose.UNSUBSCRIBE, signer.sign(Purpose.UNSUBSCRIBE, 5, 6)[:length])


def test_a_signer_without_keys_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Signer([])
