"""Pure. An issue.toml written anew, or put right without touching what the editor wrote around it.

Values and lists go through tomlkit, which keeps comments and order; a new section is put in as text, because tomlkit
takes a comment above a heading for the end of the table before it. What was written is read back before it is trusted.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from biweekly.errors import IssueError
from biweekly.issues.manuscript import read_issue
from biweekly.model.issue import Composed, Entry, Issue, ReportId

_OPENING: Final = """\
# Moving a report's line moves the report, taking the line out leaves it out; the first one leads.
# `biweekly issue compose` adds what is new and leaves alone what you changed.
"""
_NOTE: Final = "# The editor's note stands above the contents, in Markdown."
_SKIPPED: Final = '# "a-report" = "why it is not in this issue"'
_KEPT: Final = "# Kept by biweekly, to tell what it wrote from what you changed."
_SECTION: Final = re.compile(r"\s*\[\[\s*[\"']?section[\"']?\s*\]\]")


def write_issue(issue: Issue, *, standing: str | None, titles: Mapping[ReportId, str], place: str) -> str:
    """Return the text of an issue.toml: `standing` with what differs put right, comments and order left alone.

    `titles` stand as comments behind the lines of reports that are new in the file. Raises IssueError
    `issue-unreadable` where `standing` is no issue, `issue-tangled` where its layout cannot be kept.
    """
    if standing is None:
        return _fresh(issue, titles)
    before = read_issue(standing, issue=issue.id, place=place)
    wanted = _as_filed(issue)
    if before == wanted:
        return standing
    text = _put_right(standing.replace("\r\n", "\n"), issue, before, titles)
    try:
        true = _same(read_issue(text, issue=issue.id, place=place), wanted)
    except IssueError:
        true = False
    if not true:
        raise IssueError(
            "this file is laid out in a way that cannot be changed without harm", code="issue-tangled", place=place,
            hint="put the [[section]] blocks together, in front of [skipped] and [composed]",
        )  # fmt: skip
    return text.replace("\n", "\r\n") if "\r\n" in standing else text


def _as_filed(issue: Issue) -> Issue:
    """The issue as reading it back gives it: entries grouped, hashes from what compose wrote."""
    hashes = issue.composed.reports if issue.composed else {}
    entries = tuple(replace(one, sha256=hashes.get(one.report, "")) for _, block in _blocks(issue) for one in block)
    return replace(issue, entries=entries)


def _same(one: Issue, other: Issue) -> bool:
    """Whether two issues say the same. The order of sections is the file's: an empty one may stand anywhere in it."""
    return dict(_blocks(one)) == dict(_blocks(other)) and replace(one, entries=()) == replace(other, entries=())


def _blocks(issue: Issue) -> list[tuple[str, list[Entry]]]:
    blocks: dict[str, list[Entry]] = {}
    for entry in issue.entries:
        blocks.setdefault(entry.section, []).append(entry)
    return list(blocks.items())


# --- anew --------------------------------------------------------------------------------------------------------


def _fresh(issue: Issue, titles: Mapping[ReportId, str]) -> str:
    numbered = [] if issue.number is None else [f"number = {issue.number}"]
    head = [
        *numbered,
        f"date = {issue.date.isoformat()}",
        f"subject = {quoted(issue.subject)}",
        f"preheader = {quoted(issue.preheader)}",
        _NOTE,
        f"note = {quoted(issue.note)}",
    ]
    skipped = ["[skipped]", _SKIPPED, *(f"{quoted(one)} = {quoted(why)}" for one, why in issue.skipped.items())]
    sections = [_section(title, block, titles) for title, block in _blocks(issue)]
    kept = [_kept(issue.composed)] if issue.composed else []
    return _OPENING + "\n\n".join(["\n".join(head), *sections, "\n".join(skipped), *kept]) + "\n"


def _section(title: str, block: Sequence[Entry], titles: Mapping[ReportId, str]) -> str:
    lines = (f"  {_line(one)}," + _comment(titles.get(one.report, "")) for one in block)
    return "\n".join(["[[section]]", f"title = {quoted(title)}", "reports = [", *lines, "]"])


def _line(entry: Entry) -> str:
    if not entry.pinned and entry.form is None:
        return quoted(entry.report)
    pinned = ", pinned = true" if entry.pinned else ""
    form = f", form = {quoted(entry.form)}" if entry.form is not None else ""
    return f"{{ id = {quoted(entry.report)}{pinned}{form} }}"


def _comment(title: str) -> str:
    said = " ".join("".join(char if char.isprintable() else " " for char in title).split())
    return f"  # {said}" if said else ""


