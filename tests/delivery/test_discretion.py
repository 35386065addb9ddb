"""No address stays in a relay's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.delivery.discretion import without_addresses


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("550 5.1.1 <nino@d1.example> unknown", "550 5.1.1 <subscriber 7> unknown"),
        ("550 <NINO@D1.EXAMPLE>: no", "550 <subscriber 7>: no"),
        ("550 moved to (real.person@other.example)", "550 moved to ((address))"),
        ("550 nino=d1.example@bounces.example.org is no sender", "550 (address) is no sender"),
        ('550 "a b"@d1.example', '550 "a b"(address)'),
        ("550 нино@пример.рф не найден", "550 (address) не найден"),
        ("250 2.0.0 queued as 4X8Z", "250 2.0.0 queued as 4X8Z"),
        ("", ""),
    ],
)
def test_an_address_gives_way_to_a_number_or_a_word(words: str, kept: str) -> None:
    assert without_addresses(words, reader="nino@d1.example", subscriber=7) == kept


@given(local=st.from_regex(r"[a-z0-9.+=_-]{1,20}", fullmatch=True), before=st.text(), after=st.text())
def test_no_address_is_left_whatever_stands_around_it(local: str, before: str, after: str) -> None:
    address = f"{local}@d1.example"
    kept = without_addresses(f"{before} <{address}> {after}", reader="nino@d1.example", subscriber=7)
    assert address not in kept
