"""Pure. The lines of a pasted page by what they are: text, byline, date, section, or the page's own furniture."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum, auto

from biweekly.reports.byline import Byline, is_by, read_byline, read_names, read_section, split_bracketed
from biweekly.reports.dates import Printed, read_dateline, read_day, read_outlet
from biweekly.reports.habits import CONTENTS_HEAD, FILE_NAME, ITEM_ENDS, NOT_TEXT, PAGE_ENDS, PAGE_ENDS_GLUED
from biweekly.reports.tidy import ends_sentence

_LONGEST_TITLE, _MOST_TITLE_WORDS = 160, 26
_MOST_WORDS_AFTER = 150  # of a page's words about itself; with more, it is a text that begins that way
_SENTENCE = 60  # from this many characters on, a line that ends as a sentence does is a paragraph


class Kind(Enum):
    """What a line is."""

    TEXT = auto()
    BYLINE = auto()
    DATELINE = auto()
    """`Wednesday, 22 August 2012`: when the page says that an item was published; it opens the item."""
    DAY = auto()
    """A date that belongs to a byline above it, or to the outlet where a text was first printed."""
    SECTION = auto()
    CONTENTS = auto()
    END = auto()
    """An item's text is over."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One line: what it is, where it stood, what was read from it."""

    kind: Kind
    line: int
    text: str
    byline: Byline | None = None
    day: date | None = None
    printed: Printed | None = None

    @property
    def title_like(self) -> bool:
        """Whether it can be a title: short, and not a sentence."""
        return self.kind is Kind.TEXT and is_title(self.text)


def is_title(text: str) -> bool:
    """Whether a line is short and no sentence; a question or an exclamation may be a title."""
    short = len(text) <= _LONGEST_TITLE and len(text.split()) <= _MOST_TITLE_WORDS
    return short and text[-1:] not in ".,;:…" and not FILE_NAME.fullmatch(text)


def is_sentence(text: str) -> bool:
    """Whether a line is a paragraph of prose rather than a piece of furniture."""
    return len(text) >= _SENTENCE and (ends_sentence(text) or not is_title(text))


def mark(lines: Sequence[str]) -> list[Mark]:
    """Say of each line what it is. Glued lines are parted; empty ones and what is no text are left out."""
    marks: list[Mark] = []
    texts = _furniture_off(lines)
    for number, text in texts:
        for piece in split_bracketed(text):
            if isinstance(piece, Byline):
                marks.append(Mark(Kind.BYLINE, number, piece.raw, byline=piece))
            elif piece.strip():
                marks.append(_read(piece.strip(), number, marks))
    return _second_look(marks)


def _read(text: str, number: int, before: Sequence[Mark]) -> Mark:  # noqa: PLR0911 - a line for each kind
    """Read one line, knowing those above it."""
    above = before[-1].kind if before else None
    if (section := read_section(text)) is not None:
        return Mark(Kind.SECTION, number, section)
    if CONTENTS_HEAD.fullmatch(text):
        return Mark(Kind.CONTENTS, number, text)
    if ITEM_ENDS.fullmatch(text):
        return Mark(Kind.END, number, text)
    if (day := read_dateline(text)) is not None:
        kind = Kind.DAY if above is Kind.BYLINE else Kind.DATELINE
        return Mark(kind, number, text, day=day, printed=Printed(day))
    if byline := read_byline(text):
        return Mark(Kind.BYLINE, number, text, byline=byline)
    if printed := read_day(text):
        return Mark(Kind.DAY, number, text, printed=printed, day=printed.day)
    return Mark(Kind.TEXT, number, text, printed=read_outlet(text))


def _second_look(marks: list[Mark]) -> list[Mark]:
    """Read the lines that only their neighbours explain."""
    listed = any(one.kind is Kind.SECTION for one in marks)
    out: list[Mark] = []
    for position, one in enumerate(marks):
        below = marks[position + 1] if position + 1 < len(marks) else None
        above = out[-1] if out else None
        match one.kind:
            case Kind.DAY if not _belongs(above, below, one, listed=listed):
                out.append(replace(one, kind=Kind.TEXT))
            case Kind.TEXT:
                out.extend(_explained(one, above, below, out, listed=listed))
            case _:
                out.append(one)
    return out


