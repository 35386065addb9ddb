"""Whose fault a refusal is: the table of replies, the providers' own words, and any reply at all."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.delivery.advice import ADVICE, advice_for
from biweekly.delivery.scope import counts_for_breaker, is_strike, scope_of, wants_second_look
from biweekly.model.mailing import Phase, Reply, Scope

R, M, D, S = Scope.READER, Scope.MESSAGE, Scope.DOMAIN, Scope.SENDER


def said(line: str, phase: Phase = Phase.RCPT) -> Reply:
    """A reply from the line that a relay writes."""
    found = re.fullmatch(r"(\d{3})(?: (\d\.\d+\.\d+))?(?: (.*))?", line)
    assert found, line
    return Reply(int(found[1]), found[3] or "", phase, found[2])


@pytest.mark.parametrize(
    ("line", "phase", "scope"),
    [
        # 421 and the destination's own troubles
        ("421 try again later", Phase.RCPT, D),
        ("421 4.7.0 too many connections", Phase.RCPT, D),
        ("421 5.1.1 nobody", Phase.RCPT, D),
        ("421 4.3.2 shutting down", Phase.CONTENT, D),
        ("451 4.3.0 temporary system problem", Phase.RCPT, D),
        ("452 4.3.1 insufficient system storage", Phase.CONTENT, D),
        ("450 4.4.2 bad connection", Phase.RCPT, D),
        ("452 4.5.3 too many recipients", Phase.RCPT, D),
        # the reader's, for now
        ("450 4.2.0 mailbox busy", Phase.RCPT, R),
        ("450 4.2.1 The user you are trying to contact is receiving mail too quickly", Phase.RCPT, R),
        ("452 4.2.2 The email account that you tried to reach is over quota", Phase.RCPT, R),
        ("450 mailbox unavailable", Phase.RCPT, R),
        ("451 4.7.1 Greylisting in action, please come back later", Phase.RCPT, R),
        ("450 4.7.1 Recipient address rejected: Greylisted", Phase.RCPT, R),
        # the reader's, for good
        ("550 5.1.1 no such user", Phase.RCPT, R),
        ("550 5.1.0 address rejected", Phase.RCPT, R),
        ("550 5.1.2 bad destination system", Phase.RCPT, R),
        ("550 5.1.3 bad destination mailbox address syntax", Phase.RCPT, R),
        ("551 5.1.6 moved", Phase.RCPT, R),
        ("556 5.1.10 recipient address has null MX", Phase.RCPT, R),
        ("550 5.2.1 mailbox disabled", Phase.RCPT, R),
        ("552 5.2.2 mailbox full", Phase.RCPT, R),
        ("554 5.2.2 mailbox full", Phase.CONTENT, R),
        ("550 5.4.4 unable to route", Phase.RCPT, R),
        ("550 no such user here", Phase.RCPT, R),
        ("551 user not local", Phase.RCPT, R),
        ("553 mailbox name not allowed", Phase.RCPT, R),
        ("556 domain does not accept mail", Phase.RCPT, R),
        ("550 5.6.7 address needs SMTPUTF8", Phase.RCPT, R),
        ("553 5.6.7 address needs SMTPUTF8", Phase.MAIL, R),
        # the message's
        ("552 5.2.3 message length exceeds administrative limit", Phase.CONTENT, M),
        ("552 5.3.4 message size exceeds fixed limit", Phase.MAIL, M),
        ("552 message too large", Phase.MAIL, M),
        ("554 5.6.0 message content is not acceptable", Phase.CONTENT, M),
        ("550 5.6.3 conversion required", Phase.CONTENT, M),
        ("554 transaction failed", Phase.CONTENT, M),
        ("550 message refused", Phase.CONTENT, M),
        # policy is ours, with a status or in words
        ("550 5.7.1 Message rejected due to content restrictions", Phase.CONTENT, S),
        ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using an RBL", Phase.RCPT, S),
        ("550 5.7.509 does not pass DMARC verification", Phase.CONTENT, S),
        ("550 SC-001 Mail rejected by Outlook.com for policy reasons", Phase.RCPT, S),
        ("550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. (S3150)", Phase.MAIL, S),
        ("550 messages from your network are on our block list (S3150)", Phase.RCPT, S),
        ("550 this looks like spam", Phase.CONTENT, S),
        ("554 Relay access denied", Phase.RCPT, S),
        ("451 greylisted for its reputation", Phase.RCPT, S),
        ("550 5.1.8 sender's domain does not exist", Phase.RCPT, S),
        ("550 5.1.7 bad sender's mailbox address syntax", Phase.MAIL, S),
        # our mistakes, our login
        ("500 syntax error", Phase.RCPT, S),
        ("501 5.5.4 invalid arguments", Phase.RCPT, S),
        ("502 command not implemented", Phase.DATA, S),
        ("503 5.5.1 bad sequence of commands", Phase.DATA, S),
        ("504 parameter not implemented", Phase.MAIL, S),
        ("530 5.7.0 authentication required", Phase.MAIL, S),
        ("534 5.7.9 mechanism too weak", Phase.AUTH, S),
        ("535 5.7.8 credentials invalid", Phase.AUTH, S),
        ("538 encryption required", Phase.AUTH, S),
        ("454 4.7.0 temporary authentication failure", Phase.AUTH, S),
        # before RCPT nobody has heard of the reader
        ("554 no service here", Phase.BANNER, D),
        ("550 no", Phase.MAIL, S),
        ("550 5.1.1 no", Phase.MAIL, S),
        ("550 5.1.1 no", Phase.EHLO, S),
        # codes that nobody knows, statuses that contradict their code
        ("459 hm", Phase.RCPT, D),
        ("599 hm", Phase.CONTENT, M),
        ("550 4.1.1 no such user", Phase.RCPT, R),
        ("450 5.7.1 later", Phase.RCPT, R),
        ("550 5.0.0 no such user", Phase.RCPT, R),
    ],
)
def test_a_refusal_is_laid_at_one_door(line: str, phase: Phase, scope: Scope) -> None:
    assert scope_of(said(line, phase)) is scope


GMAIL_MICROSOFT_YAHOO = [
    "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address.",
    "450 4.7.23 The IP address sending this message does not have a PTR record setup",
    "450 4.7.27 Your email has been rate limited because SPF authentication didn't pass for this message.",
    "450 4.7.29 Your email has been rate limited because this message wasn't sent over a TLS connection.",
    "450 4.7.30 Your email has been rate limited because DKIM authentication didn't pass for this message.",
    "450 4.7.31 Your email has been rate limited because there is no DMARC record.",
    "450 4.7.32 Your email has been rate limited because the From: header isn't aligned with SPF or DKIM.",
    "450 4.7.40 Your email has been rate limited because there is no DMARC record.",
    "550 5.7.25 The IP address sending this message does not have a PTR record setup",
    "550 5.7.26 Your email has been blocked because the sender is unauthenticated. DKIM = did not pass",
    "550 5.7.27 Your email has been blocked because SPF authentication didn't pass for this message.",
    "550 5.7.29 Your email has been blocked because this message wasn't sent over a TLS connection.",
    "550 5.7.30 Your email has been blocked because DKIM authentication didn't pass for this message.",
    "550 5.7.32 Your email has been blocked because the From: header isn't aligned with SPF or DKIM.",
    "550 5.7.40 Your email has been blocked because there is no DMARC record.",
    "550 5.7.515 Access denied, sending domain EXAMPLE.ORG does not meet the required authentication level.",
    "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
    "451 4.7.651 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
    "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints",
    "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in a block list",
]


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.CONTENT])
@pytest.mark.parametrize("line", GMAIL_MICROSOFT_YAHOO)
def test_what_the_large_providers_say_about_us_is_never_the_readers_fault(line: str, phase: Phase) -> None:
    reply = said(line, phase)
    assert scope_of(reply) in {Scope.SENDER, Scope.DOMAIN}
    assert not is_strike(reply)


@pytest.mark.parametrize("line", [one for one in GMAIL_MICROSOFT_YAHOO if "[" not in one])
def test_what_a_provider_means_comes_with_advice(line: str) -> None:
    assert advice_for(said(line))


def test_advice_is_for_well_known_statuses_only() -> None:
    assert advice_for(said("550 5.1.1 nobody")) is None
    assert advice_for(said("550 nobody")) is None
    assert all(re.fullmatch(r"[45]\.\d\.\d{1,3}", status) and words for status, words in ADVICE.items())


@pytest.mark.parametrize("line", ["451 4.7.650 slow down", "451 4.7.28 too fast", "451 4.7.0 [TSS04] deferred"])
def test_a_rate_is_one_providers_affair(line: str) -> None:
    assert scope_of(said(line)) is Scope.DOMAIN
    assert not counts_for_breaker(said(line))


@pytest.mark.parametrize(
    ("line", "phase", "counts"),
    [
        ("550 5.7.26 unauthenticated", Phase.CONTENT, True),
        ("451 4.7.27 SPF", Phase.CONTENT, True),
        ("552 5.3.4 too big", Phase.CONTENT, True),
        ("554 transaction failed", Phase.CONTENT, True),
        ("503 bad sequence", Phase.RCPT, True),
        ("554 5.3.2 system not accepting network messages", Phase.RCPT, True),
        ("451 4.3.0 trouble", Phase.RCPT, False),
        ("421 closing", Phase.RCPT, False),
        ("550 5.1.1 nobody", Phase.RCPT, False),
        ("450 4.2.1 too quickly", Phase.RCPT, False),
        ("250 2.0.0 taken", Phase.CONTENT, False),
    ],
)
def test_what_a_person_must_look_at_counts_for_the_breaker(line: str, phase: Phase, counts: bool) -> None:
    assert counts_for_breaker(said(line, phase)) is counts


@pytest.mark.parametrize("line", ["550 5.1.1 nobody", "551 5.1.6 moved", "556 5.1.10 null MX"])
def test_an_address_that_does_not_exist_is_a_strike(line: str) -> None:
    assert is_strike(said(line))


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("550 nobody", Phase.RCPT),  # not in so many digits
        ("550 5.2.1 disabled", Phase.RCPT),
        ("552 5.2.2 full", Phase.RCPT),
        ("550 5.7.1 policy", Phase.RCPT),
        ("450 4.1.1 nobody yet", Phase.RCPT),
        ("550 5.1.1 nobody", Phase.MAIL),
        ("421 5.1.1 nobody", Phase.RCPT),
    ],
)
def test_nothing_else_is_a_strike(line: str, phase: Phase) -> None:
    assert not is_strike(said(line, phase))


def test_a_domain_said_not_to_exist_is_looked_at_again() -> None:
    assert wants_second_look(said("550 5.1.2 no such domain"))
    assert wants_second_look(said("550 5.4.4 no route"))
    assert not wants_second_look(said("450 4.4.4 no route"))
    assert not wants_second_look(said("550 5.1.1 nobody"))


@given(
    code=st.integers(-1, 1000),
    text=st.text(),
    phase=st.sampled_from(Phase),
    enhanced=st.none() | st.from_regex(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True) | st.text(max_size=8),
)
def test_any_code_and_any_text_gives_a_scope(code: int, text: str, phase: Phase, enhanced: str | None) -> None:
    reply = Reply(code, text, phase, enhanced)
    scope = scope_of(reply)
    assert scope in Scope
    if scope is Scope.READER:
        assert code // 100 in {4, 5}
    if is_strike(reply):
        assert scope is Scope.READER
        assert code // 100 == 5
    if counts_for_breaker(reply):
        assert scope is not Scope.READER
    assert counts_for_breaker(reply) in {True, False}
    assert wants_second_look(reply) in {True, False}


@given(subject=st.integers(0, 9), detail=st.integers(0, 999), text=st.text(), phase=st.sampled_from(Phase))
def test_policy_for_good_is_never_the_readers(subject: int, detail: int, text: str, phase: Phase) -> None:
    assert scope_of(Reply(550, text, phase, f"5.7.{detail}")) is not Scope.READER
    assert scope_of(Reply(550, f"blocked {text}", phase, None)) is not Scope.READER
    assert scope_of(Reply(421, text, phase, f"4.{subject}.{detail}")) is Scope.DOMAIN
