from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from biweekly.errors import IssueError, NothingToDo
from biweekly.issues.folder import listing, place_of_word, read, resolve, write
from biweekly.issues.sent import Sent, write_sent
from biweekly.model.issue import Entry, Issue, IssueId, ReportId

TODAY = date(2026, 11, 24)


def an_issue(name: str, day: date | None = None) -> Issue:
    entries = (Entry(ReportId("dam"), "Field Reports", ""),)
    return Issue(IssueId(name), day or date.fromisoformat(name[:10]), 1, f"Issue {name}", "", "", entries)


def put(folder: Path, *names: str, sent: bool = False) -> None:
    for name in names:
        write(folder, an_issue(name), titles={})
        if sent:
            at = datetime.combine(date.fromisoformat(name[:10]), datetime.min.time(), UTC)
            write_sent(folder, Sent(IssueId(name), "e" * 64, at, 3, {ReportId("dam"): "aa"}))


def test_an_issue_is_read_back_and_written_only_where_something_changed(tmp_path: Path) -> None:
    issue = an_issue("2026-11-26")
    assert write(tmp_path, issue, titles={})
    assert read(tmp_path, issue.id) == issue
    before = (tmp_path / issue.id / "issue.toml").stat().st_mtime_ns
    assert not write(tmp_path, issue, titles={})
    assert (tmp_path / issue.id / "issue.toml").stat().st_mtime_ns == before
    assert write(tmp_path, replace(issue, subject="Another"), titles={})


def test_issues_are_listed_by_their_ids_and_other_folders_are_left(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-26-10", "2026-11-26-2", "2026-11-26", "2026-11-12")
    put(tmp_path, "2026-11-12", sent=True)
    for name in ("2026-13-01", "2026-11-26-1", "notes", "2026-11-19"):
        (tmp_path / name).mkdir()
    found = listing(tmp_path)
    assert [one.id for one in found] == ["2026-11-12", "2026-11-26", "2026-11-26-2", "2026-11-26-10"]
    assert [one.was_sent for one in found] == [True, False, False, False]
    assert found[0].mailed == datetime(2026, 11, 12, tzinfo=UTC)
    assert found[1].mailed is None


def test_a_publication_without_issues_lists_none(tmp_path: Path) -> None:
    assert listing(tmp_path / "issues") == ()


@pytest.mark.parametrize(
    ("name", "text", "code", "place"),
    [
        ("issue.toml", b"date = ", "issue-unreadable", "issues/2026-11-26/issue.toml:1"),
        ("issue.toml", b"# \xff\n", "issue-unreadable", "issues/2026-11-26/issue.toml:1"),
        ("sent.toml", b"x\n", "sent-unreadable", "issues/2026-11-26/sent.toml:1"),
    ],
)
def test_an_issue_that_cannot_be_used_is_listed_with_its_fault_and_the_others_go_on(
    tmp_path: Path, name: str, text: bytes, code: str, place: str
) -> None:
    put(tmp_path, "2026-11-12", "2026-11-26")
    (tmp_path / "2026-11-26" / name).write_bytes(text)
    good, bad = listing(tmp_path)
    assert (good.issue is None, good.fault) == (False, None)
    assert bad.issue is None
    assert bad.fault is not None
    assert (bad.fault.code, bad.fault.place, bad.day) == (code, place, date(2026, 11, 26))


def test_a_mailed_issue_whose_file_is_gone_still_holds_its_id(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-26", sent=True)
    (tmp_path / "2026-11-26" / "issue.toml").unlink()
    (lost,) = listing(tmp_path)
    assert (lost.id, lost.was_sent) == ("2026-11-26", True)
    assert isinstance(lost.fault, IssueError)
    assert lost.fault.place == "issues/2026-11-26/issue.toml"


@pytest.mark.parametrize("word", ["2026-11-27", "../2026-11-26", "", "2026-11-26/", "Next", "9999-99-99"])
def test_what_names_no_issue_is_an_error_with_a_command(tmp_path: Path, word: str) -> None:
    put(tmp_path, "2026-11-26")
    with pytest.raises(NothingToDo) as caught:
        resolve(tmp_path, word, today=TODAY)
    assert (caught.value.code, caught.value.hint) == ("no-such-issue", "biweekly issue list")
    with pytest.raises(NothingToDo):
        read(tmp_path, IssueId("2026-11-27"))


def test_next_is_the_first_unsent_issue_to_come_else_the_newest_unsent(tmp_path: Path) -> None:
    put(tmp_path, "2026-10-29", "2026-11-12", "2026-11-24", "2026-12-10")
    assert resolve(tmp_path, "next", today=TODAY) == "2026-11-24"
    put(tmp_path, "2026-11-24", sent=True)
    assert resolve(tmp_path, "next", today=TODAY) == "2026-12-10"
    assert resolve(tmp_path, "next", today=date(2027, 1, 1)) == "2026-12-10"


def test_latest_is_the_newest_sent_issue_else_the_newest(tmp_path: Path) -> None:
    put(tmp_path, "2026-10-29", "2026-11-12", "2026-12-10")
    assert resolve(tmp_path, "latest", today=TODAY) == "2026-12-10"
    put(tmp_path, "2026-10-29", "2026-11-12", sent=True)
    assert resolve(tmp_path, "latest", today=TODAY) == "2026-11-12"


def test_the_date_inside_counts_where_it_was_moved(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-26")
    write(tmp_path, an_issue("2026-11-25", date(2026, 12, 1)), titles={})
    assert resolve(tmp_path, "next", today=TODAY) == "2026-11-26"
    assert resolve(tmp_path, "latest", today=TODAY) == "2026-11-25"


@pytest.mark.parametrize(("word", "said"), [("next", "no unsent issue"), ("latest", "no issue")])
def test_where_there_is_no_issue_yet_the_words_say_how_to_make_one(tmp_path: Path, word: str, said: str) -> None:
    with pytest.raises(NothingToDo) as caught:
        resolve(tmp_path, word, today=TODAY)
    assert said in caught.value.message
    assert caught.value.hint == "biweekly issue compose"


def test_a_word_is_found_at_its_line(tmp_path: Path) -> None:
    put(tmp_path, "2026-11-26")
    issue = IssueId("2026-11-26")
    lines = (tmp_path / issue / "issue.toml").read_text("utf-8").splitlines()
    expected = next(number for number, line in enumerate(lines, 1) if '"dam"' in line)
    assert place_of_word(tmp_path, issue, "dam") == f"issues/2026-11-26/issue.toml:{expected}"
    assert place_of_word(tmp_path, issue, "mole") == "issues/2026-11-26/issue.toml"
    assert place_of_word(tmp_path, IssueId("2027-01-01"), "dam") == "issues/2027-01-01/issue.toml"
