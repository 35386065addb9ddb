"""A sender's domains as a whole: what is looked at, what each look says, and what it is worth."""

from collections.abc import Callable
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from tests.support.nameserver import SILENT, NameServer, text

from biweekly.dkim import SigningKey, dns_record
from biweekly.model.issue import Level, Result
from biweekly.model.look import Look, Standing
from biweekly.sender.domains import Sender, examine
from biweekly.sender.resolver import Resolver

NewResolver = Callable[[], Resolver]
DOMAIN: Final = "review-press.org"
RSA: Final = SigningKey("s1", generate_private_key(65537, 2048))
ED25519: Final = SigningKey("s2", Ed25519PrivateKey.generate())
SENDER: Final = Sender(DOMAIN, f"bounces.{DOMAIN}", DOMAIN, DOMAIN, (RSA, ED25519))


@pytest.fixture
def good(server: NameServer) -> NameServer:
    """A name server that says of the sender all that it should."""
    for key in SENDER.keys:
        server.put(f"{key.selector}._domainkey.{DOMAIN}", "TXT", text(dns_record(key.key)))
    server.put(f"bounces.{DOMAIN}", "TXT", text("v=spf1 ip4:192.0.2.0/24 -all"))
    server.put(f"_dmarc.{DOMAIN}", "TXT", text("v=DMARC1; p=reject"))
    for domain in (DOMAIN, f"bounces.{DOMAIN}"):
        server.put(domain, "MX", f"10 mx.{DOMAIN}.")
    server.put(f"mx.{DOMAIN}", "A", "192.0.2.1")
    return server


def looks(ask: NewResolver, sender: Sender = SENDER) -> list[Look]:
    return list(examine(sender, ask()))


def amiss(ask: NewResolver, sender: Sender = SENDER) -> list[tuple[str, Level, Standing | None]]:
    """What is not good, each with its weight; a failure has a cure, and what is unknown is no failure."""
    found = [one for one in looks(ask, sender) if one.finding.result is not Result.PASS]
    assert all(one.cure for one in found if one.finding.result is Result.FAIL)
    assert all((one.standing is Standing.UNKNOWN) == (one.finding.result is Result.UNKNOWN) for one in found)
    return [(one.finding.id, one.finding.level, one.standing) for one in found]


def test_a_sender_with_all_its_records_is_clean(good: NameServer, ask: NewResolver) -> None:
    assert amiss(ask) == []
    assert [one.finding.id for one in looks(ask)] == ["dkim", "dkim", "spf", "dmarc", "alignment", "mx", "mx"]
    assert good.asked


RECORDS: Final = [
    (f"s1._domainkey.{DOMAIN}", "dkim", "v=DKIM1; p="),
    (f"s2._domainkey.{DOMAIN}", "dkim", "v=DKIM1; p="),
    (f"bounces.{DOMAIN}", "spf", "v=spf1 +all"),
    (f"_dmarc.{DOMAIN}", "dmarc", "v=DMARC1; p=perhaps"),
]


@pytest.mark.parametrize(("name", "what", "wrong"), RECORDS)
def test_missing_wrong_and_unknown_are_told_apart(
    good: NameServer, ask: NewResolver, name: str, what: str, wrong: str
) -> None:
    good.put(name, "TXT", text(wrong))
    assert amiss(ask) == [(what, Level.BLOCK, Standing.WRONG)]
    good.put(name, "TXT", text("another text"))
    assert amiss(ask) == [(what, Level.BLOCK, Standing.WRONG if what == "dkim" else Standing.MISSING)]
    del good.zone[name]["TXT"]
    assert amiss(ask) == [(what, Level.BLOCK, Standing.MISSING)]
    for trouble in (SILENT, "SERVFAIL"):
        good.trouble[name] = trouble
        found = amiss(ask)
        assert (what, Level.BLOCK, Standing.UNKNOWN) in found
        assert {standing for *_, standing in found} == {Standing.UNKNOWN}


def test_a_server_that_never_answers_makes_nothing_bad(good: NameServer, ask: NewResolver) -> None:
    for trouble in (SILENT, "SERVFAIL", "REFUSED"):
        good.trouble["*"] = trouble
        found = looks(ask)
        assert len(found) == 6
        assert {(one.standing, one.finding.result) for one in found} == {(Standing.UNKNOWN, Result.UNKNOWN)}


def test_the_cure_of_a_missing_key_is_its_record(good: NameServer, ask: NewResolver) -> None:
    good.take(f"s2._domainkey.{DOMAIN}")
    (missing,) = (one for one in looks(ask) if one.finding.result is Result.FAIL)
    assert dns_record(ED25519.key) in missing.cure


def test_a_weak_key_is_a_warning(good: NameServer, ask: NewResolver) -> None:
    weak = SigningKey("s3", generate_private_key(65537, 1024))  # noqa: S505 - weak is the point
    good.put(f"s3._domainkey.{DOMAIN}", "TXT", text(dns_record(weak.key)))
    sender = Sender(DOMAIN, f"bounces.{DOMAIN}", DOMAIN, DOMAIN, (weak,))
    assert amiss(ask, sender) == [("dkim-key", Level.WARN, None)]


