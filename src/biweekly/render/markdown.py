"""Pure. A report's Markdown as tokens, read the same way for HTML and for plain text.

CommonMark with tables and strikethrough, raw HTML off: `<b>` in a report is four characters. Links are made absolute
and safe here, once for both renderings; one that cannot be followed from a mail leaves its words behind.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from biweekly.render.safe import clean, clean_url

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_RUN_IN: Final = re.compile(r"(?:BACKGROUND|IMPLICATIONS|CONCLUSIONS?|KEY ISSUE):")


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    # Every address reaches clean_url as it was written; the parser's own encoding spoils hosts in other alphabets.
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.validateLink = lambda url: True  # type: ignore[method-assign] # noqa: ARG005 - clean_url judges
    return parser


def read_markdown(text: str, *, base: str | None = None) -> "list[Token]":
    """Read Markdown. `base` is the report's own address, against which relative links are resolved."""
    tokens = _parser().parse(clean(text))
    for index, token in enumerate(tokens):
        if token.type == "inline":
            token.children = _with_safe_links(token.children or [], base)
            if tokens[index - 1].type == "paragraph_open":
                token.children = _with_run_in_head(token.children)
    return tokens


def as_html(tokens: "list[Token]") -> str:
    """Print tokens as HTML, as they are."""
    return str(_parser().renderer.render(tokens, _parser().options, {}))


def lone_image(token: "Token") -> "Token | None":
    """Return the image of a paragraph that holds nothing else."""
    children = [one for one in token.children or [] if one.type != "text" or one.content.strip()]
    return children[0] if len(children) == 1 and children[0].type == "image" else None


def plain(tokens: "list[Token]") -> str:
    """Return the bare words of inline tokens, such as an image's description."""
    return "".join(
        plain(one.children) if one.children else "\n" if one.type in {"softbreak", "hardbreak"} else one.content
        for one in tokens
    )


def _with_safe_links(children: "list[Token]", base: str | None) -> "list[Token]":
    kept: list[Token] = []
    dropped: list[bool] = []
    for token in children:
        if token.type == "link_open":
            url = clean_url(str(token.attrs.get("href", "")), base=base)
            dropped.append(url is None)
            if url is None:
                continue
            token.attrs = {"href": url}
        elif token.type == "link_close" and dropped.pop():
            continue
        kept.append(token)
    return kept


def _with_run_in_head(children: "list[Token]") -> "list[Token]":
    """Set the head that a paragraph runs on from (BACKGROUND: ...) in bold, where its author did not."""
    from markdown_it.token import Token

    found = _RUN_IN.match(children[0].content) if children and children[0].type == "text" else None
    if found is None:
        return children
    head, rest = (
        Token("text", "", 0, content=found[0]),
        Token("text", "", 0, content=children[0].content[found.end() :]),
    )
    return [Token("strong_open", "strong", 1), head, Token("strong_close", "strong", -1), rest, *children[1:]]
