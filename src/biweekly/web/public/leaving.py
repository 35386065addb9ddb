"""Shell. Leaving the list: a page with one button, and the one-click POST of mail programs (RFC 8058)."""

import logging
from typing import Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from biweekly.errors import TokenError
from biweekly.model.subscriber import Standing, Subscriber
from biweekly.tokens import Claim, Purpose
from biweekly.web.public.doors import PublicDoors
from biweekly.web.public.guard import read_body
from biweekly.web.public.lobby import lost, too_much
from biweekly.web.public.page import answer

_LOG: Final = logging.getLogger("biweekly.public")
_OUT: Final = frozenset({Standing.LEFT, Standing.SUPPRESSED, Standing.ERASED})
_SHOWN: Final = 3


async def link(doors: PublicDoors, request: Request) -> Response:
    """Answer the unsubscribe link of a letter."""
    return await (leave if request.method == "POST" else ask)(doors, request)


async def ask(doors: PublicDoors, request: Request) -> Response:
    """Show who would leave, and one button. Changes nothing."""
    claim = _claim(doors, request)
    if claim is None:
        return await lost(doors, request)
    if not claim.subscriber:
        return answer(request, "test_copy.html", publication=doors.publication)
    person = await run_in_threadpool(doors.reader, claim.subscriber)
    out = person is None or person.standing in _OUT
    return answer(
        request, "out.html" if out else "ask.html", publication=doors.publication, address=_address(person),
        just_now=False,
    )  # fmt: skip


async def leave(doors: PublicDoors, request: Request) -> Response:
    """Take the person off the list: the token alone decides.

    A mail program's POST (RFC 8058 section 3.2: `List-Unsubscribe=One-Click`, in either encoding, or whatever else it
    sends) is answered 200, without a redirect or a cookie, however often it comes; the button's with a page.
    """
    claim = _claim(doors, request)
    if claim is None:
        return await lost(doors, request)
    body = await read_body(request)
    if body is None:
        return await too_much(doors, request)
    pressed = _pressed(request, body)
    if not claim.subscriber:
        return answer(request, "test_copy.html", publication=doors.publication)
    way = "unsubscribe page" if pressed else "one-click"
    await run_in_threadpool(doors.leave, claim.subscriber, claim.mailing, way)
    if not pressed:
        return PlainTextResponse("You are out.\n")
    person = await run_in_threadpool(doors.reader, claim.subscriber)
    return answer(request, "out.html", publication=doors.publication, address=_address(person), just_now=True)


def mask(written: str) -> str:
    """Show enough of an address for its owner, and not enough for whoever got a forwarded copy."""
    local, _, domain = written.rpartition("@")
    return f"{local[: min(_SHOWN, len(local) // 2)]}•••@{domain}"


def _claim(doors: PublicDoors, request: Request) -> Claim | None:
    token = request.path_params["token"]
    try:
        return doors.signer.read(Purpose.UNSUBSCRIBE, token)
    except TokenError:
        # Never the whole token: who reads the log must not be able to press.
        _LOG.warning("unsubscribe link refused: %s, %d characters, begins %r", request.method, len(token), token[:6])
        return None


def _address(person: Subscriber | None) -> str | None:
    return mask(person.mailbox.address.written) if person is not None and person.mailbox is not None else None


def _pressed(request: Request, body: bytes) -> bool:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return False
    try:
        return parse_qs(body.decode("ascii"), max_num_fields=10).get("press") == ["leave"]
    except ValueError:
        return False
