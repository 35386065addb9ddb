"""Pure. The issue as plain text: the same things in the same order as the HTML, written from the page, not from it.

Lines are at most 72 cells wide but for addresses, which are never broken.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from biweekly.model.issue import Form
from biweekly.render.layout import Item, Page, Plate
from biweekly.render.markdown import plain, read_markdown
from biweekly.render.words import Words, words_for
from biweekly.render.wrap import WIDTH, cells, wrap

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

_HEAVY: Final = "=" * WIDTH
_LIGHT: Final = "-" * WIDTH
_BREAK: Final = "* * *"


def write_text(page: Page, *, web_url: str, unsubscribe_url: str, reader_address: str) -> str:
    """Return the plain text of an issue, ending in one line feed. The addresses handed in may be placeholders."""
    words = words_for(page.language)
    about = ", ".join(filter(None, (page.number, page.date)))
    blocks = [f"{wrap(page.name)}\n{wrap(about)}", f"{words.web_version}:\n{web_url}"]
    if page.note:
        blocks += [_head(words.note), markdown_text(page.note)]
    if page.contents and not page.lead_opens:
        blocks += [_head(words.contents), "\n".join(_contents(page.contents))]
    if page.lead is not None:
        blocks += [_head(page.lead.section), *_item(page.lead, words, web_url)]
    if page.contents and page.lead_opens:
        blocks += [_head(words.contents_rest), "\n".join(_contents(page.contents))]
    for shelf in page.shelves:
        opened = page.continues(shelf)
        blocks += [*([] if opened else [_head(shelf.title)]), *_items(shelf.items, words, web_url, opened=opened)]
    if page.contributors:
        blocks += [_head(words.contributors)]
        blocks += [wrap(f"{one.name}{one.joint}{one.about}", rest="  ") for one in page.contributors]
    # The reader's address stands alone on its line: nobody knows yet how long it is.
    why = words.why.format(address=f"\n{reader_address}\n", name=page.name)
    blocks += [
        _HEAVY,
        wrap(why),
        f"{words.unsubscribe}:\n{unsubscribe_url}",
        "\n".join(wrap(one) for one in page.address),
    ]
    return "\n\n".join(blocks).strip("\n") + "\n"


def markdown_text(markdown: str, *, plates: Mapping[str, Plate] | None = None, base: str | None = None) -> str:
    """Return Markdown as plain text: links numbered, their addresses below."""
    from markdown_it.tree import SyntaxTreeNode

    links: list[str] = []
    shown = plates or {}
    blocks = _blocks(SyntaxTreeNode(read_markdown(markdown, base=base)).children, links, shown, WIDTH)
    if links:
        blocks.append("\n".join(f"[{number}] {url}" for number, url in enumerate(links, 1)))
    return "\n\n".join(blocks)


def _head(title: str) -> str:
    return f"\n{wrap(title)}\n{_HEAVY}"


def _contents(items: Iterable[Item]) -> Iterable[str]:
    for number, item in enumerate(items, 1):
        yield wrap(item.title, first=f"{number:>2}. ")
        if item.byline:
            yield wrap(item.byline, first="    ")


def _items(items: Iterable[Item], words: Words, web_url: str, *, opened: bool = False) -> Iterable[str]:
    for index, item in enumerate(items):
        if index or opened:
            yield _LIGHT
        yield from _item(item, words, web_url)


def _item(item: Item, words: Words, web_url: str) -> Iterable[str]:
    meta = ", ".join(filter(None, (item.byline, item.date)))
    head = "\n".join(wrap(line) for line in (item.title if item.shows_title else "", meta) if line)
    if head:
        yield head
    if item.form is not Form.TITLE:
        if item.plate is not None:
            yield _picture(item.plate)
        text = item.lead
        if item.form is Form.FULL or not text:
            text = markdown_text(item.body, plates=item.plates, base=item.url or None) or wrap(item.lead)
        else:
            text = wrap(text)
        if text:
            yield text
        for note in item.corrections:
            yield wrap(f"{note.label} {note.text}")
    if item.url:
        yield f"{words.full_text.format(host=item.host)}:\n{item.url}"
    elif item.minutes:
        yield f"{words.full_text_web.format(minutes=item.minutes)}:\n{web_url}#{item.anchor}"
    if item.pdf_url:
        yield f"{words.pdf}:\n{item.pdf_url}"


def _picture(plate: Plate, described: str = "") -> str:
    said = [part for part in (plate.caption or plate.alt or described, plate.credit) if part]
    return wrap(f"[{' '.join(said)}]", rest=" ") if said else ""


def _blocks(nodes: "Iterable[SyntaxTreeNode]", links: list[str], plates: Mapping[str, Plate], width: int) -> list[str]:
    """Write block elements, each a string without line ends around it."""
    done: list[str] = []
    for node in nodes:
        match node.type:
            case "paragraph":
                text = wrap(_inline(node, links, plates), width=width)
            case "heading":
                text = wrap(_inline(node, links, plates), width=width)
            case "blockquote":
                text = _prefixed(_blocks(node.children, links, plates, width - 2), "> ", "> ")
            case "bullet_list" | "ordered_list":
                text = _list(node, links, plates, width)
            case "fence" | "code_block":
                text = _prefixed([node.content.rstrip("\n")], "    ", "    ")
            case "hr":
                text = _BREAK
            case "table":
                text = _table(node, lambda cell: _inline(cell, links, plates), width)
            case _:
                text = "\n\n".join(_blocks(node.children, links, plates, width))
        if text.strip():
            done.append(text)
    return done


def _prefixed(blocks: list[str], first: str, rest: str) -> str:
    lines = "\n\n".join(blocks).split("\n")
    return "\n".join(f"{rest if index else first}{line}".rstrip(" ") for index, line in enumerate(lines))


def _list(node: "SyntaxTreeNode", links: list[str], plates: Mapping[str, Plate], width: int) -> str:
    start = int(str(node.attrs.get("start", 1)))
    items: list[str] = []
    loose = False
    for number, item in enumerate(node.children, start):
        mark = "- " if node.type == "bullet_list" else f"{number}. "
        blocks = _blocks(item.children, links, plates, width - len(mark))
        # A paragraph that the source set tight is hidden: its item needs no blank line around it.
        loose = loose or any(one.type == "paragraph" and not one.hidden for one in item.children)
        items.append(_prefixed(blocks, mark, " " * len(mark)))
    return ("\n\n" if loose else "\n").join(items)


def _table(node: "SyntaxTreeNode", write: "Callable[[SyntaxTreeNode], str]", width: int) -> str:
    """Columns where they fit, else one block a row with each cell behind its head."""
    rows = [
        [write(cell).replace("\n", " ") for cell in row.children] for part in node.children for row in part.children
    ]
    widths = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        lines = [
            "  ".join(cell + " " * (room - cells(cell)) for cell, room in zip(row, widths, strict=True)) for row in rows
        ]
        lines.insert(1, "  ".join("-" * room for room in widths))
        return "\n".join(line.rstrip(" ") for line in lines)
    head, *body = rows
    blocks = (
        "\n".join(wrap(f"{name}: {cell}", width=width, rest="  ") for name, cell in zip(head, row, strict=True))
        for row in body
    )
    return "\n\n".join(blocks)


def _inline(node: "SyntaxTreeNode", links: list[str], plates: Mapping[str, Plate]) -> str:
    written: list[str] = []
    for child in node.children:
        match child.type:
            case "inline":
                written.append(_inline(child, links, plates))
            case "softbreak":
                written.append(" ")
            case "hardbreak":
                written.append("\n")
            case "link":
                written.append(_link(_inline(child, links, plates), str(child.attrs["href"]), links))
            case "image":
                words = plain(child.token.children or [] if child.token else [])
                plate = plates.get(str(child.attrs.get("src", "")))
                written.append(_picture(plate, words).replace("\n", " ") if plate else words)
            case "em":
                written.append(f"_{_inline(child, links, plates)}_")
            case _:
                written.append(_inline(child, links, plates) if child.children else child.content)
    return "".join(written)


def _link(text: str, url: str, links: list[str]) -> str:
    if text in {url, url.removeprefix("mailto:")}:
        return text
    if url not in links:
        links.append(url)
    return f"{text} [{links.index(url) + 1}]"
