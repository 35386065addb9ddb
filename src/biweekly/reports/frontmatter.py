"""Pure. The canonical file of a report: TOML between +++ lines, then Markdown. YAML between --- is read as well.

YAML is read with every scalar as the words that stand there: it would make false of `title: No` and 630 of `10:30`,
and cannot hold `GEORGIA: THE HONEYMOON IS OVER` at all.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, tzinfo
from typing import Any, Final

from biweekly.errors import ReportError
from biweekly.model.issue import Report, ReportId, ReportWarning, SetAside, Status
from biweekly.reports.canonical import write
from biweekly.reports.fields import Fields
from biweekly.reports.identity import report_id
from biweekly.reports.tidy import UNSEEN, decode, heading_apart, opening

__all__ = ["parse", "part", "read", "standing_warnings", "write"]

FEWEST_CHARACTERS: Final = 20
_FENCES: Final = {"+++": "toml", "---": "yaml"}
_QUOTE_IT: Final = 'put words between straight quotes, as in title = "The Price of Water", one setting a line'
_NO_SETTINGS: Final = "no YAML of settings, so each line was read as key: rest of the line"
_YAML_LINE: Final = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*)|$)")


@dataclass(frozen=True, slots=True)
class Parted:
    """A file in its parts: the front matter's language, empty where there is none; each part with its first line."""

    language: str
    head: str
    head_line: int
    body: str
    body_line: int


def part(text: str, *, name: str) -> Parted:
    """Part a file into front matter and body. Raises ReportError `bad-front-matter` where it is never closed."""
    text = re.sub(r"\r\n?", "\n", text.removeprefix("\ufeff"))
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    fence = lines[first].rstrip()
    if fence not in _FENCES:
        return Parted("", "", 1, text.strip("\n"), 1)
    last = next((at for at in range(first + 1, len(lines)) if lines[at].rstrip() == fence), None)
    if last is None:
        raise ReportError(
            f"the front matter opened by {fence} is never closed", code="bad-front-matter", name=name, line=first + 1,
            hint=f"put a line with {fence} below the last setting",
        )  # fmt: skip
    body = "\n".join(lines[last + 1 :]).strip("\n")
    return Parted(_FENCES[fence], "\n".join(lines[first + 1 : last]), first + 2, body, last + 2)


def parse(text: str, *, name: str, zone: tzinfo = UTC) -> Report:
    """Read a report's file.

    `name` is its path for messages; the file's own name without `.md` is the id unless the front matter gives one;
    `zone` is where the hours of times without a zone are meant. What decides whether and when a report is mailed
    (status, kind, embargo_until, expires, received) must be understood, or the report is not: a ReportError
    `bad-front-matter` with the line. Anything else that cannot be understood stays empty, is kept in `extra` and warned
    about. An `empty-body` has fewer than 20 characters.
    """
    parted = part(text, name=name)
    warnings: list[ReportWarning] = []
    return _understand(parted, _tree(parted, name, warnings), name, zone, warnings)


def _understand(
    parted: Parted, tree: Mapping[str, Any], name: str, zone: tzinfo, warnings: list[ReportWarning]
) -> Report:
    fields = Fields(tree, parted.head, parted.head_line, name, warnings, zone)
    title, body = fields.words("title") or None, parted.body
    if title is None:
        title, body = heading_apart(body)
    body = f"{UNSEEN.sub('', body).strip()}\n"
    if len(body.strip()) < FEWEST_CHARACTERS:
        raise ReportError(
            "there is no text below the front matter", code="empty-body", name=name, line=parted.body_line,
            hint="write the text; it needs at least 20 characters",
        )  # fmt: skip
    given = fields.words("lead")
    status = fields.status()
    if not parted.language:
        warnings.append(ReportWarning("no_front_matter", "it has no front matter, so it is a draft", 1))
        status = Status.DRAFT
    if title is None:
        warnings.append(ReportWarning("no_title", "it has no title, so it is a draft: give it one", parted.head_line))
        status = Status.DRAFT if status is Status.READY else status
    stem = re.split(r"[/\\]", name)[-1].removesuffix(".md")
    report = Report(
        id=ReportId(fields.identifier() or stem),
        title=title,
        body=body,
        kind=fields.kind(),
        status=status,
        authors=fields.authors(),
        byline_raw=fields.words("byline_raw") or None,
        section=fields.words("section"),
        published=fields.published(),
        published_partial=fields.partial(),
        issue_date=fields.day("issue_date"),
        received=fields.instant("received"),
        embargo_until=fields.instant("embargo_until"),
        expires=fields.decisive_day("expires"),
        lead=given or opening(body),
        lead_from=fields.lead_from() if given else "first_paragraph",
        images=fields.images(),
        url=fields.words("url") or None,
        pdf_url=fields.words("pdf_url") or None,
        tags=fields.listed("tags"),
        language=fields.words("language") or "en",
        weight=fields.number("weight"),
        form=fields.form(),
        corrections=fields.corrections(),
        source=fields.source(),
        extra=fields.left_over(),
    )
    fields.look_over(report)
    return replace(report, warnings=tuple(warnings))


