import random

from hypothesis import given
from hypothesis import strategies as st

from biweekly.audience.row import Entry
from biweekly.audience.sorting import in_order

_ENTRIES = st.lists(
    st.tuples(st.binary(min_size=16, max_size=16), st.integers(1, 99), st.text(), st.text(), st.text(), st.text())
)


@given(_ENTRIES, st.integers(1, 7))
def test_entries_come_out_in_order_however_many_parts_they_took(entries: list[Entry], held: int) -> None:
    assert list(in_order(entries, held=held)) == sorted(entries)


def test_a_long_list_goes_through_files_whole() -> None:
    rng = random.Random(7)  # noqa: S311 - a shuffled list, no secret
    entries: list[Entry] = [(rng.randbytes(16), line, f"r{line}@example.org", "", "", "") for line in range(5_000)]
    assert list(in_order(entries, held=700)) == sorted(entries)
