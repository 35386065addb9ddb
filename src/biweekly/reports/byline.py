"""Pure. The grammar of bylines: who wrote, from where and for whom, and which section a text was published in.

A byline names people in so many words or it is none; who is not named stays unnamed.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from biweekly.model.issue import Author
from biweekly.reports.dates import ISSUE, issue_day
from biweekly.reports.habits import HONORIFICS, INSTITUTION, NOBODY, PARTICLES, PLACES, SUFFIXES

LONGEST_NAME: Final = 70
_MOST_WORDS: Final = 5
_LONGEST_BYLINE: Final = 200
_DID: Final = r"(?:(?:Written|Compiled|Edited|Prepared|Reported|Posted|Story|Text)\s+)?"
_BY: Final = rf"{_DID}(?:[Bb]y:?\s+|BY:?\s+|[Bb]y(?=[A-ZÀ-ÖØ-Þ]))"
_BYLINE: Final = re.compile(rf"{_BY}(?P<names>\S.*)")
# The last "By" before a bracket counts. A capital one may be glued to anything that is no capital ("letters.By"),
# a small one only to the end of a sentence: "as argued by Jane Doe (...)" is prose.
_GLUED_BY: Final = re.compile(
    r"(?:^|(?<=[^\W\d_A-Z])|(?<=[\W\d]))By(?:\s+|(?=[A-Z]))|(?:^|(?<=[.!?”\"’')\]…]))(?:by|BY)(?:\s+|(?=[A-Z]))"
)
_CLAUSE: Final = re.compile(r",?\s+(?:is|are|was|were)\s+(?=an?\s|the\s|with\s|currently\s)")
_FROM: Final = re.compile(r",?\s+(?:in|from|reporting from)\s+(?=[A-Z])")
_JOINS: Final = re.compile(r"\s*;\s*|\s*,?\s+and\s+|\s*,?\s+with\s+(?=[A-Z])|\s*,?\s*&\s*")
_SECTION: Final = re.compile(
    r"(?:Published|Posted|Filed) (?:in|under):?\s+(?P<section>[^\s.!?][^.!?\n]{0,58}[^\s.!?:,;]|\w)"
)
_WORD: Final = re.compile(r"[^\W\d_](?:[\w’'ʻʼ‘`.-]*)")


@dataclass(frozen=True, slots=True)
class Byline:
    """Who wrote, as far as it is said. `sure` is False where the words could not be read as people."""

    authors: tuple[Author, ...]
    raw: str
    issue_date: date | None = None
    sure: bool = True


def read_byline(line: str) -> Byline | None:
    """Read a whole line `By NAMES`; None where it is prose ("By mid-autumn the ...")."""
    found = _BYLINE.fullmatch(line.strip()) if len(line) <= _LONGEST_BYLINE else None
    if found is None:
        return None
    names = found["names"].rstrip(" ,:–—|-")
    authors = read_people(names)
    return Byline(authors, line.strip()) if authors is not None else None


def is_by(line: str) -> bool:
    """Whether a short line opens with "By": a byline if a date follows it, whoever it names."""
    return len(line) <= _LONGEST_BYLINE and _BYLINE.fullmatch(line.strip()) is not None


def read_names(line: str) -> Byline | None:
    """Read a line that is nothing but people's names, each of two words or more."""
    authors = read_people(line.strip()) if len(line) <= _LONGEST_BYLINE else None
    if not authors or any(" " not in author.name for author in authors):
        return None
    return Byline(authors, line.strip())


def split_bracketed(line: str) -> list[str | Byline]:
    """Take bylines with a bracketed issue date out of a line, glued ones too; what is between them is text."""
    pieces: list[str | Byline] = []
    done = 0
    for bracket in ISSUE.finditer(line):
        before = line[done : bracket.start()]
        opening = _opening_of(before)
        if opening is None:
            continue
        start, names = opening
        pieces.append(before[:start])
        pieces.append(_bracketed(names, before[start:] + bracket[0], issue_day(bracket)))
        done = bracket.end()
    pieces.append(line[done:])
    return [piece for piece in pieces if isinstance(piece, Byline) or piece.strip()]


def read_section(line: str) -> str | None:
    """Read `Published in Field Reports` where it is the whole line."""
    found = _SECTION.fullmatch(line.strip())
    return found["section"].strip() if found else None


