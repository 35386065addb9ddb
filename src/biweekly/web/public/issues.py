"""Shell. What letters show from here: the web version of an issue, and its pictures."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from biweekly.web.public.doors import PublicDoors
from biweekly.web.public.lobby import lost

_WEB_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_KINDS: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


async def page(doors: PublicDoors, request: Request) -> Response:
    """Show the frozen issue: a mail's markup with its inline styles, and nothing that could run."""
    web_id = request.path_params["web_id"]
    html = await run_in_threadpool(doors.edition_page, web_id) if _WEB_ID.fullmatch(web_id) else None
    if html is None:
        return await lost(doors, request)
    place = urlsplit(doors.public_url)
    policy = (
        f"default-src 'none'; img-src 'self' {place.scheme}://{place.netloc} https: data:; style-src 'unsafe-inline';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
    )
    return HTMLResponse(html, headers={"content-security-policy": policy, "cache-control": "public, max-age=300"})


async def picture(doors: PublicDoors, request: Request) -> Response:
    """Give a picture, by the hash of its bytes: it can be kept for ever."""
    sha256 = request.path_params["sha256"]
    path = await run_in_threadpool(doors.picture, sha256) if _SHA256.fullmatch(sha256) else None
    kind = await run_in_threadpool(_kind, path) if path is not None else None
    if path is None or kind is None:
        return await lost(doors, request)
    return FileResponse(
        path,
        media_type=kind,
        headers={
            "cache-control": "public, max-age=31536000, immutable",
            "content-security-policy": "default-src 'none'; sandbox",
            # Web mail shows it from another site.
            "cross-origin-resource-policy": "cross-origin",
        },
    )


def _kind(path: Path) -> str | None:
    """Tell a picture's type by its first bytes; None for what is no picture, or not there."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return None
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "image/webp"
    return next((kind for mark, kind in _KINDS if head.startswith(mark)), None)
