"""A selector's record against the key that signs."""

import base64
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from biweekly.dkim import SigningKey, dns_record
from biweekly.model.look import Standing
from biweekly.sender.answer import Answer, Judgement, Outcome
from biweekly.sender.dkim_record import judge, read_tags

RSA: Final = SigningKey("s1", generate_private_key(65537, 2048))
ED25519: Final = SigningKey("s2", Ed25519PrivateKey.generate())
P: Final = dns_record(RSA.key).partition("p=")[2]
NAME: Final = "s1._domainkey.review-press.org"
FITS: Final = f"the record at {NAME} belongs to the key"


def judged(*records: str, key: SigningKey = RSA) -> Judgement:
    return judge(NAME, Answer(Outcome.FOUND, records), key)


@pytest.mark.parametrize("key", [RSA, ED25519])
def test_the_record_that_keygen_prints_fits(key: SigningKey) -> None:
    assert judged(dns_record(key.key), key=key) == Judgement(
        Standing.EXISTS, f"the record at {NAME} belongs to the key"
    )


@pytest.mark.parametrize(
    "record",
    [
        f"p={P}",
        f"v=DKIM1;p={P};",
        f" v = DKIM1 ; k = rsa ; p = {P[:80]} {P[80:]} ; ",
        f"v=DKIM1; h=sha1 : sha256; s=email; t=s; n=note; p={P}",
        f"v=DKIM1; s=*; x_new=1; p={P}",
    ],
)
def test_other_ways_to_write_it_fit_too(record: str) -> None:
    assert judged(record).standing is Standing.EXISTS
    assert judged(record).remarks == ()


def test_a_bare_rsa_public_key_fits_too() -> None:
    bare = RSA.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert judged(f"v=DKIM1; p={base64.b64encode(bare).decode()}").standing is Standing.EXISTS


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (dns_record(generate_private_key(65537, 2048)), "another key"),
        (f"v=DKIM1; p={P[:-40]}", "was cut"),
        (f"v=DKIM1; p={P[:255]}", "no base64"),
        ("v=DKIM1; p=", "withdraws"),
        ("v=DKIM1; k=rsa", "no p="),
        (f"v=DKIM1; k=ed25519; p={P}", "k=ed25519"),
        (f"v=DKIM2; p={P}", "DKIM1"),
        (f"p={P}; v=DKIM1", "DKIM1"),
        (f"v=DKIM1; h=sha1; p={P}", "sha256"),
        (f"v=DKIM1; s=tlsrpt; p={P}", "not for mail"),
        (f"v=DKIM1; p={P}; p={P}", "no list of tags"),
        (f"v=DKIM1 p={P} k", "DKIM1"),
        ("hello", "no list of tags"),
        ("", "no list of tags"),
    ],
)
def test_a_wrong_record_is_said_to_be_wrong(record: str, words: str) -> None:
    found = judged(record)
    assert found.standing is Standing.WRONG
    assert words in found.message


def test_two_records_are_wrong() -> None:
    assert judged(dns_record(RSA.key), "v=spf1 -all").standing is Standing.WRONG


def test_the_key_of_another_kind_is_wrong() -> None:
    assert judged(dns_record(RSA.key), key=ED25519).standing is Standing.WRONG
    assert judged(dns_record(ED25519.key)).standing is Standing.WRONG


def test_a_domain_that_is_only_testing_is_told() -> None:
    found = judged(f"v=DKIM1; t=y:s; p={P}")
    assert found.standing is Standing.EXISTS
    assert "testing" in found.remarks[0]


@pytest.mark.parametrize("outcome", [Outcome.NO_SUCH_NAME, Outcome.NO_SUCH_RECORD])
def test_a_record_that_is_not_there_is_missing(outcome: Outcome) -> None:
    assert judge(NAME, Answer(outcome), RSA).standing is Standing.MISSING


@pytest.mark.parametrize("outcome", [Outcome.SERVER_FAILED, Outcome.NO_ANSWER])
def test_what_could_not_be_found_out_is_neither_missing_nor_wrong(outcome: Outcome) -> None:
    assert judge(NAME, Answer(outcome), RSA).standing is Standing.UNKNOWN


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert judged(text).standing is Standing.WRONG


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_]{0,5}\Z"), st.from_regex(r"\A[!-:<-~]{0,12}\Z"), min_size=1))
def test_tags_are_read_as_they_were_written(tags: dict[str, str]) -> None:
    assert read_tags("; ".join(f"{name} = {value}" for name, value in tags.items())) == tags
