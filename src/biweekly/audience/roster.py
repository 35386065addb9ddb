"""Edge: filesystem. Rosters: lists of people as spreadsheets and other programs write them, in and out.

Reading streams: a list of a million takes no more memory than one of ten. What is wrong with a line is a value with
the line's number; only a file that is no list at all is an error.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

from biweekly.audience.row import BadRow, Columns, Row, protect, understand
from biweekly.audience.validate import shown
from biweekly.errors import RosterError

_LONGEST_LINE: Final = 100_000  # characters; under the csv module's own limit for a field
_SEPARATORS: Final = (",", ";", "\t", "|")
_HEAD: Final = 65_536
_MARKS: Final = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK\x03\x04": "a spreadsheet or an archive"}
_SEP_LINE: Final = re.compile(r"sep=(.)", re.IGNORECASE)  # Excel's own line before the header
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of a byte it cannot read


class _Line(NamedTuple):
    number: int
    text: str
    recoded: bool = False


class _Lines:
    """The lines of a file with their numbers; those of a record that broke can be taken back."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._number = 0
        self._returned: list[_Line] = []
        self.record: list[_Line] = []
        self.bad: list[BadRow] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            line = self._returned.pop() if self._returned else self._read()
            trouble = _trouble(line.text)
            if trouble is None:
                self.record.append(line)
                return line.text
            self.bad.append(BadRow(line.number, shown(line.text.strip()), trouble))

    def _read(self) -> _Line:
        text = self._file.readline(_LONGEST_LINE)
        if not text:
            raise StopIteration
        self._number += 1
        if len(text) == _LONGEST_LINE and not text.endswith("\n"):
            # The rest of it is read and dropped in pieces, so that no line can fill the memory.
            while (rest := self._file.readline(_LONGEST_LINE)) and not rest.endswith("\n"):
                pass
            return _Line(self._number, text)
        if not text.isascii() and _NOT_UTF8.search(text):
            return _Line(self._number, text.encode("utf-8", "surrogateescape").decode("cp1252", "replace"), True)
        return _Line(self._number, text)

    def take_back(self) -> BadRow:
        """Give up on the record being read: its first line is refused, those after it are read again alone."""
        first, *others = self.record
        self._returned.extend(reversed(others))
        return BadRow(
            first.number, shown(first.text.strip()),
            "The quotation marks of this line do not match, so its columns cannot be told.",
        )  # fmt: skip


class Roster:
    """An opened list: its columns, and its rows by iterating."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = _sniff(path)
        self.separator = header.separator
        columns = understand(header.cells)
        if columns is not None:
            self.columns, self._rows_after = columns, header.line
        elif len(header.cells) == 1 and "@" in header.cells[0]:
            self.columns, self._rows_after = Columns(address=0), header.line - 1
        else:
            raise RosterError(
                f"the first line names no column for the address: {shown(', '.join(header.cells))}",
                code="roster-header", place=f"{path}:{header.line}",
                hint="give the list a first line such as: email,name",
            )  # fmt: skip

    def __iter__(self) -> Iterator[Row | BadRow]:
        try:
            with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline=None) as file:
                yield from self._rows(_Lines(file))
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _rows(self, lines: _Lines) -> Iterator[Row | BadRow]:
        records = self._records(lines)
        while True:
            lines.record.clear()
            try:
                cells = next(records, None)
            except csv.Error:
                yield from _drain(lines)
                yield lines.take_back()
                # The reader keeps what it had of the broken record, so a fresh one goes on.
                records = self._records(lines)
                continue
            yield from _drain(lines)
            if cells is None:
                return
            first = lines.record[0]
            if first.number > self._rows_after and any(map(str.strip, cells)):
                recoded = first.recoded or (len(lines.record) > 1 and any(one.recoded for one in lines.record))
                yield self.columns.read(cells, line=first.number, recoded=recoded)

    def _records(self, lines: _Lines) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.separator, strict=True, skipinitialspace=True)


def read_roster(path: Path) -> Iterator[Row | BadRow]:
    """Read a list of people; see `Roster`.

    Raises RosterError: `roster-missing`, `roster-unreadable`, `roster-kind` for what is no text, `roster-header`.
    """
    return iter(Roster(path))


def write_roster(file: IO[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a list as CSV: everything quoted, nothing that a spreadsheet would run. Returns the number of rows."""
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    count = 0
    for row in rows:
        writer.writerow([protect(cell.replace("\0", "")) for cell in row])
        count += 1
    return count


class _Header(NamedTuple):
    line: int
    separator: str
    cells: list[str]


def _sniff(path: Path) -> _Header:
    """Look at the beginning: where the first line of words is, what separates its cells, and what they say."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        raise RosterError("there is no such file", code="roster-missing", place=str(path)) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    kind = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if kind is None and head.count(b"\0") > len(head) // 10:
        kind = "no text"
    if kind is not None:
        raise RosterError(
            f"this is {kind}, not a CSV file in UTF-8", code="roster-kind", place=str(path),
            hint='open it in a spreadsheet and save it as "CSV UTF-8"',
        )  # fmt: skip
    text = head.decode("utf-8-sig", "replace")
    lines = [(number, one) for number, one in enumerate(re.split(r"\r\n|\r|\n", text), 1) if one.strip()]
    told = None
    if lines and (found := _SEP_LINE.fullmatch(lines[0][1].strip(" "))):
        told = found[1]
        del lines[0]
    if not lines:
        raise RosterError("the file is empty", code="roster-empty", place=str(path))
    number, first = lines[0]
    separator = told or max(_SEPARATORS, key=lambda one: len(_cells(first, one)))
    return _Header(number, separator, _cells(first, separator))


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return [line]


def _drain(lines: _Lines) -> list[BadRow]:
    bad, lines.bad = lines.bad, []
    return bad


def _trouble(line: str) -> str | None:
    if len(line) >= _LONGEST_LINE:
        return f"The line is longer than {_LONGEST_LINE:,} characters."
    if "\0" in line:
        return "The line holds a NUL byte."
    if "\N{REPLACEMENT CHARACTER}" in line:
        return "The line is neither UTF-8 nor windows-1252."
    return None


def _unreadable(path: Path, error: OSError) -> RosterError:
    return RosterError(f"cannot be read: {error.strerror or error}", code="roster-unreadable", place=str(path))
