"""Pure. DKIM signatures for letters that are spliced (RFC 6376), and a second one with Ed25519 (RFC 8463).

A signer is made once for a mailing. What stands in every letter of a variant is put into canonical form and hashed
once; for a letter only its own header fields, the body's hash and the signatures remain. Both forms are relaxed; the
body is written so that nearly nothing is left to do for its canonical form (`quoted.py`).
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from biweekly.errors import ConfigError, RenderError

# Each is signed where it stands, and listed once more than it occurs, so that adding another one breaks the signature
# (RFC 6376 section 8.15). RFC 8058 section 4 demands both List-Unsubscribe fields.
SIGNED: Final = frozenset({
    "from", "to", "cc", "subject", "date", "reply-to", "sender", "message-id", "mime-version", "content-type",
    "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id",
})  # fmt: skip
LEAST_BITS: Final = 1024  # verifiers must not accept less (RFC 8301 section 3.2)
GOOD_BITS: Final = 2048  # signers should use this much (the same)
_WIDTH: Final = 78  # columns of a line, without its CRLF (RFC 5322 section 2.1.1)
_ROW: Final = 72  # of a signature's base64
_STRING: Final = 255  # octets of a character-string in a TXT record (RFC 1035 section 3.3)
_DIGEST: Final = 32
_BLANKS: Final = re.compile(rb"[ \t]+")
_NAME: Final = re.compile(rb"[!-9;-~]+[ \t]*")
_SHA256: Final = Prehashed(hashes.SHA256())
_PKCS1: Final = padding.PKCS1v15()

Field = tuple[str, bytes]
"""A header field as it is written: its name, and everything between the colon and the last CRLF."""
PrivateKey = RSAPrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | Ed25519PublicKey


class Algorithm(StrEnum):
    """The `a=` of a signature."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the selector under which its public half is published.

    Raises ConfigError `dkim-key-small` for an RSA key of less than 1,024 bits, which no verifier accepts.
    """

    selector: str
    key: PrivateKey

    def __post_init__(self) -> None:
        if isinstance(self.key, RSAPrivateKey) and self.key.key_size < LEAST_BITS:
            raise ConfigError(
                f"an RSA key of {self.key.key_size} bits, and nobody accepts a signature of less than {LEAST_BITS}",
                code="dkim-key-small", key="dkim.key_file", hint="biweekly dkim keygen",
            )  # fmt: skip

    @property
    def algorithm(self) -> Algorithm:
        """What it signs with."""
        return Algorithm.RSA if isinstance(self.key, RSAPrivateKey) else Algorithm.ED25519

    @property
    def weak(self) -> bool:
        """Whether it is an RSA key of less than 2,048 bits: valid, and frowned upon (RFC 8301 section 3.2)."""
        return isinstance(self.key, RSAPrivateKey) and self.key.key_size < GOOD_BITS

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest. Ed25519 signs the digest itself as its message (RFC 8463 section 3)."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(digest, _PKCS1, _SHA256)
        return self.key.sign(digest)


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Who signs a mailing: the `d=` domain, in ASCII and lower case, and one key for each signature."""

    domain: str
    keys: Sequence[SigningKey]

    def over(self, constant: Sequence[Field]) -> "Seal":
        """Prepare the header fields that stand in every letter of a variant; the rest is given letter by letter.

        A signed field that stands twice is refused when the first letter is signed.
        """
        return Seal(self, constant)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A signature field up to its `bh=`, as it is written and in canonical form."""

    key: SigningKey
    written: bytes
    canonical: bytes


class Seal:
    """Signs the letters of one variant. May be used by several threads at once."""

    def __init__(self, signer: DkimSigner, constant: Sequence[Field]) -> None:
        self._signer = signer
        self._constant = _signed_names(constant)
        self._hashed = hashlib.sha256(_canonical(constant))
        # Names and time are alike in all letters of a mailing, so the last drafts nearly always serve again.
        self._last: tuple[tuple[tuple[str, ...], int], tuple[_Draft, ...]] | None = None

    def sign(self, own: Sequence[Field], body_sha256: bytes, *, at: datetime) -> bytes:
        """Return the DKIM-Signature fields of a letter, one for each key, to stand before its other fields.

        `own` are the fields that `over` was not given; their place among the others does not matter, because none of
        those signed stands twice. `body_sha256` is what `body_digest` gives. `at` becomes `t=`. Lines are at most 78
        columns, but for a domain or a selector that is longer by itself. Raises RenderError `letter-unfit` where a
        signed field stands twice, or where there is no From.
        """
        if len(body_sha256) != _DIGEST:
            raise ValueError("a SHA-256 digest has 32 octets")
        names = _signed_names(own)
        head = _canonical(own)
        body_hash = base64.b64encode(body_sha256)
        written: list[bytes] = []
        for draft in self._drafts(names, int(at.timestamp())):
            hashed = self._hashed.copy()
            hashed.update(b"".join((head, draft.canonical, body_hash, b"; b=")))
            signature = base64.b64encode(draft.key.sign(hashed.digest()))
            rows = (signature[start : start + _ROW] for start in range(0, len(signature), _ROW))
            written += (draft.written, body_hash, b";\r\n b=", b"\r\n ".join(rows), b"\r\n")
        return b"".join(written)

    def _drafts(self, own: tuple[str, ...], at: int) -> tuple[_Draft, ...]:
        last = self._last
        if last is not None and last[0] == (own, at):
            return last[1]
        present = (*self._constant, *own)
        if len(set(present)) < len(present):
            twice = next(name for name in present if present.count(name) > 1)
            raise RenderError(f"a second {twice} field", code="letter-unfit", template="letter")
        if "from" not in present:
            raise RenderError("there is no From field", code="letter-unfit", template="letter")
        listed = [name for name in present for _ in range(2)] + sorted(SIGNED.difference(present))
        made = tuple(self._draft(key, listed, at) for key in self._signer.keys)
        self._last = ((own, at), made)
        return made

    def _draft(self, key: SigningKey, listed: Sequence[str], at: int) -> _Draft:
        first, *rest = (f"{name}:" for name in listed)
        rest[-1] = rest[-1].removesuffix(":") + ";"
        words = (
            "DKIM-Signature:", " v=1;", f" a={key.algorithm};", " c=relaxed/relaxed;", f" d={self._signer.domain};",
            f" s={key.selector};", " q=dns/txt;", f" t={at};", f" h={first}", *rest,
        )  # fmt: skip
        written = f"{_fold(words)}\r\n bh=".encode()
        name, _, value = written.partition(b":")
        return _Draft(key, written, relaxed(name.decode(), value))


def body_digest(body: bytes) -> bytes:
    """Return the SHA-256 digest of a body's canonical form (RFC 6376 section 3.4.4).

    The body is as `quoted.py` writes it: CRLF line ends, no blank before a line end and no two together. What is left
    of the canonical form is its end: empty lines there do not count, and a last line without a line end gets one.
    """
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    hashed = hashlib.sha256(memoryview(body)[:end])
    if end:
        hashed.update(b"\r\n")
    return hashed.digest()


def fields_in(block: bytes) -> tuple[Field, ...]:
    """Take a written block of header fields apart; RenderError `letter-unfit` where a line is none."""
    fields = []
    for line in re.split(rb"\r\n(?![ \t])", block):
        name, colon, value = line.partition(b":")
        if colon and _NAME.fullmatch(name):
            fields.append((name.decode("ascii").rstrip(), value))
        elif line:
            raise RenderError(f"{line[:40]!r} is no header field", code="letter-unfit", template="letter")
    return tuple(fields)


def relaxed(name: str, value: bytes) -> bytes:
    """Return a field's relaxed canonical form, without its line end (RFC 6376 section 3.4.2)."""
    return name.lower().encode() + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def dns_record(key: PrivateKey) -> str:
    """Return the text of the TXT record for a key's public half (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
    kind = "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"
    return f"v=DKIM1; k={kind}; p={base64.b64encode(public_octets(key.public_key())).decode()}"


def public_octets(key: PublicKey) -> bytes:
    """Return what `p=` holds: SubjectPublicKeyInfo in DER for RSA, the 32 octets alone for Ed25519."""
    if isinstance(key, RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def record_name(selector: str, domain: str) -> str:
    """Return the name under which a selector's record stands (RFC 6376 section 3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def zone_line(name: str, text: str) -> str:
    """Write a TXT record as a line of a zone file, its text in strings of at most 255 octets."""
    strings = [f'"{text[start : start + _STRING]}"' for start in range(0, len(text), _STRING)]
    return f"{name}. IN TXT {' '.join(strings)}"


def _signed_names(fields: Sequence[Field]) -> tuple[str, ...]:
    return tuple(lower for name, _ in fields if (lower := name.lower()) in SIGNED)


def _canonical(fields: Sequence[Field]) -> bytes:
    return b"".join(relaxed(name, value) + b"\r\n" for name, value in fields if name.lower() in SIGNED)


def _fold(words: Sequence[str]) -> str:
    """Set words on lines; one that begins with a blank brings the white space of its fold along."""
    rows = [""]
    for word in words:
        if rows[-1] and len(rows[-1]) + len(word) > _WIDTH:
            rows.append("" if word.startswith(" ") else " ")
        rows[-1] += word
    return "\r\n".join(rows)
