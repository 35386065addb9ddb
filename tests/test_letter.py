import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.dkimpy_judge import verdicts

from biweekly.dkim import DkimSigner, SigningKey, dns_record, record_name
from biweekly.errors import RenderError
from biweekly.letter import Stamp, Stationery, gate, gate_fields, prepare
from biweekly.model.issue import Edition, IssueId, Variant, VariantName
from biweekly.model.mailing import Lane, Letter, MailingId, MailingKind, Place, Spot
from biweekly.model.subscriber import SubscriberId

NONCE = "0a1b2c3d"
TOKEN = "A" * 43 + "." + "b" * 43
HTML = (
    '<!DOCTYPE html><html lang="en"><body><p>Dear bwph_reader_name_0a1b2c3d,</p><p>.dots at the start</p>\n'
    "<p>Ђ ქ é — long line " + "word " * 60 + '</p><a href="bwph_unsubscribe_url_0a1b2c3d">Leave</a></body></html>\n'
)
TEXT = (
    "Dear bwph_reader_name_0a1b2c3d,\n\n.a line with a dot\nFrom here on\ntwo  blanks \n\n"
    "bwph_unsubscribe_url_0a1b2c3d\n"
)


def edition(html: str = HTML, text: str = TEXT, subject: str = "Corridors and contracts") -> Edition:
    return Edition(
        sha256="5" * 64, issue=IssueId("2026-11-26"), subject=subject, preheader="", audience="active",
        sender="=?utf-8?b?w4k=?= Review <news@review.example>", reply_to="desk@review.example",
        list_id="The Review <issues.review.example>", public_url="https://review.example", nonce=NONCE,
        variants=(Variant(VariantName.HTML, html, text), Variant(VariantName.TEXT, None, text)), web_id="w", web="",
        pictures=(), reports=(),
    )  # fmt: skip


STAMP = Stamp(MailingId(7), MailingKind.REGULAR, datetime(2026, 11, 26, 8, tzinfo=UTC), b"k" * 32)


def paper(stamp: Stamp = STAMP, **words: str) -> Stationery:
    return prepare(edition(**words), stamp)


def place(name: str = "Nino", address: str = "nino@d.example", variant: VariantName = VariantName.HTML) -> Place:
    return Place(Spot(Lane(1), 4), SubscriberId(12), address, name, "d.example", variant)


