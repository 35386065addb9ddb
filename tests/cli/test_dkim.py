"""`biweekly dkim keygen`: a key, its record, and the lines that make both count."""

import json
import re
import shlex
import stat
from pathlib import Path
from typing import Any, Final

import dns.zone
import pytest

from biweekly.cli.frame import run
from biweekly.dkim import dns_record
from biweekly.publication import open_publication
from biweekly.signing_keys import read_signing_keys

Talk = pytest.CaptureFixture[str]
ED25519: Final = "--ed25519"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert run(["init", str(tmp_path / "pub"), "--no-input", "--from", "editors@mail.review-press.org"]) == 0
    return tmp_path / "pub"


def keygen(home: Path, *words: str) -> int:
    return run(["-C", str(home), "dkim", "keygen", *words])


def answer(home: Path, capsys: Talk, *words: str) -> Any:
    capsys.readouterr()
    assert keygen(home, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def configure(home: Path, lines: str) -> None:
    """Do as the command said: put its lines into config.toml."""
    path = home / "config.toml"
    text = path.read_text("utf-8")
    more = lines.removeprefix("[dkim]\n")
    path.write_text(text + more if "[dkim]" in text else f"{text}\n[dkim]\n{more}", "utf-8")


def test_the_lines_and_the_record_belong_to_the_key(home: Path, capsys: Talk) -> None:
    first, second = answer(home, capsys, "--selector", "s1"), answer(home, capsys, "--selector", "s2", ED25519)
    configure(home, first["config"])
    configure(home, second["config"])
    dkim = open_publication(home, environ={}).config.dkim
    assert dkim is not None
    keys = read_signing_keys(dkim, root=home)
    assert [one.selector for one in keys] == ["s1", "s2"]
    assert [dns_record(one.key) for one in keys] == [first["record"]["text"], second["record"]["text"]]
    assert [one.algorithm for one in keys] == [first["algorithm"], second["algorithm"]]
    assert (dkim.domain, first["domain"]) == ("mail.review-press.org", "mail.review-press.org")


def test_the_key_is_in_var_and_closed_to_others(home: Path, capsys: Talk) -> None:
    document = answer(home, capsys)
    path = Path(document["key_file"])
    assert path.parent == home / "var"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"bw\d{6}", document["selector"])
    assert re.fullmatch(r"bw\d{6}e", answer(home, capsys, ED25519)["selector"])


@pytest.mark.parametrize("words", [[], [ED25519]])
def test_stdout_is_a_line_of_a_zone_file_and_nothing_else(home: Path, capsys: Talk, words: list[str]) -> None:
    capsys.readouterr()
    assert keygen(home, "--selector", "s1", "--domain", "review-press.org", *words) == 0
    shown = capsys.readouterr()
    zone = dns.zone.from_text(f"$TTL 300\n{shown.out}", origin="review-press.org.", check_origin=False)
    ((name, _, rdata),) = zone.iterate_rdatas("TXT")
    assert str(name) == "s1._domainkey"
    assert all(len(one) <= 255 for one in rdata.strings)  # type: ignore[attr-defined]
    assert rdata.strings[0].startswith(b"v=DKIM1; k=")  # type: ignore[attr-defined]
    assert len(shown.out.splitlines()) == 1
    assert "[dkim]" in shown.err


def test_neither_output_shows_the_private_half(home: Path, capsys: Talk) -> None:
    capsys.readouterr()
    assert keygen(home, "--selector", "s1") == 0
    shown = capsys.readouterr()
    secret = re.sub(r"-----.*?-----|\s", "", (home / "var" / "dkim-s1.pem").read_text())
    assert not any(secret[at : at + 24] in shown.out + shown.err for at in range(0, len(secret) - 24, 8))


def test_a_key_is_never_written_over(home: Path, capsys: Talk) -> None:
    assert keygen(home, "--selector", "s1") == 0
    before = (home / "var" / "dkim-s1.pem").read_bytes()
    capsys.readouterr()
    assert keygen(home, "--selector", "s1") == 4
    shown = capsys.readouterr()
    assert "dkim-key-exists" in shown.err
    assert shown.out == ""
    assert (home / "var" / "dkim-s1.pem").read_bytes() == before


def test_a_file_of_ones_own_choice_is_named_as_the_configuration_wants_it(
    home: Path, tmp_path: Path, capsys: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert 'key_file = "keys.pem"' in answer(home, capsys, "--out", "pub/keys.pem")["config"]
    outside = tmp_path / "with space.pem"
    assert f"key_file = {json.dumps(str(outside))}" in answer(home, capsys, "--out", str(outside))["config"]


def test_the_domain_is_the_configured_one_where_there_is_one(home: Path, capsys: Talk) -> None:
    configure(home, answer(home, capsys, "--domain", "review-press.org", "--selector", "s1")["config"])
    assert answer(home, capsys, "--selector", "s2")["domain"] == "review-press.org"


@pytest.mark.parametrize("domain", ["press.org", "org", "other.example", "x.mail.review-press.org", "", "a b.org"])
def test_a_domain_that_could_not_sign_for_the_sender_is_refused(home: Path, capsys: Talk, domain: str) -> None:
    assert keygen(home, "--domain", domain) == 2
    assert "dkim-domain" in capsys.readouterr().err
    assert not list(home.rglob("*.pem"))


@pytest.mark.parametrize("selector", ["", "a b", "../x", "a_b", "ключ", "a" * 64])
def test_a_selector_that_is_no_name_is_refused(home: Path, capsys: Talk, selector: str) -> None:
    assert keygen(home, "--selector", selector) == 2
    assert "dkim-selector" in capsys.readouterr().err
    assert not list(home.rglob("*.pem"))


def test_a_second_signature_alone_is_advised_against(home: Path, capsys: Talk) -> None:
    assert keygen(home, ED25519) == 0
    assert "biweekly dkim keygen" in capsys.readouterr().err


def test_the_help_ends_with_a_call_that_works(home: Path, capsys: Talk) -> None:
    assert run(["dkim", "keygen", "--help"]) == 0
    example = re.search(r"Example: biweekly (.+)", capsys.readouterr().out)
    assert example is not None
    assert run(["-C", str(home), *shlex.split(example[1])]) == 0
