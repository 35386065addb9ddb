"""Pure. The MJML that house templates are written in: which tags exist, where they may stand, what they may say.

The compiler writes an unknown tag into the mail as it stands, forgets an unknown attribute, and refuses or panics
without a position on much else. So every document is read here first, as XML, and what is wrong has a line. The
dialect is smaller than MJML: what the compiler does differently from the reference is left out (docs/templates.md).
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.entities import name2codepoint
from typing import Final
from xml.parsers import expat

_BOX: Final = "padding padding-top padding-right padding-bottom padding-left"
_CELL: Final = f"{_BOX} css-class mj-class container-background-color align"
_BORDERS: Final = "border border-top border-right border-bottom border-left border-radius"
_FONT: Final = (
    "color font-family font-size font-style font-weight letter-spacing line-height text-decoration text-transform"
)

ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    tag: frozenset(names.split())
    for tag, names in {
        "mjml": "lang dir",
        "mj-head": "",
        "mj-title": "",
        "mj-breakpoint": "width",
        "mj-style": "",
        "mj-attributes": "",
        "mj-raw": "",
        "mj-body": "width background-color css-class",
        "mj-wrapper": f"{_BOX} {_BORDERS} background-color css-class mj-class full-width text-align",
        "mj-section": f"{_BOX} {_BORDERS} background-color css-class mj-class direction full-width text-align",
        "mj-group": "width vertical-align background-color direction css-class mj-class",
        "mj-column": (
            f"{_BOX} {_BORDERS} width vertical-align background-color inner-background-color inner-border"
            " inner-border-radius css-class mj-class direction"
        ),
        "mj-text": f"{_CELL} {_FONT} height",
        "mj-image": (f"{_CELL} {_BORDERS} src alt width height href target rel title fluid-on-mobile name"),
        "mj-button": (
            f"{_CELL} {_FONT} {_BORDERS} background-color height href inner-padding rel target text-align title"
            " vertical-align width name"
        ),
        "mj-divider": f"{_CELL} border-color border-style border-width width",
        "mj-spacer": f"{_BOX} height css-class mj-class container-background-color",
        "mj-table": f"{_CELL} {_FONT} width cellpadding cellspacing table-layout",
    }.items()
}
_CONTENT: Final = frozenset({"mj-text", "mj-image", "mj-button", "mj-divider", "mj-spacer", "mj-table", "mj-raw"})
CHILDREN: Final[Mapping[str, frozenset[str]]] = {
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": frozenset({"mj-title", "mj-breakpoint", "mj-style", "mj-attributes", "mj-raw"}),
    "mj-body": frozenset({"mj-wrapper", "mj-section", "mj-raw"}),
    "mj-wrapper": frozenset({"mj-section", "mj-raw"}),
    "mj-section": frozenset({"mj-column", "mj-group", "mj-raw"}),
    "mj-group": frozenset({"mj-column", "mj-raw"}),
    "mj-column": _CONTENT,
    "mj-attributes": frozenset(ATTRIBUTES) - {"mjml", "mj-head", "mj-body", "mj-title", "mj-style", "mj-raw"}
    | {"mj-all", "mj-class"},
}
# Where HTML stands; in all others there are only blanks around the tags.
_HOLDS_HTML: Final = frozenset({"mj-text", "mj-button", "mj-table", "mj-raw"})
_HOLDS_TEXT: Final = frozenset({"mj-title", "mj-style"})
_HOLDS_CONDITIONS: Final = frozenset({"mj-text", "mj-raw"})
_HTML: Final = frozenset(
    [
        "a",
        "abbr",
        "address",
        "article",
        "aside",
        "b",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "main",
        "mark",
        "meta",
        "nav",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "section",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "u",
        "ul",
        "var",
        "wbr",
    ]
)
_ANY_DEFAULT: Final = frozenset().union(*ATTRIBUTES.values()) | {"name"}
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
# <!--[if mso]> ... <![endif]-->, and the two halves of <!--[if !mso]><!--> ... <!--<![endif]-->.
_CONDITION: Final = re.compile(r"\[if [^\]<>]*\]>(?:<!|(.*)<!\[endif\])|<!\[endif\]", re.DOTALL)
_GHOST: Final = re.compile(r'<(/?)([a-z][a-z0-9:-]*)((?:\s+[a-z][a-z0-9:-]*="[^"<>]*")*)\s*(/?)>')
_VOID: Final = frozenset({"br", "hr", "img"})
_SPOILED: Final = re.compile(r"""\s[a-z-]+=(?:"[^"<>]*[\n\t\\][^"<>]*"|'[^'<>]*')(?=[^<>]*>)""")
_DEEPEST: Final = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a document, where (line from 1, column from 0), and a cure."""

    code: str
    message: str
    line: int
    column: int
    hint: str | None = None


class _Found(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def numeric_entities(source: str) -> str:
    """Write HTML's named characters as numbers; XML knows five names only."""
    return _ENTITY.sub(
        lambda found: (
            f"&#{name2codepoint[found[1]]};"
            if found[1] in name2codepoint and found[1] not in _XML_ENTITIES
            else found[0]
        ),
        source,
    )


