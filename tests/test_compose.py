import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.compose import (
    PREHEADER_LONGEST,
    Candidate,
    Composition,
    compose,
    first_words,
    free_id,
    name_of,
    next_number,
    plan,
    sentences,
)
from biweekly.errors import NothingToDo
from biweekly.issues.manuscript import read_issue
from biweekly.issues.rewriting import write_issue
from biweekly.latest import Reason, Terms
from biweekly.model.issue import (
    Author,
    Entry,
    Form,
    Issue,
    IssueId,
    Kind,
    Report,
    ReportId,
    Section,
    SetAside,
    Status,
)

CUTOFF = datetime(2026, 11, 24, 9, tzinfo=UTC)
SECTIONS = ("Analytical Articles", "Field Reports", "News Digest", "Upcoming Events")
TERMS = Terms(
    sections=tuple(map(Section, SECTIONS)), day=date(2026, 11, 26), cutoff=CUTOFF, floor=CUTOFF - timedelta(weeks=6)
)
ID = IssueId("2026-11-26")
RECEIVED = datetime(2026, 11, 20, 8, tzinfo=UTC)


def a_report(name: str, section: str = "Field Reports", **changed: object) -> Report:
    made = Report(
        ReportId(name), f"On {name}", f"The text of {name}.\n", section=section, published=date(2026, 11, 20),
        received=RECEIVED, lead=f"This is about {name}. It matters to all of us.",
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]


A, B, C = a_report("a"), a_report("b"), a_report("c")
LEAD = a_report("lead", "Analytical Articles")


def hashes(reports: Iterable[Report]) -> Mapping[ReportId, str]:
    return {one.id: f"{one.title}|{one.body}" for one in reports}


def composed(
    *reports: Report, standing: Issue | None = None, terms: Terms = TERMS, aside: Sequence[SetAside] = ()
) -> Composition:
    return compose(reports, aside, terms=terms, hashes=hashes(reports), issue=ID, number=7, standing=standing)


def names(issue: Issue) -> list[str]:
    return [one.report for one in issue.entries]


def edited(issue: Issue, *order: str, **changed: object) -> Issue:
    """The issue as an editor left it: these lines in this order, and what else was changed."""
    by_id = {one.report: one for one in issue.entries}
    entries = tuple(by_id[ReportId(one)] for one in order) if order else issue.entries
    return replace(issue, entries=entries, **changed)  # type: ignore[arg-type]


def why(candidates: Sequence[Candidate], name: str) -> Candidate:
    return next(one for one in candidates if one.report == name)


# --- the first time ----------------------------------------------------------------------------------------------


def test_an_issue_holds_the_ready_reports_in_section_order_with_subject_and_number() -> None:
    made = composed(C, A, LEAD, a_report("draft", status=Status.DRAFT))
    issue = made.issue
    assert (issue.id, issue.date, issue.number, issue.note) == (ID, TERMS.day, 7, "")
    assert [(one.section, one.report) for one in issue.entries] == [
        ("Analytical Articles", "lead"), ("Field Reports", "a"), ("Field Reports", "c"),
    ]  # fmt: skip
    assert issue.subject == "On lead"
    assert issue.preheader == "This is about lead. It matters to all of us."
    assert made.added == ("lead", "a", "c")
    assert [one.sha256 for one in issue.entries] == [hashes([one])[one.id] for one in (LEAD, A, C)]


def test_a_plan_says_of_every_report_in_or_out_and_why_what_is_in_first() -> None:
    aside = SetAside("reports/broken.md", "empty-body", "there is no text", 4)
    found = plan([C, a_report("hold", status=Status.HOLD), A, LEAD], [aside], terms=TERMS)
    assert [(one.report, one.included) for one in found] == [
        ("lead", True), ("a", True), ("c", True), ("hold", False), ("broken", False),
    ]  # fmt: skip
    assert why(found, "hold").why == "it is on hold"
    assert why(found, "broken").why == "set aside: there is no text (reports/broken.md:4)"
    assert why(found, "broken").reason is Reason.SET_ASIDE


def test_a_plan_and_a_composition_agree() -> None:
    reports = [A, B, LEAD, a_report("old", received=RECEIVED - timedelta(weeks=9)), a_report("event", kind=Kind.EVENT)]
    assert plan(reports, (), terms=TERMS) == composed(*reports).candidates


