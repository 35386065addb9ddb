"""Edge: filesystem. The folder of manuscripts: read whole, a broken file beside the good ones; filed without a loss."""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath
from typing import Final

from biweekly.errors import ReportError
from biweekly.model.issue import Image, Report, ReportId, ReportWarning, SetAside
from biweekly.reports.canonical import stamp, write
from biweekly.reports.frontmatter import parse, standing_warnings
from biweekly.reports.tidy import UNSEEN

LARGEST_FILE: Final = 5_000_000  # bytes; a novel has one
_INCOMING: Final = ".incoming.md"
_FIRST_FENCE: Final = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:[ \t]*(?:\r\n|\n))*(\+\+\+|---)[ \t]*(\r\n|\n|\r)")
_FILED: Final = re.compile(r'^filed_sha256 = "([0-9a-f]{64})"\n', re.MULTILINE)


@dataclass(frozen=True)
class Shelf:
    """What a folder of manuscripts holds: the reports by file name, and what could not be read as one."""

    reports: tuple[Report, ...]
    set_aside: tuple[SetAside, ...]


def read_folder(
    folder: Path, *, sections: Sequence[str], now: datetime, zone: tzinfo = UTC, cutoff: datetime | None = None
) -> Shelf:
    """Read every `*.md` of a folder, in the order of their names; README.md and names with _ or . in front are left.

    A file without `received` gets `now` written into its front matter, its other bytes untouched; where a `cutoff` has
    passed and the file was last changed before it, that instant: whoever looks late must not make it late. A file
    that cannot be read is set aside with line, code and cure (`bad-encoding`, `bad-name`, `bad-front-matter`,
    `empty-body`, `duplicate-id`, `image-missing`, `image-outside`, `too-large`, `unreadable`); the others go on. `zone`
    is the publication's: of its day, and of times that name none. ReportError `unreadable`: the folder itself.
    """
    found: list[tuple[Path, Report]] = []
    set_aside: list[SetAside] = []
    for path in _files(folder):
        name = f"{folder.name}/{path.name}"
        try:
            found.append((path, _read_file(path, name, sections=sections, now=now, zone=zone, cutoff=cutoff)))
        except ReportError as error:
            set_aside.append(SetAside(error.name, error.code, error.message, error.line, error.hint))
    kept, doubles = _once_each(found, folder.name)
    return Shelf(tuple(kept), tuple(sorted([*set_aside, *doubles], key=lambda one: one.source)))


def file_report(folder: Path, report: Report, raw: bytes, *, now: datetime, origin: Path | None = None) -> Path:
    """File an imported report as `<id>.md` and keep its raw source as `sources/<sha256>`. Returns the file.

    A file that an editor wrote or changed since its import is never overwritten: the newer text goes to
    `<id>.incoming.md` beside it, unless nothing new came in. The same import twice gives the same files. Pictures are
    copied from `origin`, the folder where the source stood. Raises ReportError `image-missing`, `image-outside`,
    `report-unwritable`.
    """
    with _writing(folder / f"{report.id}.md"):
        return _file(folder, report, raw, now=now, origin=origin)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say in words why a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise ReportError(
            f"it cannot be written: {error.strerror or error}", code="report-unwritable",
            name=f"{path.parent.name}/{path.name}", hint="look at who may write there, and at the space on the disk",
        ) from error  # fmt: skip