def read(letter: Letter) -> email.message.EmailMessage:
    message = email.message_from_bytes(b"".join(letter.content), policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    assert not message.defects
    return message


def content_of(message: email.message.EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert isinstance(part, email.message.EmailMessage)
    return str(part.get_content()).replace("\r\n", "\n")


def test_both_parts_come_out_as_they_were_with_the_readers_words_in_them() -> None:
    message = read(paper().address(place("Jo & <Co>"), unsubscribe=TOKEN))
    url = f"https://review.example/u/{TOKEN}"
    assert content_of(message, "plain") == TEXT.replace(f"bwph_reader_name_{NONCE}", "Jo & <Co>").replace(
        f"bwph_unsubscribe_url_{NONCE}", url
    )
    assert content_of(message, "html") == HTML.replace(f"bwph_reader_name_{NONCE}", "Jo &amp; &lt;Co&gt;").replace(
        f"bwph_unsubscribe_url_{NONCE}", url
    )
    assert message.get_content_type() == "multipart/alternative"


def test_a_text_only_reader_gets_one_part() -> None:
    message = read(paper().address(place(variant=VariantName.TEXT), unsubscribe=TOKEN))
    assert message.get_content_type() == "text/plain"


def test_the_unsubscribe_address_is_written_raw_however_long() -> None:
    raw = b"".join(paper().address(place(), unsubscribe="t" * 180).content)
    assert f"\r\nList-Unsubscribe: <https://review.example/u/{'t' * 180}>\r\n".encode() in raw
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw


def test_a_second_try_is_the_same_bytes_and_two_readers_differ_in_their_own_words_only() -> None:
    one, again = (paper().address(place(), unsubscribe=TOKEN) for _ in range(2))
    assert one.content == again.content
    other = paper().address(
        replace(place("Bo", "bo@d.example"), subscriber=SubscriberId(13)), unsubscribe=TOKEN.replace("A", "C")
    )
    ours, theirs = (b"".join(letter.content).split(b"\r\n") for letter in (one, other))
    differing = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    assert differing
    assert all(
        re.match(rb"To: |Message-ID: |List-Unsubscribe: |Nino|https://|[A-Za-z]+[=.]|b+", a) for a, _ in differing
    ), differing


def test_message_ids_are_in_the_senders_domain_and_differ_by_reader_and_mailing() -> None:
    ids = {
        read(prepare(edition(), replace(STAMP, mailing=MailingId(m))).address(
            replace(place(), subscriber=SubscriberId(s)), unsubscribe=TOKEN))["Message-ID"]
        for m in (7, 8) for s in (1, 2)
    }  # fmt: skip
    assert len(ids) == 4
    assert all(one.endswith("@review.example>") for one in ids)


def test_a_bounce_address_of_its_own_names_the_reader_without_the_address() -> None:
    from biweekly import verp

    stamp = replace(STAMP, bounce_address="bounce@b.example", verp_key=b"v" * 32)
    letter = paper(stamp).address(place(), unsubscribe=TOKEN)
    assert re.fullmatch(r"bounce\+[a-z2-7]+@b\.example", letter.mail_from)
    assert len(letter.mail_from.partition("@")[0]) <= 64
    assert verp.read(letter.mail_from.upper(), key=b"v" * 32) == (7, 12)
    assert verp.read(letter.mail_from, key=b"w" * 32) is None
    assert verp.read("bounce+@b.example", key=b"v" * 32) is None


def test_a_local_part_beyond_ascii_asks_for_smtputf8_and_stays_itself() -> None:
    letter = paper().address(place(address="δοκιμή@d.example"), unsubscribe=TOKEN)
    assert letter.needs_smtputf8
    assert "δοκιμή@d.example" in b"".join(letter.content).decode()
    assert not paper().address(place(), unsubscribe=TOKEN).needs_smtputf8


def test_an_unknown_placeholder_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(RenderError) as error:
        paper(text=f"Dear bwph_nickname_{NONCE}\n")
    assert error.value.code == "unknown-placeholder"
    with pytest.raises(RenderError) as error:
        paper(text="Dear bwph_reader_name_ffffffff\n")
    assert error.value.code == "damaged-placeholder"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"Subject: a\nBcc: x@e.example\r\n\r\n", "bare line end"),
        (b"a\rb\r\n", "bare line end"),
        (b"a\x00b\r\n", "control character"),
        (b"a\x1bb\r\n", "control character"),
        ("é\r\n".encode(), "over 127"),
        (b"x" * 999 + b"\r\n", "998"),
        (b"one\r\n.\r\n", "dot"),
        (b"Dear bwph_reader_name_0a1b2c3d\r\n", "placeholder"),
    ],
)
def test_the_gate_lets_nothing_malformed_pass(content: bytes, what: str) -> None:
    with pytest.raises(RenderError, match=what) as error:
        gate(content)
    assert error.value.code == "letter-unfit"


# What some relay or other takes for the end of a message, besides CRLF.CRLF (SMTP smuggling, VU#302671).
PSEUDO_TERMINATORS: Final = ("\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\r\n\x00.\r\n")


@pytest.mark.parametrize("end", PSEUDO_TERMINATORS)
def test_what_some_relay_takes_for_an_end_is_refused_and_no_words_make_one(end: str) -> None:
    with pytest.raises(RenderError) as error:
        gate(f"Subject: x\r\n\r\none{end}two\r\n".encode())
    assert error.value.code == "letter-unfit"
    words = f"one{end}two bwph_reader_name_{NONCE}{end}"
    for variant in VariantName:
        raw = b"".join(paper(text=words, html=f"<p>{words}").address(place(variant=variant), unsubscribe=TOKEN).content)
        gate(raw)
        assert b"\n." not in raw


@pytest.mark.parametrize("name", ["a\x00b", "a\x7fb"])
def test_a_name_with_a_control_character_stops_that_letter(name: str) -> None:
    with pytest.raises(RenderError) as error:
        paper().address(place(name), unsubscribe=TOKEN)
    assert error.value.code == "letter-unfit"


def test_a_field_cannot_be_smuggled_into_a_readers_own() -> None:
    for fields in (b"To: a\r\nBcc x\r\n", b"To: a\r\n\r\nbody\r\n", b"To: a\nBcc: b\r\n"):
        with pytest.raises(RenderError):
            gate_fields(fields, utf8=True)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)
# Characters at which Python's own parser would break a line are left out: it is the yardstick here.
BODIES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=300
)


@given(name=NAMES, text=BODIES)
def test_any_words_arrive_as_they_were(name: str, text: str) -> None:
    body = f"{text.replace('bwph_', '')}\nbwph_reader_name_{NONCE}\n"
    letter = paper(text=body, html="<p>x</p>").address(place(name), unsubscribe=TOKEN)
    raw = b"".join(letter.content)
    assert raw.isascii()
    gate(raw)
    message = read(letter)
    assert content_of(message, "plain") == body.replace(f"bwph_reader_name_{NONCE}", name)
    assert message["To"].addresses[0].addr_spec == "nino@d.example"