def test_nothing_ready_is_no_issue_and_one_sentence() -> None:
    reports = [a_report("x", status=Status.DRAFT), a_report("y", embargo_until=CUTOFF + timedelta(hours=1))]
    with pytest.raises(NothingToDo) as caught:
        composed(*reports, aside=[SetAside("reports/z.md", "empty-body", "there is no text")])
    assert caught.value.code == "nothing-ready"
    assert caught.value.message == (
        "nothing is ready for an issue: 1 draft, 1 under embargo, 1 set aside (of 3 reports)"
    )


def test_no_reports_at_all_is_another_sentence() -> None:
    with pytest.raises(NothingToDo) as caught:
        composed()
    assert caught.value.message == "nothing is ready for an issue: there are no reports yet"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 event or notice that alone makes no issue (of 1 report)"),
        (2, "2 events or notices that alone make no issue"),
    ],
)
def test_events_alone_make_no_issue(count: int, said: str) -> None:
    with pytest.raises(NothingToDo) as caught:
        composed(*(a_report(f"e{at}", "Upcoming Events", kind=Kind.EVENT) for at in range(count)))
    assert said in caught.value.message


def test_a_digest_alone_is_an_issue() -> None:
    assert names(composed(a_report("d", "News Digest", kind=Kind.DIGEST)).issue) == ["d"]


# --- again -------------------------------------------------------------------------------------------------------


def test_composing_again_without_news_changes_nothing() -> None:
    first = composed(A, B, LEAD).issue
    again = composed(A, B, LEAD, standing=first)
    assert again.issue == first
    assert (again.added, again.changed, again.taken_out) == ((), (), {})


def test_composing_again_keeps_what_the_editor_changed() -> None:
    first = composed(A, B, LEAD).issue
    mine = edited(
        first, "lead", "b", "a", subject="My subject", preheader="My preheader", note="Dear reader,", number=99,
        date=date(2026, 11, 27),
    )  # fmt: skip
    again = composed(A, B, C, LEAD, standing=mine)
    assert names(again.issue) == ["lead", "b", "a", "c"]
    assert again.added == ("c",)
    kept = (again.issue.subject, again.issue.preheader, again.issue.note, again.issue.number, again.issue.date)
    assert kept == ("My subject", "My preheader", "Dear reader,", 99, date(2026, 11, 27))


def test_subject_and_preheader_that_nobody_changed_follow_the_lead_story() -> None:
    first = composed(A, B).issue
    again = composed(A, B, LEAD, standing=first).issue
    assert (again.subject, again.preheader) == ("On lead", "This is about lead. It matters to all of us.")


def test_what_the_editor_took_out_stays_out_and_comes_back_with_its_line() -> None:
    first = composed(A, B).issue
    without = composed(A, B, standing=edited(first, "a"))
    assert names(without.issue) == ["a"]
    assert why(without.candidates, "b").why == (
        "it was taken out of this issue by hand; putting its line back lets it in"
    )
    once_more = composed(A, B, standing=without.issue).issue
    assert names(once_more) == ["a"]
    back = replace(once_more, entries=(*once_more.entries, Entry(B.id, "Field Reports", "")))
    assert names(composed(A, B, standing=back).issue) == ["a", "b"]


def test_what_the_editor_skipped_is_out_with_the_editors_reason() -> None:
    first = composed(A, B, C).issue
    again = composed(A, B, C, standing=replace(first, skipped={B.id: "next time", C.id: ""}))
    assert names(again.issue) == ["a"]
    assert again.taken_out == {"b": "skipped: next time", "c": "skipped"}
    assert again.issue.skipped == {"b": "next time", "c": ""}


def test_what_must_not_go_is_taken_out_and_comes_back_when_it_may() -> None:
    first = composed(A, B).issue
    held = composed(A, replace(B, status=Status.HOLD), standing=first)
    assert (names(held.issue), held.taken_out) == (["a"], {"b": "it is on hold"})
    assert names(composed(A, B, standing=held.issue).issue) == ["a", "b"]


def test_a_report_whose_file_is_gone_is_taken_out_and_a_broken_one_keeps_its_place() -> None:
    first = composed(A, B, C).issue
    aside = SetAside("reports/b.md", "bad-front-matter", "not valid TOML", 3)
    again = composed(A, standing=first, aside=[aside])
    assert names(again.issue) == ["a", "b"]
    assert again.taken_out == {"c": "its file is no longer there"}
    broken = why(again.candidates, "b")
    assert (broken.included, broken.why) == (
        False, "set aside: not valid TOML (reports/b.md:3); its line stays in the issue",
    )  # fmt: skip