def read(
    raw: bytes, *, source: str, url: str | None, sections: Sequence[str], today: date, zone: tzinfo
) -> Sequence[Report | SetAside]:
    """Read one file as a report for import; satisfies `contracts.Reader`.

    Imported by hand, a file without front matter is ready where its heading gives a title. Unless it names its own id,
    it gets one of date and title.
    """
    text, encoding = decode(raw)
    warnings: list[ReportWarning] = []
    try:
        parted = part(text, name=source)
        tree = _tree(parted, source, warnings)
        report = _understand(parted, tree, source, zone, warnings)
    except ReportError as error:
        return [SetAside(source, error.code, error.message, error.line, error.hint)]
    named = bool(tree.get("id"))
    if encoding:
        warnings.append(ReportWarning("encoding_guessed", f"no UTF-8; read as {encoding}"))
    status = report.status
    if any(one.code == "no_front_matter" for one in warnings):
        warnings = [one for one in warnings if one.code != "no_front_matter"]
        status = Status.READY if report.title else Status.DRAFT
    day = report.published or report.issue_date
    return [
        replace(
            report,
            id=report.id if named else report_id(_just_the_day(day), report.title or report.lead[:80]),
            status=status,
            url=report.url or url,
            source=replace(report.source, kind="file", url=report.source.url or url, importer="frontmatter/1"),
            warnings=tuple(warnings + standing_warnings(report, sections=sections, today=today)),
        )
    ]


def standing_warnings(report: Report, *, sections: Sequence[str], today: date) -> list[ReportWarning]:
    """Say what only the publication and the day can tell: a section it does not have, a date in the future."""
    found = []
    if sections and report.section and report.section.casefold() not in {one.casefold() for one in sections}:
        found.append(ReportWarning("unknown_section", f"no section of this publication: {report.section}"))
    day = _just_the_day(report.published)
    if day and day > today:
        found.append(ReportWarning("future_date", f"its date is in the future: {day.isoformat()}"))
    return found


def _just_the_day(day: date | None) -> date | None:
    return date(day.year, day.month, day.day) if day else None


def _tree(parted: Parted, name: str, warnings: list[ReportWarning]) -> Mapping[str, Any]:
    if parted.language == "toml":
        return _toml(parted, name)
    return _yaml(parted, warnings) if parted.language == "yaml" else {}


def _toml(parted: Parted, name: str) -> Mapping[str, Any]:
    try:
        tree = tomllib.loads(parted.head)
        _measured(tree)
    except ValueError as error:
        at = re.search(r"line (\d+)", str(error))
        # What is missing at the very end is missed on the last line that says something.
        line = parted.head_line + (int(at[1]) if at else len(parted.head.rstrip().split("\n"))) - 1
        cause = re.sub(r" \(at .*\)", "", str(error))
    except RecursionError:
        line, cause = parted.head_line, "brackets are nested too deeply"
    else:
        return tree
    raise ReportError(
        f"the front matter is not valid TOML: {cause}", code="bad-front-matter", name=name, line=line, hint=_QUOTE_IT
    )


def _measured(value: object) -> None:
    """Refuse whole numbers of more than 64 bits (TOML 1.0, Integer); Python takes them and then cannot print them."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a whole number is too large")
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _measured(one)


def _yaml(parted: Parted, warnings: list[ReportWarning]) -> Mapping[str, Any]:
    import yaml

    class Words(yaml.BaseLoader):
        """Every scalar is the words that stand there; no references, which can be made to fill the memory."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("references are not read")
            return super().compose_node(parent, index)

        def construct_scalar(self, node: Any) -> str:
            # Half a character, which YAML's escapes can write and no file can hold.
            return re.sub("[\ud800-\udfff]", "", str(super().construct_scalar(node)))

    try:
        tree = yaml.load(parted.head, Loader=Words)  # noqa: S506 - BaseLoader makes strings, lists and mappings only
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = getattr(error, "problem_mark", None)
        line = parted.head_line + problem.line if problem else parted.head_line
        warnings.append(ReportWarning("yaml_repaired", _NO_SETTINGS, line))
        return _by_line(parted.head)
    if isinstance(tree, dict) and all(isinstance(key, str) for key in tree):
        return tree
    if tree:
        warnings.append(ReportWarning("yaml_repaired", _NO_SETTINGS, parted.head_line))
    return _by_line(parted.head)


def _by_line(head: str) -> dict[str, Any]:
    """Read `key: rest of line`, and `- item` lines below a key that has nothing else."""
    tree: dict[str, Any] = {}
    latest = None
    for line in head.split("\n"):
        if found := _YAML_LINE.fullmatch(line.rstrip()):
            latest = found[1]
            tree[latest] = _unquoted(found[2] or "")
        elif (
            latest
            and (item := re.fullmatch(r"\s*-\s+(.*)", line))
            and (tree[latest] == "" or isinstance(tree[latest], list))
        ):
            tree[latest] = [*(tree[latest] or []), _unquoted(item[1])]
    return tree


def _unquoted(words: str) -> Any:
    words = words.strip()
    if words.startswith("[") and words.endswith("]"):
        return [_unquoted(one) for one in words[1:-1].split(",") if one.strip()]
    same = len(words) > 1 and words[0] == words[-1] and words[0] in "\"'"
    return words[1:-1] if same else words
