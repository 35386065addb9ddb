"""Pure. Signed links: who may leave with one press, and nothing about them in the link.

A token is one AES block, opaque without the key, and its HMAC-SHA-256 signature: 66 characters, safe in a URL, in a
header field and in quoted-printable text (no `=`). It never expires, because an old issue's link must work for ever
(RFC 8058 section 3.1 asks for opaque and hard to forge; laws ask for weeks).
"""

import binascii
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from itsdangerous import BadData
from itsdangerous import Signer as ItsSigner
from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.signer import SigningAlgorithm

from biweekly.errors import TokenError
from biweekly.model.mailing import MailingId
from biweekly.model.subscriber import SubscriberId

_BLOCK: Final = struct.Struct(">QI4x")
_DIGITS: Final = 22  # of base64, for 16 bytes


class Purpose(StrEnum):
    """What a link is for; a token for one purpose is nothing for another."""

    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a valid token says. Subscriber 0 stands in test copies: nobody, so the link changes nothing."""

    purpose: Purpose
    subscriber: SubscriberId
    mailing: MailingId


class _Sha256(SigningAlgorithm):
    """The one-shot HMAC, several times as fast as the object; comparing stays constant-time in the base class."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")


class _Seal:
    """One key for one purpose: turns 16 bytes into a signed token and back."""

    def __init__(self, key: bytes, purpose: Purpose) -> None:
        cipher_key = hmac.digest(key, b"biweekly.token.block." + purpose.encode(), "sha256")[:16]
        # A single block under a key of its own: a permutation of 128 bits, which is what ECB of one block is.
        self._cipher = Cipher(algorithms.AES(cipher_key), modes.ECB())  # noqa: S305 - see above
        derived = ItsSigner(
            key, salt=b"biweekly.token." + purpose.encode(), key_derivation="hmac", digest_method="sha256"
        ).derive_key()
        self._signer = ItsSigner(derived, key_derivation="none", algorithm=_Sha256())

    def close(self, block: bytes) -> str:
        payload = base64_encode(self._cipher.encryptor().update(block))
        return self._signer.sign(payload).decode("ascii")

    def open(self, token: bytes) -> bytes | None:
        try:
            payload = self._signer.unsign(token)
            if len(payload) != _DIGITS:
                return None
            return bytes(self._cipher.decryptor().update(base64_decode(payload)))
        except (BadData, binascii.Error, ValueError):
            return None


class Signer:
    """Signs and reads links. The first key signs, all verify: put a new one in front and keep the old ones."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("a signer needs at least one key")
        self._seals = {purpose: [_Seal(key, purpose) for key in keys] for purpose in Purpose}

    def sign(self, purpose: Purpose, subscriber: int, mailing: int) -> str:
        """Return the token of a subscriber in a mailing: 66 characters of A-Z, a-z, 0-9, `_`, `-` and `.`."""
        return self._seals[purpose][0].close(_BLOCK.pack(subscriber, mailing))

    def read(self, purpose: Purpose, token: str) -> Claim:
        """Return what a token says; TokenError `token-invalid` where it is cut, forged or for something else."""
        if len(token) < 80 and token.isascii():  # noqa: PLR2004 - far over the length of any of ours
            raw = token.encode("ascii")
            for seal in self._seals[purpose]:
                block = seal.open(raw)
                if block is not None and block[12:] == b"\0\0\0\0":
                    subscriber, mailing = _BLOCK.unpack(block)
                    return Claim(purpose, SubscriberId(subscriber), MailingId(mailing))
        raise TokenError("the link is not one of ours, or it was cut", code="token-invalid")
