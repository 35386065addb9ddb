"""Edge: filesystem. A rendered issue as files: to look at, to pass on, to compare."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from biweekly.errors import IssueError
from biweekly.issues.filing import write_atomically
from biweekly.model.issue import Edition, VariantName
from biweekly.proof import read_as_sample, write_message

NAMES: Final = ("issue.html", "issue.txt", "issue.eml", "edition.json")


def write_proofs(
    edition: Edition, out: Path, *, to_json: Callable[[Edition], bytes], picture: Callable[[str], Path | None]
) -> tuple[str, ...]:
    """Write issue.html, issue.txt, issue.eml and edition.json into a folder and return their names.

    `issue.html` and `issue.txt` are as the sample reader gets them, `edition.json` is the edition itself with its
    placeholders; `picture` finds a picture's file by its hash. IssueError `issue-unwritable`.
    """
    variant = next(one for one in edition.variants if one.name is VariantName.HTML)
    page, text = read_as_sample(edition, variant)
    files = {one.sha256: path.read_bytes() for one in edition.pictures if (path := picture(one.sha256)) is not None}
    bodies = ((page or "").encode(), text.encode(), write_message(edition, files), to_json(edition))
    if out.exists() and not out.is_dir():
        raise IssueError("this is a file, not a folder", code="issue-unwritable", place=str(out), hint="--out FOLDER")
    for name, body in zip(NAMES, bodies, strict=True):
        write_atomically(out / name, body)
    return NAMES