def test_a_report_that_was_rewritten_is_named() -> None:
    first = composed(A, B).issue
    again = composed(A, replace(B, body="Other words.\n"), standing=first)
    assert again.changed == ("b",)
    assert composed(A, replace(B, body="Other words.\n"), standing=again.issue).changed == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"received": RECEIVED - timedelta(weeks=9)}, "in this issue already, although it was received on"),
        ({"received": CUTOFF + timedelta(hours=1)}, "in this issue already, although it was received on"),
        ({"kind": Kind.EVENT, "section": ""}, "in this issue already, although an event goes in only where"),
    ],
)
def test_what_only_guards_the_gathering_takes_nothing_out(changed: dict[str, object], said: str) -> None:
    first = composed(A, B).issue
    again = composed(A, replace(B, **changed), standing=first)  # type: ignore[arg-type]
    assert "b" in names(again.issue)
    assert why(again.candidates, "b").why.startswith(said)


def test_a_pin_outweighs_the_ledger_and_not_a_hold_or_an_embargo() -> None:
    pinned = edited(composed(A, B).issue)
    pinned = replace(pinned, entries=tuple(replace(one, pinned=one.report == "b") for one in pinned.entries))
    sent = replace(TERMS, sent={B.id: IssueId("2026-11-12")})
    again = composed(A, B, standing=pinned, terms=sent)
    assert "b" in names(again.issue)
    assert why(again.candidates, "b").why == "pinned, although it was sent in issue 2026-11-12"
    expired = composed(A, replace(B, expires=date(2026, 11, 1)), standing=pinned)
    assert "b" in names(expired.issue)
    held = composed(A, replace(B, embargo_until=CUTOFF + timedelta(days=9)), standing=pinned)
    assert names(held.issue) == ["a"]


def test_what_is_new_takes_its_place_in_the_order_where_the_editor_kept_to_it() -> None:
    first = composed(A, C).issue
    assert names(composed(A, B, C, standing=first).issue) == ["a", "b", "c"]
    assert names(composed(A, B, C, standing=edited(first, "c", "a")).issue) == ["c", "a", "b"]


def test_what_is_new_never_goes_before_the_story_that_the_editors_subject_speaks_of() -> None:
    first = composed(B, C).issue
    mine = edited(first, subject="What B found")
    assert names(composed(A, B, C, standing=mine).issue) == ["b", "a", "c"]
    assert names(composed(A, B, C, standing=first).issue) == ["a", "b", "c"]


def test_a_section_that_is_new_opens_where_the_configuration_has_it() -> None:
    first = composed(A, a_report("d", "News Digest", kind=Kind.DIGEST)).issue
    news = [LEAD, a_report("d", "News Digest", kind=Kind.DIGEST), a_report("e", "Upcoming Events", kind=Kind.EVENT)]
    more = composed(A, *news, standing=first).issue
    assert list(dict.fromkeys(one.section for one in more.entries)) == list(SECTIONS)


def test_sections_and_forms_of_the_editors_own_stay() -> None:
    first = composed(A, B).issue
    own = replace(first, entries=tuple(replace(one, section="From the Road", form=Form.TITLE) for one in first.entries))
    again = composed(A, B, C, standing=own).issue
    assert [(one.report, one.section, one.form) for one in again.entries] == [
        ("c", "Field Reports", None), ("a", "From the Road", Form.TITLE), ("b", "From the Road", Form.TITLE),
    ]  # fmt: skip


def test_an_issue_written_by_hand_is_composed_into() -> None:
    own = Issue(ID, TERMS.day, None, "My subject", "", "", (Entry(B.id, "Field Reports", ""),))
    again = composed(A, B, standing=own).issue
    assert names(again) == ["b", "a"]
    assert (again.subject, again.number) == ("My subject", None)
    assert again.preheader != ""


# --- order and stability, whatever comes -------------------------------------------------------------------------

WEIGHTS = st.sampled_from([-1, 0, 0, 2])
DATES = st.none() | st.dates(date(2026, 11, 18), date(2026, 11, 24))


@st.composite
def shelves(draw: st.DrawFn) -> list[Report]:
    count = draw(st.integers(1, 9))
    return [
        a_report(
            f"r{at}", draw(st.sampled_from([*SECTIONS, "", "Sport"])), weight=draw(WEIGHTS), published=draw(DATES),
            authors=draw(st.sampled_from([(), (Author("Anna Lund"),), (Author("marek holt"),)])),
            status=draw(st.sampled_from([*[Status.READY] * 4, *Status])), kind=draw(st.sampled_from(Kind)),
            received=draw(st.sampled_from([RECEIVED, CUTOFF, CUTOFF + timedelta(1), RECEIVED - timedelta(weeks=9)])),
        )
        for at in range(count)
    ]  # fmt: skip