def _file(folder: Path, report: Report, raw: bytes, *, now: datetime, origin: Path | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(raw).hexdigest()
    kept = folder / "sources" / digest
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        _write_whole(kept, raw)
    path = folder / f"{report.id}.md"
    standing = _standing(path)
    report = _with_pictures(report, folder, origin)
    source = replace(report.source, raw_sha256=digest, filed_sha256=None)
    known = standing.report.received if standing and standing.report else None
    report = replace(report, received=known or report.received or now.replace(microsecond=0), source=source)
    text = _sealed(report)
    if standing is None or (standing.unchanged and standing.text != text):
        _write_whole(path, text.encode())
        return path
    if standing.unchanged or standing.came_from(report):
        return path
    incoming = folder / f"{report.id}{_INCOMING}"
    if not incoming.exists() or incoming.read_text("utf-8", "replace") != text:
        _write_whole(incoming, text.encode())
    return incoming


@dataclass(frozen=True)
class _Standing:
    """A file that is there already."""

    text: str
    report: Report | None
    unchanged: bool

    def came_from(self, report: Report) -> bool:
        """Whether the same source, read by the same reader, made it: then there is nothing new."""
        if self.report is None:
            return False
        ours, theirs = self.report.source, report.source
        return (ours.raw_sha256, ours.importer) == (theirs.raw_sha256, theirs.importer)


def _standing(path: Path) -> _Standing | None:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    report = None
    with contextlib.suppress(ReportError):
        report = parse(text, name=path.name)
    seal = _FILED.search(text)
    unchanged = bool(seal) and hashlib.sha256(_FILED.sub("", text, count=1).encode()).hexdigest() == seal[1]  # type: ignore[index]
    return _Standing(text, report, unchanged)


def _sealed(report: Report) -> str:
    digest = hashlib.sha256(write(report).encode()).hexdigest()
    return write(replace(report, source=replace(report.source, filed_sha256=digest)))


def _files(folder: Path) -> list[Path]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReportError(
            f"the folder cannot be read: {error.strerror or error}", code="unreadable", name=f"{folder.name}/",
            hint="it holds the manuscripts; look at its permissions",
        ) from error  # fmt: skip
    # README.md and drafts behind an underscore are the editor's own business; a newer text waits for the older to go.
    return [
        folder / name
        for name in names
        if name.endswith(".md") and name[0] not in "._" and name.casefold() != "readme.md"
        and not (name.endswith(_INCOMING) and f"{name.removesuffix(_INCOMING)}.md" in names)
        and (folder / name).is_file()
    ]  # fmt: skip


def _read_file(
    path: Path, name: str, *, sections: Sequence[str], now: datetime, zone: tzinfo, cutoff: datetime | None
) -> Report:
    if UNSEEN.search(name) or "\n" in name:
        raise ReportError(
            "its name has characters that cannot be shown", code="bad-name",
            name=name.encode("ascii", "backslashreplace").decode(), hint="give the file a name of letters and digits",
        )  # fmt: skip
    raw = read_source(path, name=name)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReportError(
            "it is not in UTF-8", code="bad-encoding", name=name, line=raw.count(b"\n", 0, error.start) + 1,
            hint="save it as UTF-8 in your editor",
        ) from error  # fmt: skip
    report = parse(text, name=name, zone=zone)
    for image in report.images:
        _picture(image, path.parent, name, text)
    warnings = [*report.warnings, *standing_warnings(report, sections=sections, today=now.astimezone(zone).date())]
    if report.received is None:
        seen = cutoff if cutoff is not None and cutoff < now and _is_as_old(path, cutoff) else now
        report = replace(report, received=seen.astimezone(UTC).replace(microsecond=0))
        if problem := _note_arrival(path, raw, report, zone):
            warnings.append(ReportWarning("received_not_written", f"its arrival cannot be written down: {problem}"))
    if path.with_name(path.stem + _INCOMING).exists():
        warnings.append(
            ReportWarning(
                "incoming_beside", f"an import brought a newer text: compare {path.stem}{_INCOMING}, delete it"
            )
        )
    named = {one.casefold(): one for one in sections}
    section = named.get(report.section.casefold(), report.section)
    return replace(report, section=section, warnings=tuple(warnings))


def read_source(path: Path, *, name: str) -> bytes:
    """Read a file whole; ReportError `unreadable` or `too-large`."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        cause = error.strerror or str(error)
        raise ReportError(
            f"it cannot be opened: {cause}", code="unreadable", name=name, hint="check its name and permissions"
        ) from error
    if len(raw) > LARGEST_FILE:
        raise ReportError(
            f"it has more than {LARGEST_FILE // 1_000_000} MB", code="too-large", name=name,
            hint="a report is text; keep pictures in files of their own",
        )  # fmt: skip
    return raw


def _is_as_old(path: Path, instant: datetime) -> bool:
    try:
        return path.stat().st_mtime <= instant.timestamp()
    except OSError:
        return False


def _note_arrival(path: Path, raw: bytes, report: Report, zone: tzinfo) -> str | None:
    """Write `received` into the front matter as a line of its own; return why that was impossible, if it was.

    A file without front matter gets one, which also says that it is a draft, since it was one for want of it.
    """
    moment = stamp(report.received).encode() if report.received else b""
    found = _FIRST_FENCE.match(raw)
    if found:
        sign = b" = " if found[1] == b"+++" else b": "
        changed = raw[: found.end()] + b"received" + sign + moment + found[2] + raw[found.end() :]
    else:
        mark = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
        head = b'+++\nstatus = "draft"\nreceived = ' + moment + b"\n+++\n\n"
        changed = mark + head + raw.removeprefix(mark)
    again = None
    with contextlib.suppress(ReportError):
        again = parse(changed.decode(), name=path.name, zone=zone)
    # YAML between braces, say: with a line before them it would be read as something else.
    if again is None or replace(again, warnings=(), id=report.id) != replace(report, warnings=()):
        return "its settings are laid out so that no line can be added"
    try:
        if path.read_bytes() != raw:
            return "it was being saved at the same moment"
        _write_whole(path, changed, like=path)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _write_whole(path: Path, content: bytes, *, like: Path | None = None) -> None:
    """Write a file at once: readers see the old one or the new one, also after a crash."""
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            shutil.copymode(like, draft)
        os.replace(draft, path)  # noqa: PTH105 - the name says that it is atomic
    finally:
        draft.unlink(missing_ok=True)


def _once_each(found: Sequence[tuple[Path, Report]], folder: str) -> tuple[list[Report], list[SetAside]]:
    """Set aside all but one file of an id: the one named after it stays, else the first."""
    owner: dict[ReportId, Path] = {}
    for path, report in sorted(found, key=lambda pair: pair[0].stem != pair[1].id):
        owner.setdefault(report.id, path)
    kept = [report for path, report in found if owner[report.id] == path]
    doubles = [
        SetAside(
            f"{folder}/{path.name}", "duplicate-id",
            f"its id {report.id} is that of {folder}/{owner[report.id].name}", None,
            "give it an id of its own, or delete one of the two files",
        )
        for path, report in found if owner[report.id] != path
    ]  # fmt: skip
    return kept, doubles


def _picture(image: Image, folder: Path, name: str, text: str) -> Path:
    """Find a picture's file; it must be there, and inside the folder."""
    line = next((at for at, one in enumerate(text.split("\n"), 1) if image.path in one), None)
    steps = PurePosixPath(image.path.replace("\\", "/"))
    path = folder.joinpath(*steps.parts)
    if steps.is_absolute() or ":" in image.path or ".." in steps.parts or not _inside(path, folder):
        raise ReportError(
            f"the picture {image.path} is not inside the folder of reports", code="image-outside", name=name, line=line,
            hint="copy it into a folder named after the report",
        )  # fmt: skip
    if not _is_file(path):
        raise ReportError(
            f"there is no picture {image.path}", code="image-missing", name=name, line=line,
            hint=f"put it at {folder.name}/{image.path}, or take it out of the front matter",
        )  # fmt: skip
    return path


def _inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the file system has any
        return False


def _with_pictures(report: Report, folder: Path, origin: Path | None) -> Report:
    """Copy a report's pictures beside it, into a folder named after it; its text shows them there."""
    moved, text = [], report.body
    for image in report.images:
        found = _picture(image, origin or folder, str(report.id), "")
        body = found.read_bytes()
        target = _place_for(body, folder / report.id / found.name)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(target, body)
        path = f"{report.id}/{target.name}"
        moved.append(replace(image, path=path))
        shown = re.compile(rf"(!\[[^\]]*\]\(<?){re.escape(image.path)}(?=[\s>)])")
        text = shown.sub(lambda found, path=path: f"{found[1]}{path}", text)  # type: ignore[misc]
    return replace(report, images=tuple(moved), body=text)


def _place_for(body: bytes, wanted: Path) -> Path:
    """The first of `dam.jpg`, `dam-2.jpg`, ... that is free or is this very picture; no other is written over."""
    place, number = wanted, 1
    while place.exists() and place.read_bytes() != body:
        number += 1
        place = wanted.with_stem(f"{wanted.stem}-{number}")
    return place
