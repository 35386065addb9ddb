"""Edge: filesystem and chance. The private keys that sign letters: made once, kept closed, read when a mailing begins.

What a key file holds is never shown: an error names the file and what is wrong with it, in words of our own.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from biweekly.config import DkimConfig
from biweekly.dkim import GOOD_BITS, Algorithm, PrivateKey, SigningKey
from biweekly.errors import ConfigError, Refused

_LARGEST: Final = 65_536  # octets; an RSA key of 16,384 bits takes a fifth of it
_KINDS: Final = {Algorithm.RSA: "an RSA", Algorithm.ED25519: "an Ed25519"}


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key as the configuration names it: by which setting, under which selector, in which file, of which kind."""

    setting: str
    selector: str
    path: str
    algorithm: Algorithm


def key_files(dkim: DkimConfig) -> Sequence[KeyFile]:
    """Return the key files that a configuration names, the RSA key first."""
    files = [KeyFile("dkim.key_file", dkim.selector, dkim.key_file, Algorithm.RSA)]
    if dkim.ed25519_selector is not None and dkim.ed25519_key_file is not None:
        files.append(KeyFile("dkim.ed25519_key_file", dkim.ed25519_selector, dkim.ed25519_key_file, Algorithm.ED25519))
    return files


def read_signing_keys(dkim: DkimConfig, *, root: Path) -> tuple[SigningKey, ...]:
    """Read every key of a configuration; `root` is the publication's folder. Raises what `read_key` raises."""
    return tuple(read_key(file, root=root) for file in key_files(dkim))


def read_key(file: KeyFile, *, root: Path) -> SigningKey:
    """Read one key.

    Raises ConfigError: `dkim-key-unreadable` where the file is missing or holds no private key without a passphrase,
    `dkim-key-open` where other users can read it, `dkim-key-outside` where a link leads out of the publication,
    `dkim-key-kind` where it is of another kind, `dkim-key-small` as SigningKey does.
    """
    path = _inside(root / file.path, file, root=root)
    key = _parse(_read_closed(path, file), file)
    algorithm = Algorithm.RSA if isinstance(key, RSAPrivateKey) else Algorithm.ED25519
    if algorithm is not file.algorithm:
        raise _fault(file, f"{_KINDS[algorithm]} key, and this is the place of {_KINDS[file.algorithm]} one",
                     code="dkim-key-kind", hint="give each setting the file that keygen made for it")  # fmt: skip
    try:
        return SigningKey(file.selector, key)
    except ConfigError as error:
        raise _fault(file, error.message, code="dkim-key-small", hint="biweekly dkim keygen") from error


def make_key(algorithm: Algorithm) -> PrivateKey:
    """Make a new private key: RSA of 2,048 bits, or Ed25519."""
    if algorithm is Algorithm.RSA:
        return generate_private_key(public_exponent=65_537, key_size=GOOD_BITS)
    return Ed25519PrivateKey.generate()


def write_key(path: Path, key: PrivateKey) -> None:
    """Write a key into a new file that only its owner can read, in PEM form (PKCS #8, RFC 7468).

    Raises Refused `dkim-key-exists` where there is a file already, ConfigError `dkim-key-unwritable` where there can
    be none.
    """
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError as error:
        raise Refused(
            "there is a file of this name already, and a key that is lost cannot be made again",
            code="dkim-key-exists", place=str(path), hint="choose another --selector, or --out",
        ) from error  # fmt: skip
    except OSError as error:
        raise ConfigError(
            f"the key cannot be written: {error.strerror}", code="dkim-key-unwritable", place=str(path),
            hint="name a folder that this user may write to with --out",
        ) from error  # fmt: skip


def _inside(path: Path, file: KeyFile, *, root: Path) -> Path:
    """Follow links as long as they stay in the publication; a path that is written out may lead anywhere."""
    home = root.resolve()
    written = Path(os.path.normpath(path.absolute()))
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "its links go round in circles"
        raise _unreadable(file, f"the key cannot be read: {cause}") from None
    led_out = not real.is_relative_to(home)
    if led_out and (path.is_symlink() or written.is_relative_to(home) or written.is_relative_to(root.absolute())):
        raise _fault(file, "a link that leads out of the publication", code="dkim-key-outside",
                     hint="name the file itself")  # fmt: skip
    return real


def _read_closed(path: Path, file: KeyFile) -> bytes:
    # Asked of the open file, so that what was looked at is what is read; a pipe must not hold us up.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _unreadable(file, "the key cannot be read: it is no ordinary file")
            if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise _fault(file, "other users of this machine can read the key, and could sign in your name",
                             code="dkim-key-open", hint=f"chmod 600 {path}")  # fmt: skip
            return opened.read(_LARGEST)
    except OSError as error:
        raise _unreadable(file, f"the key cannot be read: {error.strerror}") from None


def _parse(text: bytes, file: KeyFile) -> PrivateKey:
    try:
        key = load_pem_private_key(text, password=None)
    except TypeError:
        raise _unreadable(file, "the key is locked with a passphrase, which nobody is there to type") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _unreadable(file, "the file holds no private key in PEM form") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise _fault(file, "neither an RSA nor an Ed25519 key", code="dkim-key-kind", hint="biweekly dkim keygen")
    return key


def _unreadable(file: KeyFile, message: str) -> ConfigError:
    return _fault(file, message, code="dkim-key-unreadable", hint="biweekly dkim keygen")


def _fault(file: KeyFile, message: str, *, code: str, hint: str) -> ConfigError:
    return ConfigError(message, code=code, key=file.setting, place=file.path, hint=hint)
