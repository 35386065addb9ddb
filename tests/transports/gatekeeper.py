"""The relay's side of logging in: PLAIN, LOGIN, XOAUTH2 and SCRAM-SHA-256, by the standards and not by our client."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable
from typing import Final

from tests.transports.script import Habits

WELCOME: Final = "235 2.7.0 welcome"
WRONG: Final = "535 5.7.8 wrong name or password"
_ROUNDS: Final = 4096
_Ask = Callable[[bytes], Awaitable[str]]


async def judge(argument: str, habits: Habits, ask: _Ask, *, impostor: bool) -> str:
    """Return the reply to AUTH. `ask` says a challenge and returns the client's line.

    An `impostor` does not know the secret: it takes whoever comes, and proves itself by what it makes up.
    """
    mechanism, _, initial = argument.partition(" ")
    if habits.login is None or mechanism.upper() not in habits.mechanisms:
        return "504 5.5.4 no such mechanism"
    user, secret = habits.login
    match mechanism.upper():
        case "PLAIN":
            said = _plain(initial or await ask(b""))
            return WELCOME if said == f"\0{user}\0{secret}".encode() else WRONG
        case "LOGIN":
            said = _plain(initial or await ask(b"Username:"))
            password = _plain(await ask(b"Password:"))
            return WELCOME if (said, password) == (user.encode(), secret.encode()) else WRONG
        case "XOAUTH2":
            if _plain(initial) == f"user={user}\x01auth=Bearer {secret}\x01\x01".encode():
                return WELCOME
            empty = await ask(json.dumps({"status": "401", "schemes": "bearer", "scope": "mail"}).encode())
            return WRONG if empty == "" else "501 5.5.2 an empty line was expected"
        case "SCRAM-SHA-256":
            return await _scram(_plain(initial), habits, ask, impostor=impostor)
        case unknown:
            raise ValueError(f"no such mechanism: {unknown}")


async def _scram(first: bytes, habits: Habits, ask: _Ask, *, impostor: bool) -> str:
    assert habits.login is not None
    user, secret = habits.login
    bare = first.decode().removeprefix("n,,")
    given = _attributes(bare)
    salt = os.urandom(16)
    nonce = given["r"] + base64.b64encode(os.urandom(12)).decode()
    challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={_ROUNDS}"
    final = _plain(await ask(challenge.encode())).decode()
    without_proof, _, proof = final.rpartition(",p=")
    salted = hashlib.pbkdf2_hmac("sha256", b"a guess" if impostor else secret.encode(), salt, _ROUNDS)
    signed = f"{bare},{challenge},{without_proof}".encode()
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    signature = hmac.digest(stored, signed, "sha256")
    key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
    right = (
        hashlib.sha256(key).digest() == stored
        and given["n"] == user.replace("=", "=3D").replace(",", "=2C")
        and _attributes(without_proof) == {"c": "biws", "r": nonce}
    )
    if not (right or impostor):
        return WRONG
    verifier = b"v=" + base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256"))
    if habits.proof_with_consent:
        return f"{WELCOME} {base64.b64encode(verifier).decode()}"
    return WELCOME if await ask(verifier) == "" else "501 5.5.2 an empty line was expected"


def _plain(text: str) -> bytes:
    return b"" if text == "=" else base64.b64decode(text, validate=True)


def _attributes(text: str) -> dict[str, str]:
    return {one[0]: one[2:] for one in text.split(",")}