def as_filed(issue: Issue) -> str:
    return write_issue(issue, standing=None, titles={}, place="issue.toml")


@given(shelves(), st.randoms(use_true_random=False))
def test_the_same_reports_in_any_order_make_the_same_bytes(reports: list[Report], chance: random.Random) -> None:
    shuffled = chance.sample(reports, len(reports))
    assert plan(reports, (), terms=TERMS) == plan(shuffled, (), terms=TERMS)
    try:
        first = composed(*reports)
    except NothingToDo:
        with pytest.raises(NothingToDo):
            composed(*shuffled)
        return
    second = composed(*shuffled)
    assert as_filed(first.issue) == as_filed(second.issue)
    assert first.candidates == second.candidates
    assert sorted(one.report for one in first.candidates) == sorted(one.id for one in reports)


@given(shelves(), shelves(), st.randoms(use_true_random=False))
def test_composing_again_keeps_the_editors_order_removals_and_words(
    reports: list[Report], more: list[Report], chance: random.Random
) -> None:
    try:
        first = composed(*reports).issue
    except NothingToDo:
        return
    kept = chance.sample(first.entries, chance.randint(1, len(first.entries)))
    mine = replace(first, entries=tuple(kept), subject="My subject", note="Dear reader,")
    # As a file it is grouped by section, so that is what an editor can have left.
    mine = read_issue(as_filed(mine), issue=ID, place="issue.toml")
    late = [replace(one, id=ReportId(f"n{one.id}")) for one in more]
    try:
        again = composed(*reports, *late, standing=mine)
    except NothingToDo:
        return
    old = {one.id for one in reports}
    assert [one for one in names(again.issue) if one in old] == names(mine)
    assert again.added == tuple(one for one in names(again.issue) if one not in old)
    assert (again.issue.subject, again.issue.note) == ("My subject", "Dear reader,")
    assert composed(*reports, *late, standing=again.issue).issue == again.issue


# --- words, numbers, ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The U.S. Embassy closed. It rained.", ["The U.S. Embassy closed.", "It rained."]),
        ("Mr. J. P. Smith left. Why? “Nobody.” So be", ["Mr. J. P. Smith left.", "Why?", "“Nobody.”", "So be"]),
        ("It cost 3.5 million. Then 4.", ["It cost 3.5 million.", "Then 4."]),
        ("Пришла зима. Дорога закрыта.", ["Пришла зима.", "Дорога закрыта."]),
        ("", []),
    ],
)  # fmt: skip
def test_a_paragraph_is_cut_into_sentences_and_not_at_abbreviations(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_the_first_words_are_the_lead_storys() -> None:
    digest = a_report("d", kind=Kind.DIGEST)
    assert first_words([digest, A])[0] == "On a"
    assert first_words([digest])[0] == "On d"
    assert first_words([]) == ("", "")


def test_a_preheader_is_whole_sentences_or_says_what_else_there_is() -> None:
    assert first_words([replace(A, lead="Short.")])[1] == "Short."
    assert first_words([replace(A, lead="Short."), B])[1] == "Short. Also: On b"
    assert first_words([replace(A, lead=""), B, C])[1] == "On b; On c"
    assert (
        first_words([replace(A, lead="One of them. " * 20)])[1] == "One of them. One of them. One of them. One of them."
    )


@given(st.text(max_size=300), st.text(max_size=60))
def test_a_preheader_is_one_line_and_never_longer_than_it_is_shown(lead: str, title: str) -> None:
    subject, preheader = first_words([replace(A, lead=lead, title=title), B])
    assert len(preheader) <= PREHEADER_LONGEST
    assert preheader == " ".join(preheader.split())
    assert subject == " ".join(title.split())


def test_numbers_go_on_from_the_highest() -> None:
    issue = composed(A).issue
    assert next_number([]) == 1
    assert next_number([replace(issue, number=4), replace(issue, number=None), replace(issue, number=12)]) == 13


def test_a_second_issue_of_a_day_has_a_number_behind_its_date() -> None:
    day = date(2026, 11, 26)
    assert free_id(day, []) == "2026-11-26"
    assert free_id(day, [IssueId("2026-11-26"), IssueId("2026-11-26-2")]) == "2026-11-26-3"


@pytest.mark.parametrize(
    ("source", "name"), [("reports/a.md", "a"), ("C:\\inbox\\a.md", "a"), ("inbox/page.txt", "page.txt")]
)
def test_what_was_set_aside_is_known_by_its_files_name(source: str, name: str) -> None:
    assert name_of(SetAside(source, "empty-body", "no text")) == name
