"""Pure. From reports to an issue: what goes in and why, in which order, under which subject.

Composing is a merge of three: what compose wrote last time, what the editor made of it, and what is latest now. The
editor's order, words, skips and removals stand; compose adds what is new and takes out what must not be there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from biweekly.errors import NothingToDo
from biweekly.latest import FIRM, Rank, Reason, Terms, Verdict, count_reasons, judge, rank, section_of
from biweekly.model.issue import Composed, Entry, Issue, IssueId, Kind, Report, ReportId, SetAside

PREHEADER_SHORTEST: Final = 40
PREHEADER_LONGEST: Final = 110
_MAIN: Final = frozenset({Kind.REPORT, Kind.DIGEST})

# A full stop behind one of these, or behind a single capital, ends no sentence ("the U.S. Embassy", "J. P. Smith").
_ABBREVIATED: Final = re.compile(
    r"(?:\b[A-Z]|\b(?:Mr|Mrs|Ms|Dr|St|Gen|Col|Lt|Prof|Sen|Gov|No|Nos|vs|approx|ca|Jr|Sr))\.$"
)
_SENTENCE_END: Final = re.compile(r"[.!?…][\"'”’»)]*(?=\s+[\"'“‘«(]*[^\W\d_a-z]|\s+\d|\s*$)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What becomes of one report in an issue, and why. `report` is the file's name for what was set aside."""

    report: ReportId
    title: str | None
    section: str
    included: bool
    why: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Composition:
    """A composed issue and what composing changed in it. `taken_out` says why for each."""

    issue: Issue
    candidates: tuple[Candidate, ...]
    added: tuple[ReportId, ...] = ()
    taken_out: Mapping[ReportId, str] | None = None
    changed: tuple[ReportId, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The verdicts for one issue: entries that stay, entries that go, reports that come."""

    verdicts: Mapping[ReportId, Verdict]
    kept: tuple[Entry, ...]
    gone: Mapping[ReportId, str]
    new: tuple[ReportId, ...]


def plan(
    reports: Sequence[Report], set_aside: Sequence[SetAside], *, terms: Terms, standing: Issue | None = None
) -> tuple[Candidate, ...]:
    """Say for every report whether compose would put it into the issue, and why.

    What is in comes first, in printing order; the rest by id, what was set aside last. `standing` is the issue as its
    file says, None where there is none yet.
    """
    found = _sort(reports, set_aside, terms, standing)
    entries = _merge(found, {one.id: one for one in reports}, terms, standing)
    return _candidates(found, entries, reports, set_aside, terms)


def compose(
    reports: Sequence[Report],
    set_aside: Sequence[SetAside],
    *,
    terms: Terms,
    hashes: Mapping[ReportId, str],
    issue: IssueId,
    number: int | None,
    standing: Issue | None = None,
) -> Composition:
    """Compose an issue, or compose it again.

    `hashes` are the reports' content hashes; `issue` and `number` count only where nothing stands yet. Raises
    NothingToDo `nothing-ready` where no report or digest would be in it: events and notices alone make no issue.
    """
    by_id = {one.id: one for one in reports}
    found = _sort(reports, set_aside, terms, standing)
    entries = tuple(
        replace(one, sha256=hashes.get(one.report, one.sha256)) for one in _merge(found, by_id, terms, standing)
    )
    candidates = _candidates(found, entries, reports, set_aside, terms)
    if not any(one.report in by_id and by_id[one.report].kind in _MAIN for one in entries):
        raise NothingToDo(_nothing(candidates), code="nothing-ready", hint="biweekly issue plan")
    base = standing.composed if standing is not None else None
    subject, preheader = first_words([by_id[one.report] for one in entries if one.report in by_id])
    removed = {one: sha for one, sha in (base.reports if base else {}).items() if one in _removed(standing)}
    # Removed by hand stays remembered; what compose itself takes out is forgotten, so that it may come back.
    composed = Composed({**removed, **{one.report: one.sha256 for one in entries}}, subject, preheader)
    if standing is None:
        made = Issue(issue, terms.day, number, subject, preheader, "", entries, composed=composed)
    else:
        made = replace(
            standing,
            subject=_unless_edited(standing.subject, base.subject if base else "", subject),
            preheader=_unless_edited(standing.preheader, base.preheader if base else "", preheader),
            entries=entries,
            composed=composed,
        )
    before = {one.report: one.sha256 for one in found.kept}
    return Composition(
        made,
        candidates,
        added=tuple(one.report for one in entries if one.report not in before),
        taken_out=dict(found.gone),
        changed=tuple(one.report for one in entries if before.get(one.report, "") not in {"", one.sha256}),
    )


def next_number(issues: Sequence[Issue]) -> int:
    """The number after the highest so far; 1 for the first issue."""
    return max((one.number for one in issues if one.number is not None), default=0) + 1


def free_id(day: date, taken: Sequence[IssueId]) -> IssueId:
    """The id of a new issue: its date, with -2, -3 behind it for others on that day."""
    base, at = day.isoformat(), 2
    if base not in taken:
        return IssueId(base)
    while f"{base}-{at}" in taken:
        at += 1
    return IssueId(f"{base}-{at}")


# --- who is in ---------------------------------------------------------------------------------------------------


def _removed(standing: Issue | None) -> frozenset[ReportId]:
    if standing is None or standing.composed is None:
        return frozenset()
    return frozenset(standing.composed.reports) - {one.report for one in standing.entries}


def _sort(reports: Sequence[Report], set_aside: Sequence[SetAside], terms: Terms, standing: Issue | None) -> _Sorted:
    """Give every report its verdict for this very issue, and say which entries stay, go and come."""
    present = {one.report: one for one in standing.entries} if standing else {}
    skipped = standing.skipped if standing else {}
    removed = _removed(standing)
    broken = {name_of(one) for one in set_aside}
    verdicts: dict[ReportId, Verdict] = {}
    for report in reports:
        verdict = judge(report, terms)
        entry = present.get(report.id)
        if report.id in skipped:
            verdict = Verdict(Reason.SKIPPED, f"skipped: {skipped[report.id]}" if skipped[report.id] else "skipped")
        elif entry is not None:
            verdict = _in_its_place(entry, verdict)
        elif verdict.included and report.id in removed:
            verdict = Verdict(
                Reason.REMOVED, "it was taken out of this issue by hand; putting its line back lets it in"
            )
        verdicts[report.id] = verdict
    gone = {
        one: verdicts[one].why if one in verdicts else "its file is no longer there"
        for one in present
        # What cannot be read just now keeps its place: rendering says what is wrong with it.
        if (not verdicts[one].included if one in verdicts else one not in broken)
    }
    return _Sorted(
        verdicts,
        kept=tuple(one for one in present.values() if one.report not in gone),
        gone=gone,
        new=tuple(one for one, verdict in verdicts.items() if verdict.included and one not in present),
    )


def _in_its_place(entry: Entry, verdict: Verdict) -> Verdict:
    """What holds for a report that stands in the issue: the editor's hand outweighs what only guards the gathering."""
    if verdict.included:
        return verdict
    if entry.pinned and verdict.reason not in FIRM:
        return Verdict(None, f"pinned, although {verdict.why}")
    if verdict.reason in {Reason.KIND, Reason.OLD, Reason.LATE}:
        return Verdict(None, f"in this issue already, although {verdict.why}")
    return verdict


def name_of(one: SetAside) -> ReportId:
    """The id that a file which was set aside would have by its name."""
    path = PurePosixPath(one.source.replace("\\", "/"))
    return ReportId(path.stem if path.suffix == ".md" else path.name)


# --- in which order ----------------------------------------------------------------------------------------------


def _merge(found: _Sorted, by_id: Mapping[ReportId, Report], terms: Terms, standing: Issue | None) -> tuple[Entry, ...]:
    """Put what is new among what stands: in the total order where the editor kept to it, else last in its section."""

    def rank_of(entry: Entry) -> Rank:
        return rank(by_id[entry.report], terms, section=entry.section, pinned=entry.pinned)

    new = [Entry(one, section_of(by_id[one], terms), "") for one in found.new]
    blocks: dict[str, list[Entry]] = {}
    for entry in found.kept:
        blocks.setdefault(entry.section, []).append(entry)
    untouched = {
        title: _is_ordered([rank_of(one) for one in block if one.report in by_id]) for title, block in blocks.items()
    }
    for entry in sorted(new, key=rank_of):
        block = blocks.get(entry.section)
        if block is None:
            blocks = _with_section(blocks, entry.section, terms)
            block = blocks[entry.section]
        behind = [at for at, one in enumerate(block, 1) if one.report not in by_id or rank_of(one) < rank_of(entry)]
        at = max(behind, default=0) if untouched.get(entry.section, True) else len(block)
        block.insert(at, entry)
    if standing is not None and found.kept and _keeps_its_lead(standing):
        # The subject speaks of this story in the editor's own words: nothing new goes before it in its section.
        lead = found.kept[0]
        block = blocks[lead.section]
        block.sort(key=lambda one: one is not lead)
    return tuple(entry for block in blocks.values() for entry in block)


def _keeps_its_lead(standing: Issue) -> bool:
    return bool(standing.subject) and (standing.composed is None or standing.subject != standing.composed.subject)


def _is_ordered(ranks: Sequence[Rank]) -> bool:
    return all(one <= other for one, other in pairwise(ranks))


def _with_section(blocks: dict[str, list[Entry]], title: str, terms: Terms) -> dict[str, list[Entry]]:
    """Open a section behind the last that precedes it in the configuration."""
    titles = list(blocks)
    before = [at for at, one in enumerate(titles, 1) if terms.place_of(one) < terms.place_of(title)]
    titles.insert(max(before, default=0), title)
    return {one: blocks.get(one, []) for one in titles}


# --- in which words ----------------------------------------------------------------------------------------------


def first_words(reports: Sequence[Report]) -> tuple[str, str]:
    """Suggest subject and preheader: the lead story's title, and its lead's first sentence in 40 to 110 characters."""
    lead = next((one for one in reports if one.kind is Kind.REPORT), reports[0] if reports else None)
    if lead is None:
        return "", ""
    others = [_one_line(one.title or "") for one in reports if one is not lead and one.title]
    words = ""
    for sentence in sentences(_one_line(lead.lead)):
        longer = f"{words} {sentence}".strip()
        if words and len(longer) > PREHEADER_LONGEST:
            break
        words = longer
        if len(words) >= PREHEADER_SHORTEST:
            break
    if len(words) < PREHEADER_SHORTEST and others:
        words = f"{words} Also: {others[0]}" if words else "; ".join(others[:3])
    return _one_line(lead.title or ""), _cut(words, PREHEADER_LONGEST)


def sentences(text: str) -> list[str]:
    """Cut a paragraph into sentences, without falling for abbreviations and initials."""
    found, start = [], 0
    for end in _SENTENCE_END.finditer(text):
        so_far = text[start : end.end()]
        if end.end() < len(text) and _ABBREVIATED.search(so_far):
            continue
        found.append(so_far.strip())
        start = end.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    whole = text[: longest - 1].rsplit(" ", 1)[0] if " " in text[: longest - 1] else text[: longest - 1]
    return whole.rstrip(" ,;:–-") + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _unless_edited(now: str, written: str, suggested: str) -> str:
    return suggested if now in {"", written} else now


# --- what is said ------------------------------------------------------------------------------------------------


def _candidates(
    found: _Sorted, entries: Sequence[Entry], reports: Sequence[Report], set_aside: Sequence[SetAside], terms: Terms
) -> tuple[Candidate, ...]:
    by_id = {one.id: one for one in reports}
    kept = {one.report for one in entries}
    inside = [
        Candidate(one.report, by_id[one.report].title, one.section, included=True, why=found.verdicts[one.report].why)
        for one in entries
        if one.report in by_id
    ]
    outside = [
        Candidate(one.id, one.title, section_of(one, terms), included=False, why=verdict.why, reason=verdict.reason)
        for one in sorted(reports, key=lambda one: one.id)
        if not (verdict := found.verdicts[one.id]).included
    ]
    aside = [
        Candidate(
            name_of(one), None, "", included=False, reason=Reason.SET_ASIDE,
            why=f"set aside: {one.message} ({one.source}{f':{one.line}' if one.line else ''})"
            + ("; its line stays in the issue" if name_of(one) in kept else ""),
        )
        for one in sorted(set_aside, key=lambda one: (one.source, one.line or 0))
    ]  # fmt: skip
    return (*inside, *outside, *aside)


def _nothing(candidates: Sequence[Candidate]) -> str:
    if not candidates:
        return "nothing is ready for an issue: there are no reports yet"
    reasons = count_reasons(Verdict(one.reason, one.why) for one in candidates)
    small = sum(one.included for one in candidates)
    if small:
        alone = f"{small} event or notice" if small == 1 else f"{small} events or notices"
        reasons = ", ".join(part for part in (reasons, f"{alone} that alone make{'s' * (small == 1)} no issue") if part)
    total = len(candidates)
    return f"nothing is ready for an issue: {reasons} (of {total} report{'s' * (total != 1)})"
