"""Pure. Envelope senders that say whose bounce it is, without an address in them (VERP).

The local part is `<base>+<token>`: base32 in lower case, because local parts may be case-folded on the way back, with
80 bits of HMAC-SHA-256 so that nobody can forge a bounce. At most 64 octets (RFC 5321 section 4.5.3.1.1).
"""

import base64
import binascii
import hashlib
import hmac
import struct
from typing import Final

_NUMBERS: Final = struct.Struct(">II")
_MAC_BYTES: Final = 10


def sign(address: str, *, mailing: int, subscriber: int, key: bytes) -> str:
    """Return the bounce address for one letter: `bounce@news.example` becomes `bounce+<token>@news.example`."""
    local, _, domain = address.rpartition("@")
    numbers = _NUMBERS.pack(mailing, subscriber)
    token = base64.b32encode(numbers + _mac(numbers, key)).decode("ascii").rstrip("=").lower()
    return f"{local}+{token}@{domain}"


def read(address: str, *, key: bytes) -> tuple[int, int] | None:
    """Return (mailing, subscriber) of a bounce address of ours; None for any other."""
    local = address.rpartition("@")[0]
    token = local.rpartition("+")[2].upper()
    try:
        raw = base64.b32decode(token + "=" * (-len(token) % 8))
    except binascii.Error:
        return None
    numbers, mac = raw[: _NUMBERS.size], raw[_NUMBERS.size :]
    if len(numbers) != _NUMBERS.size or not hmac.compare_digest(mac, _mac(numbers, key)):
        return None
    mailing, subscriber = _NUMBERS.unpack(numbers)
    return mailing, subscriber


def _mac(numbers: bytes, key: bytes) -> bytes:
    return hmac.digest(key, numbers, hashlib.sha256)[:_MAC_BYTES]
