"""`biweekly doctor dns`, against a name server on loopback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.support.nameserver import NameServer, serving, text

from biweekly.cli.frame import run

Talk = pytest.CaptureFixture[str]
DOMAIN: Final = "review-press.org"


@pytest.fixture
def home(tmp_path: Path, capsys: Talk) -> Path:
    """A publication with addresses and a key of its own."""
    made = tmp_path / "pub"
    assert run(["init", str(made), "--no-input", "--from", f"editors@{DOMAIN}"]) == 0
    assert run(["-C", str(made), "dkim", "keygen", "--selector", "s1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    with (made / "config.toml").open("a") as config:
        config.write(f"\n{document['config']}")
    (tmp_path / "record").write_text(document["record"]["text"])
    return made


@pytest.fixture
def server(home: Path) -> Iterator[NameServer]:
    """A name server that says of the publication all that it should."""
    zone = {
        f"s1._domainkey.{DOMAIN}": {"TXT": [text((home.parent / "record").read_text())]},
        f"_dmarc.{DOMAIN}": {"TXT": [text("v=DMARC1; p=reject; rua=mailto:dmarc@review-press.org")]},
        DOMAIN: {"TXT": [text("v=spf1 mx -all")], "MX": [f"10 mx.{DOMAIN}."]},
        f"mx.{DOMAIN}": {"A": ["192.0.2.1"]},
    }
    with serving(zone) as made:
        yield made


def doctor(home: Path, server: NameServer, *words: str) -> int:
    address, port = server.address
    return run(["-C", str(home), "doctor", "dns", "--resolver", f"{address}:{port}", *words])


def findings(home: Path, server: NameServer, capsys: Talk) -> tuple[int, list[dict[str, Any]]]:
    capsys.readouterr()
    code = doctor(home, server, "--json")
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["area"]) == ("biweekly/doctor/1", "dns")
    return code, document["findings"]


def test_the_key_that_was_made_and_published_is_found_good(home: Path, server: NameServer, capsys: Talk) -> None:
    code, found = findings(home, server, capsys)
    assert code == 0
    assert [(one["id"], one["result"], one.get("standing")) for one in found] == [
        ("dkim", "pass", "exists"), ("spf", "pass", "exists"), ("dmarc", "pass", "exists"), ("alignment", "pass", None),
        ("mx", "pass", "exists"),
    ]  # fmt: skip


def test_each_of_the_four_answers_has_its_exit_code(home: Path, server: NameServer, capsys: Talk) -> None:
    name = f"s1._domainkey.{DOMAIN}"
    good = server.zone[name]["TXT"]
    seen = {}
    for standing, records, trouble in (
        ("exists", good, None), ("missing", None, None), ("wrong", [text("v=DKIM1; p=")], None),
        ("unknown", good, "SERVFAIL"),
    ):  # fmt: skip
        server.take(name)
        server.trouble.clear()
        if records is not None:
            server.put(name, "TXT", *records)
        if trouble is not None:
            server.trouble[name] = trouble
        code, found = findings(home, server, capsys)
        assert found[0]["standing"] == standing
        seen[standing] = (code, found[0]["result"])
    assert seen == {"exists": (0, "pass"), "missing": (1, "fail"), "wrong": (1, "fail"), "unknown": (75, "unknown")}


def test_words_and_signs_say_the_same(home: Path, server: NameServer, capsys: Talk) -> None:
    server.trouble[f"_dmarc.{DOMAIN}"] = "SERVFAIL"
    server.take(f"s1._domainkey.{DOMAIN}")
    capsys.readouterr()
    assert doctor(home, server) == 1
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert any(line.startswith("✗ dkim: there is no record at s1._domainkey") for line in lines)
    assert any(line.startswith("? dmarc: could not be found out") for line in lines)
    assert any(line.startswith("✓ spf: v=spf1 mx -all (1 look-up)") for line in lines)
    assert f"cure: publish s1._domainkey.{DOMAIN}. IN TXT" in shown.out
    assert "1 thing to put right, no warnings, 1 thing that could not be found out." in shown.err


def test_a_key_that_cannot_be_read_is_said_and_the_rest_is_asked(home: Path, server: NameServer, capsys: Talk) -> None:
    (home / "var" / "dkim-s1.pem").chmod(0o644)
    code, found = findings(home, server, capsys)
    assert code == 1
    assert [(one["id"], one["result"]) for one in found][:2] == [("dkim-key", "fail"), ("spf", "pass")]


def test_the_next_key_can_be_looked_at_before_it_signs(
    home: Path, server: NameServer, capsys: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["-C", str(home), "dkim", "keygen", "--selector", "s2"]) == 0
    monkeypatch.setenv("BIWEEKLY_DKIM__SELECTOR", "s2")
    monkeypatch.setenv("BIWEEKLY_DKIM__KEY_FILE", "var/dkim-s2.pem")
    code, found = findings(home, server, capsys)
    assert (code, found[0]["standing"], found[0]["place"]) == (1, "missing", f"s2._domainkey.{DOMAIN}")


def test_bounces_and_answers_elsewhere_are_asked_about(
    home: Path, server: NameServer, capsys: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIWEEKLY_BOUNCES__ADDRESS", f"bounces@news.{DOMAIN}")
    monkeypatch.setenv("BIWEEKLY_PUBLICATION__REPLY_TO", "Desk <desk@ÖBZOR-press.org>")
    _, found = findings(home, server, capsys)
    places = [one["place"] for one in found if one["id"] in {"spf", "mx"}]
    assert places == [
        f"news.{DOMAIN}", f"{DOMAIN} (from)", f"news.{DOMAIN} (bounces)", "xn--bzor-press-dcb.org (reply_to)"
    ]  # fmt: skip


def test_about_example_domains_nothing_is_asked(
    home: Path, server: NameServer, capsys: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIWEEKLY_BOUNCES__ADDRESS", "bounces@review.example")
    code, found = findings(home, server, capsys)
    assert (code, [(one["id"], one["result"]) for one in found]) == (0, [("identity", "not_run")])
    assert server.asked == []


def test_an_address_without_a_domain_is_a_cross(
    home: Path, server: NameServer, capsys: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIWEEKLY_PUBLICATION__REPLY_TO", "the desk")
    code, found = findings(home, server, capsys)
    assert (code, [(one["id"], one["place"]) for one in found]) == (1, [("address", "publication.reply_to")])
    assert server.asked == []


def test_what_is_no_name_server_is_wrong_usage(home: Path, capsys: Talk) -> None:
    assert run(["-C", str(home), "doctor", "dns", "--resolver", "ns.review-press.org"]) == 2
    assert "resolver-form" in capsys.readouterr().err
