"""A relay's bytes become replies, or are recognised as no SMTP; nothing else can happen."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.model.mailing import Phase
from biweekly.transports.replies import LONGEST_TEXT, MOST_BYTES, Garbled, ReplyParser, Said, as_it_is


def read(*pieces: bytes) -> list[Said]:
    parser = ReplyParser()
    found = []
    for piece in pieces:
        parser.feed(piece)
        while (said := parser.next()) is not None:
            found.append(said)
    return found


@pytest.mark.parametrize(
    ("raw", "code", "enhanced", "text"),
    [
        (b"250 2.0.0 taken\r\n", 250, "2.0.0", "taken"),
        (b"250\r\n", 250, None, ""),
        (b"250 \r\n", 250, None, ""),
        (b"550 5.1.1\r\n", 550, "5.1.1", ""),
        (b"550 no such user\r\n", 550, None, "no such user"),
        (b"550-5.7.26 not\r\n550-5.7.26 authen-\r\n550 5.7.26 ticated\r\n", 550, "5.7.26", "not authen- ticated"),
        (b"451 4.7.650 slow down\r\n", 451, "4.7.650", "slow down"),
        (b"550 5.1.1.1 is no status\r\n", 550, None, "5.1.1.1 is no status"),
        (b"550 3.1.1 neither is this\r\n", 550, None, "3.1.1 neither is this"),
        ("550 5.1.1 finns inte på denna värd\r\n".encode(), 550, "5.1.1", "finns inte på denna värd"),
        (b"550 \x1b[31mred\x07\x00 \xe2\x80\xaeoverride\r\n", 550, None, "[31mred override"),
        (b"550 a bare \r return\r\n", 550, None, "a bare return"),
    ],
)
def test_a_reply_is_read_with_its_status_and_its_words_cleaned(
    raw: bytes, code: int, enhanced: str | None, text: str
) -> None:
    (said,) = read(raw)
    reply = said.reply(Phase.RCPT)
    assert (reply.code, reply.enhanced, reply.text, reply.phase) == (code, enhanced, text, Phase.RCPT)


@pytest.mark.parametrize(
    "raw",
    [
        b"250 a line without return\n",
        b"250-first\r\n251 second\r\n",
        b"250-first\r\n250second\r\n",
        b"199 too low\r\n",
        b"600 too high\r\n",
        b"25 short\r\n",
        b"2500 long\r\n",
        b"hello\r\n",
        b"\r\n",
        b" 250 ok\r\n",
        b"250\tok\r\n",
        b"550 p\xe5 latin-1\r\n",
        b"250-x\r\n" * 101 + b"250 x\r\n",
        b"250 " + b"x" * MOST_BYTES + b"\r\n",
        b"x" * (MOST_BYTES + 1),
        (b"250-" + b"x" * 990 + b"\r\n") * 70,
    ],
)
def test_what_is_no_reply_is_garbled(raw: bytes) -> None:
    with pytest.raises(Garbled):
        read(raw)


def test_the_largest_permitted_reply_is_read() -> None:
    (said,) = read(b"250-x\r\n" * 99 + b"250 x\r\n")
    assert len(said.lines) == 100


def test_a_long_reply_is_cut_to_a_line() -> None:
    (said,) = read(b"550 " + b"word " * 2000 + b"\r\n")
    assert len(said.reply(Phase.RCPT).text) == LONGEST_TEXT


def test_several_replies_in_one_piece_come_one_after_another() -> None:
    assert [said.code for said in read(b"250 a\r\n550-b\r\n550 c\r\n354 d\r\n")] == [250, 550, 354]


@given(st.integers(200, 599), st.lists(st.text(st.characters(exclude_characters="\r\n"), max_size=20), min_size=1))
def test_a_reply_is_the_same_however_it_is_cut_into_pieces(code: int, words: list[str]) -> None:
    words = [word.encode("utf-8", "ignore").decode() for word in words[:100]]
    raw = b"".join(
        f"{code}{'-' if number < len(words) - 1 else ' '}{word}\r\n".encode() for number, word in enumerate(words)
    )
    whole = read(raw)
    assert whole == [Said(code, tuple(words))]
    assert read(*(raw[at : at + 1] for at in range(len(raw)))) == whole


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_replies_or_are_garbled(pieces: list[bytes]) -> None:
    with contextlib.suppress(Garbled):
        for said in read(*pieces):
            reply = said.reply(Phase.CONTENT)
            assert 200 <= reply.code < 600
            assert reply.text.isprintable()


@given(st.binary(max_size=200))
def test_what_is_said_of_garbage_can_be_printed(raw: bytes) -> None:
    with pytest.raises(Garbled) as caught:
        read(b"\0" + raw.replace(b"\n", b"") + b"\r\n")
    words = caught.value.words(as_it_is)
    assert words.isprintable()
    assert len(words) < 500


SECRET = "open  sesame"


def concealed(words: str) -> str:
    return words.replace(SECRET, "(concealed)")


@pytest.mark.parametrize("before", ["", "x" * (LONGEST_TEXT - 5), "x" * (LONGEST_TEXT + 50)])
def test_a_secret_is_taken_out_of_a_reply_before_it_is_cut_and_its_spaces_are_joined(before: str) -> None:
    (said,) = read(f"535-5.7.8 {before}{SECRET}\r\n535 5.7.8 {SECRET}\r\n".encode())
    reply = said.reply(Phase.AUTH, concealed)
    assert reply.enhanced == "5.7.8"
    assert "open" not in reply.text


@pytest.mark.parametrize("before", ["", "x" * 75, "x" * 200])
def test_a_secret_is_taken_out_of_what_is_no_reply_before_it_is_cut(before: str) -> None:
    with pytest.raises(Garbled) as caught:
        read(f"{before}{SECRET}\r\n".encode())
    assert "open" not in caught.value.words(concealed)
    assert ("(concealed)" in caught.value.words(concealed)) is (before == "")
