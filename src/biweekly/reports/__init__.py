"""Edge: filesystem. The door to the manuscripts: which kinds of file are read, and the folder that holds them."""

from collections.abc import Mapping, Sequence
from datetime import date, tzinfo
from pathlib import PurePath
from typing import Final

from biweekly.contracts import Reader
from biweekly.model.issue import Report, SetAside
from biweekly.reports import capture, frontmatter
from biweekly.reports.folder import Shelf, file_report, read_folder, read_source
from biweekly.reports.identity import content_hash

__all__ = ["READERS", "Shelf", "content_hash", "file_report", "read_as", "read_folder", "read_source"]

# The whole registration: a kind of file, and what reads it.
READERS: Final[Mapping[str, Reader]] = {
    ".md": frontmatter.read,
    ".txt": capture.read,
}


def read_as(
    name: str, raw: bytes, *, url: str | None, sections: Sequence[str], today: date, zone: tzinfo
) -> Sequence[Report | SetAside]:
    """Read a source by its file's ending; another kind of file is set aside as `unknown-kind`."""
    suffix = PurePath(name).suffix.lower()
    reader = READERS.get(suffix)
    if reader is None:
        known = ", ".join(READERS)
        kind = f"{suffix} files are" if suffix else "a file without an ending is"
        cure = "paste its text into a .txt file and import that"
        return [SetAside(name, "unknown-kind", f"{kind} not read; the kinds known are {known}", cure=cure)]
    return reader(raw, source=name, url=url, sections=sections, today=today, zone=zone)
