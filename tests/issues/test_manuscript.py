from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.errors import IssueError
from biweekly.issues.manuscript import read_issue
from biweekly.model.issue import Composed, Entry, Form, Issue, IssueId, ReportId

ID = IssueId("2026-11-26")
PLACE = "issues/2026-11-26/issue.toml"

TEXT = """\
# The editor's own words.
number = 24
date = 2026-11-26
subject = "The ferry"
preheader = "It has not come."
note = "Dear reader,"

[[section]]
title = "Analytical Articles"
reports = [
  "lead",  # The Lead
]

[[section]]
title = "Field Reports"
reports = [
  { id = "ferry", pinned = true, form = "full" },
  "dam",
]

[skipped]
"road" = "next time"

[composed]
subject = "The lead"
preheader = "It leads."

[composed.reports]
"dam" = "aa"
"lead" = "bb"
"""


def read(text: str) -> Issue:
    return read_issue(text, issue=ID, place=PLACE)


def refused(text: str) -> IssueError:
    with pytest.raises(IssueError) as caught:
        read(text)
    assert caught.value.code == "issue-unreadable"
    return caught.value


def test_an_issue_is_what_its_file_says() -> None:
    assert read(TEXT) == Issue(
        ID, date(2026, 11, 26), 24, "The ferry", "It has not come.", "Dear reader,",
        (
            Entry(ReportId("lead"), "Analytical Articles", "bb"),
            Entry(ReportId("ferry"), "Field Reports", "", Form.FULL, pinned=True),
            Entry(ReportId("dam"), "Field Reports", "aa"),
        ),
        skipped={ReportId("road"): "next time"},
        composed=Composed({ReportId("dam"): "aa", ReportId("lead"): "bb"}, "The lead", "It leads."),
    )  # fmt: skip


def test_a_date_alone_is_an_issue() -> None:
    assert read("date = 2026-11-26\n") == Issue(ID, date(2026, 11, 26), None, "", "", "", ())


def test_text_that_is_no_toml_is_named_with_its_line() -> None:
    error = refused(TEXT.replace('  "dam",', '  "dam"\n  "mole",'))
    assert error.place == f"{PLACE}:19"
    assert error.hint == "every report stands in quotes with a comma behind it"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("number = 24", 'number = "24"', 2, "whole number"),
        ("number = 24", "number = -1", 2, "whole number"),
        ("number = 24", "number = true", 2, "whole number"),
        ("date = 2026-11-26", 'date = "26 November"', 3, "needs a date"),
        ("date = 2026-11-26", "date = 2026-11-26T09:00:00Z", 3, "needs a date"),
        ("date = 2026-11-26\n", "", None, "needs a date"),
        ('subject = "The ferry"', "subject = 7", 4, '"subject" must be text'),
        ('note = "Dear reader,"', "not = 7", 6, 'unknown key "not"'),
        ('preheader = "It has not come."', 'pre = ""', 5, 'unknown key "pre"'),
        ('title = "Field Reports"', 'title = "Analytical Articles"', 9, "stands twice"),
        ('title = "Field Reports"', 'title = ""', 8, "needs its title"),
        ('title = "Field Reports"', 'title = "Field Reports"\nform = "full"', 16, 'unknown key "form"'),
        ('  "dam",', '  "lead",', 18, "the report lead stands twice"),
        ('  "dam",', "  7,", 16, "a report is its id in quotes"),
        ('  "dam",', "  { pinned = true },", 16, "a report needs its id"),
        ("pinned = true", 'pinned = "yes"', 17, '"pinned" is true or false'),
        ("pinned = true", "pinnned = true", 17, 'unknown key "pinnned"'),
        ('form = "full"', 'form = "half"', 17, "one of full, lead, title"),
        ('"road" = "next time"', '"road" = 7', 22, '"road" must be text'),
        ('"dam" = "aa"', '"dam" = 7', 29, '"dam" must be text'),
        ("[composed]\n", '[composed]\nmood = "x"\n', 25, 'unknown key "mood"'),
        ("[[section]]", "[section]", 8, "written [[section]]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, line: int | None, said: str) -> None:
    count = 2 if old == "[[section]]" else 1
    text = TEXT.replace(old, new, count)
    if old == "[[section]]":
        text = text.replace('[section]\ntitle = "Field Reports"', '[other]\ntitle = "Field Reports"')
    error = refused(text.replace("[other]", "[section.more]"))
    assert said in error.message
    assert error.place == (f"{PLACE}:{line}" if line else PLACE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("skipped = 7", "[skipped]"),
        ("composed = 7", "kept by biweekly"),
        ('[[section]]\ntitle = "A"\nreports = "a"', '"reports" is a list'),
        ("section = [1]", "two brackets"),
    ],
)
def test_a_table_that_is_none_is_refused(text: str, said: str) -> None:
    assert said in refused(f"date = 2026-11-26\n{text}").message


def test_a_misspelt_key_is_told_the_nearest_known_one() -> None:
    assert refused(TEXT.replace("subject = ", "subjet = ", 1)).hint == 'did you mean "subject"?'


LINES = st.sampled_from(TEXT.splitlines()) | st.text(max_size=20)


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_any_text_is_an_issue_or_a_reason(text: str) -> None:
    fault: IssueError | None = None
    issue: Issue | None = None
    try:
        issue = read(text)
    except IssueError as error:
        fault = error
    if issue is not None:
        assert len({one.report for one in issue.entries}) == len(issue.entries)
    assert fault is None or (fault.code == "issue-unreadable" and str(fault.place).startswith(PLACE))
