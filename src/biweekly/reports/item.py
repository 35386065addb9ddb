"""Pure. One item of a pasted page, understood: its head, its text kept once, and what an editor should look at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, Literal

from biweekly.model.issue import Author, Kind, Report, ReportWarning, SetAside, Source, Status
from biweekly.reports.byline import Byline
from biweekly.reports.dates import Printed
from biweekly.reports.habits import (
    BIO_HEAD,
    CREDITED_HEADLINE,
    DIGEST,
    EVENT_SECTION,
    EVENT_SIGN,
    FILE_NAME,
    FILE_NAME_GLUED,
    RUN_IN,
    RUN_IN_HEADS,
)
from biweekly.reports.identity import report_id
from biweekly.reports.marks import Kind as Is
from biweekly.reports.marks import Mark, is_title
from biweekly.reports.tidy import ends_sentence, markdown

FEWEST_CHARACTERS: Final = 20
# "the policy of the U.": a teaser that a content system cut at the first full stop it saw.
_CUT_AT_ABBREVIATION: Final = re.compile(r"(?<![.\w])(?:[A-Z]|i\.e|e\.g|Mr|Mrs|Dr|St|No|vs)\.$")
_SENTENCES: Final = re.compile(r".+?(?:[.!?…][\"'”’)]*(?=\s+[\"'“‘(]?[A-Z0-9])|$)", re.DOTALL)
_PDF: Final = re.compile(r"https?://\S+\.pdf\b", re.IGNORECASE)
_LETTER: Final = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Page:
    """What is known of the page an item stands on."""

    source: str
    url: str | None
    sections: tuple[str, ...]
    today: date
    warnings: tuple[ReportWarning, ...] = ()
    section: str = ""
    several: bool = False
    importer: str = ""


@dataclass(slots=True)
class _Head:
    """What an item says about itself before its text."""

    title: str | None = None
    standfirst: list[str] = field(default_factory=list)
    byline: Byline | None = None
    section: str = ""
    dateline: date | None = None
    printed: Printed | None = None
    outlet: str | None = None
    line: int = 1
    byline_line: int | None = None


def understand(item: Sequence[Mark], page: Page, *, last: bool) -> Report | SetAside:
    """Make a report of an item's lines, or say why there is none. `last`: the capture ends with this item."""
    head, texts = _read_head(item)
    warnings = list(page.warnings)
    texts, bio = _bio_apart(texts)
    blocks = [block for block in (_text_of(mark, warnings) for mark in texts) if block]
    blocks, teaser = _once(blocks)
    said = " ".join(blocks)
    if len(said) < FEWEST_CHARACTERS or not _LETTER.search(said):
        return SetAside(
            page.source, "empty-body", "it has a head and no text" if head.byline or head.title else "it has no text",
            head.line, "paste the whole text; a report has at least 20 characters",
        )  # fmt: skip
    authors = _authors(head, bio)
    section = _section(head.section or page.section, page.sections)
    published = head.dateline or (head.printed.day if head.printed else None)
    partial = head.printed.partial if head.printed and published is None else None
    issue_date = head.byline.issue_date if head.byline else None
    lead, lead_from = _lead(head, blocks, teaser, warnings)
    body = [*head.standfirst, *blocks] if head.standfirst else blocks
    kind = _kind(head, section, said, authors)
    report = Report(
        id=report_id(published or issue_date, _words_for_id(head, authors, blocks)),
        title=head.title,
        body="\n\n".join(markdown(block) for block in body) + "\n",
        kind=kind,
        status=Status.READY if head.title else Status.DRAFT,
        authors=authors,
        byline_raw=head.byline.raw if head.byline else None,
        section=section,
        published=published,
        published_partial=partial,
        issue_date=issue_date,
        lead=lead,
        lead_from=lead_from,
        url=None if page.several else page.url,
        source=Source(kind="capture", url=page.url, importer=page.importer),
        extra={"outlet": head.outlet} if head.outlet else {},
    )
    _look_over(report, head, page, warnings)
    if last and not ends_sentence(blocks[-1]) and len(blocks[-1].split()) > 12:  # noqa: PLR2004 - shorter is a line
        warnings.append(ReportWarning("truncated", "the text stops in the middle of a sentence", texts[-1].line))
    return replace(report, warnings=tuple(warnings))


