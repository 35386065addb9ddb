"""Edge: filesystem. The issues of a publication: a folder each, named by its id, with an issue.toml in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from biweekly.errors import BiweeklyError, IssueError, NothingToDo
from biweekly.issues.filing import write_atomically
from biweekly.issues.manuscript import read_issue
from biweekly.issues.rewriting import write_issue
from biweekly.issues.sent import NAME as SENT
from biweekly.issues.sent import Sent, read_sent
from biweekly.model.issue import Issue, IssueId, ReportId

NAME: Final = "issue.toml"
_ID: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-([2-9]|[1-9]\d+))?")


@dataclass(frozen=True, slots=True)
class Listed:
    """An issue in the list; `issue` is None and `fault` says why where its file cannot be used."""

    id: IssueId
    issue: Issue | None
    sent: Sent | None
    fault: BiweeklyError | None = None

    @property
    def was_sent(self) -> bool:
        """Whether it was mailed, as its sent.toml says."""
        return self.sent is not None

    @property
    def mailed(self) -> datetime | None:
        """When it was mailed, as its sent.toml says."""
        return self.sent.mailed if self.sent is not None else None

    @property
    def day(self) -> date:
        """The date it carries; its id's where the file cannot be read."""
        return self.issue.date if self.issue is not None else _day_of(self.id)


def place_of(issue: IssueId) -> str:
    """How an issue's file is named to people."""
    return f"issues/{issue}/{NAME}"


def read(folder: Path, issue: IssueId) -> Issue:
    """Read one issue. NothingToDo `no-such-issue`, IssueError `issue-unreadable`."""
    text = _text_of(folder / issue / NAME, place_of(issue))
    if text is None:
        raise _no_such(issue)
    return read_issue(text, issue=issue, place=place_of(issue))


def write(folder: Path, issue: Issue, *, titles: Mapping[ReportId, str]) -> bool:
    """Write an issue into its folder, keeping the editor's comments and order. False where nothing had to change."""
    path = folder / issue.id / NAME
    standing = _text_of(path, place_of(issue.id))
    text = write_issue(issue, standing=standing, titles=titles, place=place_of(issue.id))
    if text == standing:
        return False
    write_atomically(path, text.encode())
    return True


def listing(folder: Path) -> tuple[Listed, ...]:
    """Every issue, oldest id first; one that cannot be read is listed with its fault and the others go on."""
    if not folder.is_dir():
        return ()
    found = []
    named = [one.name for one in folder.iterdir() if _is_id(one.name)]
    for name in sorted(named, key=_order_of):
        if not (folder / name / NAME).is_file() and not (folder / name / SENT).is_file():
            continue
        issue = IssueId(name)
        try:
            sent = read_sent(folder, issue)
        except IssueError as error:
            # Whether it was mailed is not known: nothing may be composed or sent on a guess.
            found.append(Listed(issue, None, None, error))
            continue
        try:
            found.append(Listed(issue, read(folder, issue), sent))
        except IssueError as error:
            found.append(Listed(issue, None, sent, error))
        except NothingToDo:
            # Its id is taken all the same: a new issue in its folder would pass for mailed.
            found.append(Listed(issue, None, sent, _lost(issue)))
    return tuple(found)


def resolve(folder: Path, word: str, *, today: date) -> IssueId:
    """Say which issue is meant by an id, `next` or `latest`.

    `next` is the earliest unsent issue on or after today, else the newest unsent one; `latest` the newest sent, else
    the newest. NothingToDo `no-such-issue` where there is none.
    """
    if word not in {"next", "latest"}:
        if not _is_id(word) or not (folder / word / NAME).is_file():
            raise _no_such(word)
        return IssueId(word)
    issues = sorted(listing(folder), key=lambda one: (one.day, _order_of(one.id)))
    unsent = [one for one in issues if one.sent is None]
    sent = [one for one in issues if one.sent is not None]
    if word == "next":
        coming = [one for one in unsent if one.day >= today]
        chosen = coming[:1] or unsent[-1:]
    else:
        chosen = sent[-1:] or issues[-1:]
    if not chosen:
        raise NothingToDo(
            f"there is no {'unsent issue' if word == 'next' else 'issue'} yet", code="no-such-issue", place="issues/",
            hint="biweekly issue compose",
        )  # fmt: skip
    return chosen[0].id


def place_of_word(folder: Path, issue: IssueId, word: str) -> str:
    """Where in an issue's file a report's id or a key stands, as `file:line`; the file alone where it does not."""
    try:
        lines = (_text_of(folder / issue / NAME, "") or "").splitlines()
    except IssueError:
        lines = []
    # An id stands in quotes and a key at a line's head; either may also be a word of the subject.
    for form in (rf"[^#]*[\"']{re.escape(word)}[\"']", rf"\s*{re.escape(word)}\s*=", rf".*{re.escape(word)}"):
        for number, line in enumerate(lines, 1):
            if re.match(form, line):
                return f"{place_of(issue)}:{number}"
    return place_of(issue)


def _text_of(path: Path, place: str) -> str | None:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise IssueError(
            "not UTF-8 text", code="issue-unreadable", place=f"{place}:{line}", hint="save the file as UTF-8"
        ) from error
    except OSError as error:
        raise IssueError(f"cannot be read: {error.strerror or error}", code="issue-unreadable", place=place) from error


def _lost(issue: IssueId) -> IssueError:
    return IssueError(
        "the issue was mailed and its file is gone", code="issue-unreadable", place=place_of(issue),
        hint="put it back from a backup; sent.toml beside it still says what went out",
    )  # fmt: skip


def _no_such(word: str) -> NothingToDo:
    return NothingToDo("there is no such issue", code="no-such-issue", place=word, hint="biweekly issue list")


def _is_id(name: str) -> bool:
    found = _ID.fullmatch(name)
    try:
        return found is not None and bool(date.fromisoformat(found[1]))
    except ValueError:
        return False


def _day_of(issue: IssueId) -> date:
    return date.fromisoformat(issue[:10])


def _order_of(name: str) -> tuple[str, int]:
    found = _ID.fullmatch(name)
    return (found[1], int(found[2] or 1)) if found else (name, 0)
