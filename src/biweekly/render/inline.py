"""Edge: premailer. Puts the house style onto the elements it names, because not every client reads `<style>`.

Everything the compiler wrote survives: responsive and dark rules, the doctype, widths, conditional comments. That is
asserted, not hoped for. Nothing is fetched.
"""

import logging
import re
from functools import lru_cache
from typing import Final

from biweekly.errors import RenderError

STYLESHEET: Final = "editorial.css"
_MARK: Final = ' data-premailer="ignore"'
_SEAM: Final = re.compile(r"<!\[endif\]-->\s*<!--\[if mso \| IE\]>")
_PLACEHOLDER: Final = re.compile(r"bwph_\w+")
_AT_RULE: Final = re.compile(r"@[a-z-]+", re.IGNORECASE)
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)


def inline(html: str, css: str) -> str:
    """Return compiled HTML with `css` inlined.

    `css` holds rules for elements alone: an @-rule would be lost, and an @import fetched. Raises RenderError
    `style-syntax`, `style-at-rule` with the line in the stylesheet, `inline-failed` where the result is not whole.
    """
    from premailer import Premailer

    _sound(css)
    marked = html.replace("<!doctype html>", "<!DOCTYPE html>").replace("<style", f"<style{_MARK}")
    try:
        done: str = Premailer(
            marked,
            css_text=css,
            allow_network=False,
            allow_loading_external_files=False,
            keep_style_tags=False,
            disable_leftover_css=True,
            strip_important=False,
            disable_basic_attributes=["width", "height", "align", "valign", "bgcolor"],
            disable_validation=True,
            align_floating_images=False,
            remove_unset_properties=False,
            include_star_selectors=False,
            cssutils_logging_level=logging.CRITICAL,
        ).transform(pretty_print=False)
    except (ValueError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise _failed(f"styles could not be put onto the elements: {error}") from error
    done = done.replace(_MARK, "")
    _whole(marked, done)
    return _SEAM.sub("", done)


@lru_cache(maxsize=8)
def _sound(css: str) -> None:
    """Refuse a stylesheet that the inliner would misread in silence."""
    import xml.dom

    import cssutils  # type: ignore[import-untyped]

    bare = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), css)
    if (found := _AT_RULE.search(bare)) is not None:
        raise RenderError(
            f"{found[0]} has no place here: these rules are written onto elements", code="style-at-rule",
            template=STYLESHEET, line=bare.count("\n", 0, found.start()) + 1,
            hint="put it into an <mj-style> of the template",
        )  # fmt: skip
    cssutils.log.setLevel(logging.CRITICAL)
    try:
        cssutils.CSSParser(raiseExceptions=True, validate=False, fetcher=lambda _url: None).parseString(css)
    except xml.dom.DOMException as error:
        place = re.search(r"\[(\d+):\d+:", str(error))
        raise RenderError(
            f"not valid CSS: {error}", code="style-syntax", template=STYLESHEET, line=int(place[1]) if place else None
        ) from error


def _whole(before: str, after: str) -> None:
    """Assert that nothing was lost on the way."""
    if not after.startswith("<!DOCTYPE html>"):
        raise _failed("the document type was lost")
    if before.count("<!--[if") != after.count("<!--[if"):
        raise _failed("a conditional comment for Outlook was lost")
    if sorted(_PLACEHOLDER.findall(before)) != sorted(_PLACEHOLDER.findall(after)):
        raise _failed("a placeholder for the reader's words was lost or doubled")
    for unfit in ("data-premailer", "{{", "{%", "@import", "<link"):
        if unfit in after and unfit not in before.replace(_MARK, ""):
            raise _failed(f"{unfit} appeared")


def _failed(message: str) -> RenderError:
    return RenderError(message, code="inline-failed", template=STYLESHEET)
