"""Key files: made closed, read only where nobody else can read them, and never shown."""

import os
import re
import stat
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from biweekly.config import DkimConfig
from biweekly.dkim import Algorithm, PrivateKey, SigningKey, dns_record
from biweekly.errors import BiweeklyError, ConfigError, Refused
from biweekly.signing_keys import KeyFile, make_key, read_key, read_signing_keys, write_key

RSA: Final = rsa.generate_private_key(65537, 2048)
ED25519: Final = make_key(Algorithm.ED25519)
FILE: Final = KeyFile("dkim.key_file", "s1", "key.pem", Algorithm.RSA)

# 768 bits, made for this test and used nowhere.
SMALL: Final = """\
-----BEGIN PRIVATE KEY-----
MIIB5AIBADANBgkqhkiG9w0BAQEFAASCAc4wggHKAgEAAmEA2GVsX2HzC4OAeI0R
vUzi8cOVo7MIy6kwSPSevPuplySJFmEyA0LlLoRq0BP9OkHBiQRxYtkOsbsh3Xbg
bI3SSIjBxRxPzEoFoRd77A+1ENniMfz05EUCMmyk+2CuUO1NAgMBAAECYQCmTnRW
bdG7VIokm845XODBi13ynEKzOsj4GL/yX7s7hIGy6GnmZb/62xu35NTls+gdi6Iz
CEbIdEwqvSSd8BwbBr7HluLlUE0jIX5jsBGcaAO3XDWNmeVdJ4sOBa7C5uECMQD+
Lh8UpUPjWvhbXVPleJmeWjWc2S2PB7Wg3LCFFWYZ8jUjfFVQRqAOCJL1OY6EACUC
MQDZ8gyER52bbSKV3BegFLplDYlQeR6hKySvGgIuvuAAdQ+G3wO1RyhU0wjh6iC/
fAkCMAGWFhmR4neTxMMFNRXUh9jmJTmCXXdsC+UiG3PpK0b0LQK4ruueVTdhNFGV
d185hQIwGKKzp4Aw4JDFiAsI4J93MlUFYINQYwdtbh2SgZYx29tfle8/jA4vEOeJ
6X99lCeBAjAU/YGDUesU65eJAA+6ZMruZPqpt2Ymu9j3xG87oBJ9tO0ieW0m+FYW
BpITIt845Ts=
-----END PRIVATE KEY-----
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "pub"
    made.mkdir()
    return made


def put(home: Path, text: str | bytes, *, mode: int = 0o600) -> None:
    path = home / "key.pem"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)


def pem(key: PrivateKey, *, encryption: str = "") -> str:
    lock = BestAvailableEncryption(encryption.encode()) if encryption else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def refusal(home: Path, file: KeyFile = FILE) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_key(file, root=home)
    error = caught.value
    assert (error.key, error.place, error.exit_code) == (file.setting, file.path, 3)
    assert error.hint
    return error


def test_a_key_that_was_written_is_read_back_and_closed_to_others(home: Path) -> None:
    for name, key in (("key.pem", RSA), ("ed.pem", ED25519)):
        write_key(home / name, key)
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    dkim = DkimConfig(
        domain="review.example", selector="s1", key_file="key.pem", ed25519_selector="s2", ed25519_key_file="ed.pem"
    )
    first, second = read_signing_keys(dkim, root=home)
    assert (first.selector, dns_record(first.key)) == ("s1", dns_record(RSA))
    assert (second.selector, dns_record(second.key)) == ("s2", dns_record(ED25519))


def test_a_generous_umask_opens_no_key(home: Path) -> None:
    before = os.umask(0)
    try:
        write_key(home / "key.pem", RSA)
    finally:
        os.umask(before)
    assert stat.S_IMODE((home / "key.pem").stat().st_mode) == 0o600


def test_a_new_rsa_key_has_2048_bits_and_no_two_are_alike() -> None:
    first, second = make_key(Algorithm.RSA), make_key(Algorithm.RSA)
    assert isinstance(first, rsa.RSAPrivateKey)
    assert first.key_size == 2048
    assert dns_record(first) != dns_record(second)


def test_a_key_is_never_overwritten(home: Path) -> None:
    write_key(home / "key.pem", RSA)
    before = (home / "key.pem").read_bytes()
    with pytest.raises(Refused) as caught:
        write_key(home / "key.pem", ED25519)
    assert caught.value.code == "dkim-key-exists"
    assert (home / "key.pem").read_bytes() == before


def test_a_link_to_nowhere_is_not_written_through(home: Path) -> None:
    (home / "key.pem").symlink_to(home / "elsewhere.pem")
    with pytest.raises(Refused):
        write_key(home / "key.pem", RSA)
    assert not (home / "elsewhere.pem").exists()


def test_a_folder_that_is_not_there_is_said(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        write_key(home / "no" / "key.pem", RSA)
    assert caught.value.code == "dkim-key-unwritable"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_a_key_that_others_can_open_is_refused(home: Path, mode: int) -> None:
    put(home, pem(RSA), mode=mode)
    assert refusal(home).code == "dkim-key-open"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_that_is_its_owners_alone_is_taken(home: Path, mode: int) -> None:
    put(home, pem(RSA), mode=mode)
    assert read_key(FILE, root=home).selector == "s1"


def test_a_file_that_a_link_leads_to_counts_and_not_the_link(home: Path) -> None:
    put(home, pem(RSA), mode=0o644)
    (home / "link.pem").symlink_to("key.pem")
    linked = KeyFile("dkim.key_file", "s1", "link.pem", Algorithm.RSA)
    assert refusal(home, linked).code == "dkim-key-open"
    (home / "key.pem").chmod(0o600)
    assert read_key(linked, root=home).selector == "s1"


def test_a_link_that_leads_out_of_the_publication_is_refused(home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    put(outside, pem(RSA))
    (home / "key.pem").symlink_to(outside / "key.pem")
    (home / "keys").symlink_to(outside)
    (tmp_path / "link.pem").symlink_to(outside / "key.pem")
    for path in ("key.pem", "keys/key.pem", str(tmp_path / "link.pem"), "../link.pem"):
        file = KeyFile("dkim.key_file", "s1", path, Algorithm.RSA)
        assert refusal(home, file).code == "dkim-key-outside", path


def test_a_file_elsewhere_may_be_named_outright(home: Path, tmp_path: Path) -> None:
    put(tmp_path, pem(RSA))
    for path in (str(tmp_path / "key.pem"), "../key.pem"):
        assert read_key(KeyFile("dkim.key_file", "s1", path, Algorithm.RSA), root=home).selector == "s1"


def test_a_publication_behind_a_link_keeps_its_key(home: Path, tmp_path: Path) -> None:
    put(home, pem(RSA))
    current = tmp_path / "current"
    current.symlink_to(home)
    assert read_key(FILE, root=current).selector == "s1"
    (tmp_path / "outside").mkdir()
    put(tmp_path / "outside", pem(RSA))
    (home / "keys").symlink_to(tmp_path / "outside")
    for path in ("keys/key.pem", str(current / "keys" / "key.pem"), str(home / "keys" / "key.pem")):
        file = KeyFile("dkim.key_file", "s1", path, Algorithm.RSA)
        with pytest.raises(ConfigError) as caught:
            read_key(file, root=current)
        assert caught.value.code == "dkim-key-outside", path


def test_what_is_no_key_is_refused_in_words_of_our_own(home: Path) -> None:
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in ("", "hunter2", public, pem(RSA)[:700], pem(RSA).replace("M", "N", 3), pem(RSA, encryption="hunter2")):
        put(home, text)
        error = refusal(home)
        assert error.code == "dkim-key-unreadable"
        assert "hunter2" not in f"{error} {error.hint} {error.__cause__}"
        (home / "key.pem").unlink()


def test_a_passphrase_is_named_as_the_trouble(home: Path) -> None:
    put(home, pem(RSA, encryption="hunter2"))
    assert "passphrase" in refusal(home).message


def test_a_file_that_is_not_there_or_no_file_is_refused(home: Path) -> None:
    assert refusal(home).code == "dkim-key-unreadable"
    (home / "key.pem").mkdir()
    assert refusal(home).code == "dkim-key-unreadable"
    (home / "key.pem").rmdir()
    os.mkfifo(home / "key.pem", 0o600)
    assert "ordinary" in refusal(home).message
    (home / "key.pem").unlink()
    (home / "key.pem").symlink_to("key.pem")
    assert refusal(home).code == "dkim-key-unreadable"


def test_a_key_of_another_kind_is_refused(home: Path) -> None:
    put(home, pem(ED25519))
    assert refusal(home).code == "dkim-key-kind"
    put(home, pem(RSA))
    assert refusal(home, KeyFile("dkim.ed25519_key_file", "s2", "key.pem", Algorithm.ED25519)).code == "dkim-key-kind"
    curve = ec.generate_private_key(ec.SECP256R1())
    put(home, curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "neither" in refusal(home).message


def test_a_key_that_nobody_accepts_is_refused_and_a_weak_one_is_known(home: Path) -> None:
    put(home, SMALL)
    error = refusal(home)
    assert (error.code, "768 bits" in error.message) == ("dkim-key-small", True)
    put(home, pem(rsa.generate_private_key(65537, 1024)))  # noqa: S505 - weak is the point
    assert read_key(FILE, root=home).weak


def test_no_error_shows_what_the_file_holds(home: Path) -> None:
    secret = re.sub(r"-----.*?-----|\s", "", pem(RSA))
    shown: list[BiweeklyError] = []
    for mode, text in ((0o644, pem(RSA)), (0o600, pem(RSA).replace("PRIVATE", "SECRET")), (0o600, pem(RSA)[:-60])):
        put(home, text, mode=mode)
        shown.append(refusal(home))
        (home / "key.pem").unlink()
    put(home, pem(RSA))
    shown.append(refusal(home, KeyFile("dkim.ed25519_key_file", "s2", "key.pem", Algorithm.ED25519)))
    for error in shown:
        words = f"{error!r} {error.hint} {error.place} {error.__cause__} {error.__context__}"
        assert not any(secret[at : at + 24] in words for at in range(0, len(secret) - 24, 8))


def test_a_signing_key_says_its_selector_and_nothing_secret() -> None:
    assert "s1" in repr(SigningKey("s1", RSA))
    assert str(RSA.private_numbers().d) not in repr(SigningKey("s1", RSA))
