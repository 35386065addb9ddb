"""What was answered, what was not, and that the two are never taken for each other."""

from collections.abc import Callable
from pathlib import Path

import dns.resolver
import pytest
from tests.support.nameserver import NONSENSE, SILENT, NameServer, serving, text

from biweekly.errors import UsageError
from biweekly.sender.answer import Outcome
from biweekly.sender.resolver import Resolver, parse_server

NewResolver = Callable[[], Resolver]


def test_records_come_as_texts(server: NameServer, ask: NewResolver) -> None:
    server.put("review-press.org", "TXT", text("v=spf1 -all"), text("x" * 700), text('a "b" \\c'))
    server.put("review-press.org", "MX", "10 mx.review-press.org.", "20 .")
    server.put("review-press.org", "A", "192.0.2.1")
    server.put("review-press.org", "AAAA", "2001:db8::1")
    asked = ask()
    assert set(asked("review-press.org", "TXT").records) == {"v=spf1 -all", "x" * 700, 'a "b" \\c'}
    assert set(asked("review-press.org", "MX").records) == {"10 mx.review-press.org.", "20 ."}
    assert asked("review-press.org", "A").records == ("192.0.2.1",)
    assert asked("REVIEW-press.org", "AAAA").records == ("2001:db8::1",)


def test_a_record_behind_an_alias_is_found(server: NameServer, ask: NewResolver) -> None:
    server.put("s1._domainkey.review-press.org", "CNAME", "s1.provider.net.")
    server.put("s1.provider.net", "TXT", text("v=DKIM1; p="))
    assert ask()("s1._domainkey.review-press.org", "TXT").records == ("v=DKIM1; p=",)


def test_no_name_no_record_failure_and_silence_are_four_answers(server: NameServer, ask: NewResolver) -> None:
    server.put("there.org", "A", "192.0.2.1")
    server.trouble |= {"broken.org": "SERVFAIL", "refused.org": "REFUSED", "silent.org": SILENT, "odd.org": NONSENSE}
    asked = ask()
    assert asked("nowhere.org", "TXT").outcome is Outcome.NO_SUCH_NAME
    assert asked("there.org", "TXT").outcome is Outcome.NO_SUCH_RECORD
    assert asked("broken.org", "TXT").outcome is Outcome.SERVER_FAILED
    assert asked("refused.org", "TXT").outcome is Outcome.SERVER_FAILED
    assert asked("silent.org", "TXT").outcome is Outcome.NO_ANSWER
    for name, known in (("nowhere", True), ("there", True), ("broken", False), ("silent", False), ("odd", False)):
        assert asked(f"{name}.org", "TXT").known is known
    assert "SERVFAIL" in asked("broken.org", "TXT").why


def test_a_name_with_something_below_it_exists(server: NameServer, ask: NewResolver) -> None:
    server.put("a.b.review-press.org", "A", "192.0.2.1")
    assert ask()("b.review-press.org", "TXT").outcome is Outcome.NO_SUCH_RECORD


@pytest.mark.parametrize("name", ["a..b", "a" * 64 + ".org", "a." * 130 + "org"])
def test_a_name_that_cannot_be_asked_for_does_not_exist(name: str, server: NameServer, ask: NewResolver) -> None:
    assert ask()(name, "TXT").outcome is Outcome.NO_SUCH_NAME
    assert server.asked == []


def test_nothing_is_asked_twice(server: NameServer, ask: NewResolver) -> None:
    asked = ask()
    assert asked("review-press.org", "TXT") == asked("review-press.org", "TXT")
    assert len(server.asked) == 1


def test_after_its_time_it_asks_nothing_more(server: NameServer) -> None:
    asked = Resolver(server.address, in_all_s=0)
    assert asked("review-press.org", "TXT").outcome is Outcome.NO_ANSWER
    assert server.asked == []


def test_a_server_that_never_answered_is_soon_given_up(server: NameServer, ask: NewResolver) -> None:
    server.trouble["*"] = SILENT
    asked = ask()
    for name in ("a.org", "b.org", "c.org", "d.org"):
        assert asked(name, "TXT").outcome is Outcome.NO_ANSWER
    assert {name for name, _ in server.asked} == {"a.org", "b.org"}


def test_a_server_that_answered_once_is_asked_on(server: NameServer, ask: NewResolver) -> None:
    server.trouble |= {"b.org": SILENT, "c.org": SILENT, "d.org": SILENT}
    asked = ask()
    for name in ("a.org", "b.org", "c.org", "d.org"):
        asked(name, "TXT")
    assert {name for name, _ in server.asked} == {"a.org", "b.org", "c.org", "d.org"}


def test_a_lost_datagram_is_asked_for_again(server: NameServer, ask: NewResolver) -> None:
    server.lost = 1
    server.put("review-press.org", "A", "192.0.2.1")
    assert ask()("review-press.org", "A").records == ("192.0.2.1",)
    assert len(server.asked) == 2


def test_where_nobody_listens_there_is_no_answer() -> None:
    with serving() as gone:
        address = gone.address
    assert Resolver(address, patience_s=0.2)("review-press.org", "TXT").outcome is Outcome.NO_ANSWER


def test_a_machine_without_a_name_server_has_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = dns.resolver.Resolver

    def with_an_empty_file(*, configure: bool) -> dns.resolver.Resolver:
        (tmp_path / "resolv.conf").write_text("")
        return real(str(tmp_path / "resolv.conf"), configure=configure)

    monkeypatch.setattr(dns.resolver, "Resolver", with_an_empty_file)
    answer = Resolver()("review-press.org", "TXT")
    assert (answer.outcome, answer.why) == (Outcome.NO_ANSWER, "this machine knows no name server")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("192.0.2.53", ("192.0.2.53", 53)), ("127.0.0.1:5353", ("127.0.0.1", 5353)), ("[::1]", ("::1", 53)),
     ("[2001:db8::53]:5300", ("2001:db8::53", 5300))],
)  # fmt: skip
def test_a_name_server_is_an_address_with_or_without_a_port(written: str, meant: tuple[str, int]) -> None:
    assert parse_server(written) == meant


@pytest.mark.parametrize("written", ["", "ns.example.org", "192.0.2", "192.0.2.53:0", "192.0.2.53:65536", "[x]", "::1"])
def test_anything_else_is_no_name_server(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_server(written)
    assert caught.value.code == "resolver-form"