def find_fault(source: str) -> Fault | None:
    """Return the first thing that the compiler would refuse, forget or spoil; None where the document is sound."""
    reading = _Reading()
    try:
        reading.parser.Parse(numeric_entities(source).encode("utf-8"), True)
    except _Found as found:
        return found.fault
    except expat.ExpatError as error:
        return reading.explain(error)
    spoiled = _SPOILED.search(source)
    if spoiled is not None:
        before = source[: spoiled.start()]
        return Fault(
            "template-attribute-value",
            "an attribute's value holds a line end, a tab or a backslash, or stands in single quotes: it gets spoiled",
            before.count("\n") + 1, len(before) - before.rfind("\n") - 1, "write it on one line in double quotes",
        )  # fmt: skip
    return None


def _unclosed(tag: str, noticed: int, line: int, column: int) -> Fault:
    return Fault(
        "template-unclosed-tag", f"<{tag}> is not closed (noticed in line {noticed})", line, column,
        f"write </{tag}> where it ends",
    )  # fmt: skip


class _Reading:
    """One document on its way through the XML parser: the open tags, each with the line it stands on."""

    def __init__(self) -> None:
        self.open: list[tuple[str, int, int]] = []
        self.parser = expat.ParserCreate("utf-8")
        self.parser.ordered_attributes = False
        self.parser.StartElementHandler = self._starts
        self.parser.EndElementHandler = self._ends
        self.parser.CharacterDataHandler = self._says
        self.parser.CommentHandler = self._remarks
        self.parser.StartDoctypeDeclHandler = lambda *_: self._fail(
            "template-syntax", "a document type has no place here"
        )
        self.parser.ProcessingInstructionHandler = lambda *_: self._fail(
            "template-syntax", "a processing instruction has no place here"
        )
        self.parser.StartCdataSectionHandler = lambda: self._fail("template-syntax", "CDATA has no place here")

    def _fail(self, code: str, message: str, hint: str | None = None) -> None:
        raise _Found(Fault(code, message, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber, hint))

    def _starts(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self.open[-1][0] if self.open else None
        if len(self.open) >= _DEEPEST:
            self._fail("template-too-deep", f"more than {_DEEPEST} tags are open inside one another")
        if any(one == "mj-attributes" for one, _, _ in self.open):
            self._default(tag, parent or "", attributes)
        elif any(one in _HOLDS_HTML for one, _, _ in self.open):
            self._html(tag, attributes)
        else:
            self._mjml(tag, parent, attributes)
        self.open.append((tag, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber))

    def _ends(self, _tag: str) -> None:
        ghost, line, column = self.open.pop()
        if ghost.startswith("<"):
            raise _Found(_unclosed(ghost[1:], self.parser.CurrentLineNumber, line, column))

    def _default(self, tag: str, parent: str, attributes: dict[str, str]) -> None:
        if parent != "mj-attributes":
            self._fail("template-misplaced-tag", f"<{tag}> may not stand in <{parent}>: the compiler refuses it")
        if tag not in CHILDREN["mj-attributes"]:
            self._unknown_tag(tag, CHILDREN["mj-attributes"])
        self._known(tag, attributes, _ANY_DEFAULT if tag in {"mj-all", "mj-class"} else ATTRIBUTES[tag])

    def _html(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ATTRIBUTES:
            self._fail("template-misplaced-tag", f"<{tag}> may not stand among HTML", "close the tag around it first")
        if tag not in _HTML:
            self._unknown_tag(tag, _HTML)
        if tag == "img" and "alt" not in attributes:
            self._fail("template-image-alt", '<img> has no alt; alt="" is for a picture that says nothing')

    def _mjml(self, tag: str, parent: str | None, attributes: dict[str, str]) -> None:
        if parent is None and tag != "mjml":
            self._fail("template-misplaced-tag", f"the document begins with <{tag}>", "it begins with <mjml>")
        if tag not in ATTRIBUTES:
            self._unknown_tag(tag, frozenset(ATTRIBUTES))
        if parent is not None and tag not in CHILDREN.get(parent, frozenset()):
            fits = ", ".join(sorted(f"<{one}>" for one, inner in CHILDREN.items() if tag in inner))
            self._fail("template-misplaced-tag", f"<{tag}> may not stand in <{parent}>", f"it stands in {fits}")
        self._known(tag, attributes, ATTRIBUTES[tag])
        if tag == "mj-image" and "alt" not in attributes:
            self._fail("template-image-alt", '<mj-image> has no alt; alt="" is for a picture that says nothing')
        for name, value in attributes.items():
            if name.startswith(("padding", "inner-padding")) and re.search(r"(?:^| )0(?: |$)", value):
                self._fail(
                    "template-attribute-value", f'{name}="{value}" on <{tag}>: a bare 0 spoils the rest',
                    "write 0px",
                )  # fmt: skip

    def _known(self, tag: str, attributes: dict[str, str], allowed: frozenset[str]) -> None:
        for name in attributes:
            if name not in allowed:
                near = difflib.get_close_matches(name, sorted(allowed), n=1, cutoff=0.5)
                self._fail(
                    "template-unknown-attribute", f"<{tag}> has no attribute {name}",
                    f"did you mean {near[0]}?" if near else "docs/templates.md lists the attributes",
                )  # fmt: skip

    def _unknown_tag(self, tag: str, known: frozenset[str]) -> None:
        near = difflib.get_close_matches(tag, sorted(known), n=1, cutoff=0.5)
        self._fail(
            "template-unknown-tag", f"there is no tag <{tag}> here",
            f"did you mean <{near[0]}>?" if near else "docs/templates.md lists the tags",
        )  # fmt: skip

    def _says(self, text: str) -> None:
        # Blanks as XML counts them: to the compiler a no-break space is text.
        if not text.strip(" \t\r\n") or not self.open:
            return
        inside = self.open[-1][0]
        if inside in ATTRIBUTES and inside not in _HOLDS_HTML | _HOLDS_TEXT:
            self._fail(
                "template-misplaced-text", f"text stands in <{inside}>: {text.strip()[:40]!r}", "put it into <mj-text>"
            )
        if inside == "mj-style":
            if not text.isascii():
                self._fail(
                    "template-style", "a style must be ASCII", r"write the character as a CSS escape, such as \201C"
                )
            if "@import" in text.lower():
                self._fail("template-style", "a style may not import: a mail fetches nothing but its pictures")

    def _remarks(self, text: str) -> None:
        """Look at a comment: one for Outlook is mail, and the compiler reads the tags in it."""
        inside = self.open[-1][0] if self.open else ""
        if inside in _HOLDS_TEXT or inside == "mj-attributes":
            self._fail("template-misplaced-text", f"a comment may not stand in <{inside}>: the compiler refuses it")
        if not text.lstrip().startswith(("[if", "<!")):
            return
        found = _CONDITION.fullmatch(text)
        if found is None:
            self._fail("template-syntax", "a conditional comment is not finished", "<!--[if mso]> ... <![endif]-->")
            return
        holder = next((one for one, _, _ in reversed(self.open) if one in ATTRIBUTES), "")
        if holder not in _HOLDS_CONDITIONS:
            self._fail(
                "template-misplaced-tag", f"a conditional comment may not stand in <{holder}>: the compiler refuses it",
                "it stands in <mj-raw> or <mj-text>",
            )  # fmt: skip
        for tag in re.finditer(r"<[^>]*>?", found[1] or ""):
            self._ghost(tag[0])

    def _ghost(self, written: str) -> None:
        """Follow a tag that Outlook alone sees: in one element it is closed as it was opened."""
        found = _GHOST.fullmatch(written)
        if found is None:
            self._fail("template-syntax", f"in a conditional comment, {written[:40]!r} is no tag", "write &lt; for a <")
            return
        closing, tag, _, closed = found.groups()
        if closing:
            if self.open[-1][0] != f"<{tag}":
                self._fail("template-syntax", f"in a conditional comment, </{tag}> closes nothing that is open here")
            self.open.pop()
        elif not closed and tag not in _VOID:
            self.open.append((f"<{tag}", self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber))

    def explain(self, error: expat.ExpatError) -> Fault:
        """Say what the XML parser found, with the tag that was left open where that is the reason."""
        words = expat.ErrorString(error.code)
        if self.open and words in {"mismatched tag", "no element found", "unclosed token"}:
            tag, line, column = self.open[-1]
            if words != "unclosed token":
                return _unclosed(tag.removeprefix("<"), error.lineno, line, column)
        return Fault("template-syntax", f"not well-formed: {words}", error.lineno, error.offset)
