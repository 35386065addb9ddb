"""What a relay is logged in to with: read anew for each connection, and never shown."""

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from biweekly.config import RelayConfig
from biweekly.errors import ConfigError
from biweekly.transports import read_login
from biweekly.transports.sasl import Login

TOKEN = "ya29.a-secret-token"


def relay(**more: Any) -> RelayConfig:
    return RelayConfig(host="localhost", port=25, tls="none", **more)


def fetching(program: str) -> RelayConfig:
    return relay(user="anna", token_command=(sys.executable, "-c", program))


def test_without_a_user_there_is_no_login(tmp_path: Path) -> None:
    assert read_login(relay(), root=tmp_path) is None


@pytest.mark.parametrize(
    ("held", "password"),
    [
        (b"open sesame\n", "open sesame"),
        (b"open sesame", "open sesame"),
        (b"open sesame\r\nand a note\r\n", "open sesame"),
        (b"\xef\xbb\xbfopen sesame\n", "open sesame"),
        (b" spaces count \n", " spaces count "),
        ("ein Schlüssel\n".encode(), "ein Schlüssel"),
    ],
)
def test_a_password_is_the_first_line_of_its_file(tmp_path: Path, held: bytes, password: str) -> None:
    (tmp_path / "secret").write_bytes(held)
    assert read_login(relay(user="anna", password_file="secret"), root=tmp_path) == Login("anna", password)


def test_a_token_is_the_first_line_of_its_file_and_read_anew_each_time(tmp_path: Path) -> None:
    chosen = relay(user="anna", token_file="token")
    for token in (TOKEN, "ya29.the-next-one"):
        (tmp_path / "token").write_text(f" {token} \n")
        assert read_login(chosen, root=tmp_path) == Login("anna", token=token)


@pytest.mark.parametrize("held", [None, b"", b"\n", b"\xff\xfe\x00"])
@pytest.mark.parametrize(
    ("key", "code"), [("password_file", "password-unreadable"), ("token_file", "token-unavailable")]
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, key: str, code: str, held: bytes | None) -> None:
    if held is not None:
        (tmp_path / "secret").write_bytes(held)
    with pytest.raises(ConfigError) as caught:
        read_login(relay(user="anna", **{key: "secret"}), root=tmp_path)
    error = caught.value
    assert (error.code, error.key, error.place) == (code, f"relay.{key}", str(tmp_path / "secret"))
    assert error.hint


def test_a_token_comes_from_a_command_run_in_the_publications_folder_without_a_shell(tmp_path: Path) -> None:
    (tmp_path / "fetch.py").write_text(
        "import os, sys\nprint(os.path.basename(os.getcwd()), sys.argv[1], repr(sys.stdin.read()))\nprint('a note')\n"
    )
    argument = "$HOME; echo `id`"
    chosen = relay(user="anna", token_command=(sys.executable, "fetch.py", argument))
    assert read_login(chosen, root=tmp_path) == Login("anna", token=f"{tmp_path.name} {argument} ''")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (f"print({TOKEN!r}); raise SystemExit(3)", "exit code 3"),
        (f"import sys; sys.stderr.write({TOKEN!r}); raise SystemExit(1)", "exit code 1"),
        ("pass", "printed nothing"),
        (f"print(); print({TOKEN!r})", "printed nothing"),
    ],
)
def test_a_command_that_brings_no_token_is_named_and_what_it_printed_is_not(
    tmp_path: Path, program: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        read_login(fetching(program), root=tmp_path)
    error = caught.value
    assert (error.code, error.key) == ("token-unavailable", "relay.token_command")
    assert TOKEN not in f"{error!r} {error.hint} {error.place} {error.__context__!r}"


@pytest.mark.parametrize("command", [("/nowhere/fetch-token",), ("nul\0in-it",)])
def test_a_command_that_cannot_be_run_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="no token came from") as caught:
        read_login(relay(user="anna", token_command=command), root=tmp_path)
    assert caught.value.code == "token-unavailable"


def test_a_command_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biweekly.transports._TOKEN_WITHIN", 0.2)
    with pytest.raises(ConfigError, match=r"longer than 0\.2 s") as caught:
        read_login(fetching("import time; time.sleep(60)"), root=tmp_path)
    assert caught.value.code == "token-unavailable"


@pytest.mark.parametrize(
    "more",
    [
        {"user": "anna"},
        {"password_file": "secret"},
        {"token_command": ("fetch",)},
        {"user": "anna", "password_file": "secret", "token_file": "token"},
        {"user": "anna", "token_command": ("fetch",), "token_file": "token"},
        {"user": "anna", "token_command": ()},
    ],
)
def test_a_user_has_one_secret_and_a_secret_has_a_user(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"user goes with one of|at least 1 item"):
        relay(**more)


def test_a_configuration_names_where_a_secret_is_and_not_the_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    chosen = relay(user="anna", token_file="token")
    assert TOKEN not in f"{chosen!r} {chosen} {read_login(chosen, root=tmp_path)!r}"
    assert shlex.join(fetching("pass").token_command or ()).endswith("-c pass")
