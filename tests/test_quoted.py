"""Quoted-printable that needs no repair, and words for header fields."""

import quopri
import re

from hypothesis import example, given
from hypothesis import strategies as st

from biweekly import quoted


@given(st.text())
def test_what_is_encoded_reads_back_as_it_was(text: str) -> None:
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    assert quopri.decodestring(quoted.encode_text(text)) == plain.encode()


@given(st.text(alphabet=st.sampled_from(" \t.=From~x\n\u00e9"), max_size=400))
def test_no_row_is_long_or_begins_with_a_dot_or_ends_with_a_blank(text: str) -> None:
    encoded = quoted.encode_text(text)
    assert encoded.isascii()
    for row in encoded.split(b"\r\n"):
        assert len(row) <= 76
        assert not row.startswith((b".", b"From ", b" "))
        assert not re.search(rb"[ \t]$|  |\t", row)


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=300))
@example("http://127.0.0.1:8765/u/" + "a" * 49 + "." + "b" * 60)
@example("." * 200)
@example("=" * 200)
def test_a_word_without_blanks_is_cut_as_any_other_text_is(text: str) -> None:
    # The short way and the long way give the same bytes.
    assert quoted.encode_text(text) == quoted._encode_line(text.encode())
