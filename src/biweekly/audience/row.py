"""Pure. One line of a roster, as it came; which columns a roster has; how cells survive a spreadsheet."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from biweekly.model.issue import VariantName

NAME_LIMIT: Final = 200

# Spreadsheets run what begins like this (CWE-1236). An apostrophe before it makes it text.
_ACTIVE: Final = re.compile(r"'*[=+\-@\t\r]")
# Controls, line and paragraph separators, and what turns the direction of everything after it. Joiners and direction
# marks stay: names in Persian, Urdu or Hindi are really written with them.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# A valid line on its way into the database: (key hash, line, address for the wire, name, domain, variant). A plain
# tuple, because a million of them are sorted, written to a file and back, and handed to a driver as they are.
Entry = tuple[bytes, int, str, str, str, str]

# Header names, compared without case, spaces and punctuation; the first of a line wins where a roster has several.
_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "address": (
        "email", "emailaddress", "emailadress", "emailadresse", "mailadresse", "eposta", "epost", "epostadress",
        "subscriberemail", "useremail", "courriel", "adressemail", "adresseemail", "correo", "correoelectronico",
        "correoelectrónico", "электроннаяпочта", "емейл", "почта", "ელფოსტა", "mail", "address", "adresse",
    ),
    "name": ("name", "fullname", "displayname", "subscribername", "nom", "nombre", "имя", "фио", "სახელი"),
    "first": ("firstname", "first", "givenname", "forename", "vorname", "prenom", "prénom"),
    "last": ("lastname", "last", "surname", "familyname", "nachname", "фамилия", "გვარი"),
    "variant": ("variant", "format", "emailtype", "emailformat", "htmlortext"),
    "language": ("language", "lang", "locale", "sprache", "langue", "язык", "ენა"),
}  # fmt: skip

_VARIANTS: Final = {
    "": None, "html": VariantName.HTML, "h": VariantName.HTML, "rich": VariantName.HTML,
    "text": VariantName.TEXT, "t": VariantName.TEXT, "plain": VariantName.TEXT, "plaintext": VariantName.TEXT,
    "textonly": VariantName.TEXT, "txt": VariantName.TEXT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A line that could be read; whether its address is one is for `validate`.

    `line` counts from 1 in the file. `recoded` says that the line was no UTF-8 and was read as windows-1252.
    """

    line: int
    address: str
    name: str = ""
    variant: VariantName | None = None
    language: str = ""
    recoded: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that is refused, and the sentence that says why."""

    line: int
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a line things stand; `unused` are the headers nobody asked for."""

    address: int
    name: int | None = None
    first: int | None = None
    last: int | None = None
    variant: int | None = None
    language: int | None = None
    unused: tuple[str, ...] = ()

    def read(self, cells: Sequence[str], *, line: int, recoded: bool) -> Row | BadRow:
        """Make a row of a line's cells."""
        address = self._cell(cells, self.address)
        if not address:
            return BadRow(line, "", "The line has no address.")
        name = self._cell(cells, self.name) or " ".join(
            part for part in (self._cell(cells, self.first), self._cell(cells, self.last)) if part
        )
        if trouble := trouble_with_name(name):
            return BadRow(line, address, trouble)
        variant = None
        if self.variant is not None and (wish := self._cell(cells, self.variant)):
            plain = _bare(wish)
            if plain not in _VARIANTS:
                return BadRow(line, address, f'The format "{wish[:40]}" is neither html nor text.')
            variant = _VARIANTS[plain]
        return Row(line, address, name, variant, self._cell(cells, self.language), recoded)

    @staticmethod
    def _cell(cells: Sequence[str], index: int | None) -> str:
        if index is None or index >= len(cells):
            return ""
        cell = cells[index].strip()
        return unprotect(cell) if cell[:1] == "'" else cell


def understand(header: Sequence[str]) -> Columns | None:
    """Recognize a header line; None where no column is one for addresses."""
    bare = [_bare(cell) for cell in header]
    places: dict[str, int] = {}
    for column, names in _NAMES.items():
        known = [name for name in names if name in bare]
        if known:
            places[column] = bare.index(known[0])
    if "address" not in places:
        return None
    taken = set(places.values())
    unused = tuple(cell.strip() for index, cell in enumerate(header) if index not in taken and cell.strip())
    return Columns(**places, unused=unused)


def trouble_with_name(name: str) -> str | None:
    """Say why a name cannot stand in a letter, if so."""
    if not name.isprintable() and _UNSAFE.search(name):
        return "The name holds a line break or another control character."
    if len(name) > NAME_LIMIT:
        return f"The name is longer than {NAME_LIMIT} characters."
    return None


def protect(cell: str) -> str:
    """Make a cell safe to open in a spreadsheet: what it would run as a formula gets an apostrophe in front."""
    return f"'{cell}" if _ACTIVE.match(cell) else cell


def unprotect(cell: str) -> str:
    """Take back exactly what `protect` did."""
    return cell[1:] if cell[:1] == "'" and _ACTIVE.match(cell) else cell


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