def _kept(composed: Composed) -> str:
    words = [f"subject = {quoted(composed.subject)}", f"preheader = {quoted(composed.preheader)}"]
    reports = [f"{quoted(one)} = {quoted(sha256)}" for one, sha256 in sorted(composed.reports.items())]
    return "\n".join([_KEPT, "[composed]", *words, "", "[composed.reports]", *reports])


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def quoted(text: str) -> str:
    """Write a TOML basic string."""
    return (
        '"' + "".join(_ESCAPES.get(char) or (char if _is_plain(char) else f"\\u{ord(char):04X}") for char in text) + '"'
    )


def _is_plain(char: str) -> bool:
    return char >= " " and char != "\x7f"


# --- put right ---------------------------------------------------------------------------------------------------


def _put_right(text: str, issue: Issue, before: Issue, titles: Mapping[ReportId, str]) -> str:
    import tomlkit

    doc: Any = tomlkit.parse(text)
    missing = ""
    for key in ("number", "date", "subject", "preheader", "note"):
        value = getattr(issue, key)
        if value == getattr(before, key):
            continue
        if value is None:
            doc.pop(key)
        elif key in doc:
            doc[key] = value
        else:
            missing += f"{key} = {tomlkit.item(value).as_string()}\n"
    blocks = dict(_blocks(issue))
    standing = [str(one["title"]) for one in doc.get("section", [])]
    for table in doc.get("section", []):
        _put_list_right(table, blocks.get(str(table["title"]), []))
    if issue.composed is not None and "composed" in doc:
        _put_kept_right(doc["composed"], issue.composed)
    # A key that was missing goes to the very top: anywhere else it could fall into a table.
    text = missing + str(doc.as_string())
    if issue.composed is not None and before.composed is None:
        text = f"{text.rstrip()}\n\n{_kept(issue.composed)}\n"
    listed = {one.report for one in before.entries}
    text = _with_titles(text, {one: said for one, said in titles.items() if one not in listed})
    order = list(blocks)
    for title in (one for one in order if one not in standing):
        behind = [standing.index(one) for one in order[: order.index(title)] if one in standing]
        at = max(behind, default=-1) + 1
        text = _with_section(text, at, len(standing), _section(title, blocks[title], titles))
        standing.insert(at, title)
    return text


def _put_list_right(table: Any, wanted: Sequence[Entry]) -> None:
    """Take out, move and put in until the list holds what is wanted; lines that stay keep their comments."""
    import tomlkit

    if "reports" not in table:
        table["reports"] = tomlkit.array()
    listed = table["reports"]
    ids = [str(one) if isinstance(one, str) else str(one["id"]) for one in listed]
    names = [str(one.report) for one in wanted]
    for at in range(len(ids) - 1, -1, -1):
        if ids[at] not in names:
            del listed[at]
            del ids[at]
    for at, entry in enumerate(wanted):
        if at < len(ids) and ids[at] == entry.report:
            continue
        if entry.report in ids:
            old = ids.index(entry.report)
            del listed[old]
            del ids[old]
        listed.insert(at, tomlkit.parse(f"v = {_line(entry)}")["v"])
        ids.insert(at, entry.report)


def _put_kept_right(table: Any, composed: Composed) -> None:
    from tomlkit.items import KeyType, SingleKey

    table["subject"] = composed.subject
    table["preheader"] = composed.preheader
    reports = table.setdefault("reports", {})
    if {str(one): str(sha256) for one, sha256 in reports.items()} == dict(composed.reports):
        return
    for one in [str(one) for one in reports]:
        del reports[one]
    for one, sha256 in sorted(composed.reports.items()):
        reports.add(SingleKey(one, t=KeyType.Basic), sha256)


def _with_titles(text: str, titles: Mapping[ReportId, str]) -> str:
    """Write a report's title behind its line, where it has a line to itself."""
    for report, title in titles.items():
        line = re.compile(rf"^(\s*{re.escape(quoted(report))},?)[ \t]*$", re.MULTILINE)
        found = line.search(text)
        if found is not None:
            text = f"{text[: found.end(1)]}{_comment(title)}{text[found.end() :]}"
    return text


def _with_section(text: str, at: int, count: int, block: str) -> str:
    """Put a section's text in front of the section that is `at`-th now, below the last where there is none."""
    lines = text.split("\n")
    headings = [number for number, line in enumerate(lines) if _SECTION.match(line)]
    if len(headings) != count or not headings:
        return f"{text.rstrip()}\n\n{block}\n"
    if at < count:
        here = headings[at]
    else:
        here = next((n for n in range(headings[-1] + 1, len(lines)) if lines[n].startswith("[")), len(lines))
    # Comments right above a heading speak of what it heads.
    while here > 0 and lines[here - 1].startswith("#"):
        here -= 1
    while here > 0 and here == len(lines) and not lines[here - 1].strip():
        lines.pop()
        here -= 1
    gap = [] if here == 0 or not lines[here - 1].strip() else [""]
    return "\n".join([*lines[:here], *gap, *block.split("\n"), "", *lines[here:]])
