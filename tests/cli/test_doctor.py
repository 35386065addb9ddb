"""`biweekly doctor config`: every cross has its cure."""

import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from biweekly.cli.doctor import examine
from biweekly.cli.frame import run
from biweekly.dkim import Algorithm
from biweekly.publication import open_publication
from biweekly.signing_keys import make_key, write_key

NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
OWN: Final = {
    "BIWEEKLY_PUBLICATION__FROM": "Review <editors@review-press.org>",
    "BIWEEKLY_PUBLICATION__REPLY_TO": "editors@review-press.org",
    "BIWEEKLY_PUBLICATION__PUBLIC_URL": "https://news.review-press.org",
}
RELAY: Final = {
    "BIWEEKLY_RELAY__0__HOST": "smtp.review-press.org",
    "BIWEEKLY_RELAY__0__PORT": "465",
    "BIWEEKLY_RELAY__0__TLS": "implicit",
    "BIWEEKLY_RELAY__0__USER": "biweekly",
    "BIWEEKLY_RELAY__0__PASSWORD_FILE": "smtp-password",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert run(["init", str(tmp_path / "pub"), "--no-input", "--timezone", "Europe/Stockholm"]) == 0
    return tmp_path / "pub"


def crosses(home: Path, environ: Mapping[str, str], *, level: str = "block") -> set[str]:
    """What fails at a level; each of them must come with a cure."""
    found = [
        one
        for one in examine(open_publication(home, environ=environ), environ=environ, now=NOW)
        if one.finding.result == "fail" and one.finding.level == level
    ]
    assert all(one.cure and one.finding.message for one in found)
    return {one.finding.id for one in found}


def put_password(home: Path, mode: int = 0o600) -> None:
    (home / "smtp-password").write_text("correct horse\n")
    (home / "smtp-password").chmod(mode)


def test_a_fresh_publication_has_nothing_in_its_way_and_a_warning(home: Path) -> None:
    assert crosses(home, {}) == set()
    assert crosses(home, {}, level="warn") == {"identity"}


def test_a_publication_ready_for_real_mail_is_clean(home: Path) -> None:
    put_password(home)
    assert crosses(home, OWN | RELAY) == crosses(home, OWN | RELAY, level="warn") == set()


@pytest.mark.parametrize(
    ("change", "cross"),
    [
        ({"BIWEEKLY_PUBLICATION__FROM": "editors@review.example"}, "identity"),
        ({"BIWEEKLY_BOUNCES__ADDRESS": "bounces@example.net"}, "identity"),
        ({"BIWEEKLY_PUBLICATION__FROM": "the editors"}, "address"),
        ({"BIWEEKLY_PUBLICATION__PUBLIC_URL": "http://127.0.0.1:8765"}, "public-url"),
        ({"BIWEEKLY_PUBLICATION__PUBLIC_URL": "http://news.review-press.org"}, "public-url"),
        ({"BIWEEKLY_RELAY__0__PASSWORD_FILE": "nowhere"}, "password"),
        ({"BIWEEKLY_RELAY__0__CA_FILE": "nowhere.pem"}, "relay-ca-file"),
        ({"BIWEEKLY_DATABASE__URL": "oracle://x"}, "database"),
        ({"BIWEEKLY_DATABASE__URL": "not a url"}, "database"),
        ({"BIWEEKLY_PUBLICATION__SECTIONS": '["Digest", "digest"]'}, "sections"),
    ],
)
def test_what_stands_in_the_way_gets_a_cross(home: Path, change: dict[str, str], cross: str) -> None:
    put_password(home)
    assert crosses(home, OWN | RELAY | change) == {cross}


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"BIWEEKLY_RELAY_HOST": "x"}, "variables"),
        ({"BIWEEKLY_WEB__HOST": "198.51.100.7"}, "web-host"),
        ({"BIWEEKLY_SCHEDULE__TIMEZONE": "Etc/GMT-1"}, "time-zone"),
        ({"BIWEEKLY_DATABASE__URL": "postgresql://me:secret@localhost/x"}, "database"),
    ],
)
def test_what_is_only_unwise_is_a_warning(home: Path, change: dict[str, str], warning: str) -> None:
    put_password(home)
    assert crosses(home, OWN | RELAY | change) == set()
    assert crosses(home, OWN | RELAY | change, level="warn") == {warning}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_password_that_others_can_read_gets_a_cross(home: Path, mode: int) -> None:
    put_password(home, mode)
    assert crosses(home, OWN | RELAY) == {"password"}


DKIM: Final = {
    "BIWEEKLY_DKIM__DOMAIN": "review-press.org",
    "BIWEEKLY_DKIM__SELECTOR": "s1",
    "BIWEEKLY_DKIM__KEY_FILE": "key.pem",
}


