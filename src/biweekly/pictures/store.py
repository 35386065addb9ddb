"""Edge: filesystem. Pictures by the hash of their bytes: what is kept never changes, so its address never does.

`<folder>/ab/abcdef...` holds the bytes; `<folder>/taken/<hash of the original>` says what was made of an original, so
that rendering again does not press again.
"""

import hashlib
import json
import os
import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

from biweekly.model.issue import Picture

_HASH: Final = re.compile(r"[0-9a-f]{64}")
# Raised when what intake makes of an original changes, so that originals are pressed anew.
_RECIPE: Final = 1


class PictureStore:
    """The store in one folder; many processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, body: bytes, *, media_type: str, width: int, height: int) -> Picture:
        """Keep a picture's bytes and return the picture; the same bytes again are the same picture."""
        picture = Picture(hashlib.sha256(body).hexdigest(), media_type, width, height)
        path = self._path(picture.sha256)
        if not path.exists():
            _write(path, body)
        return picture

    def path_of(self, sha256: str) -> Path | None:
        """Return the file of a picture, or None where there is none; what is no hash names none."""
        if not _HASH.fullmatch(sha256):
            return None
        path = self._path(sha256)
        return path if path.is_file() else None

    def taken(self, original: bytes) -> Picture | None:
        """Return what was made of an original before, where it is still in the store."""
        try:
            tree = json.loads(self._note(original).read_text("ascii"))
            picture = Picture(**tree)
        except (OSError, ValueError, TypeError):
            return None
        return picture if self.path_of(picture.sha256) is not None else None

    def note(self, original: bytes, picture: Picture) -> None:
        """Remember what was made of an original."""
        _write(self._note(original), json.dumps(asdict(picture), sort_keys=True).encode("ascii"))

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256

    def _note(self, original: bytes) -> Path:
        return self.folder / "taken" / f"{hashlib.sha256(original).hexdigest()}.{_RECIPE}"


def _write(path: Path, body: bytes) -> None:
    """Write a file whole or not at all, and for good."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
