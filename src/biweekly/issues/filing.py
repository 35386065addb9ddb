"""Edge: filesystem. Putting a file in its place, whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path

from biweekly.errors import IssueError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole, or leave it as it was: readers see the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise IssueError(
            f"cannot be written: {error.strerror or error}", code="issue-unwritable", place=str(path),
            hint="look at who may write to the folder, and at the space left on the disk",
        ) from error  # fmt: skip
