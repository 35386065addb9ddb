"""Shell. The built-in mailbox to look at: what was caught, newest first, each letter as its reader would see it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from biweekly.errors import NothingToDo
from biweekly.publication import Publication
from biweekly.web import frame

_NEWEST: Final = 500


@dataclass(frozen=True, slots=True)
class _Letter:
    """A caught letter, taken apart. `html` is None in a text-only one."""

    number: int
    headers: tuple[tuple[str, str], ...]
    subject: str
    html: str | None
    text: str
    size_bytes: int


def routes(publication: Callable[[], Publication]) -> list[Route]:
    """Return the pages of a publication's mailbox; it is opened anew at each look, as its files may have changed."""

    async def listing(request: Request) -> Response:
        from biweekly.transports.mailbox import list_caught

        where = publication().mailbox
        caught = await asyncio.to_thread(list_caught, where, newest=_NEWEST)
        return frame.page("mailbox.html", seen=_seen(request), caught=caught[::-1], most=_NEWEST)

    async def one(request: Request) -> Response:
        letter = await asyncio.to_thread(_open, publication().mailbox, request.path_params["number"])
        view = "text" if letter.html is None or request.query_params.get("view") == "text" else "mail"
        return frame.page("letter.html", seen=_seen(request), letter=letter, view=view, sandbox=frame.SANDBOX)

    async def mail(request: Request) -> Response:
        letter = await asyncio.to_thread(_open, publication().mailbox, request.path_params["number"])
        if letter.html is None:
            return PlainTextResponse(letter.text)
        return frame.mail(letter.html, public_url=publication().config.publication.public_url)

    async def raw(request: Request) -> Response:
        return PlainTextResponse(await asyncio.to_thread(_read, publication().mailbox, request.path_params["number"]))

    return [
        Route("/mailbox", listing),
        Route("/mailbox/{number:int}", one),
        Route("/mailbox/{number:int}/mail", mail),
        Route("/mailbox/{number:int}/raw", raw),
    ]


def _seen(request: Request) -> int:
    return int(request.app.state.bell.count)


def _read(folder: Path, number: int) -> bytes:
    from biweekly.transports.mailbox import read_caught

    raw = read_caught(folder, number)
    if raw is None:
        raise NothingToDo("no such letter was caught", code="nothing-here", place=f"mailbox/{number}")
    return raw


def _open(folder: Path, number: int) -> _Letter:
    raw = _read(folder, number)
    message = message_from_bytes(raw, policy=policy.default)
    parts = {one.get_content_subtype(): one for one in message.walk() if one.get_content_maintype() == "text"}
    html, text = parts.get("html"), parts.get("plain")
    return _Letter(
        number=number,
        headers=tuple((name, str(value)) for name, value in message.items()),
        subject=str(message.get("Subject", "")),
        html=None if html is None else _words(html),
        text="" if text is None else _words(text),
        size_bytes=len(raw),
    )


def _words(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        return raw.decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:
        return raw.decode("utf-8", errors="replace")
