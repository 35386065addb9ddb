"""Shell. The small pages: the front, the style sheet, and what is said when a door does not open."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from biweekly.web.public.doors import PublicDoors
from biweekly.web.public.page import PAGES, answer


async def front(doors: PublicDoors, request: Request) -> Response:
    """Name the publication."""
    return answer(request, "front.html", publication=doors.publication)


async def style(request: Request) -> Response:  # noqa: ARG001 - the signature is Starlette's
    """Give the style sheet of all pages."""
    return FileResponse(PAGES / "style.css", media_type="text/css", headers={"cache-control": "public, max-age=3600"})


async def robots(request: Request) -> Response:  # noqa: ARG001 - the signature is Starlette's
    """Ask search engines to stay out: what is here is for people who got a letter."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


async def lost(doors: PublicDoors, request: Request, error: Exception | None = None) -> Response:  # noqa: ARG001 - theirs
    """Say that there is nothing at this address; the same for a forged, a cut and an unknown one."""
    return answer(request, "lost.html", status=404, publication=doors.publication)


async def wrong_way(doors: PublicDoors, request: Request, error: Exception) -> Response:
    """Refuse a method that this address does not know."""
    response = answer(request, "lost.html", status=405, publication=doors.publication)
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def too_much(doors: PublicDoors, request: Request) -> Response:
    """Refuse a body that no button and no mail program sends."""
    return answer(request, "lost.html", status=413, publication=doors.publication)


async def closed(doors: PublicDoors, request: Request, error: Exception) -> Response:  # noqa: ARG001 - theirs
    """Say that the database does not answer: nothing was changed, and a mail program tries again."""
    response = answer(request, "closed.html", status=503, publication=doors.publication)
    response.headers["retry-after"] = "60"
    return response