def test_a_key_that_signs_is_looked_at(home: Path) -> None:
    put_password(home)
    write_key(home / "key.pem", make_key(Algorithm.RSA))
    assert crosses(home, OWN | RELAY | DKIM) == crosses(home, OWN | RELAY | DKIM, level="warn") == set()
    (home / "key.pem").chmod(0o644)
    assert crosses(home, OWN | RELAY | DKIM) == {"dkim"}
    (home / "key.pem").unlink()
    assert crosses(home, OWN | RELAY | DKIM) == {"dkim"}
    write_key(home / "key.pem", generate_private_key(65537, 1024))  # noqa: S505 - weak is the point
    assert crosses(home, OWN | RELAY | DKIM) == set()
    assert crosses(home, OWN | RELAY | DKIM, level="warn") == {"dkim"}


def test_a_relay_on_this_machine_may_have_a_placeholder_identity(home: Path) -> None:
    loopback = {
        "BIWEEKLY_RELAY__0__HOST": "127.0.0.1",
        "BIWEEKLY_RELAY__0__PORT": "25",
        "BIWEEKLY_RELAY__0__TLS": "none",
    }
    assert crosses(home, loopback) == set()


def test_a_file_in_the_place_of_var_gets_a_cross(home: Path) -> None:
    (home / "var").write_text("")
    assert crosses(home, {}) == {"var"}


def test_a_secret_that_others_can_read_gets_a_cross(home: Path) -> None:
    (home / "var").mkdir()
    (home / "var" / "secret").write_text("ab" * 32)
    (home / "var" / "secret").chmod(0o644)
    assert crosses(home, {}) == {"secret"}


def test_a_password_in_the_database_url_is_never_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = (home / "config.toml").read_text() + '\n[database]\nurl = "postgresql://me:hunter2@localhost/x"\n'
    (home / "config.toml").write_text(config)
    assert run(["-C", str(home), "doctor", "config"]) == 0
    shown = capsys.readouterr()
    assert "hunter2" not in shown.out + shown.err


def test_looking_changes_nothing_and_asks_no_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(socket.socket, "connect", nobody)
    before = sorted(home.rglob("*"))
    put_password(home)
    crosses(home, OWN | RELAY | {"BIWEEKLY_DATABASE__URL": "postgresql://nowhere.example/x"})
    (home / "smtp-password").unlink()
    assert sorted(home.rglob("*")) == before


def answer(home: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = run(["-C", str(home), "doctor", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_json_says_what_the_words_say(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = answer(home, capsys, "config")
    assert code == 0
    assert document["schema"] == "biweekly/doctor/1"
    assert {"id", "level", "result", "place", "message", "cure"} == set(document["findings"][0])


def test_something_in_the_way_is_exit_code_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "var").write_text("")
    assert answer(home, capsys)[0] == 1


def test_a_configuration_that_does_not_load_is_one_cross_and_exit_code_3(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "config.toml").write_text("[publication]\nnmae = 1\n")
    code, document = answer(home, capsys)
    assert code == 3
    (only,) = document["findings"]
    assert (only["result"], only["place"]) == ("fail", "config.toml:2")
    assert only["cure"] == "did you mean name?"


def test_an_area_that_is_none_is_wrong_usage(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(home), "doctor", "everything"]) == 2
    assert "unknown-area" in capsys.readouterr().err


def test_every_relay_is_looked_at_and_not_only_the_first(home: Path) -> None:
    put_password(home)
    other = {name.replace("__0__", "__1__"): value for name, value in RELAY.items()}
    assert crosses(home, OWN | RELAY | other) == set()
    assert crosses(home, OWN | RELAY | other | {"BIWEEKLY_RELAY__1__PASSWORD_FILE": "nowhere"}) == {"password"}
    here = {"BIWEEKLY_RELAY__0__HOST": "127.0.0.1", "BIWEEKLY_RELAY__0__PORT": "25", "BIWEEKLY_RELAY__0__TLS": "none"}
    example = {"BIWEEKLY_PUBLICATION__FROM": "editors@review.example"}
    assert "identity" in crosses(home, OWN | other | here | example)
    assert "identity" not in crosses(home, OWN | here | example)


def test_a_seed_that_is_on_nobodys_list_is_a_warning(home: Path) -> None:
    seeds = {"BIWEEKLY_DELIVERY__SEEDS": '["Editor@Review-Press.org", "nobody@review-press.org", "not an address"]'}
    put_password(home)
    assert crosses(home, OWN | RELAY | seeds, level="warn") == set(), "there is no list yet to be on"
    assert not (home / "var" / "biweekly.db").exists()
    assert run(["-C", str(home), "subscribers", "add", "editor@review-press.org"]) == 0
    found = examine(open_publication(home, environ=OWN | RELAY | seeds), environ={}, now=NOW)
    warned = [one.finding.message.split(" is ")[0] for one in found if one.finding.id == "seeds"]
    assert warned == ["nobody@review-press.org", "not an address"]
