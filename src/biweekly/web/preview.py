"""Shell. The local preview: an issue on a phone and a desktop, in the dark and as plain text, anew at every save.

For one editor on their own machine: loopback only, nothing here changes anything, and mail is shown inside a sandbox
with a policy of its own. Every page works without JavaScript.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from biweekly.contracts import Environ
from biweekly.errors import BiweeklyError, NothingToDo
from biweekly.model.issue import IssueId
from biweekly.web import frame, mailbox
from biweekly.web.bell import Bell
from biweekly.web.guard import Guard
from biweekly.web.proofing import FOLDERS, Proof, ProofDesk

HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
WARN_BYTES: Final = 90_000
CLIP_BYTES: Final = 102_000
VIEWS: Final = {
    "both": "Phone and desktop",
    "phone": "Phone",
    "desktop": "Desktop",
    "dark": "Dark",
    "bare": "Without pictures",
    "web": "Web version",
    "text": "Plain text",
}
_PHONE, _DESKTOP = ("phone", 375), ("desktop", 700)
# Which frames a view has, and what is asked for in them.
_FRAMES: Final[dict[str, tuple[tuple[tuple[str, int], ...], str]]] = {
    "both": ((_PHONE, _DESKTOP), "mail?"),
    "phone": ((_PHONE,), "mail?"),
    "desktop": ((_DESKTOP,), "mail?"),
    "dark": ((_PHONE, _DESKTOP), "mail?dark=1&"),
    "bare": ((_PHONE, _DESKTOP), "mail?pictures=0&"),
    "web": ((_PHONE, _DESKTOP), "web?"),
    "text": ((), ""),
}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def preview_app(root: Path, *, environ: Environ, watch: bool = True) -> Starlette:
    """Build the preview of one publication folder; `watch` false leaves out the reloading."""
    desk, bell = ProofDesk(root, environ=environ), Bell()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(bell.watch(root, FOLDERS)) if watch else None
        try:
            yield
        finally:
            bell.close()
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    app = Starlette(
        routes=[
            Route("/", _list),
            Route("/i/{issue}", _issue),
            Route("/i/{issue}/mail", _mail),
            Route("/i/{issue}/text", _text),
            Route("/i/{issue}/web", _web),
            Route("/w/{web_id}", _read_on),
            Route("/u/{token}", _leave),
            Route("/m/{sha256}", _picture),
            *mailbox.routes(desk.publication),
            Route("/events", _events),
            Route("/static/{name}", _static),
            Route("/favicon.ico", _no_icon),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            Middleware(Guard, headers=frame.HEADERS),
        ],
        exception_handlers={BiweeklyError: _faulty, 404: _lost},
        lifespan=lifespan,
    )
    app.state.desk, app.state.bell = desk, bell
    return app


# --- pages -------------------------------------------------------------------------------------------------------


async def _list(request: Request) -> Response:
    name, issues = await run_in_threadpool(_desk(request).issues)
    return _page(request, "issues.html", publication=name, issues=issues)


async def _issue(request: Request) -> Response:
    desk, word = _desk(request), request.path_params["issue"]
    view = request.query_params.get("view", "both")
    if view not in VIEWS:
        view = "both"
    issue = await run_in_threadpool(desk.resolve, word)
    if issue != word:
        query = f"?view={view}" if view != "both" else ""
        return RedirectResponse(f"/i/{issue}{query}")
    seen = _bell(request).count
    look = await run_in_threadpool(desk.look, issue)
    version = look.proof.edition.sha256[:12] if look.proof else ""
    screens, asked = _FRAMES[view]
    frames = [
        {"id": name, "width": width, "dark": view == "dark", "src": f"/i/{issue}/{asked}v={version}"}
        for name, width in screens
    ]
    return _page(
        request, "issue.html", look=look, proof=look.proof, fault=look.fault, view=view, views=VIEWS, frames=frames,
        seen=seen, sandbox=frame.SANDBOX, warn=WARN_BYTES, clip=CLIP_BYTES,
    )  # fmt: skip


async def _mail(request: Request) -> Response:
    proof = await run_in_threadpool(_proof, request)
    if proof is None:
        return _lost_page(request)
    # Where the letter leads on, it leads to this preview's own copy of the web version.
    letter = proof.html.replace(f"{proof.public_url}/w/", "/w/")
    asked = request.query_params
    return frame.mail(
        letter, public_url=proof.public_url, dark=asked.get("dark") == "1", pictures=asked.get("pictures") != "0"
    )


async def _web(request: Request) -> Response:
    proof = await run_in_threadpool(_proof, request)
    return _lost_page(request) if proof is None else _web_page(proof)


async def _read_on(request: Request) -> Response:
    proof = _desk(request).by_web_id(request.path_params["web_id"])
    return _lost_page(request) if proof is None else _web_page(proof)


def _web_page(proof: Proof) -> Response:
    return frame.mail(proof.edition.web.replace(f"{proof.public_url}/w/", "/w/"), public_url=proof.public_url)


async def _leave(request: Request) -> Response:
    said = NothingToDo(
        "here a reader would unsubscribe; the sample reader of the preview stays", code="nothing-here",
        place=request.url.path,
    )  # fmt: skip
    return _page(request, "fault.html", fault=said, status=404)


async def _text(request: Request) -> Response:
    proof = await run_in_threadpool(_proof, request)
    return _lost_page(request) if proof is None else PlainTextResponse(proof.text)


async def _picture(request: Request) -> Response:
    sha256 = request.path_params["sha256"]
    path = await run_in_threadpool(_desk(request).picture, sha256) if _SHA256.fullmatch(sha256) else None
    if path is None:
        return _lost_page(request)
    head = await run_in_threadpool(_head, path)
    kind = "image/png" if head.startswith(b"\x89PNG") else "image/jpeg"
    return FileResponse(path, media_type=kind)


async def _events(request: Request) -> Response:
    bell = _bell(request)
    told = request.headers.get("last-event-id") or request.query_params.get("seen", "")
    seen = int(told) if re.fullmatch(r"\d{1,9}", told) else bell.count
    return StreamingResponse(
        bell.stream(seen), media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )  # fmt: skip


async def _static(request: Request) -> Response:
    return frame.static(request.path_params["name"]) or _lost_page(request)


async def _no_icon(_: Request) -> Response:
    # A browser asks by itself where a mail stands alone, and would report that there is none.
    return Response(status_code=204)


async def _faulty(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, NothingToDo) else 500
    return _page(request, "fault.html", fault=error, status=status)


async def _lost(request: Request, _: Exception) -> Response:
    return _lost_page(request)


def _lost_page(request: Request) -> Response:
    nothing = NothingToDo("there is nothing at this address", code="nothing-here", place=request.url.path)
    return _page(request, "fault.html", fault=nothing, status=404)


# --- what they share ---------------------------------------------------------------------------------------------


def _desk(request: Request) -> ProofDesk:
    desk: ProofDesk = request.app.state.desk
    return desk


def _bell(request: Request) -> Bell:
    bell: Bell = request.app.state.bell
    return bell


def _proof(request: Request) -> Proof | None:
    """The proof that the page shows, rendered first where no page has asked for it yet."""
    desk = _desk(request)
    issue: IssueId = desk.resolve(request.path_params["issue"])
    return desk.last_good(issue) or desk.look(issue).proof


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _page(request: Request, name: str, *, status: int = 200, **words: Any) -> HTMLResponse:
    return frame.page(name, status=status, **{"seen": _bell(request).count, **words})