@given(subject=st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=200))
def test_any_subject_comes_back_as_it_was_in_rows_that_fit(subject: str) -> None:
    raw = b"".join(paper(subject=subject).address(place(), unsubscribe=TOKEN).content)
    head = raw.partition(b"\r\n\r\n")[0]
    rows = re.search(rb"Subject:(?:.*\r\n)(?: .*\r\n)*", head)
    assert rows
    if not subject.isascii():
        assert all(len(row) <= 76 for row in rows[0].split(b"\r\n"))
        assert str(email.message_from_bytes(raw, policy=email.policy.default)["Subject"]) == subject


# --- signed ------------------------------------------------------------------------------------------------------

# In the past for good: dkimpy refuses what was signed in the future, by the machine's clock.
SIGNED_AT: Final = replace(STAMP, at=datetime(2025, 11, 27, 8, tzinfo=UTC))
ODD_READERS: Final = (
    ("Nino", "nino@d.example"),
    ("", "nobody@d.example"),
    ("ნინო ბერიძე", "nino@d.example"),
    ("شیرین رستمی", "shirin@d.example"),
    ('Ruth "the Quill" O\'Malley, Ph.D. (retd.)', "ruth@d.example"),
    ("Back\\slash; and @ sign <i>", "o'neil+tag@d.example"),
    ("Maximiliana Theodora " * 10, "long@d.example"),
    ("Max" * 300, f"{'long' * 16}@d.example"),
    ("=?utf-8?q?not_encoded?=", "nino@d.example"),
    (" \u00a0 blanks \t within ", "nino@d.example"),
    ("Жанна", "жанна@d.example"),
)


@cache
def signer() -> DkimSigner:
    keys = SigningKey("rsa", generate_private_key(65537, 2048)), SigningKey("ed", Ed25519PrivateKey.generate())
    return DkimSigner("review.example", keys)


def judged(letter: Letter) -> list[bool]:
    records = {record_name(one.selector, signer().domain): dns_record(one.key) for one in signer().keys}
    return verdicts(b"".join(letter.content), records)


@pytest.mark.parametrize("variant", VariantName)
@pytest.mark.parametrize(("name", "address"), ODD_READERS)
def test_any_readers_letter_in_any_variant_is_signed_well(variant: VariantName, name: str, address: str) -> None:
    stationery = prepare(edition(), SIGNED_AT, signer=signer())
    assert stationery.signed
    reader = place(name, address, variant)
    letter = stationery.address(reader, unsubscribe=TOKEN)
    assert judged(letter) == [True, True]
    # The signatures stand above a letter that is otherwise as it would be without them, at every try.
    plain = b"".join(prepare(edition(), SIGNED_AT).address(reader, unsubscribe=TOKEN).content)
    raw = b"".join(letter.content)
    assert raw.startswith(b"DKIM-Signature: v=1; a=rsa-sha256;")
    assert raw.endswith(plain)
    assert raw == b"".join(stationery.address(reader, unsubscribe=TOKEN).content)
    if address.isascii():
        gate(raw)


@settings(max_examples=50)
@given(name=NAMES, text=st.text(st.characters(exclude_categories=["Cs"]), max_size=300), subject=NAMES)
@example(name="", text="", subject="")
@example(name="x", text="\n \n\t\n\n", subject=" ")
def test_any_words_are_signed_well(name: str, text: str, subject: str) -> None:
    body = f"{text.replace('bwph_', '')}bwph_reader_name_{NONCE}"
    written = edition(html=body, text=body, subject=subject.replace("bwph_", ""))
    stationery = prepare(written, SIGNED_AT, mark="[Test] ", signer=signer())
    for variant in VariantName:
        assert judged(stationery.address(place(name, variant=variant), unsubscribe=TOKEN)) == [True, True]


def test_without_a_signer_nothing_is_signed() -> None:
    stationery = prepare(edition(), SIGNED_AT)
    assert not stationery.signed
    assert judged(stationery.address(place(), unsubscribe=TOKEN)) == []


def test_one_readers_signature_holds_for_no_other() -> None:
    stationery = prepare(edition(), SIGNED_AT, signer=signer())
    one, other = (stationery.address(place(name), unsubscribe=TOKEN) for name in ("Nino", "Bo"))
    assert judged(other) == [True, True]
    assert judged(replace(other, content=(one.content[0], *other.content[1:]))) == [False, False]