def _read_head(item: Sequence[Mark]) -> tuple[_Head, list[Mark]]:
    """Part an item into its head and its text."""
    head = _Head(line=item[0].line)
    texts: list[Mark] = []
    above: list[Mark] = []
    byline_at = next((at for at, mark in enumerate(item) if mark.kind is Is.BYLINE), None)
    # Without a byline the head reaches to the last date or section above the first paragraph.
    marked = [at for at, mark in enumerate(item) if mark.kind in (Is.DATELINE, Is.SECTION, Is.DAY)]
    if byline_at is None:
        paragraph = next((at for at, m in enumerate(item) if m.kind is Is.TEXT and not m.title_like), len(item))
        head_ends = max((at for at in marked if at < paragraph), default=-1)
    else:
        head_ends = byline_at
    over = False
    for at, mark in enumerate(item):
        match mark.kind:
            case Is.TEXT if at < head_ends:
                above.append(mark)
            case Is.TEXT if not over:
                texts.append(mark)
            case Is.BYLINE:
                head.byline, head.byline_line = mark.byline, mark.line
            case Is.SECTION:
                head.section = head.section or mark.text
            case Is.DATELINE:
                head.dateline = head.dateline or mark.day
            case Is.DAY:
                head.printed = head.printed or mark.printed
                head.outlet = head.outlet or (mark.printed.outlet if mark.printed else None)
            case Is.END:
                over = True
            case _:
                pass
    _name(head, above, texts, headed=head_ends >= 0)
    return head, texts


def _name(head: _Head, above: list[Mark], texts: list[Mark], *, headed: bool) -> None:
    """Find the title among the lines above the byline, or as the first line of the text where nothing stands above."""
    dated_head = head.dateline is not None
    titles = [mark for mark in above if mark.title_like]
    paragraphs = [mark for mark in above if not mark.title_like and not is_title(mark.text)]
    if titles:
        # Below a dateline the first line is the title; else the nearest to the byline is, menus stand further up.
        chosen = titles[0] if dated_head or paragraphs or head.section == "" else titles[-1]
        head.title = _clean_title(chosen.text)
        rest = titles[titles.index(chosen) + 1 :]
        if rest and head.printed and not head.outlet:
            head.outlet = rest.pop().text
        paragraphs = sorted([*rest, *paragraphs], key=lambda mark: mark.line)
    elif not above and len(texts) > 1 and texts[0].title_like and _may_open(head, texts, headed=headed):
        head.title = _clean_title(texts.pop(0).text)
    if texts:
        head.standfirst = [mark.text for mark in paragraphs]


def _may_open(head: _Head, texts: list[Mark], *, headed: bool) -> bool:
    """Whether the first line of a text is its title: nothing named it yet, and prose follows."""
    if RUN_IN.match(texts[0].text) or BIO_HEAD.match(texts[0].text):
        return False
    return (not headed or head.byline is None) and any(not mark.title_like for mark in texts[1:])


def _clean_title(text: str) -> str:
    return re.sub(r"\s+Featured$", "", text).strip(" #*")


def _text_of(mark: Mark, warnings: list[ReportWarning]) -> str:
    """Return a paragraph without what a page glued to it; empty for what is no text."""
    text = mark.text
    if FILE_NAME.fullmatch(text):
        return ""
    if mark.line > 1 and CREDITED_HEADLINE.fullmatch(text):
        warnings.append(ReportWarning("caption_left_out", f"taken for a picture's caption: {text}", mark.line))
        return ""
    if glued := FILE_NAME_GLUED.match(text):
        text = text[glued.end() :]
    return text


def _bio_apart(texts: list[Mark]) -> tuple[list[Mark], str]:
    """Take the note about the author out of the text."""
    for at, mark in enumerate(texts):
        if found := BIO_HEAD.match(mark.text):
            bio = mark.text[found.end() :]
            rest = texts[at + 1 :]
            if not bio and rest:
                bio, rest = rest[0].text, rest[1:]
            return [*texts[:at], *rest], bio
    return texts, ""


