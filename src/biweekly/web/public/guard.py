"""Shell. What every answer carries, and how much of a request is read."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

BODY_LIMIT: Final = 16_384  # a one-click body is 26 bytes, 200 in multipart
_BODY_PATIENCE: Final = 10.0  # seconds for all of it, so that slow senders hold nothing

HEADERS: Final = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex"),
)


async def read_body(request: Request) -> bytes | None:
    """Read a body of at most `BODY_LIMIT` bytes; None where it is longer, too slow, or was broken off."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_PATIENCE):
            async for piece in request.stream():
                body += piece
                if len(body) > BODY_LIMIT:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    return bytes(body)