def test_a_remark_on_a_record_is_a_warning(good: NameServer, ask: NewResolver) -> None:
    good.put(f"bounces.{DOMAIN}", "TXT", text("v=spf1 ip4:192.0.2.0/24 ?all"))
    good.put(f"_dmarc.{DOMAIN}", "TXT", text("v=DMARC1; p=none; pct=10"))
    assert amiss(ask) == [("spf-remark", Level.WARN, None), ("dmarc-remark", Level.WARN, None)]


def test_without_a_key_nothing_is_said_about_signing(good: NameServer, ask: NewResolver) -> None:
    sender = Sender(DOMAIN, f"bounces.{DOMAIN}", DOMAIN)
    (only,) = (one for one in looks(ask, sender) if one.finding.result is not Result.PASS)
    assert (only.finding.id, only.finding.level, only.finding.result) == ("dkim", Level.INFO, Result.NOT_RUN)
    assert not [name for name, _ in good.asked if "_domainkey" in name]


@pytest.mark.parametrize(
    ("record", "bounces", "signs", "verdict"),
    [
        ("v=DMARC1; p=none", f"bounces.{DOMAIN}", DOMAIN, []),
        ("v=DMARC1; p=none; aspf=s", f"bounces.{DOMAIN}", DOMAIN, [("alignment", Level.WARN, None)]),
        ("v=DMARC1; p=none", "bounces.provider.net", DOMAIN, [("alignment", Level.WARN, None)]),
        ("v=DMARC1; p=none", "bounces.provider.net", None, [("alignment", Level.WARN, None)]),
        ("v=DMARC1; p=none; adkim=s", "bounces.provider.net", "org", [("alignment", Level.BLOCK, None)]),
    ],
)
def test_dmarc_needs_a_domain_that_counts_for_the_author(
    good: NameServer,
    ask: NewResolver,
    record: str,
    bounces: str,
    signs: str | None,
    verdict: list[tuple[str, Level, None]],
) -> None:
    good.put(f"_dmarc.{DOMAIN}", "TXT", text(record))
    good.put("bounces.provider.net", "TXT", text("v=spf1 -all"))
    good.put("bounces.provider.net", "MX", f"10 mx.{DOMAIN}.")
    good.put("s1._domainkey.org", "TXT", text(dns_record(RSA.key)))
    found = amiss(ask, Sender(DOMAIN, bounces, DOMAIN, signs, (RSA,)))
    assert [one for one in found if one[0] != "dkim"] == verdict


# --- mail in -----------------------------------------------------------------------------------------------------


def test_each_domain_is_asked_once_and_named_with_its_uses(good: NameServer, ask: NewResolver) -> None:
    good.put("answers.org", "MX", f"10 mx.{DOMAIN}.")
    places = [one.finding.place for one in looks(ask, Sender(DOMAIN, DOMAIN, "answers.org")) if one.finding.id == "mx"]
    assert places == [f"{DOMAIN} (from, bounces)", "answers.org (reply_to)"]


@pytest.mark.parametrize(
    ("records", "standing"),
    [
        (["0 ."], Standing.WRONG),
        (["10 gone.review-press.org."], Standing.WRONG),
        (["10 silent.review-press.org.", "20 gone.review-press.org."], Standing.UNKNOWN),
        (["10 gone.review-press.org.", "20 mx.review-press.org."], None),
        (["10 silent.review-press.org.", "20 mx.review-press.org."], None),
        (["10 six.review-press.org."], None),
    ],
)
def test_a_domain_takes_mail_where_one_of_its_hosts_has_an_address(
    good: NameServer, ask: NewResolver, records: list[str], standing: Standing | None
) -> None:
    good.put(f"bounces.{DOMAIN}", "MX", *records)
    good.put(f"six.{DOMAIN}", "AAAA", "2001:db8::1")
    good.trouble[f"silent.{DOMAIN}"] = SILENT
    assert amiss(ask) == ([] if standing is None else [("mx", Level.BLOCK, standing)])


def test_a_domain_without_mx_takes_mail_at_its_address_and_is_warned(good: NameServer, ask: NewResolver) -> None:
    del good.zone[f"bounces.{DOMAIN}"]["MX"]
    assert amiss(ask) == [("mx", Level.BLOCK, Standing.MISSING)]
    good.put(f"bounces.{DOMAIN}", "A", "192.0.2.1")
    assert amiss(ask) == [("mx-remark", Level.WARN, None)]


def test_a_domain_whose_mx_could_not_be_found_out_is_not_bad(good: NameServer, ask: NewResolver) -> None:
    good.zone.pop(f"bounces.{DOMAIN}")
    good.trouble[f"bounces.{DOMAIN}"] = "SERVFAIL"
    assert amiss(ask) == [("spf", Level.BLOCK, Standing.UNKNOWN), ("mx", Level.BLOCK, Standing.UNKNOWN)]
