"""Shell. From a page's file and its words to an answer."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

PAGES: Final = Path(__file__).parent / "pages"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def answer(request: Request, name: str, *, status: int = 200, **words: Any) -> HTMLResponse:
    """Fill in a page. Its links are relative, so that the pages work behind any path of a proxy."""
    path = request.scope.get("raw_path") or request.url.path.encode()  # as the browser sees it, where %2F is no slash
    up = "../" * max(0, path.count(b"/") - 1) or "./"
    return HTMLResponse(_environment().get_template(name).render(up=up, **words), status)
