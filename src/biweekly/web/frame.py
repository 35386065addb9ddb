"""Shell. What every page on this machine shares: templates, the strict policy, mail shown inside a sandbox."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final

from starlette.responses import HTMLResponse, Response

from biweekly.model.issue import Entry

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    ("content-security-policy", _POLICY),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)
# Scripts never run in a mail. With the same origin the page around it can measure its height; links open outside.
SANDBOX: Final = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
_MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; base-uri 'none'; "
    f"frame-ancestors 'self'; sandbox {SANDBOX}"
)
_STATIC: Final = {"preview.css": "text/css; charset=utf-8", "preview.js": "text/javascript; charset=utf-8"}


def page(name: str, *, status: int = 200, **words: Any) -> HTMLResponse:
    """Fill a page's template."""
    return HTMLResponse(_templates().get_template(name).render(**words), status)


def mail(html: str, *, public_url: str, dark: bool = False, pictures: bool = True) -> HTMLResponse:
    """Show a mail as its reader's program would, in a sandbox, with its pictures from this machine or without any."""
    shown = html.replace(f"{public_url}/m/", "/m/")
    # A link opens beside the preview; places in the mail itself stay where they are.
    shown = re.sub(r'<a (?=[^>]*href="(?:https?:|/))', '<a target="_blank" rel="noopener noreferrer" ', shown)
    if not pictures:
        shown = re.sub(r'(<img\b[^>]*?)\ssrc="[^"]*"', r"\1", shown)
    if dark:
        # Switch the mail's own dark styles on: what a reader's program does by itself, in every browser alike.
        shown = re.sub(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)", "all", shown)
    return HTMLResponse(shown, headers={"content-security-policy": _MAIL_POLICY})


def static(name: str) -> Response | None:
    """Return a style sheet or script of ours, None where there is no such file."""
    if name not in _STATIC:
        return None
    return Response(files("biweekly.web").joinpath("static", name).read_bytes(), media_type=_STATIC[name])


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("biweekly.web", "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    pages.filters["by_section"] = _by_section
    return pages


def _by_section(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Group by section in printing order, which sorting by title would spoil."""
    found: dict[str, list[Entry]] = {}
    for one in entries:
        found.setdefault(one.section, []).append(one)
    return found
