"""Pure. An issue.toml as text: read with a place for every fault, written without touching what the editor wrote."""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NoReturn

from biweekly.errors import IssueError
from biweekly.model.issue import Composed, Entry, Form, Issue, IssueId, ReportId

_KEYS: Final = ("number", "date", "subject", "preheader", "note", "section", "skipped", "composed")
_SECTION_KEYS: Final = ("title", "reports")
_ENTRY_KEYS: Final = ("id", "pinned", "form")
_COMPOSED_KEYS: Final = ("subject", "preheader", "reports")


class _Page:
    """A text being read: says what is wrong, and on which line."""

    def __init__(self, text: str, place: str) -> None:
        self.lines = text.splitlines()
        self.place = place

    def fault(self, message: str, *words: str, key: str | None = None, hint: str | None = None) -> NoReturn:
        """Raise; the place is the line of a key or table, else of the last word, behind one with the word before it."""
        line = self.line_of(words, key)
        raise IssueError(
            message, code="issue-unreadable", place=f"{self.place}:{line}" if line else self.place, hint=hint
        )

    def line_of(self, words: Sequence[str], key: str | None) -> int | None:
        at = None
        for word in words:
            found = next((n for n in range(at or 0, len(self.lines)) if word in self.lines[n]), None)
            at = at if found is None else found
        if key is not None:
            # At the head of a line, else inside { ... }: "note" also stands inside other words.
            for form in (rf"\s*(?:\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[\]=]", rf".*\b{re.escape(key)}\b"):
                lines = range(at or 0, len(self.lines))
                found = next((n for n in lines if re.match(form, self.lines[n])), None)
                if found is not None:
                    return found + 1
        return None if at is None else at + 1

    def known(self, table: Mapping[str, Any], keys: Sequence[str], *within: str) -> None:
        """Refuse an unknown key, naming the nearest known one."""
        for key in table:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
                self.fault(
                    f'unknown key "{key}"', *within, key=key,
                    hint=f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(keys)}",
                )  # fmt: skip

    def text(self, table: Mapping[str, Any], key: str, *within: str) -> str:
        """A string, empty where the key is missing."""
        value = table.get(key, "")
        if not isinstance(value, str):
            self.fault(f'"{key}" must be text in quotes', *within, key=key)
        return value


def read_issue(text: str, *, issue: IssueId, place: str) -> Issue:
    """Read an issue.toml. Raises IssueError `issue-unreadable` with file and line."""
    page = _Page(text, place)
    try:
        tree = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        at = re.search(r"line (\d+)", str(error))
        # What is missing at the very end is missed on the last line that says something.
        line = int(at[1]) if at else len(text.rstrip().split("\n"))
        raise IssueError(
            f"not valid TOML: {error}", code="issue-unreadable", place=f"{place}:{line}",
            hint="every report stands in quotes with a comma behind it",
        ) from error  # fmt: skip
    page.known(tree, _KEYS)
    number = tree.get("number")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
        page.fault('"number" must be a whole number', key="number")
    day = tree.get("date")
    if not isinstance(day, date) or isinstance(day, datetime):
        page.fault("the issue needs a date, as in: date = 2026-11-26", key="date")
    composed = _read_composed(page, tree)
    return Issue(
        issue,
        day,
        number or None,
        page.text(tree, "subject"),
        page.text(tree, "preheader"),
        page.text(tree, "note"),
        _read_entries(page, tree, composed),
        skipped=_read_skipped(page, tree),
        composed=composed,
    )


def _read_entries(page: _Page, tree: Mapping[str, Any], composed: Composed | None) -> tuple[Entry, ...]:
    sections = tree.get("section", [])
    if not isinstance(sections, list) or not all(isinstance(one, dict) for one in sections):
        page.fault("a section is written [[section]], with two brackets on either side", key="section")
    entries: dict[ReportId, Entry] = {}
    titles: set[str] = set()
    for section in sections:
        title = page.text(section, "title", "[[section]]")
        page.known(section, _SECTION_KEYS, title or "[[section]]")
        if not title:
            page.fault("a section needs its title", "[[section]]")
        if title in titles:
            page.fault(f'the section "{title}" stands twice; put its reports together', title)
        titles.add(title)
        listed = section.get("reports", [])
        if not isinstance(listed, list):
            page.fault('"reports" is a list: reports = ["one", "another"]', title, key="reports")
        for one in listed:
            entry = _read_entry(page, one, title, composed)
            if entry.report in entries:
                page.fault(f"the report {entry.report} stands twice in this issue", title, entry.report)
            entries[entry.report] = entry
    return tuple(entries.values())


def _read_entry(page: _Page, raw: object, section: str, composed: Composed | None) -> Entry:
    table = {"id": raw} if isinstance(raw, str) else raw
    if not isinstance(table, dict):
        page.fault('a report is its id in quotes, or { id = "its-id", pinned = true }', section, key="reports")
    name = page.text(table, "id", section)
    page.known(table, _ENTRY_KEYS, section, name)
    if not name:
        page.fault("a report needs its id", section, key="reports")
    pinned = table.get("pinned", False)
    if not isinstance(pinned, bool):
        page.fault('"pinned" is true or false', section, name)
    form = table.get("form")
    if form is not None and form not in list(Form):
        page.fault(f'"form" is one of {", ".join(Form)}', section, name)
    report = ReportId(name)
    sha256 = composed.reports.get(report, "") if composed else ""
    return Entry(report, section, sha256, Form(form) if form is not None else None, pinned)


def _read_skipped(page: _Page, tree: Mapping[str, Any]) -> dict[ReportId, str]:
    skipped = tree.get("skipped", {})
    if not isinstance(skipped, dict):
        page.fault('what is skipped stands below [skipped], as: "its-id" = "why"', key="skipped")
    return {ReportId(one): page.text(skipped, one, "[skipped]") for one in skipped}


def _read_composed(page: _Page, tree: Mapping[str, Any]) -> Composed | None:
    table = tree.get("composed")
    if table is None:
        return None
    if not isinstance(table, dict) or not isinstance(table.get("reports", {}), dict):
        page.fault("[composed] is kept by biweekly; take the whole of it out and compose again", key="composed")
    page.known(table, _COMPOSED_KEYS, "[composed]")
    reports = table.get("reports", {})
    return Composed(
        {ReportId(one): page.text(reports, one, "[composed.reports]") for one in sorted(reports)},
        page.text(table, "subject", "[composed]"),
        page.text(table, "preheader", "[composed]"),
    )