def read_people(names: str) -> tuple[Author, ...] | None:
    """Read names with what stands beside them; () where nobody is named, None where these are no people's names.

    A comma may join two people, a person and a place, or a person and a university: what follows it is a person only
    with two capitalised words, when it is no known place and has no word of an institution.
    """
    names = " ".join(names.split()).strip(" .,;:")
    if names.casefold() in NOBODY or not names:
        return ()
    people, clause = _cut(names, _CLAUSE)
    people, place = _cut(people, _FROM)
    authors: list[Author] = []
    for part in _JOINS.split(people):
        pieces = [piece.strip() for piece in part.split(",") if piece.strip()]
        for position, piece in enumerate(pieces):
            name = _bare(piece)
            if name.casefold() in NOBODY:
                continue
            if _is_suffix(piece) and authors:
                continue
            alone = position == 0 and not (authors and (authors[-1].affiliation or authors[-1].place))
            if is_person(name, fewest_words=1 if alone else 2):
                authors.append(Author(name))
            elif not authors:
                return None
            else:
                authors[-1] = _beside(authors[-1], piece, joined=position == 0)
    if authors and (clause or place):
        last = authors[-1]
        authors[-1] = Author(last.name, clause or last.affiliation, place or last.place)
    return tuple(authors)


def is_person(name: str, *, fewest_words: int = 2) -> bool:
    """Whether this can be a person's name: capitalised words, initials and particles, five at most."""
    words = name.split()
    if not fewest_words <= len(words) <= _MOST_WORDS or len(name) > LONGEST_NAME:
        return False
    if name.casefold().strip(". ") in PLACES or INSTITUTION.search(name):
        return False
    return all(_WORD.fullmatch(word) and _is_name_word(word) for word in words) and not words[0].endswith("'s")


def _bracketed(names: str, raw: str, day: date | None) -> Byline:
    authors = read_people(names)
    return Byline(authors or (), " ".join(raw.split()), day, sure=authors is not None)


def _opening_of(before: str) -> tuple[int, str] | None:
    """Find where a bracketed byline begins in the text before its bracket: the last "By", or a line of names alone."""
    tail = max(0, len(before) - _LONGEST_BYLINE)
    if found := list(_GLUED_BY.finditer(before, tail)):
        return found[-1].start(), before[found[-1].end() :]
    if (alone := before.strip()) and len(before) <= _LONGEST_BYLINE and read_names(alone):
        return 0, alone
    return None


def _cut(text: str, where: re.Pattern[str]) -> tuple[str, str | None]:
    found = where.search(text)
    return (text[: found.start()], text[found.end() :].strip(" .")) if found else (text, None)


def _bare(piece: str) -> str:
    words = piece.split()
    while len(words) > 1 and words[0].casefold().strip(".") in HONORIFICS:
        words = words[1:]
    while len(words) > 1 and words[-1].casefold().strip(".()") in SUFFIXES - {"jr", "sr", "ii", "iii", "iv"}:
        words = words[:-1]
    return " ".join(words)


def _is_suffix(piece: str) -> bool:
    return all(word.casefold().strip(".()") in SUFFIXES for word in piece.split())


def _beside(author: Author, piece: str, *, joined: bool) -> Author:
    """Put what stands beside a name where it belongs: an institution, or else a place."""
    if joined and author.affiliation:
        return Author(author.name, f"{author.affiliation} and {piece}", author.place)
    if INSTITUTION.search(piece):
        return Author(author.name, f"{author.affiliation}, {piece}" if author.affiliation else piece, author.place)
    return Author(author.name, author.affiliation, f"{author.place}, {piece}" if author.place else piece)


def _is_name_word(word: str) -> bool:
    letter = word[0]
    if letter.isupper() or not letter.islower() or "ა" <= letter <= "ჿ":
        return True  # an alphabet without capitals, or Georgian, whose capitals nobody writes
    if word.casefold().strip(".") in PARTICLES:
        return True
    # al-Shishani, d'Orsay
    head, mark, rest = re.match(r"(\w+)([-’'ʻʼ‘]?)(.*)", word, re.DOTALL).groups()  # type: ignore[union-attr]
    return bool(mark) and len(head) <= 3 and rest[:1].isupper()  # noqa: PLR2004 - particles are that short
