import random
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.errors import IssueError
from biweekly.issues.manuscript import read_issue
from biweekly.issues.rewriting import quoted, write_issue
from biweekly.model.issue import Composed, Entry, Form, Issue, IssueId, ReportId

ID = IssueId("2026-11-26")
PLACE = "issues/2026-11-26/issue.toml"
FIELD, ANALYSIS = "Field Reports", "Analytical Articles"


def entry(name: str, section: str = FIELD, **more: object) -> Entry:
    return Entry(ReportId(name), section, f"hash-{name}", **more)  # type: ignore[arg-type]


def an_issue(*entries: Entry, **changed: object) -> Issue:
    composed = Composed({one.report: one.sha256 for one in entries}, "The ferry", "It came.")
    made = Issue(ID, date(2026, 11, 26), 24, "The ferry", "It came.", "", entries, composed=composed)
    return replace(made, **changed)  # type: ignore[arg-type]


def written(issue: Issue, standing: str | None = None, titles: dict[str, str] | None = None) -> str:
    named = {ReportId(one): title for one, title in (titles or {}).items()}
    return write_issue(issue, standing=standing, titles=named, place=PLACE)


def read(text: str) -> Issue:
    return read_issue(text, issue=ID, place=PLACE)


# --- anew --------------------------------------------------------------------------------------------------------


def test_a_new_file_says_how_to_use_it_and_names_its_reports() -> None:
    text = written(an_issue(entry("lead", ANALYSIS), entry("dam")), titles={"lead": "The\nLead", "dam": "The Dam"})
    assert text.startswith("# Moving a report's line moves the report")
    assert '  "lead",  # The Lead\n' in text
    assert '  "dam",  # The Dam\n' in text
    assert text.index(ANALYSIS) < text.index(FIELD) < text.index("[skipped]") < text.index("[composed]")


def test_what_is_written_is_read_back() -> None:
    issue = an_issue(
        entry("lead", ANALYSIS, pinned=True, form=Form.FULL),
        entry("dam"),
        number=None,
        skipped={ReportId("x"): 'a "why"'},
    )
    assert read(written(issue)) == issue


@given(st.text(st.characters(codec="utf-8")))
def test_words_in_quotes_are_read_back(words: str) -> None:
    assert read(f"date = 2026-11-26\nsubject = {quoted(words)}\n").subject == words


# --- put right ---------------------------------------------------------------------------------------------------

MINE = """\
# My own comment.
date = 2026-11-26      # a Thursday
subject = 'The ferry'
preheader = "It came."

note = \"\"\"
Dear reader,
here it is.\"\"\"

# Above the field.
[[section]]
reports = [
    # the first one
    "dam",   # my dam
    { id = "ferry", pinned = true },
    'road',
]
title = "Field Reports"

[skipped]
"hill" = "next time"   # really

[composed]
subject = "The ferry"
preheader = "It came."

[composed.reports]
dam = "hash-dam"
ferry = "hash-ferry"
road = "hash-road"
"""


def test_what_does_not_change_is_not_touched_by_a_byte() -> None:
    assert written(read(MINE), standing=MINE) == MINE


def test_a_report_comes_in_with_its_title_and_every_other_line_stays() -> None:
    issue = read(MINE)
    more = replace(issue, entries=(*issue.entries, Entry(ReportId("mole"), FIELD, "")))
    text = written(more, standing=MINE, titles={"mole": "The Mole", "dam": "Not this one"})
    assert '    "mole",  # The Mole\n' in text or '"mole"  # The Mole' in text
    for line in MINE.splitlines():
        assert line in text


def test_a_report_goes_with_its_line_and_the_others_keep_their_comments() -> None:
    issue = read(MINE)
    fewer = replace(issue, entries=tuple(one for one in issue.entries if one.report != "ferry"))
    text = written(fewer, standing=MINE)
    assert "pinned" not in text
    assert '"dam",   # my dam' in text
    assert [one.report for one in read(text).entries] == ["dam", "road"]


def test_a_new_section_stands_where_it_belongs_with_the_comments_of_the_next_left_to_it() -> None:
    issue = read(MINE)
    more = replace(issue, entries=(Entry(ReportId("lead"), ANALYSIS, ""), *issue.entries))
    text = written(more, standing=MINE)
    assert text.index('title = "Analytical Articles"') < text.index("# Above the field.") < text.index("the first one")
    assert read(text) == more


def test_a_section_that_is_empty_just_now_keeps_its_place() -> None:
    first = written(an_issue(entry("dam"), entry("lead", ANALYSIS)))
    emptied = written(replace(read(first), entries=(entry("lead", ANALYSIS),)), standing=first)
    refilled = written(replace(read(first), entries=(entry("lead", ANALYSIS), entry("dam"))), standing=emptied)
    assert [one.report for one in read(refilled).entries] == ["dam", "lead"]


