"""Pure. A report's Markdown as an HTML fragment that is safe to put into a mail."""

import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from biweekly.render.layout import NO_PLATES, Plate
from biweekly.render.markdown import as_html, lone_image, plain, read_markdown
from biweekly.render.safe import clean_url

if TYPE_CHECKING:
    from lxml.html import HtmlElement
    from markdown_it.token import Token

_TAGS: Final = {
    "p", "h2", "h3", "h4", "h5", "h6", "em", "strong", "s", "a", "ul", "ol", "li", "blockquote", "br", "hr", "sup",
    "sub", "img", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "b", "i", "div", "span",
}  # fmt: skip
_ATTRIBUTES: Final = {
    "a": {"href"},
    "img": {"src", "alt", "width"},
    "ol": {"start"},
    "th": {"align", "scope"},
    "td": {"align"},
    "*": {"lang", "dir"},
}
_OWN_CLASSES: Final = {"p": {"figure", "caption"}, "table": {"data"}}
_CONTENT_DROPPED: Final = {
    "script", "style", "title", "head", "template", "noscript", "iframe", "object", "svg", "math", "select", "textarea",
}  # fmt: skip
_MAY_HIDE: Final = re.compile(r"\s(?:style|hidden|aria-hidden)\b", re.IGNORECASE)
_HIDING: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all"
    r"|(?:font-size|max-height|opacity)\s*:\s*0(?:\D|$)",
    re.IGNORECASE,
)
_DEEPEST: Final = 6


def fragment(
    markdown: str,
    *,
    heading: int = 4,
    width: int = 576,
    plates: Mapping[str, Plate] = NO_PLATES,
    base: str | None = None,
) -> str:
    """Return a report's body as safe HTML.

    Its highest heading becomes `h<heading>`, so that it stays below the title it stands under. Pictures are those of
    `plates` (by the path in the report), shown at most `width` px wide; any other picture becomes its description, a
    link where it has an address. `base` resolves relative links.
    """
    tokens = read_markdown(markdown, base=base)
    highest = min((int(one.tag[1]) for one in tokens if one.type == "heading_open"), default=1)
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.type == "paragraph_open" and (image := lone_image(tokens[index + 1])) is not None:
            plate = plates.get(str(image.attrs.get("src", "")))
            if plate is not None:
                done.append(_html_token(_figure(plate, plain(image.children or []), width)))
                index += 3
                continue
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(_DEEPEST, int(token.tag[1]) - highest + heading)}"
        _align(token)
        token.children = [_shown(one, plates, width) for one in token.children or []]
        done.append(token)
        index += 1
    return sanitise(as_html(done))


def sanitise(markup: str) -> str:
    """Return HTML of any origin with nothing in it that acts, hides, or is fetched from elsewhere than it says.

    What its author hid is removed with its words; then only an allow-list of tags and attributes remains, repaired:
    unclosed elements are closed, blanks between inline elements stay.
    """
    import nh3

    if _MAY_HIDE.search(markup):
        markup = _without_hidden(markup)
    return nh3.clean(
        markup,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_OWN_CLASSES,
        clean_content_tags=_CONTENT_DROPPED,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
        strip_comments=True,
    )


def _without_hidden(markup: str) -> str:
    from lxml import html as lxml_html

    root: HtmlElement = lxml_html.fragment_fromstring(markup, create_parent="div")
    for node in list(root.iterdescendants()):
        if not isinstance(node.tag, str):
            continue
        hidden = node.get("hidden") is not None or (node.get("aria-hidden") or "").lower() == "true"
        if (hidden or _HIDING.search(node.get("style") or "")) and node.getparent() is not None:
            node.drop_tree()
    inside = lxml_html.tostring(root, encoding="unicode")
    return str(inside).removeprefix("<div>").removesuffix("</div>")


def _html_token(markup: str, *, inline: bool = False) -> "Token":
    from markdown_it.token import Token

    return Token("html_inline" if inline else "html_block", "", 0, content=markup)


def _align(token: "Token") -> None:
    """Column alignment as an attribute (a style would not pass), and column heads that say so."""
    if token.type in {"th_open", "td_open"}:
        style = str(token.attrs.pop("style", ""))
        if style:
            token.attrs["align"] = style.removeprefix("text-align:")
        if token.type == "th_open":
            token.attrs["scope"] = "col"
    elif token.type == "table_open":
        token.attrs["class"] = "data"


def _shown(token: "Token", plates: Mapping[str, Plate], width: int) -> "Token":
    if token.type != "image":
        return token
    source, words = str(token.attrs.get("src", "")), plain(token.children or [])
    plate = plates.get(source)
    if plate is not None:
        return _html_token(_img(plate, words, width), inline=True)
    url = clean_url(source)
    text = html.escape(words)
    return _html_token(f'<a href="{html.escape(url)}">{text}</a>' if url and text else text, inline=True)


def _figure(plate: Plate, words: str, width: int) -> str:
    caption = " ".join(filter(None, (html.escape(plate.caption), html.escape(plate.credit))))
    below = f'<p class="caption">{caption}</p>' if caption else ""
    return f'<p class="figure">{_img(plate, words, width)}</p>{below}\n'


def _img(plate: Plate, words: str, width: int) -> str:
    alt = html.escape(plate.alt or words)
    return f'<img src="{html.escape(plate.url)}" alt="{alt}" width="{min(width, plate.width)}">'
