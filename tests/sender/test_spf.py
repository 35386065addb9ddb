"""The envelope domain's SPF record, walked as a receiver would walk it."""

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.nameserver import SILENT, NameServer, text

from biweekly.model.look import Standing
from biweekly.sender.answer import Answer, Judgement, Outcome
from biweekly.sender.resolver import Resolver
from biweekly.sender.spf import judge

NewResolver = Callable[[], Resolver]
DOMAIN: Final = "review-press.org"


def publish(server: NameServer, **records: str) -> None:
    """Publish SPF records: `review` is the domain's, others are names in provider.net."""
    for name, record in records.items():
        server.put(DOMAIN if name == "review" else f"{name}.provider.net", "TXT", text("another text"), text(record))


def judged(server: NameServer, ask: NewResolver, **records: str) -> Judgement:
    publish(server, **records)
    return judge(DOMAIN, ask())


@pytest.mark.parametrize(
    ("record", "count"),
    [
        ("v=spf1 -all", "no look-ups"),
        ("V=SPF1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ip4:192.0.2.7 ~ALL", "no look-ups"),
        ("v=spf1 include:one.provider.net ~all", "1 look-up"),
        ("v=spf1 include:two.provider.net -all", "2 look-ups"),
        ("v=spf1 a mx a:mail.provider.net/28 -all", "3 look-ups"),
        ("v=spf1 redirect=two.provider.net", "2 look-ups"),
        ("v=spf1 exists:mail.provider.net -all exp=why.provider.net", "1 look-up"),
        ("v=spf1 exists:%{i}.list.provider.net ip4:192.0.2.1 -all include:beyond.the.end", "1 look-up"),
        ("v=spf1 new=modifier ?include:one.provider.net. -all", "1 look-up"),
    ],
)
def test_a_good_record_is_shown_with_its_look_ups(
    server: NameServer, ask: NewResolver, record: str, count: str
) -> None:
    server.put(DOMAIN, "A", "192.0.2.1")
    server.put(DOMAIN, "MX", "10 mail.provider.net.")
    server.put("mail.provider.net", "AAAA", "2001:db8::1")
    found = judged(
        server, ask, review=record, one="v=spf1 ip4:192.0.2.0/24 ~all", two="v=spf1 include:one.provider.net ~all"
    )
    assert found == Judgement(Standing.EXISTS, f"{record} ({count})")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("v=spf1 +all", "whole world"),
        ("v=spf1 all", "whole world"),
        ("v=spf1 redirect=world.provider.net", "whole world"),
        ("v=spf1 include:nowhere.provider.net -all", "without an SPF record"),
        ("v=spf1 redirect=nowhere.provider.net", "without an SPF record"),
        ("v=spf1 include:texts.provider.net -all", "without an SPF record"),
        ("v=spf1 include:twice.provider.net -all", "2 SPF records"),
        ("v=spf1 include:review-press.org -all", "circle"),
        ("v=spf1 include:circle.provider.net -all", "circle"),
        ("v=spf1 include -all", "names no domain"),
        ("v=spf1 exists -all", "names no domain"),
        ("v=spf1 ip4:192.0.2.300 -all", "names no address"),
        ("v=spf1 ip4:2001:db8::1 -all", "names no address"),
        ("v=spf1 ip6:192.0.2.1 -all", "names no address"),
        ("v=spf1 ip4 -all", "names no address"),
        ("v=spf1 includes:x.org -all", "no SPF term"),
        ("v=spf1 -all:x.org", "no SPF term"),
        ("v=spf1 mx, -all", "no SPF term"),
        ("v=spf1 a:v1.org a:v2.org a:v3.org -all", "more than 2 of its look-ups find nothing"),
        ("v=spf1 " + "a " * 11 + "-all", "more than 10 look-ups"),
        ("v=spf1 include:eleven.provider.net -all", "more than 10 look-ups"),
        ("v=spf1 " + "include:one.provider.net " * 11 + "-all", "more than 10 look-ups"),
    ],
)
def test_a_record_that_receivers_reject_is_wrong(server: NameServer, ask: NewResolver, record: str, words: str) -> None:
    server.put(DOMAIN, "A", "192.0.2.1")
    server.put("twice.provider.net", "TXT", text("v=spf1 -all"), text("v=spf1 ~all"))
    server.put("texts.provider.net", "TXT", text("v=spf10 -all"), text("spf2.0/pra -all"))
    publish(
        server, review=record, one="v=spf1 -all", world="v=spf1 +all", circle="v=spf1 include:circle.provider.net",
        eleven="v=spf1 " + "mx:review-press.org " * 10,
    )  # fmt: skip
    server.put(DOMAIN, "MX", "10 review-press.org.")
    found = judge(DOMAIN, ask())
    assert found.standing is Standing.WRONG
    assert words in found.message


