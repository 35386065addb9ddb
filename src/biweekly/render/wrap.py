"""Pure. Filling lines of plain text, in cells: a Chinese character takes two, a combining mark none."""

import re
import unicodedata
from typing import Final

WIDTH: Final = 72
_ADDRESS: Final = re.compile(r"^\W{0,2}(?:https?://|mailto:|bwph_|bwslot_)")


def cells(text: str) -> int:
    """Count the cells a text takes on a terminal or in a mail set in one pitch (UAX 11, roughly)."""
    if text.isascii():
        return len(text)
    return sum(_cells(one) for one in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def wrap(text: str, *, width: int = WIDTH, first: str = "", rest: str | None = None) -> str:
    """Fill a paragraph. `first` opens its first line and `rest` (default: as many blanks) the others.

    Breaks at spaces, never at no-break spaces. A word longer than a line is cut, an address never is: it stands alone.
    A line feed in the text stays one.
    """
    margin = " " * cells(first) if rest is None else rest
    lines: list[str] = []
    for part in text.split("\n"):
        lines += _filled(part, width, margin if lines else first, margin)
    return "\n".join(line.rstrip(" ") for line in lines)


def _filled(text: str, width: int, first: str, rest: str) -> list[str]:
    lines: list[str] = []
    line, fresh = first, True
    for word in re.split("[ \t]+", text.strip(" \t")):
        pieces = [word] if _ADDRESS.match(word) else _cut(word, max(1, width - cells(rest)))
        for number, piece in enumerate(pieces):
            blank = "" if fresh or number else " "
            if not fresh and (number or cells(line) + len(blank) + cells(piece) > width):
                lines.append(line)
                line, blank = rest, ""
            line, fresh = f"{line}{blank}{piece}", False
    return [*lines, line]


def _cut(word: str, room: int) -> list[str]:
    """Cut a word that no line can hold; a mark stays with its letter."""
    if cells(word) <= room:
        return [word]
    pieces, piece, taken = [], "", 0
    for character in word:
        size = _cells(character)
        if piece and size and taken + size > room:
            pieces.append(piece)
            piece, taken = "", 0
        piece, taken = piece + character, taken + size
    return [*pieces, piece]
