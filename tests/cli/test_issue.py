"""`biweekly issue`, as it is typed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.typed import Type, found_empty, typist

from biweekly.issues.sent import Sent, write_sent
from biweekly.model.issue import IssueId, ReportId

BODY = "The ferry has not come since the ice, and nobody in Kerbent has asked after it."
# A day without the surprises of the real one: commands ask the clock, and name their date here.
DAY = "2031-03-06"


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    return found_empty(tmp_path / "review", capsys)


@pytest.fixture
def typed(home: Path, capsys: pytest.CaptureFixture[str]) -> Type:
    return typist(home, "issue", capsys)


def put(home: Path, name: str, *settings: str, section: str = "Field Reports", body: str = BODY) -> None:
    head = [f'title = "On {name}"', f'section = "{section}"', 'authors = ["Anna Lund"]', "published = 2001-11-20"]
    text = "\n".join(["+++", *head, *settings, "+++", "", body, ""])
    (home / "reports" / f"{name}.md").write_text(text, "utf-8")


def edit(home: Path, old: str, new: str) -> None:
    path = home / "issues" / DAY / "issue.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


# --- compose -----------------------------------------------------------------------------------------------------


def test_an_issue_is_composed_in_section_order_and_told_in_words(home: Path, typed: Type) -> None:
    put(home, "ferry")
    put(home, "water", section="Analytical Articles")
    put(home, "held", 'status = "hold"')
    done = typed("compose", "--date", DAY)
    assert done.code == 0
    assert done.out.splitlines() == ["Analytical Articles", "    On water", "Field Reports", "    On ferry"]
    assert done.err.splitlines() == [
        f'Composed issue {DAY}, "On water", with 2 reports.',
        f"1 left out: biweekly issue plan {DAY}",
        f"Next: biweekly preview {DAY}",
    ]
    assert (home / "issues" / DAY / "issue.toml").is_file()


def test_a_composed_issue_as_json_has_the_keys_that_scripts_rely_on(home: Path, typed: Type) -> None:
    put(home, "ferry")
    done = typed("compose", "--date", DAY, "--json")
    assert (done.code, done.err) == (0, "")
    assert next(iter(done.document)) == "schema"
    assert done.document == {
        "schema": "biweekly/issue/1", "issue": DAY, "date": DAY,
        "reports": [{"id": "ferry", "section": "Field Reports", "title": "On ferry"}],
    }  # fmt: skip


def test_composing_again_keeps_what_was_changed_and_says_what_it_did(home: Path, typed: Type) -> None:
    put(home, "ferry")
    put(home, "dam")
    typed("compose", "--date", DAY)
    assert (
        typed("compose", "--date", DAY).err.splitlines()[0] == f"Issue {DAY} stays as it was: 2 reports, nothing new."
    )
    edit(home, 'subject = "On dam"', 'subject = "My subject"  # mine')
    put(home, "road", "weight = -5")
    put(home, "dam", 'status = "withdrawn"')
    put(home, "ferry", body=f"{BODY} It came in the night.")
    done = typed("compose", "--date", DAY)
    assert done.out.splitlines() == ["Field Reports", "    On ferry", "  + On road"]
    assert done.err.splitlines()[:4] == [
        f"Composed issue {DAY} again: 2 reports, 1 added. Your changes stand.",
        "  added: On road",
        "  taken out: On dam (it has been withdrawn)",
        "  changed since: On ferry",
    ]
    assert 'subject = "My subject"  # mine\n' in (home / "issues" / DAY / "issue.toml").read_text("utf-8")


def test_nothing_ready_is_exit_code_1_one_sentence_and_no_issue(home: Path, typed: Type) -> None:
    done = typed("compose")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "error nothing-ready: nothing is ready for an issue: there are no reports yet",
        "  help: biweekly issue plan",
    ]
    put(home, "held", 'status = "hold"')
    assert "1 on hold (of 1 report)" in typed("compose", "--json").err
    assert list((home / "issues").iterdir()) == []


@pytest.mark.parametrize("day", ["soon", "26.11.2026", "2026-02-30", ""])
def test_what_is_no_date_is_a_usage_error(typed: Type, day: str) -> None:
    done = typed("compose", "--date", day)
    assert (done.code, "error bad-date: --date: " in done.err) == (2, True)


def test_a_broken_report_stops_no_issue(home: Path, typed: Type) -> None:
    put(home, "ferry")
    put(home, "dam", "weight = ")
    done = typed("compose", "--date", DAY)
    assert (done.code, "1 left out" in done.err) == (0, True)
    plan = typed("plan", DAY)
    assert "out  dam    set aside: the front matter is not valid TOML" in plan.out
    assert "(reports/dam.md:6)" in plan.out


def test_a_broken_issue_is_named_with_its_line_and_left_alone(home: Path, typed: Type) -> None:
    put(home, "ferry")
    typed("compose", "--date", DAY)
    edit(home, "number = 1", "number = one")
    for words in (("compose", "--date", DAY), ("plan", DAY), ("show", DAY)):
        done = typed(*words)
        assert (done.code, f"error issue-unreadable: issues/{DAY}/issue.toml:3: not valid TOML" in done.err) == (
            1,
            True,
        )


# --- plan --------------------------------------------------------------------------------------------------------


def test_a_plan_says_in_or_out_and_why_and_changes_nothing(home: Path, typed: Type) -> None:
    put(home, "ferry")
    put(home, "held", 'status = "hold"')
    put(home, "bare", "received = 2001-01-01T00:00:00Z")
    done = typed("plan")
    assert done.code == 0
    first, *rest = done.out.splitlines()
    assert first.startswith("in   ferry  ready, received on ")
    assert [line[:10] for line in rest] == ["out  bare ", "out  held "]
    assert list((home / "issues").iterdir()) == []


def test_a_plan_as_json_names_every_candidate(home: Path, typed: Type) -> None:
    put(home, "ferry")
    put(home, "held", 'status = "hold"')
    (home / "reports" / "broken.md").write_text("+++\n", "utf-8")
    document = typed("plan", "--json").document
    assert document["schema"] == "biweekly/issue-plan/1"
    assert [(one["id"], one["in"]) for one in document["candidates"]] == [
        ("ferry", True), ("held", False), ("broken", False),
    ]  # fmt: skip
    assert document["candidates"][1]["why"] == "it is on hold"


def test_a_plan_marks_what_is_late(home: Path, typed: Type) -> None:
    put(home, "ferry")
    before = datetime.now(UTC) - timedelta(hours=1)
    last = IssueId(before.date().isoformat())
    write_sent(home / "issues", Sent(last, "e" * 64, before, 3, {ReportId("dam"): "aa"}))
    (home / "issues" / last / "issue.toml").write_text(f"date = {last}\n", "utf-8")
    typed("compose", "--date", DAY)
    assert "; late: it is dated 20 November 2001 and missed the last cut-off, of " in typed("plan", DAY).out


def test_a_plan_without_reports_says_how_to_bring_some_in(typed: Type) -> None:
    done = typed("plan")
    assert (done.code, done.out, done.err) == (0, "", "There are no reports yet: biweekly reports import FILE\n")


# --- list, show, render ------------------------------------------------------------------------------------------


def test_issues_are_listed_with_their_state_a_broken_one_with_its_fault(home: Path, typed: Type) -> None:
    assert typed("list").err == "There are no issues yet: biweekly issue compose\n"
    put(home, "ferry")
    typed("compose", "--date", DAY)
    typed("compose", "--date", "2031-03-20")
    (home / "issues" / "2031-03-20" / "issue.toml").write_text("date = \n", "utf-8")
    at = datetime(2031, 3, 6, 9, tzinfo=UTC)
    write_sent(home / "issues", Sent(IssueId(DAY), "e" * 64, at, 3, {ReportId("ferry"): "aa"}))
    done = typed("list")
    assert done.code == 0
    sent, broken = done.out.splitlines()
    assert sent == f"{DAY}    no. 1    sent    On ferry"
    assert broken.startswith(
        "2031-03-20             broken  issue-unreadable: issues/2031-03-20/issue.toml:1: not valid"
    )
    assert [one["state"] for one in typed("list", "--json").document["issues"]] == ["sent", "broken"]


def test_an_issue_is_shown_with_its_reports_in_printing_order(home: Path, typed: Type) -> None:
    put(home, "ferry")
    put(home, "water", section="Analytical Articles")
    typed("compose", "--date", DAY)
    edit(home, '  "ferry",', '  { id = "ferry", pinned = true },')
    (home / "reports" / "water.md").unlink()
    done = typed("show", DAY)
    assert done.out.splitlines() == [
        f"{DAY}   no. 1, {DAY}, not sent",
        "subject    On water",
        f"preheader  {BODY}",
        "",
        "Analytical Articles",
        "  water (not readable)",
        "",
        "Field Reports",
        "  On ferry, by Anna Lund  (pinned)",
    ]
    document = typed("show", "next", "--json").document
    assert [(one["id"], one["title"], one["pinned"]) for one in document["reports"]] == [
        ("water", None, False), ("ferry", "On ferry", True),
    ]  # fmt: skip
    assert (document["sent"], document["skipped"]) == (False, {})


def test_an_issue_that_is_not_there_is_an_error_with_a_command(typed: Type) -> None:
    done = typed("show", "2031-01-01")
    assert (done.code, done.err.splitlines()) == (
        1, ["error no-such-issue: 2031-01-01: there is no such issue", "  help: biweekly issue list"],
    )  # fmt: skip


def test_an_issue_is_rendered_into_a_folder(home: Path, tmp_path: Path, typed: Type) -> None:
    put(home, "ferry")
    typed("compose", "--date", DAY)
    done = typed("render", "next", "--out", tmp_path / "proof", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.document["schema"] == "biweekly/rendering/1"
    assert done.document["files"] == ["issue.html", "issue.txt", "issue.eml", "edition.json"]
    assert json.loads((tmp_path / "proof" / "edition.json").read_bytes())["sha256"] == done.document["sha256"]
    assert "On ferry" in (tmp_path / "proof" / "issue.html").read_text("utf-8")
    assert BODY in " ".join((tmp_path / "proof" / "issue.txt").read_text("utf-8").split())
    words = typed("render", DAY, "--out", tmp_path / "proof")
    assert words.err == f"Rendered issue {DAY}, content {done.document['sha256'][:8]}.\n"


def test_a_rendering_that_cannot_be_written_is_an_error_in_words(home: Path, tmp_path: Path, typed: Type) -> None:
    put(home, "ferry")
    typed("compose", "--date", DAY)
    (tmp_path / "proof").write_text("mine")
    done = typed("render", DAY, "--out", tmp_path / "proof")
    assert (done.code, f"error issue-unwritable: {tmp_path / 'proof'}: " in done.err) == (1, True)
