"""Pure. Pasted plain text: a manuscript, the capture of one report's page, or of a listing of many.

A capture is read in three steps: put in order (`tidy`), each line named for what it is (`marks`), lines gathered into
items here and each item understood (`item`). What an item does not say stays empty, with a warning.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, tzinfo
from itertools import pairwise
from urllib.parse import unquote, urlsplit

from biweekly.model.issue import Report, ReportId, ReportWarning, SetAside
from biweekly.reports.identity import slug
from biweekly.reports.item import Page, understand
from biweekly.reports.marks import Kind, Mark, is_sentence, mark
from biweekly.reports.tidy import decode, ends_sentence, tidy

IMPORTER = "capture/1"


def read(
    raw: bytes,
    *,
    source: str,
    url: str | None,
    sections: Sequence[str],
    today: date,
    zone: tzinfo,  # noqa: ARG001 - a page prints days; the hour beside one has no zone and is left out
) -> Sequence[Report | SetAside]:
    """Read pasted text as reports, in its own order; satisfies `contracts.Reader`.

    A text with nothing to print is set aside as `empty-body`, an issue's list of contents as `contents-list`.
    """
    text, encoding = decode(raw)
    tidied = tidy(text)
    if encoding:
        tidied.warnings.append(ReportWarning("encoding_guessed", f"no UTF-8; read as {encoding}"))
    marks = mark(tidied.lines)
    if not marks:
        return [
            SetAside(source, "empty-body", "there is no text in it", cure="paste the text of the report into the file")
        ]
    page = Page(source, url, tuple(sections), today, tuple(tidied.warnings), importer=IMPORTER)
    pages, contents = _contents_apart(marks, page)
    items = _items(pages)
    several = len(items) > 1
    section = _section_of(url, sections) if several or not any(m.kind is Kind.SECTION for m in pages) else ""
    page = replace(page, section=section, several=several)
    found: list[tuple[int, Report | SetAside]] = [
        (item[0].line, understand(item, page, last=item is items[-1])) for item in items
    ]
    found += contents
    return _told_apart([outcome for _, outcome in sorted(found, key=lambda pair: pair[0])])


def _items(marks: list[Mark]) -> list[list[Mark]]:
    """Gather the lines of each item."""
    if not marks:
        return []
    starts = sorted(_starts(marks))
    return [marks[start:end] for start, end in pairwise([*starts, len(marks)])]


def _starts(marks: Sequence[Mark]) -> set[int]:
    """Find the lines at which items begin.

    Where "Published in" stands above the first byline, it heads its item; else it ends it. Without such lines an item
    begins at its date, or at its byline with the title above.
    """
    heads = _section_heads(marks)
    starts = {0}
    taken = 0
    with_byline = False
    for position, one in enumerate(marks):
        begins = False
        match one.kind:
            case Kind.SECTION if heads:
                begins, with_byline = True, False
            case Kind.DATELINE:
                # A dateline opens an item, unless a section line just below is going to.
                begins = not (heads and any(m.kind is Kind.SECTION for m in marks[position + 1 : position + 3]))
                with_byline = False
            case Kind.BYLINE:
                begins, with_byline = with_byline, True
            case _:
                pass
        if begins:
            taken = _with_its_head(marks, position, taken)
            starts.add(taken)
        if one.kind is Kind.SECTION and not heads:
            with_byline = False
            if position + 1 < len(marks):
                taken = position + 1
                starts.add(taken)
    return _without_furniture(marks, starts)


def _section_heads(marks: Sequence[Mark]) -> bool:
    for one in marks:
        if one.kind is Kind.SECTION:
            return True
        if one.kind is Kind.BYLINE or is_sentence(one.text):
            return False
    return False


def _with_its_head(marks: Sequence[Mark], position: int, taken: int) -> int:
    """Take in what stands right above an item's first sure line and is not `taken`: a dateline, a title, or both."""
    first = position
    if first - 1 >= taken and marks[first - 1].title_like:
        first -= 1
    if first - 1 >= taken and marks[first - 1].kind is Kind.DATELINE:
        first -= 1
    if first == position and first - 1 >= taken and marks[first - 1].kind is Kind.DATELINE:
        first -= 1
    return first


def _without_furniture(marks: Sequence[Mark], starts: set[int]) -> set[int]:
    """Let go of a page's menu: the short lines above the first dateline."""
    order = sorted(starts)
    if len(order) > 1 and marks[order[1]].kind is Kind.DATELINE:
        above = marks[: order[1]]
        if all(one.kind is Kind.TEXT and not is_sentence(one.text) for one in above):
            starts = {start for start in starts if start != 0}
    return starts


def _contents_apart(marks: list[Mark], page: Page) -> tuple[list[Mark], list[tuple[int, SetAside]]]:
    """Take out lists of contents: their heading, and the short lines below until a text begins."""
    kept: list[Mark] = []
    found: list[tuple[int, SetAside]] = []
    listing = False
    for one in marks:
        if one.kind is Kind.CONTENTS:
            listing = True
            headed = kept and kept[-1].kind in (Kind.TEXT, Kind.DAY) and not is_sentence(kept[-1].text)
            title = kept.pop().text if headed else ""
            found.append((one.line, SetAside(
                page.source, "contents-list", f"a list of contents{f' ({title})' if title else ''} and no report",
                one.line, "nothing to do: the reports themselves are read where they stand",
            )))  # fmt: skip
        elif not listing or one.kind in (Kind.BYLINE, Kind.DATELINE, Kind.SECTION) or ends_sentence(one.text):
            listing = False
            kept.append(one)
    return kept, found


def _section_of(url: str | None, sections: Sequence[str]) -> str:
    """Read the section from a listing's own address; the address of a list by tag says nothing about its items."""
    if not url:
        return ""
    steps = unquote(urlsplit(url).path).lower().split("/")
    if "itemlist" in steps or "tag" in steps:
        return ""
    named = {slug(section): section for section in sections}
    return next((named[slug(step.partition(".")[0])] for step in steps if slug(step.partition(".")[0]) in named), "")


def _told_apart(outcomes: list[Report | SetAside]) -> list[Report | SetAside]:
    """Number the reports of one capture that would have the same id."""
    taken: set[str] = set()
    out: list[Report | SetAside] = []
    for one in outcomes:
        if isinstance(one, Report):
            name, number = str(one.id), 1
            while name in taken:
                number += 1
                name = f"{one.id}-{number}"
            taken.add(name)
            out.append(replace(one, id=ReportId(name)))
        else:
            out.append(one)
    return out
