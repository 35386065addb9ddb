"""Shell. What every answer carries, and how much of a request is read."""

import asyncio
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT: Final = 16_384  # a one-click body is 26 bytes, 200 in multipart
_BODY_PATIENCE: Final = 10.0  # seconds for all of it, so that slow senders hold nothing

_HEADERS: Final = (
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


class Guard:
    """Gives every answer the strict headers, unless the page has set a header of that name itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS:
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_guarded)


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
