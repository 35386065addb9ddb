"""The DMARC policy that holds for an author's domain, found up the tree (RFC 9989)."""

from collections.abc import Callable
from typing import Final

import pytest
from tests.support.nameserver import SILENT, NameServer, text

from biweekly.model.look import Standing
from biweekly.sender.dmarc import Policy, find
from biweekly.sender.resolver import Resolver

NewResolver = Callable[[], Resolver]
DOMAIN: Final = "mail.review-press.org"


def found(server: NameServer, ask: NewResolver, zone: dict[str, str], domain: str = DOMAIN) -> Policy:
    for name, record in zone.items():
        server.put(f"_dmarc.{name}", "TXT", text("another text"), text(record))
    return find(domain, ask())


def test_the_domains_own_record_holds(server: NameServer, ask: NewResolver) -> None:
    policy = found(
        server, ask, {DOMAIN: "v=DMARC1; p=reject; rua=mailto:d@x.org", "review-press.org": "v=DMARC1; p=none"}
    )
    assert policy.judgement.standing is Standing.EXISTS
    assert policy.judgement.message == f"p=reject at _dmarc.{DOMAIN}; reports go to mailto:d@x.org"
    assert policy.organization == "review-press.org"


def test_a_record_above_holds_where_the_domain_has_none(server: NameServer, ask: NewResolver) -> None:
    policy = found(server, ask, {"review-press.org": "v=DMARC1; p=reject; sp=quarantine"})
    assert policy.judgement.message == "sp=quarantine at _dmarc.review-press.org; no reports are asked for"
    assert policy.organization == "review-press.org"


@pytest.mark.parametrize(
    ("zone", "organization"),
    [
        ({DOMAIN: "v=DMARC1; p=none; psd=n", "review-press.org": "v=DMARC1; p=reject"}, DOMAIN),
        ({"org": "v=DMARC1; p=none; psd=y", DOMAIN: "v=DMARC1; p=none"}, "review-press.org"),
        ({DOMAIN: "v=DMARC1; p=none"}, DOMAIN),
    ],
)
def test_the_organization_is_where_the_tree_says(
    server: NameServer, ask: NewResolver, zone: dict[str, str], organization: str
) -> None:
    assert found(server, ask, zone).organization == organization


def test_a_long_name_is_walked_in_at_most_eight_steps(server: NameServer, ask: NewResolver) -> None:
    domain = "a.b.c.d.e.f.g.h.i.j.mail.example.com"
    policy = found(server, ask, {"i.j.mail.example.com": "v=DMARC1; p=none"}, domain)
    assert policy.judgement.standing is Standing.EXISTS
    assert [name for name, _ in server.asked] == [
        f"_dmarc.{domain}", "_dmarc.g.h.i.j.mail.example.com", "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com", "_dmarc.j.mail.example.com", "_dmarc.mail.example.com", "_dmarc.example.com",
        "_dmarc.com",
    ]  # fmt: skip


def test_without_a_record_anywhere_it_is_missing(server: NameServer, ask: NewResolver) -> None:
    assert found(server, ask, {}).judgement.standing is Standing.MISSING


@pytest.mark.parametrize("record", ["v=DMARC1; p=strict", "v=DMARC1; p=none; p=reject", "v=DMARC1; nonsense"])
def test_a_record_that_cannot_be_understood_is_wrong(server: NameServer, ask: NewResolver, record: str) -> None:
    assert found(server, ask, {DOMAIN: record}).judgement.standing is Standing.WRONG


def test_two_records_are_wrong(server: NameServer, ask: NewResolver) -> None:
    server.put(f"_dmarc.{DOMAIN}", "TXT", text("v=DMARC1; p=none"), text("v=DMARC1; p=reject"))
    assert find(DOMAIN, ask()).judgement.standing is Standing.WRONG


@pytest.mark.parametrize("trouble", [SILENT, "SERVFAIL"])
@pytest.mark.parametrize("where", [DOMAIN, "review-press.org", "org"])
def test_what_could_not_be_found_out_is_not_missing(
    server: NameServer, ask: NewResolver, trouble: str, where: str
) -> None:
    server.trouble[f"_dmarc.{where}"] = trouble
    assert find(DOMAIN, ask()).judgement.standing is Standing.UNKNOWN


def test_the_domains_own_record_holds_though_the_tree_could_not_be_walked(server: NameServer, ask: NewResolver) -> None:
    server.trouble["_dmarc.review-press.org"] = "SERVFAIL"
    policy = found(server, ask, {DOMAIN: "v=DMARC1; p=none"})
    assert (policy.judgement.standing, policy.organization) == (Standing.EXISTS, None)


def test_a_policy_left_out_and_tags_of_old_are_remarks(server: NameServer, ask: NewResolver) -> None:
    remarks = found(server, ask, {DOMAIN: "v=DMARC1; rua=mailto:d@x.org; pct=50; ri=86400"}).judgement.remarks
    assert "p= is not there" in remarks[0]
    assert "pct, ri" in remarks[1]


@pytest.mark.parametrize(
    ("record", "domain", "counts"),
    [
        ("v=DMARC1; p=none", "review-press.org", True),
        ("v=DMARC1; p=none", "bounces.review-press.org", True),
        ("v=DMARC1; p=none", "provider.net", False),
        ("v=DMARC1; p=none", "view-press.org", False),
        ("v=DMARC1; p=none; aspf=r", "bounces.review-press.org", True),
        ("v=DMARC1; p=none; aspf=s", "bounces.review-press.org", False),
        ("v=DMARC1; p=none; aspf=s", DOMAIN, True),
        ("v=DMARC1; p=none; adkim=s", "bounces.review-press.org", True),
    ],
)
def test_a_domain_counts_for_the_author_as_the_record_says(
    server: NameServer, ask: NewResolver, record: str, domain: str, counts: bool
) -> None:
    assert found(server, ask, {"review-press.org": record}).aligned(domain, DOMAIN, mode="aspf") is counts


def test_without_a_known_organization_only_one_line_of_descent_counts(server: NameServer, ask: NewResolver) -> None:
    server.trouble["_dmarc.review-press.org"] = "SERVFAIL"
    policy = found(server, ask, {DOMAIN: "v=DMARC1; p=none"})
    assert policy.aligned("review-press.org", DOMAIN, mode="aspf")
    assert not policy.aligned("bounces.review-press.org", DOMAIN, mode="aspf")
