"""Pure. Ways to log in: SCRAM-SHA-256, XOAUTH2, PLAIN and LOGIN (RFC 4422, 5802, 7677, 4616; Google's XOAUTH2).

A way is one conversation: `begin` opens it, `respond` answers each challenge. What comes and goes is bytes, before
base64.
"""

import base64
import binascii
import hashlib
import hmac
import re
import stringprep
import unicodedata
from dataclasses import dataclass, field
from typing import Final, Protocol

_FEWEST_ROUNDS: Final = 4096  # RFC 7677 section 4
_MOST_ROUNDS: Final = 1_000_000  # more would only keep us busy
_NUMBER: Final = re.compile(r"[0-9]{1,7}")


class WrongAnswer(Exception):
    """The relay's part of the conversation is not what the way of logging in demands."""


@dataclass(frozen=True, slots=True)
class Login:
    """A name with a password or an access token. None of them is shown by repr."""

    user: str = field(repr=False)
    password: str = field(repr=False, default="")
    token: str = field(repr=False, default="")

    def plain(self) -> str:
        """The initial response of AUTH PLAIN (RFC 4616), as it goes over the wire."""
        return _encode(f"\0{self.user}\0{self.password}".encode())

    def conceal(self, words: str) -> str:
        """Take every secret out of words that a relay may have echoed."""
        for secret in (self.password, self.token):
            if secret:
                for form in (self.plain(), _encode(_bearer(self)), _encode(secret.encode()), secret):
                    words = words.replace(form, "(concealed)")
        return words


class Way(Protocol):
    """One way to log in, used once."""

    name: str

    def begin(self) -> bytes | None:
        """Give the initial response, None where the relay speaks first."""
        ...

    def respond(self, challenge: bytes) -> bytes:
        """Answer a challenge; WrongAnswer where it is none of this way's."""
        ...

    def confirm(self, text: bytes) -> None:
        """Check what came with the relay's consent; WrongAnswer where it did not prove itself."""
        ...


def choose(login: Login, offered: frozenset[str], *, nonce: str) -> Way | None:
    """Choose the best way that the relay offers for this login; None where there is none.

    With a token only XOAUTH2 will do. `nonce` is a fresh random text without commas for SCRAM.
    """
    if login.token:
        return _Bearer(login) if "XOAUTH2" in offered else None
    if "SCRAM-SHA-256" in offered:
        return _Scram(login, nonce)
    if "PLAIN" in offered:
        return _Plain(login)
    return _Login(login) if "LOGIN" in offered else None


def to_wire(response: bytes) -> str:
    """Write a response in base64; an empty one is `=` (RFC 4954 section 4)."""
    return _encode(response) or "="


def from_wire(text: str) -> bytes:
    """Read a challenge; WrongAnswer where it is no base64."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise WrongAnswer("a challenge that is no base64") from None


class _Once:
    """What ways without a second word share."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002 - a relay's words, and perhaps ours in them
        """Nothing more is to be said."""
        raise WrongAnswer("a challenge that nobody expects")

    def confirm(self, text: bytes) -> None:
        """Nothing is proven by it."""


class _Plain(_Once):
    name = "PLAIN"

    def begin(self) -> bytes:
        return f"\0{self._login.user}\0{self._login.password}".encode()


class _Login(_Once):
    """No standard, and the one thing that some old servers know: name and password when asked."""

    name = "LOGIN"

    def __init__(self, login: Login) -> None:
        super().__init__(login)
        self._unsaid = [login.user.encode(), login.password.encode()]

    def begin(self) -> bytes | None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        if not self._unsaid:
            return super().respond(challenge)
        return self._unsaid.pop(0)


class _Bearer(_Once):
    name = "XOAUTH2"

    def __init__(self, login: Login) -> None:
        super().__init__(login)
        self._details_heard = False

    def begin(self) -> bytes:
        return _bearer(self._login)

    def respond(self, challenge: bytes) -> bytes:
        if self._details_heard:
            return super().respond(challenge)
        self._details_heard = True  # of why not; the refusal follows an empty answer
        return b""


class _Scram(_Once):
    """SCRAM-SHA-256 without channel binding: the password never leaves, and the relay proves that it knows it."""

    name = "SCRAM-SHA-256"

    def __init__(self, login: Login, nonce: str) -> None:
        super().__init__(login)
        self._nonce = nonce
        name = _prepared(login.user).replace("=", "=3D").replace(",", "=2C")
        self._first = f"n={name},r={nonce}"
        self._proof_of_relay: bytes | None = None
        self._proven = False

    def begin(self) -> bytes:
        return f"n,,{self._first}".encode()

    def respond(self, challenge: bytes) -> bytes:
        if self._proven:
            return super().respond(challenge)
        if self._proof_of_relay is not None:
            self.confirm(challenge)
            return b""
        given = _attributes(challenge)
        nonce, rounds = given.get("r", ""), given.get("i", "")
        if "m" in given:
            raise WrongAnswer("an extension of SCRAM that must be understood")
        if not nonce.startswith(self._nonce) or len(nonce) <= len(self._nonce):
            raise WrongAnswer("a nonce that is not built upon ours")
        if not (_NUMBER.fullmatch(rounds) and _FEWEST_ROUNDS <= int(rounds) <= _MOST_ROUNDS):
            raise WrongAnswer(f"{rounds or 'no'} rounds of hashing")
        salted = hashlib.pbkdf2_hmac(
            "sha256", _prepared(self._login.password).encode(), from_wire(given.get("s", "")), int(rounds)
        )
        bare = f"c=biws,r={nonce}"
        signed = ",".join((self._first, challenge.decode("utf-8"), bare)).encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        self._proof_of_relay = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return f"{bare},p={_encode(proof)}".encode()

    def confirm(self, text: bytes) -> None:
        if self._proven:
            return
        given = _attributes(text)
        if self._proof_of_relay is None or not hmac.compare_digest(from_wire(given.get("v", "")), self._proof_of_relay):
            raise WrongAnswer(f"no proof that it knows the password ({given.get('e', 'none given')})")
        self._proven = True


def _attributes(text: bytes) -> dict[str, str]:
    try:
        parts = text.decode("utf-8").split(",")
    except UnicodeDecodeError:
        raise WrongAnswer("a challenge that is not UTF-8") from None
    return {one[:1]: one[2:] for one in parts if one[1:2] == "="}


def _bearer(login: Login) -> bytes:
    return f"user={login.user}\x01auth=Bearer {login.token}\x01\x01".encode()


def _prepared(text: str) -> str:
    """SASLprep without its refusals: one form for what looks alike (RFC 4013 sections 2.1 and 2.2)."""
    if text.isascii():
        return text
    kept = (" " if stringprep.in_table_c12(one) else one for one in text if not stringprep.in_table_b1(one))
    return unicodedata.normalize("NFKC", "".join(kept))


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
