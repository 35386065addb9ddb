"""Shell. The proofing desk of the preview: renders an issue when its files changed, and keeps the last good one."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Final

from biweekly.compose import Candidate
from biweekly.contracts import Environ
from biweekly.errors import BiweeklyError
from biweekly.model.issue import Edition, IssueId, VariantName
from biweekly.newsroom import open_newsroom
from biweekly.proof import read_as_sample
from biweekly.publication import CONFIG_NAME, Publication, data_root, open_publication
from biweekly.services.editorial import Shown, Standing

FOLDERS: Final = ("reports", "issues", "templates")
_ABOVE, _BELOW = 2, 2

Stamp = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """A good rendering: as the sample reader gets it, with what an editor wants to know about it."""

    edition: Edition
    html: str
    text: str
    shown: Shown
    candidates: tuple[Candidate, ...]
    sender_name: str
    public_url: str
    took_ms: int

    @property
    def size_bytes(self) -> int:
        """The HTML's size, which is what some readers' programs clip by."""
        return len(self.html.encode())


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file that is at fault, by its number."""

    number: int
    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to see: the fault, if there is one now, and the last good proof, if there was one."""

    issue: IssueId
    proof: Proof | None
    fault: BiweeklyError | None
    lines: tuple[Line, ...] = ()


class ProofDesk:
    """Looks at the issues of one publication folder. Safe to use from several threads: one renders at a time."""

    def __init__(
        self, root: Path, *, environ: Environ, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.root = root
        self._environ = environ
        self._clock = clock
        self._turn = threading.Lock()
        self._stamps: dict[IssueId, Stamp] = {}
        self._looks: dict[IssueId, Look] = {}

    def publication(self) -> Publication:
        """Open the publication as its configuration is now."""
        return open_publication(self.root, environ=self._environ)

    def issues(self) -> tuple[str, Sequence[Standing]]:
        """The publication's name and its issues, newest first."""
        publication = self.publication()
        return publication.config.publication.name, tuple(reversed(open_newsroom(publication).list_issues()))

    def resolve(self, word: str) -> IssueId:
        """Say which issue an id, `next` or `latest` means. NothingToDo `no-such-issue`."""
        return open_newsroom(self.publication()).resolve(word, now=self._clock())

    def look(self, issue: IssueId) -> Look:
        """Render an issue if anything has changed since the last look. A fault is part of the answer, not raised."""
        with self._turn:
            stamp = self._stamp(issue)
            if issue in self._looks and self._stamps[issue] == stamp:
                return self._looks[issue]
            before = self._looks.get(issue)
            try:
                look = Look(issue, self._proof(issue), None)
            except BiweeklyError as fault:
                look = Look(issue, before.proof if before else None, fault, self._lines(fault))
            self._looks[issue] = look
            # The state before rendering: what was saved meanwhile is seen at the next look.
            self._stamps[issue] = stamp
            return look

    def last_good(self, issue: IssueId) -> Proof | None:
        """Return the proof that stands on the page, without rendering anew."""
        look = self._looks.get(issue)
        return look.proof if look else None

    def by_web_id(self, web_id: str) -> Proof | None:
        """Return the proof whose web version has this address, where one of the pages shows it."""
        proofs = (look.proof for look in tuple(self._looks.values()))
        return next((one for one in proofs if one and one.edition.web_id == web_id), None)

    def picture(self, sha256: str) -> Path | None:
        """Find a picture's file by its hash."""
        from biweekly.pictures import PictureStore

        return PictureStore(self.publication().media).path_of(sha256)

    def _proof(self, issue: IssueId) -> Proof:
        publication, now = self.publication(), self._clock()
        newsroom = open_newsroom(publication)
        began = time.perf_counter()
        edition = newsroom.render_issue(issue, now=now)
        took = time.perf_counter() - began
        variant = next(one for one in edition.variants if one.name is VariantName.HTML)
        page, text = read_as_sample(edition, variant)
        name, address = parseaddr(publication.config.publication.sender)
        return Proof(
            edition=edition,
            html=page or "",
            text=text,
            shown=newsroom.show_issue(issue, now=now),
            candidates=newsroom.plan_issue(issue, now=now),
            sender_name=name or address,
            public_url=edition.public_url,
            took_ms=round(took * 1000),
        )

    def _stamp(self, issue: IssueId) -> Stamp:
        return self._clock().date(), *sorted(_stamps(self._watched(issue)))

    def _watched(self, issue: IssueId) -> Iterator[Path]:
        yield self.root / CONFIG_NAME
        for folder in (self.root / "reports", self.root / "templates", self.root / "issues" / issue):
            for path in folder.rglob("*"):
                if "sources" not in path.parts and not path.name.startswith("."):
                    yield path
        yield from (self.root / "issues").glob("*/sent.toml")

    def _lines(self, fault: BiweeklyError) -> tuple[Line, ...]:
        """The lines around the place of a fault, where it names a line of a file of ours."""
        found = re.fullmatch(r"(.+):(\d+)", fault.place or "")
        if found is None:
            return ()
        number = int(found[2])
        for base in (self.root, data_root()):
            path = (base / found[1]).resolve()
            if path.is_relative_to(base) and path.is_file() and path.suffix != "":
                lines = path.read_text("utf-8", errors="replace").splitlines()
                first = max(1, number - _ABOVE)
                around = lines[first - 1 : number + _BELOW]
                return tuple(Line(at, text, at == number) for at, text in enumerate(around, first))
        return ()


def _stamps(paths: Iterator[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            continue
        yield str(path), found.st_mtime_ns, found.st_size
