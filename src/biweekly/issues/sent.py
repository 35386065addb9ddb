"""Edge: filesystem. sent.toml: what went out in an issue, kept beside it. It decides which reports are the latest."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from biweekly.errors import IssueError
from biweekly.issues.filing import write_atomically
from biweekly.issues.rewriting import quoted
from biweekly.model.issue import IssueId, ReportId

NAME: Final = "sent.toml"
_HEAD: Final = "# Written when this issue was mailed. What stands here is not mailed again: keep it.\n"


@dataclass(frozen=True, slots=True)
class Sent:
    """An issue that was mailed: which edition, when its first letter was accepted, to how many.

    `reports` maps each report to the hash of the words that went out.
    """

    issue: IssueId
    edition: str
    mailed: datetime
    count: int
    reports: Mapping[ReportId, str]


def write_sent(folder: Path, sent: Sent) -> None:
    """Write an issue's sent.toml as a whole, over one that stands there. IssueError `issue-unwritable`."""
    mailed = sent.mailed.astimezone(UTC).replace(microsecond=0)
    lines = [
        f"edition = {quoted(sent.edition)}",
        f"mailed = {mailed:%Y-%m-%dT%H:%M:%SZ}",
        f"count = {sent.count}",
        "",
        "[reports]",
        *(f"{quoted(one)} = {quoted(sha256)}" for one, sha256 in sorted(sent.reports.items())),
    ]
    write_atomically(folder / sent.issue / NAME, (_HEAD + "\n".join(lines) + "\n").encode())


def read_sent(folder: Path, issue: IssueId) -> Sent | None:
    """Read an issue's sent.toml, None where it was not mailed. IssueError `sent-unreadable`."""
    place = f"issues/{issue}/{NAME}"
    try:
        tree = tomllib.loads((folder / issue / NAME).read_bytes().decode("utf-8-sig"))
        return _sent_of(issue, tree)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise IssueError(
            f"this record of what was mailed cannot be read: {cause}", code="sent-unreadable",
            place=f"{place}:{line[1]}" if line else place,
            hint="put the file back from a backup; without it reports could be mailed a second time",
        ) from error  # fmt: skip


def _sent_of(issue: IssueId, tree: Mapping[str, Any]) -> Sent:
    mailed, count, reports = tree["mailed"], tree["count"], tree["reports"]
    if not (isinstance(mailed, datetime) and mailed.tzinfo and isinstance(count, int) and isinstance(reports, dict)):
        raise TypeError("mailed, count or [reports] is not what it should be")
    hashes = {ReportId(one): str(sha256) for one, sha256 in reports.items()}
    return Sent(issue, str(tree["edition"]), mailed.astimezone(UTC), count, hashes)


def sent_reports(folder: Path) -> Mapping[ReportId, IssueId]:
    """Every report that was mailed, with the issue in which it went out first. IssueError `sent-unreadable`."""
    if not folder.is_dir():
        return {}
    mailed = [read_sent(folder, IssueId(one.name)) for one in folder.iterdir() if (one / NAME).is_file()]
    in_order = sorted((one for one in mailed if one is not None), key=lambda one: (one.mailed, one.issue), reverse=True)
    return {report: one.issue for one in in_order for report in one.reports}