def test_ten_look_ups_and_two_of_them_void_are_still_good(server: NameServer, ask: NewResolver) -> None:
    server.put(DOMAIN, "A", "192.0.2.1")
    assert judged(server, ask, review="v=spf1 a:v1.org mx:v2.org " + "a " * 8 + "-all").standing is Standing.EXISTS


def test_two_records_are_wrong(server: NameServer, ask: NewResolver) -> None:
    server.put(DOMAIN, "TXT", text("v=spf1 -all"), text("v=spf1 include:one.provider.net -all"))
    assert judge(DOMAIN, ask()).standing is Standing.WRONG


def test_a_domain_without_a_record_misses_one(server: NameServer, ask: NewResolver) -> None:
    assert judge(DOMAIN, ask()).standing is Standing.MISSING
    server.put(DOMAIN, "TXT", text("another text"), text("v=spf1extra"))
    assert judge(DOMAIN, ask()).standing is Standing.MISSING


@pytest.mark.parametrize("trouble", [SILENT, "SERVFAIL"])
@pytest.mark.parametrize("where", [DOMAIN, "one.provider.net", "mail.provider.net"])
def test_what_could_not_be_found_out_is_never_wrong(
    server: NameServer, ask: NewResolver, trouble: str, where: str
) -> None:
    server.trouble[where] = trouble
    found = judged(server, ask, review="v=spf1 include:one.provider.net a:mail.provider.net -all", one="v=spf1 -all")
    assert found.standing is Standing.UNKNOWN
    assert where in found.message


def test_a_fault_counts_though_another_part_could_not_be_found_out(server: NameServer, ask: NewResolver) -> None:
    server.trouble["one.provider.net"] = "SERVFAIL"
    found = judged(server, ask, review="v=spf1 include:one.provider.net include:nowhere.provider.net -all")
    assert found.standing is Standing.WRONG


def test_an_include_that_depends_on_the_letter_cannot_be_judged(server: NameServer, ask: NewResolver) -> None:
    assert judged(server, ask, review="v=spf1 include:%{d}.provider.net -all").standing is Standing.UNKNOWN


@pytest.mark.parametrize(
    ("record", "words"), [("v=spf1 a", "no end"), ("v=spf1 a ?all", "?all"), ("v=spf1 ptr -all", "ptr")]
)
def test_what_is_unwise_is_a_remark(server: NameServer, ask: NewResolver, record: str, words: str) -> None:
    server.put(DOMAIN, "A", "192.0.2.1")
    found = judged(server, ask, review=record)
    assert found.standing is Standing.EXISTS
    assert words in found.remarks[0]


_TERMS: Final = st.sampled_from(
    ["a", "mx", "ptr", "-all", "all", "include:x.org", "redirect=x.org", "exists:%{i}", "ip4:1.2.3.4", "a:", "=", ":"]
)


@given(st.lists(_TERMS | st.text(max_size=8)), st.sampled_from(list(Outcome)))
def test_any_record_is_judged(terms: list[str], outcome: Outcome) -> None:
    record = " ".join(["v=spf1", *terms])

    def ask(name: str, kind: str) -> Answer:
        if name in {DOMAIN, "x.org"} and kind == "TXT":
            return Answer(Outcome.FOUND, (record if name == DOMAIN else "v=spf1 include:y.org -all",))
        return Answer(outcome, ("v=spf1 -all",) if outcome is Outcome.FOUND else ())

    assert judge(DOMAIN, ask).standing in Standing
