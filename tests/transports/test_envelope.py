"""What a relay offers, what it is told of a letter, and which letters are not for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.model.mailing import Lane, Letter, Phase, Spot
from biweekly.transports.envelope import Capabilities, is_seven_bit, mail, needs_utf8, rcpt, unfit

CONTENT = b"Subject: one\r\n\r\ntwo\r\n"
EIGHT_BIT = "Subject: one\r\n\r\nzwölf\r\n".encode()


def letter(
    to: str = "bea@example.org",
    *,
    mail_from: str = "from@example.com",
    content: bytes = CONTENT,
    utf8: bool = False,
    clean: bool = False,
) -> Letter:
    return Letter(Spot(Lane(0), 1), mail_from, to, (content[:9], content[9:]), utf8, clean)


def offering(*lines: str) -> Capabilities:
    return Capabilities.of(lines)


def told(one: Letter, *offered: str) -> str:
    return mail(one, offering(*offered), one.size_bytes).decode().removeprefix("MAIL FROM:").rstrip("\r\n")


def test_what_a_relay_offers_is_read_whatever_its_case() -> None:
    found = offering("pipelining", "Chunking", "8bitmime", "SMTPUTF8", "size 1000", "AUTH plain LOGIN", "STARTTLS", "X")
    assert found == Capabilities(
        size=True, most_bytes=1000, pipelining=True, chunking=True, eight_bit=True, smtputf8=True, starttls=True,
        mechanisms=frozenset({"PLAIN", "LOGIN"}),
    )  # fmt: skip
    assert offering() == offering("", " ", "PIPELINING-ISH", "AUTH=PLAIN") == Capabilities()


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE x", "SIZE 99999999999999999999999", "SIZE ٣", "SIZE -1"])
def test_a_size_without_a_limit_is_no_limit(size: str) -> None:
    assert offering(size).most_bytes is None
    assert offering(size).size


def test_a_relay_is_told_only_what_it_knows_and_the_letter_needs() -> None:
    assert told(letter()) == "<from@example.com>"
    assert told(letter(), "SIZE 0") == f"<from@example.com> SIZE={len(CONTENT)}"
    assert told(letter(), "8BITMIME", "SMTPUTF8") == "<from@example.com>"
    assert told(letter(content=EIGHT_BIT), "8BITMIME") == "<from@example.com> BODY=8BITMIME"
    assert told(letter("björn@example.org"), "8BITMIME", "SMTPUTF8") == "<from@example.com> BODY=8BITMIME SMTPUTF8"
    assert rcpt(letter("björn@example.org")) == "RCPT TO:<björn@example.org>\r\n".encode()


def test_a_bounce_has_an_empty_sender() -> None:
    assert told(letter(mail_from="")) == "<>"
    assert unfit(letter(mail_from=""), offering()) is None


@pytest.mark.parametrize(
    ("mail_from", "to", "code", "phase"),
    [
        ("from@example.com", "bea@example.org>\r\nDATA", 553, Phase.RCPT),
        ("from@example.com", "bea@example.org> NOTIFY=NEVER", 553, Phase.RCPT),
        ("from@example.com", "", 553, Phase.RCPT),
        ("from@example.com", "be\x7fa@example.org", 553, Phase.RCPT),
        ("from@example.com\r\nRSET", "bea@example.org", 501, Phase.MAIL),
    ],
)
def test_an_address_that_cannot_be_written_is_not_sent(mail_from: str, to: str, code: int, phase: Phase) -> None:
    refusal = unfit(letter(to, mail_from=mail_from), offering())
    assert refusal is not None
    assert (refusal.code, refusal.phase) == (code, phase)
    assert refusal.text.startswith("not sent: ")


@pytest.mark.parametrize(
    "one",
    [letter("björn@example.org"), letter(mail_from="björn@example.com"), letter(utf8=True)],
    ids=["reader", "sender", "headers"],
)
def test_what_needs_smtputf8_is_not_for_a_relay_without_it(one: Letter) -> None:
    for offered in ((), ("SMTPUTF8",), ("8BITMIME",)):
        refusal = unfit(one, offering(*offered))
        assert refusal is not None
        assert (refusal.code, refusal.enhanced, refusal.phase) == (550, "5.6.7", Phase.MAIL)
    assert unfit(one, offering("SMTPUTF8", "8BITMIME")) is None


def test_content_beyond_ascii_is_not_for_a_relay_without_8bitmime() -> None:
    refusal = unfit(letter(content=EIGHT_BIT), offering("SIZE"))
    assert refusal is not None
    assert (refusal.code, refusal.enhanced) == (554, "5.6.3")
    assert unfit(letter(content=EIGHT_BIT), offering("8BITMIME")) is None
    assert unfit(letter(), offering()) is None


def test_a_letter_larger_than_the_relay_takes_is_not_sent() -> None:
    refusal = unfit(letter(), offering(f"SIZE {len(CONTENT) - 1}"))
    assert refusal is not None
    assert (refusal.code, refusal.enhanced) == (552, "5.3.4")
    assert unfit(letter(), offering(f"SIZE {len(CONTENT)}")) is None


def test_a_letter_that_was_looked_at_before_is_not_looked_at_again() -> None:
    assert is_seven_bit(letter(clean=True))
    assert not is_seven_bit(letter(content=EIGHT_BIT))


@given(st.text(max_size=20), st.text(max_size=20), st.sets(st.sampled_from(["SIZE 99", "8BITMIME", "SMTPUTF8"])))
def test_an_envelope_is_one_line_each_or_the_letter_is_not_sent(mail_from: str, to: str, offered: set[str]) -> None:
    one = letter(to, mail_from=mail_from)
    if unfit(one, offering(*offered)) is not None:
        return
    for line in (mail(one, offering(*offered), 1), rcpt(one)):
        assert line.count(b"\r") == line.count(b"\n") == 1
        assert line.endswith(b"\r\n")
        assert line.count(b"<") == line.count(b">") == 1
    assert needs_utf8(one) or (mail_from + to).isascii()