def _belongs(above: Mark | None, below: Mark | None, one: Mark, *, listed: bool) -> bool:
    """Whether a date is a head's: beside a byline, or naming the publication; a digest has other dates in its text."""
    if above is None or above.kind is not Kind.TEXT:
        return True
    beside = below is not None and below.kind is Kind.BYLINE
    named = one.printed is not None and one.printed.names_publication
    return beside or named or (listed and above.title_like and one.day is not None)


def _explained(  # noqa: PLR0911 - a line for each explanation
    one: Mark, above: Mark | None, below: Mark | None, out: Sequence[Mark], *, listed: bool
) -> list[Mark]:
    dated = below is not None and below.kind is Kind.DAY
    named = dated and below is not None and below.printed is not None and below.printed.names_publication
    if dated and is_by(one.text):
        # A date right below says that this is a byline, although nobody can be read from it.
        return [replace(one, kind=Kind.BYLINE, byline=Byline((), one.text, sure=False))]
    if dated and (glued := _glued_byline(one)):
        return glued
    if named and (names := read_names(one.text)):
        return [replace(one, kind=Kind.BYLINE, byline=names)]
    if listed and below is not None and below.kind is Kind.TEXT and below.printed and (names := read_names(one.text)):
        return [replace(one, kind=Kind.BYLINE, byline=names)]
    if one.printed and above is not None and above.kind is Kind.BYLINE:
        return [replace(one, kind=Kind.DAY, day=one.printed.day)]
    after_outlet = listed and above is not None and above.kind is Kind.DAY and len(out) > 1 and out[-2].title_like
    if after_outlet and (names := read_names(one.text)):
        return [replace(one, kind=Kind.BYLINE, byline=names)]
    return [one]


def _glued_byline(one: Mark) -> list[Mark] | None:
    """Part `... the last sentence.By Jane Doe` where a date stands below it."""
    found = list(re.finditer(r"(?<=[.!?”\"’')\]…])\s?By (?=\S)", one.text[-120:]))
    if not found:
        return None
    cut = max(0, len(one.text) - 120) + found[-1].start()
    byline = read_byline(one.text[cut:].strip())
    if byline is None:
        return None
    return [replace(one, text=one.text[:cut]), replace(one, kind=Kind.BYLINE, text=byline.raw, byline=byline)]


def _furniture_off(lines: Sequence[str]) -> list[tuple[int, str]]:
    """Leave out what is a page's and no text's. The page's end counts only once a paragraph has been seen."""
    kept: list[tuple[int, str]] = []
    begun = False
    joined = _section_on_the_next_line(lines)
    for position, (number, text) in enumerate(joined):
        if PAGE_ENDS.fullmatch(text):
            if begun:
                break
            continue
        if NOT_TEXT.fullmatch(text):
            continue
        glued = PAGE_ENDS_GLUED.search(text)
        if glued and (ITEM_ENDS.fullmatch(glued[0].strip()) or _words_after(joined[position:]) <= _MOST_WORDS_AFTER):
            kept += [(number, piece) for piece in (text[: glued.start()].strip(), glued[0].strip()) if piece]
            if ITEM_ENDS.fullmatch(glued[0].strip()):
                continue
            kept.pop()
            break
        begun = begun or is_sentence(text) or is_by(text)
        kept.append((number, text))
    return kept


def _section_on_the_next_line(lines: Sequence[str]) -> list[tuple[int, str]]:
    """Number the lines that are not empty; `Published in` alone takes the line below it."""
    full = [(number, line) for number, line in enumerate(lines, 1) if line]
    out: list[tuple[int, str]] = []
    for number, line in full:
        if out and out[-1][1].rstrip(":") == "Published in" and is_title(line):
            out[-1] = (out[-1][0], f"Published in {line}")
        else:
            out.append((number, line))
    return out


def _words_after(lines: Sequence[tuple[int, str]]) -> int:
    words = 0
    for _, line in lines:
        if PAGE_ENDS.fullmatch(line) or words > _MOST_WORDS_AFTER:
            break
        words += len(line.split())
    return words
