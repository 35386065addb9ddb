"""Edge: filesystem and child processes. Takes reports' images in: found, pressed in a child, kept in the store."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from biweekly.errors import ReportError
from biweekly.model.issue import Image, Picture, Report, ReportId
from biweekly.pictures.store import PictureStore

_PATIENCE_SECONDS: Final = 40
_LARGEST: Final = 40_000_000


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of it: pictures by report and path, and an error for each image that could not be used."""

    pictures: dict[tuple[ReportId, str], Picture]
    errors: tuple[ReportError, ...]


def take_in(reports: Iterable[Report], *, folder: Path, store: PictureStore) -> Taken:
    """Take in every image of these reports; `folder` holds the reports' files. One bad image stops no other."""
    pictures: dict[tuple[ReportId, str], Picture] = {}
    errors: list[ReportError] = []
    for report in reports:
        for image in report.images:
            try:
                pictures[report.id, image.path] = take_one(report, image, folder=folder, store=store)
            except ReportError as error:
                errors.append(error)
    return Taken(pictures, tuple(errors))


def take_one(report: Report, image: Image, *, folder: Path, store: PictureStore) -> Picture:
    """Take in one image.

    Raises ReportError with the image's path as its place: `image-missing`, `image-outside`, `image-too-large`,
    `image-broken`.
    """
    original = _read(report, image, folder)
    known = store.taken(original)
    if known is not None:
        return known
    made = subprocess.Popen(
        [sys.executable, "-I", "-m", "biweekly.pictures.press"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with made:
        try:
            out, err = made.communicate(original, timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            made.kill()
            raise _broken(report, image, "decoding took too long") from error
    if made.returncode != 0:
        words = err.decode("utf-8", "replace").strip() if made.returncode == 1 else ""
        last = words.splitlines()[-1] if words else f"the decoder gave up ({made.returncode})"
        raise _broken(report, image, last)
    head, _, body = out.partition(b"\n")
    picture = store.put(body, **json.loads(head))
    store.note(original, picture)
    return picture


def _read(report: Report, image: Image, folder: Path) -> bytes:
    name = f"reports/{image.path}"
    try:
        path = (folder / image.path).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ReportError(
                f"the image of {report.id} lies outside the reports' folder", code="image-outside", name=name,
                hint=f"copy it into reports/{report.id}/",
            )  # fmt: skip
        if path.stat().st_size > _LARGEST:
            raise ReportError(
                f"the image of {report.id} has more than {_LARGEST // 1_000_000} MB", code="image-too-large", name=name,
                hint="export it at 2400 px or less",
            )  # fmt: skip
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ReportError(
            f"{report.id} names an image that cannot be read: {error.__class__.__name__}", code="image-missing",
            name=name, hint=f"put it there, or take it out of reports/{report.id}.md",
        ) from error  # fmt: skip


def _broken(report: Report, image: Image, cause: str) -> ReportError:
    return ReportError(
        f"the image of {report.id} cannot be used: {cause}", code="image-broken", name=f"reports/{image.path}",
        hint="export it again as JPEG or PNG",
    )  # fmt: skip