def test_a_missing_key_is_put_at_the_top() -> None:
    text = written(replace(read(MINE), number=24), standing=MINE)
    assert text.startswith("number = 24\n# My own comment.")


def test_what_compose_keeps_is_added_where_there_is_none() -> None:
    own = "date = 2026-11-26\n"
    issue = replace(read(own), subject="The ferry", composed=Composed({}, "The ferry", ""))
    assert read(written(issue, standing=own)) == issue


def test_line_ends_stay_as_the_editors_program_writes_them() -> None:
    standing = MINE.replace("\n", "\r\n")
    text = written(replace(read(MINE), number=24), standing=standing)
    assert text.count("\n") == text.count("\r\n")


def test_a_file_that_cannot_be_read_is_not_written_over() -> None:
    with pytest.raises(IssueError) as caught:
        written(an_issue(entry("dam")), standing="date = ")
    assert caught.value.code == "issue-unreadable"


def test_a_layout_that_cannot_be_kept_is_refused_with_a_cure() -> None:
    inline = 'section = [{ title = "Field Reports", reports = ["dam"] }]\ndate = 2026-11-26\n'
    issue = read(inline)
    more = replace(issue, entries=(*issue.entries, Entry(ReportId("lead"), ANALYSIS, "")))
    with pytest.raises(IssueError) as caught:
        written(more, standing=inline)
    assert (caught.value.code, caught.value.place) == ("issue-tangled", PLACE)
    assert "[[section]]" in (caught.value.hint or "")


# --- whatever the editor did ---------------------------------------------------------------------------------------

NAMES = [f"r{at}" for at in range(7)]
SECTIONS = [ANALYSIS, FIELD, 'The "Road" [1]', "# no comment"]
LINES = st.text(st.characters(codec="utf-8"), max_size=30)


@st.composite
def issues(draw: st.DrawFn) -> Issue:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    entries = [
        Entry(
            ReportId(one),
            draw(st.sampled_from(SECTIONS)),
            "",
            draw(st.sampled_from([None, *Form])),
            draw(st.booleans()),
        )
        for one in names
    ]
    # In a file a section's reports stand together.
    order = list(dict.fromkeys(one.section for one in entries))
    entries.sort(key=lambda one: order.index(one.section))
    composed = draw(st.none() | st.builds(
        Composed, st.dictionaries(st.sampled_from(NAMES).map(ReportId), LINES, max_size=4), LINES, LINES,
    ))  # fmt: skip
    hashes = composed.reports if composed else {}
    return Issue(
        ID, draw(st.dates()), draw(st.none() | st.integers(1, 10**9)), draw(LINES), draw(LINES), draw(LINES),
        tuple(replace(one, sha256=hashes.get(one.report, "")) for one in entries),
        skipped=draw(st.dictionaries(LINES.map(ReportId), LINES, max_size=2)), composed=composed,
    )  # fmt: skip


@given(issues())
def test_any_issue_is_read_back_as_it_was_written(issue: Issue) -> None:
    text = written(issue, titles=dict.fromkeys(NAMES, "a # b\x00\n[c]"))
    assert read(text) == issue
    assert written(issue, standing=text) == text


@given(issues(), issues(), st.randoms(use_true_random=False))
def test_any_issue_can_be_put_right_and_the_editors_comments_stay(
    before: Issue, after: Issue, chance: random.Random
) -> None:
    lines = written(before).rstrip("\n").split("\n")
    for at in range(3):
        headings = [number for number, line in enumerate(lines) if line.startswith(("[", "date", "subject"))]
        lines.insert(chance.choice(headings), f"# mine {at}")
    standing = "\n".join(lines) + "\n"
    # Compose gives entries and words their places; what is skipped, pinned or printed otherwise is the editor's to say.
    kept = {one.report: one for one in before.entries}
    entries = tuple(
        replace(one, pinned=kept[one.report].pinned, form=kept[one.report].form)
        if one.report in kept and kept[one.report].section == one.section
        else replace(one, pinned=False, form=None)
        for one in after.entries
    )
    wanted = replace(after, entries=entries, skipped=before.skipped, composed=after.composed or before.composed)
    hashes = wanted.composed.reports if wanted.composed else {}
    wanted = replace(wanted, entries=tuple(replace(one, sha256=hashes.get(one.report, "")) for one in entries))
    text = written(wanted, standing=standing)
    read_back = read(text)
    assert replace(read_back, entries=()) == replace(wanted, entries=())
    assert {one.report: one for one in read_back.entries} == {one.report: one for one in wanted.entries}
    for at in range(3):
        assert f"# mine {at}" in text
