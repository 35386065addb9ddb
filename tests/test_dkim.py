"""DKIM signatures: dkimpy, which had no part in making them, finds them good; and finds what was done to a letter."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key
from dkim.canonicalization import Relaxed, Simple
from dns.rdtypes.ANY.TXT import TXT
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support import dkimpy_judge

from biweekly import quoted
from biweekly.dkim import (
    SIGNED,
    DkimSigner,
    Field,
    PrivateKey,
    SigningKey,
    body_digest,
    dns_record,
    fields_in,
    record_name,
    relaxed,
    zone_line,
)
from biweekly.errors import ConfigError, RenderError

# In the past for good: dkimpy refuses what was signed in the future, by the machine's clock.
AT: Final = datetime(2025, 11, 27, 8, 0, 0, tzinfo=UTC)
DOMAIN: Final = "review.example"
HEAD: Final = b"".join((
    b"From: The Steppe and Strait Review <editors@review.example>\r\n",
    b"Reply-To: editors@review.example\r\n",
    b"Subject: =?utf-8?b?0KHRgtC10L/RjA==?= and\r\n strait\r\n",
    b"Date: Thu, 26 Nov 2026 08:00:00 +0000\r\n",
    b"List-Id: The Review <digest.review.example>\r\n",
    b"Feedback-ID: 2026-11-26:regular:biweekly:reviewexample\r\n",
    b"Precedence: bulk\r\n",
    b"MIME-Version: 1.0\r\n",
    b'Content-Type: multipart/alternative;\r\n boundary="=_0123456789abcdef"\r\n',
))  # fmt: skip
OWN: Final = b"".join((
    b"To: Nino Beridze <nino@example.org>\r\n",
    b"Message-ID: <0123456789abcdef@review.example>\r\n",
    b"List-Unsubscribe: <https://news.review.example/u/abc>\r\n",
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
))  # fmt: skip
# What a stranger must not be able to add to a letter of ours, in the words of a reader's mail program.
GUARDED: Final = (
    "From", "To", "Cc", "Subject", "Date", "Reply-To", "Sender", "Message-ID", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-ID",
)  # fmt: skip
BODY: Final = quoted.encode_text("Dear reader,\n\nWhat happened on  the steppe.\n.\nFrom here on, more. \n")


@cache
def rsa_key() -> SigningKey:
    return SigningKey("bw202611", generate_private_key(65537, 2048))


@cache
def ed25519_key() -> SigningKey:
    return SigningKey("bw202611e", Ed25519PrivateKey.generate())


def signer(*keys: SigningKey) -> DkimSigner:
    return DkimSigner(DOMAIN, keys or (rsa_key(), ed25519_key()))


def sign(head: bytes = HEAD, own: bytes = OWN, body: bytes = BODY, by: DkimSigner | None = None) -> bytes:
    seal = (by or signer()).over(fields_in(head))
    return seal.sign(fields_in(own), body_digest(body), at=AT)


def letter(head: bytes = HEAD, own: bytes = OWN, body: bytes = BODY, by: DkimSigner | None = None) -> bytes:
    """A whole letter as it goes out: signatures, a reader's fields, everybody's fields, body."""
    return b"".join((sign(head, own, body, by), own, head, b"\r\n", body))


def published(*keys: SigningKey, domain: str = DOMAIN) -> Mapping[str, str]:
    return {record_name(one.selector, domain): dns_record(one.key) for one in keys}


def verdicts(message: bytes, records: Mapping[str, str] | None = None) -> list[bool]:
    """What dkimpy says of each signature of a message, from the top."""
    return dkimpy_judge.verdicts(message, published(rsa_key(), ed25519_key()) if records is None else records)


def tags(field: bytes) -> dict[str, str]:
    """The tags of a signature field, white space taken out."""
    value = re.sub(r"\s", "", field.decode("ascii").partition(":")[2])
    return {name: text for name, _, text in (one.partition("=") for one in value.split(";"))}


# --- good signatures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [[rsa_key], [ed25519_key], [rsa_key, ed25519_key], [ed25519_key, rsa_key]])
def test_each_signature_is_good(keys: list[Callable[[], SigningKey]]) -> None:
    assert verdicts(letter(by=signer(*(make() for make in keys)))) == [True] * len(keys)


@pytest.mark.parametrize("known", [rsa_key, ed25519_key])
def test_either_signature_is_good_where_only_its_own_key_is_published(known: Callable[[], SigningKey]) -> None:
    found = verdicts(letter(), published(known()))
    assert found == [known() is rsa_key(), known() is ed25519_key()]


def test_either_signature_is_good_where_the_other_was_taken_away() -> None:
    first, second = fields_in(sign())
    for kept in (first, second):
        field = kept[0].encode() + b":" + kept[1] + b"\r\n"
        assert verdicts(b"".join((field, OWN, HEAD, b"\r\n", BODY))) == [True]


_WORDS: Final = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=90)
_VALUES: Final = st.from_regex(r"\A[ \t]?[!-~]{1,20}((\r\n)?[ \t]{1,3}[!-~]{1,60}){0,4}[ \t]{0,2}\Z").map(str.encode)


@given(subject=_WORDS, name=_WORDS, text=st.text(), sender=_VALUES, kind=_VALUES, other=_VALUES)
@example(subject="", name="", text="", sender=b"x", kind=b"x", other=b"x")
def test_any_letter_is_signed_well(
    subject: str, name: str, text: str, sender: bytes, kind: bytes, other: bytes
) -> None:
    head = b"".join((
        b"From: <editors@review.example>\r\n", quoted.fold("Subject", quoted.encode_words(subject)),
        b"Sender:", sender, b"\r\nX-Other:", other, b"\r\nContent-Type:", kind, b"\r\n",
    ))  # fmt: skip
    own = quoted.fold("To", f"{quoted.encode_phrase(name)} <nino@example.org>")
    body = quoted.encode_text(text)
    assert verdicts(letter(head, own, body)) == [True, True]


@given(st.lists(st.sampled_from(sorted(SIGNED - {"from"})), unique=True), st.data())
def test_it_does_not_matter_which_fields_are_a_readers_own(names: list[str], data: st.DataObject) -> None:
    own = [name for name in names if data.draw(st.booleans())]
    block = {name: f"{name.title()}: {name} <{name}@x.example>\r\n".encode() for name in names}
    head = b"From: editors@review.example\r\n" + b"".join(block[name] for name in names if name not in own)
    assert verdicts(letter(head, b"".join(block[name] for name in own))) == [True, True]


def test_letters_with_other_fields_and_times_share_a_seal() -> None:
    seal = signer().over(fields_in(HEAD))
    digest = body_digest(BODY)
    for own in (OWN, b"To: x@example.org\r\n", b"Cc: x@example.org\r\n" + OWN, OWN):
        for at in (AT, AT + timedelta(days=9)):
            field = seal.sign(fields_in(own), digest, at=at)
            assert verdicts(field + own + HEAD + b"\r\n" + BODY) == [True, True]
            assert tags(field.partition(b"\r\nDKIM")[0])["t"] == str(int(at.timestamp()))


def test_a_second_try_is_the_same_bytes() -> None:
    assert sign() == sign()


def test_an_address_in_its_own_alphabet_is_signed_too() -> None:
    own = "To: Жан <жан@example.org>\r\n".encode()
    assert verdicts(letter(own=own)) == [True, True]


def test_a_large_key_and_a_small_one_sign_as_well() -> None:
    for bits in (1024, 3072):
        key = SigningKey("s", generate_private_key(65537, bits))
        assert verdicts(letter(by=signer(key)), published(key)) == [True]
        assert key.weak == (bits == 1024)
    assert not rsa_key().weak
    assert not ed25519_key().weak


# --- what was done to a letter -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GUARDED)
def test_a_field_that_is_added_breaks_both_signatures(name: str) -> None:
    added = f"{name}: added@evil.example\r\n".encode()
    assert verdicts(added + letter()) == [False, False]


@pytest.mark.parametrize("name", GUARDED)
def test_a_field_that_was_in_no_letter_breaks_both_signatures_when_added(name: str) -> None:
    head = b"From: editors@review.example\r\n"
    assert verdicts(letter(head, b"")) == [True, True]
    added = f"{name}: added@evil.example\r\n".encode()
    assert verdicts(added + letter(head, b"")) == [False, False]


@pytest.mark.parametrize("line", [*OWN.splitlines(), *re.split(rb"\r\n(?![ \t])", HEAD)[:-1]])
def test_a_field_that_is_changed_or_taken_away_breaks_both_signatures(line: bytes) -> None:
    expected = [line.startswith(b"Precedence")] * 2
    message = letter()
    assert verdicts(message.replace(line + b"\r\n", line[:-1] + b"~\r\n", 1)) == expected
    assert verdicts(message.replace(line + b"\r\n", b"", 1)) == expected


@pytest.mark.parametrize("change", [(b"steppe", b"steppes"), (b"more", b"less"), (b"Dear", b"Dear\r\n")])
def test_a_changed_body_breaks_both_signatures(change: tuple[bytes, bytes]) -> None:
    assert change[0] in BODY
    assert verdicts(letter().replace(*change)) == [False, False]


def test_white_space_that_a_relay_may_change_breaks_nothing() -> None:
    message = letter().replace(b"\r\n strait", b"\r\n\t  strait").replace(b"Subject: ", b"SUBJECT:   ")
    assert verdicts(message + b"\r\n\r\n") == [True, True]


def test_another_key_does_not_verify() -> None:
    other = SigningKey(rsa_key().selector, generate_private_key(65537, 2048))
    assert verdicts(letter(by=signer(rsa_key())), published(other)) == [False]


# --- the field itself --------------------------------------------------------------------------------------------


def test_the_tags_are_those_we_promise() -> None:
    first, second = (tags(name.encode() + b":" + value) for name, value in fields_in(sign()))
    for found, algorithm, key in ((first, "rsa-sha256", rsa_key()), (second, "ed25519-sha256", ed25519_key())):
        assert list(found) == ["v", "a", "c", "d", "s", "q", "t", "h", "bh", "b"]
        assert (found["v"], found["a"], found["c"]) == ("1", algorithm, "relaxed/relaxed")
        assert (found["d"], found["s"], found["q"]) == (DOMAIN, key.selector, "dns/txt")
        assert found["t"] == "1764230400"
        assert found["bh"] == base64.b64encode(hashlib.sha256(BODY).digest()).decode()


def test_every_signed_name_is_listed_once_more_than_it_occurs() -> None:
    occurs = [name.lower() for name, _ in fields_in(OWN + HEAD)]
    listed = tags(sign().partition(b"\r\nDKIM")[0])["h"].split(":")
    assert {name: listed.count(name) for name in listed} == {name: occurs.count(name) + 1 for name in SIGNED}


@given(
    domain=st.from_regex(r"\A([a-z]{1,60}\.){1,3}example\Z"), selector=st.from_regex(r"\A[a-z0-9]{1,63}\Z"),
    names=st.sets(st.sampled_from(sorted(SIGNED - {"from"}))),
)  # fmt: skip
def test_no_line_is_wider_than_78_columns_unless_one_word_is(domain: str, selector: str, names: set[str]) -> None:
    own = b"".join(f"{name}: x\r\n".encode() for name in sorted(names))
    keys = [SigningKey(selector, one.key) for one in (rsa_key(), ed25519_key())]
    field = sign(b"From: x@y.example\r\n", own, by=DkimSigner(domain, keys))
    assert field.endswith(b"\r\n")
    for row in field.decode("ascii").split("\r\n")[:-1]:
        assert len(row) <= 78 or re.fullmatch(r" [ds]=[a-z0-9.]+;", row)
        assert re.match(r"DKIM-Signature:| [^\s]", row)
    listed = tags(field.partition(b"\r\nDKIM")[0])["h"].split(":")
    assert sorted(listed) == sorted([*SIGNED, "from", *names])
    zone = published(*keys[:1], domain=domain)
    assert verdicts(letter(b"From: x@y.example\r\n", own, by=DkimSigner(domain, keys[:1])), zone) == [True]


def test_h_breaks_only_between_names() -> None:
    for _, value in fields_in(sign()):
        folded = re.search(rb" h=([^;]*);", value)
        assert folded is not None
        assert b"\r\n" in folded[1]
        for row in folded[1].split(b"\r\n "):
            assert re.fullmatch(rb"([a-z-]+:)*([a-z-]+:?)", row)


@pytest.mark.parametrize("twice", [b"Subject: x\r\n", b"to: y@example.org\r\n", b"LIST-UNSUBSCRIBE: <x>\r\n"])
def test_a_field_that_stands_twice_is_refused(twice: bytes) -> None:
    for head, own in ((HEAD + twice, OWN + twice), (HEAD, OWN + HEAD)):
        with pytest.raises(RenderError, match="a second") as caught:
            sign(head, own)
        assert caught.value.code == "letter-unfit"


def test_a_letter_without_a_sender_is_refused() -> None:
    with pytest.raises(RenderError, match="From"):
        sign(b"Subject: x\r\n", b"")


def test_a_digest_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 octets"):
        signer().over(fields_in(HEAD)).sign((), hashlib.sha1(BODY, usedforsecurity=False).digest(), at=AT)


@pytest.mark.parametrize("block", [b"no field at all\r\n", b"From: x\r\nrest\r\n", b": x\r\n", "Ж: x\r\n".encode()])
def test_what_is_no_block_of_fields_is_refused(block: bytes) -> None:
    with pytest.raises(RenderError, match="no header field"):
        fields_in(block)


def test_a_block_is_taken_apart_at_its_fields_and_not_at_its_folds() -> None:
    assert fields_in(b"A: x\r\n\ty\r\nB : z\r\n") == (("A", b" x\r\n\ty"), ("B", b" z"))
    assert fields_in(b"") == ()


# --- canonical form ----------------------------------------------------------------------------------------------


def test_the_example_of_the_standard_comes_out_as_it_says() -> None:
    # RFC 6376 section 3.4.5, example 1.
    fields = fields_in(b"A: X\r\nB : Y\t\r\n\tZ  \r\n")
    assert [relaxed(name, value) for name, value in fields] == [b"a:X", b"b:Y Z"]


@given(st.from_regex(r"\A[A-Za-z-]{1,12}\Z"), st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"a", b";", b"\xd0"])))
def test_the_canonical_form_is_dkimpys(name: str, pieces: list[bytes]) -> None:
    value = b"".join(pieces)
    ((their_name, their_value),) = Relaxed.canonicalize_headers([(name.encode(), value)])
    assert relaxed(name, value) + b"\r\n" == their_name + b":" + their_value


@given(st.text(), st.sampled_from(["", "\n", "\r\n\n", "=", " ", "\t\n\n"]), st.text(max_size=9))
@example("", "", "")
@example("a", "\n\n\n", "")
def test_the_digest_of_a_body_is_that_of_its_canonical_form(text: str, end: str, word: str) -> None:
    for body in (
        quoted.encode_text(text + end),
        quoted.encode_text(text) + quoted.SOFT_BREAK + quoted.encode_text(word) + quoted.SOFT_BREAK,
        quoted.encode_text(text) + quoted.SOFT_BREAK + quoted.encode_text(word) + quoted.SOFT_BREAK + b"\r\n",
    ):
        for form in (Relaxed, Simple):
            if form is Relaxed or body.strip(b"\r\n"):  # RFC 6376 section 3.4.3: simple makes one line end of nothing
                assert body_digest(body) == hashlib.sha256(form.canonicalize_body(body)).digest()


# RFC 8463 appendix A, with the message of RFC 6376 appendix A.
PRIVATE: Final = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
RECORDS: Final = {
    "brisbane": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test": "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
    "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIK"
    "T+l/K4w3QIDAQAB",
}
VECTOR: Final = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")


def vector_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(PRIVATE))


def test_the_signatures_of_the_standards_example_hold_over_our_canonical_form() -> None:
    block, _, _ = VECTOR.partition(b"\r\n\r\n")
    first, second, *others = fields_in(block)
    by_name: dict[str, Field] = {name.lower(): (name, value) for name, value in others}
    listed = ("from", "to", "subject", "date", "message-id")
    head = b"".join(relaxed(*by_name[name]) + b"\r\n" for name in listed)
    for name, value in (first, second):
        unsigned, _, written = value.rpartition(b" b=")
        signature = base64.b64decode(re.sub(rb"\s", b"", written))
        signed = head + relaxed(name, unsigned + b" b=")
        if b"ed25519" in value:
            vector_key().public_key().verify(signature, hashlib.sha256(signed).digest())
        else:
            public = load_der_public_key(base64.b64decode(RECORDS["test"].partition("p=")[2]))
            assert isinstance(public, RSAPublicKey)
            public.verify(signature, signed, PKCS1v15(), SHA256())


def test_the_record_of_the_standards_key_is_the_standards_record() -> None:
    assert dns_record(vector_key()) == RECORDS["brisbane"]


def test_the_judge_of_these_tests_knows_the_standards_example() -> None:
    zone = {record_name(name, "football.example.com"): text for name, text in RECORDS.items()}
    assert verdicts(VECTOR, zone) == [True, True]
    assert verdicts(VECTOR.replace(b"game", b"match"), zone) == [False, False]


# --- keys and records --------------------------------------------------------------------------------------------

# 512 bits, made for this test and used nowhere.
TINY: Final = b"""\
-----BEGIN PRIVATE KEY-----
MIIBVQIBADANBgkqhkiG9w0BAQEFAASCAT8wggE7AgEAAkEA5m5CuKXMYTKTMM/u
LbfqUMu1vRL7NUOnGmwE5+gNJRCQNhnbwFBtQmwd9cnK073PseNQHdp9EjM7Z51a
U3DJ5wIDAQABAkBlAkBNIKCOmtTauMr3T39vG1z3HLLxjk5Zzq/32Eiqzdq9oORe
t4oEuZpu8ys1guC0VdCo4yi4YIP6HPki8LxBAiEA/pmfepcMfq1s4JNuMsAuxn+x
976UmfFkiF0qOF46xX0CIQDnsp3dIwdCGFnbJIAA79wdl4ISTmoovw8I68lvYPva
MwIgAQuGYQ1vqrFxifZw9Fpflsb9ZwPsPjmEbR7cxoB0g00CIQCA0mi/SPiCITPk
ifi5jKMfuNtS/lI78W6UkTRgPtYIzQIhANl2KZ5ZBDsKGTd/eHBR6jlJ44HYr4yj
pSzTMfm+KiiD
-----END PRIVATE KEY-----
"""


def test_a_key_that_nobody_accepts_is_refused() -> None:
    tiny = load_pem_private_key(TINY, None)
    with pytest.raises(ConfigError, match="512 bits") as caught:
        SigningKey("s", tiny)  # type: ignore[arg-type]
    assert caught.value.code == "dkim-key-small"


def test_a_key_is_not_shown_where_its_holder_is() -> None:
    key = ed25519_key().key
    assert isinstance(key, Ed25519PrivateKey)
    shown = repr(ed25519_key()) + repr(signer()) + str(vars(signer().over(())))
    assert base64.b64encode(key.private_bytes_raw()).decode() not in shown
    assert key.private_bytes_raw().hex() not in shown


@pytest.mark.parametrize("make", [rsa_key, ed25519_key])
def test_a_record_holds_the_public_half(make: Callable[[], SigningKey]) -> None:
    key: PrivateKey = make().key
    found = re.fullmatch(r"v=DKIM1; k=(rsa|ed25519); p=([A-Za-z0-9+/=]+)", dns_record(key))
    assert found is not None
    octets = base64.b64decode(found[2])
    if isinstance(key, Ed25519PrivateKey):
        assert (found[1], octets) == ("ed25519", key.public_key().public_bytes_raw())
    else:
        assert (found[1], load_der_public_key(octets)) == ("rsa", key.public_key())


@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 510, 511, 900])
def test_a_zone_line_says_the_record_in_strings_of_at_most_255_octets(length: int) -> None:
    text = "v=DKIM1; p=" + "x" * length
    line = zone_line("s._domainkey.review.example", text)
    owner, kind, rest = line.split(" ", 1)[0], line.split(" ")[1:3], line.split(" ", 3)[3]
    assert (owner, kind) == ("s._domainkey.review.example.", ["IN", "TXT"])
    read = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, rest)
    assert isinstance(read, TXT)
    assert b"".join(read.strings).decode() == text