def _once(blocks: list[str]) -> tuple[list[str], str]:
    """Keep a teaser once that is repeated as the start of the text, also where the repeat is longer.

    A teaser may be a group of paragraphs, the last of which goes on in the repeat. Returns the text and the teaser.
    """
    flat = [_flat(block) for block in blocks]
    for size in range(1, len(blocks) // 2 + 1):
        if flat[size] != flat[0] and not flat[size].startswith(flat[0]):
            continue
        same = all(flat[size + at] == flat[at] for at in range(size - 1))
        if same and flat[2 * size - 1].startswith(flat[size - 1]) and sum(map(len, flat[:size])) >= FEWEST_CHARACTERS:
            return blocks[size:], " ".join(blocks[:size])
    return blocks, ""


def _flat(block: str) -> str:
    return " ".join(block.split()).rstrip(" .…").casefold()


def _lead(
    head: _Head, blocks: list[str], teaser: str, warnings: list[ReportWarning]
) -> tuple[str, Literal["given", "teaser", "first_paragraph"]]:
    """Choose what opens the report: standfirst, else teaser, else the first paragraph; never a run-in head."""
    if head.standfirst:
        return " ".join(head.standfirst), "teaser"
    first = next((one for one in map(_without_head, blocks) if len(one) >= FEWEST_CHARACTERS), blocks[0])
    lead = _without_head(teaser) or first
    if not _CUT_AT_ABBREVIATION.search(lead):
        return lead, "teaser" if teaser else "first_paragraph"
    warnings.append(ReportWarning("teaser_cut_at_abbreviation", "the teaser stops at an abbreviation; see the lead"))
    # Whole sentences of the text, as many as the cut teaser had begun.
    whole = ""
    for sentence in _SENTENCES.findall(first):
        whole += sentence
        if len(whole) >= len(lead) and not _CUT_AT_ABBREVIATION.search(whole):
            break
    return whole.strip() or first, "first_paragraph"


def _without_head(text: str) -> str:
    head = RUN_IN.match(text)
    return text[head.end() :].strip() if head else text


def _authors(head: _Head, bio: str) -> tuple[Author, ...]:
    """Return who is named; a note about the author goes to the one whom it names, or to the only one."""
    authors = head.byline.authors if head.byline else ()
    if not bio or not authors:
        return authors
    at = next((at for at, one in enumerate(authors) if one.name.split()[-1] in bio), 0)
    return tuple(replace(one, bio=bio) if i == at else one for i, one in enumerate(authors))


def _section(printed: str, configured: Sequence[str]) -> str:
    """Return a section as configured where the page names it, in any case, or cut off at its end."""
    flat = printed.casefold()
    exact = next((one for one in configured if one.casefold() == flat), None)
    begun = [one for one in configured if len(flat) >= 8 and one.casefold().startswith(flat)]  # noqa: PLR2004 - a word
    return exact or (begun[0] if len(begun) == 1 else printed)


def _kind(head: _Head, section: str, said: str, authors: Sequence[Author]) -> Kind:
    if EVENT_SECTION.search(section) or (not authors and EVENT_SIGN.search(said)):
        return Kind.EVENT
    if DIGEST.search(section) or DIGEST.search(head.title or ""):
        return Kind.DIGEST
    return Kind.REPORT


def _words_for_id(head: _Head, authors: Sequence[Author], blocks: Sequence[str]) -> str:
    if head.title:
        return head.title
    opening = " ".join(_without_head(" ".join(blocks)).split()[:8])
    return f"{authors[0].name} {opening}" if authors else opening


def _look_over(report: Report, head: _Head, page: Page, warnings: list[ReportWarning]) -> None:
    """Say what an editor should look at."""

    def warn(code: str, message: str, line: int | None = None) -> None:
        warnings.append(ReportWarning(code, message, line))

    if report.title is None:
        warn("no_title", "it has no title, so it is a draft: give it one", head.line)
    elif len(report.title) > 5 and report.title == report.title.upper() != report.title.lower():  # noqa: PLR2004 - "OSCE"
        warn("title_all_caps", "the title is in capitals, as printed", head.line)
    if head.byline and not head.byline.sure:
        warn("byline_unread", f"nobody could be read from the byline: {head.byline.raw}", head.byline_line)
    elif not report.authors and report.kind is not Kind.EVENT:
        warn("no_author", "it names no author", head.byline_line or head.line)
    if dated := _odd_date(report, page.today):
        warn(*dated, head.line)
    if page.sections and report.section and report.section not in page.sections:
        warn("unknown_section", f"no section of this publication: {report.section}", head.line)
    printed = {found[1] for found in re.finditer(r"\*\*([A-Z]+):?\*\*", report.body)}
    for label in sorted(printed):
        if RUN_IN_HEADS.get(label, label) != label:
            warn("label_typo", f"{label} is printed for {RUN_IN_HEADS[label]}")


def _odd_date(report: Report, today: date) -> tuple[str, str] | None:
    if report.published_partial:
        return "date_without_year", f"its date has no year ({report.published_partial}): write published"
    if report.published is None and report.issue_date is None:
        return "no_date", "it names no date"
    late = [day for day in (report.published, report.issue_date) if day is not None and day > today]
    return ("future_date", f"its date is in the future: {late[0].isoformat()}") if late else None
