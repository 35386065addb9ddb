"""Edge: filesystem. Which files still hold an address: what erasing cannot reach, so that it can be named."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from biweekly.audience.validate import restore

_PIECE: Final = 1 << 20
# An address is not found inside a longer one: nino@example.org is not in giannino@example.org.
_BEFORE: Final = rb"(?<![A-Za-z0-9_!#$%&'*+\-/=?^`{|}~.])"
_AFTER: Final = rb"(?![A-Za-z0-9\-]|\.[A-Za-z0-9])"


def files_holding(addresses: Sequence[str], folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the files under these folders in which one of the addresses stands, in whatever case.

    `addresses` are in the form for the wire; the written form is looked for too.
    """
    spellings = {form for one in addresses for form in (one, restore(one).written)}
    needles = sorted({form.encode(codec, "ignore") for form in spellings for codec in ("utf-8", "cp1252")})
    if not needles:
        return
    wanted = re.compile(_BEFORE + b"(?:" + b"|".join(map(re.escape, needles)) + b")" + _AFTER, re.IGNORECASE)
    overlap = max(map(len, needles)) + 3
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and _holds(path, wanted, overlap):
                yield path


def _holds(path: Path, wanted: re.Pattern[bytes], overlap: int) -> bool:
    before = b""
    with suppress(FileNotFoundError), path.open("rb") as file:
        while piece := file.read(_PIECE):
            window = before + piece
            if wanted.search(window):
                return True
            before = window[-overlap:]
    return False
