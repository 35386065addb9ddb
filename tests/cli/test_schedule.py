"""`biweekly schedule` and `unschedule`: exactly these bytes at exactly that time, until somebody takes them back."""

import re
import threading
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.cli.paper import NOW, READERS, Paper, found
from tests.transports.relay import Relay

from biweekly.cli.schedule import _instant
from biweekly.config import ScheduleConfig
from biweekly.errors import UsageError
from biweekly.serving import open_clock
from biweekly.store import tables

STOCKHOLM = ZoneInfo("Europe/Stockholm")
RHYTHM = ScheduleConfig(anchor=date(2026, 11, 26), timezone="Europe/Stockholm")


@pytest.fixture
def paper(related: Paper) -> Paper:
    return related


def due_of(paper: Paper, issue: str) -> datetime:
    coming = paper.run("status", "--json").json["next"]
    assert coming["issue"] == issue
    return datetime.fromisoformat(coming["due"])


def test_without_a_time_it_is_the_issues_own_date_at_the_hour_of_the_schedule(paper: Paper) -> None:
    issue = paper.compose()
    said = paper.run("schedule", issue)
    due = datetime.combine(date.fromisoformat(issue), time(9), STOCKHOLM)
    assert said.out.startswith(f"{issue} goes out {due:%a %d %b %Y %H:%M} Europe/Stockholm ")
    assert "3 subscribers as of now" in said.out
    assert f"biweekly unschedule {issue}" in said.err
    assert due_of(paper, issue) == due


def test_a_time_with_a_date_is_by_the_publications_clock_and_one_with_an_offset_is_what_it_says(paper: Paper) -> None:
    issue = paper.compose()
    day = (NOW + timedelta(days=3)).date()
    paper.run("schedule", issue, "--at", f"{day} 17:30")
    assert due_of(paper, issue) == datetime.combine(day, time(17, 30), STOCKHOLM)
    paper.run("unschedule", issue)
    paper.run("schedule", issue, "--at", f"{day}T17:30+05:00")
    assert due_of(paper, issue) == datetime.fromisoformat(f"{day}T17:30+05:00")


@pytest.mark.parametrize(
    ("at", "now", "due"),
    [
        ("09:00", "2026-11-25T07:59:00+00:00", "2026-11-25T08:00:00+00:00"),
        ("9:00", "2026-11-25T08:00:00+00:00", "2026-11-26T08:00:00+00:00"),
        (" 00:30 ", "2026-11-25T23:00:00+00:00", "2026-11-25T23:30:00+00:00"),
        ("2026-10-25 02:30", "2026-10-01T00:00:00+00:00", "2026-10-25T00:30:00+00:00"),
        ("2027-03-28 02:30", "2027-03-01T00:00:00+00:00", "2027-03-28T01:30:00+00:00"),
        ("2026-11-26T09:00Z", "2026-11-25T00:00:00+00:00", "2026-11-26T09:00:00+00:00"),
        ("2026-11-26", "2026-11-25T00:00:00+00:00", "2026-11-25T23:00:00+00:00"),
    ],
)
def test_a_time_alone_is_the_next_such_hour_and_gaps_and_folds_are_read_by_rule(at: str, now: str, due: str) -> None:
    found_due = _instant(RHYTHM, at, date(2026, 11, 26), now=datetime.fromisoformat(now))
    assert found_due == datetime.fromisoformat(due)
    assert found_due.tzinfo is UTC


@pytest.mark.parametrize("at", ["soon", "25:00", "9", "", "2026-13-01 09:00", "26.11.2026 09:00", "9 am", "09:00 UTC"])
def test_what_is_no_time_is_said_with_an_example(at: str) -> None:
    with pytest.raises(UsageError) as error:
        _instant(RHYTHM, at, date(2026, 11, 26), now=NOW)
    assert (error.value.code, error.value.exit_code) == ("time-form", 2)
    assert "2026-11-26 09:00" in (error.value.hint or "")


def test_a_time_that_has_passed_never_means_at_once(paper: Paper) -> None:
    issue = paper.compose()
    for at in (NOW - timedelta(days=1), datetime.now(UTC) + timedelta(seconds=90)):
        said = paper.run("schedule", issue, "--at", at.isoformat(), expect=2)
        assert "time-past" in said.err
        assert f"biweekly send {issue} --live" in said.err
    assert "no-mailing" in paper.run("report", issue, expect=1).err


def test_it_is_scheduled_once_and_not_sent_as_well(paper: Paper) -> None:
    issue = paper.compose()
    paper.run("schedule", issue)
    for words in (("schedule", issue), ("send", issue), paper.confirm(issue)):
        said = paper.run(*words, expect=4)
        assert "already-mailed" in said.err
        assert f"biweekly unschedule {issue}" in said.err


def test_taken_back_it_can_be_edited_and_scheduled_again(paper: Paper) -> None:
    issue = paper.compose()
    before = re.search(r"edition (\w{12})", paper.run("schedule", issue).out)
    assert "Nothing was sent" in paper.run("unschedule", issue).err
    path = paper.root / "issues" / issue / "issue.toml"
    path.write_text(re.sub(r"(?m)^subject = .*$", 'subject = "Another subject"', path.read_text()))
    after = re.search(r"edition (\w{12})", paper.run("schedule", issue).out)
    assert before
    assert after
    assert before[1] != after[1]


def test_what_is_not_scheduled_cannot_be_taken_back(paper: Paper) -> None:
    issue = paper.compose()
    assert "no-mailing" in paper.run("unschedule", issue, expect=1).err
    paper.run(*paper.confirm(issue))
    assert "not-scheduled" in paper.run("unschedule", issue, expect=4).err


def test_what_goes_out_is_what_was_frozen(paper: Paper, relay: Relay) -> None:
    issue = paper.compose()
    paper.run("schedule", issue)
    (paper.root / "reports" / "a-bridge-opens.md").write_text("+++\ntitle = 'Changed'\n+++\n\nChanged since.\n")
    (paper.root / "templates" / "issue.mjml.j2").write_text("this would not even compile {{")
    paper.change(tables.mailing, due=NOW)
    with open_clock(paper.publication, say=lambda _: None, stop=threading.Event()) as fortnight:
        fortnight.tick(datetime.now(UTC))
    assert len(relay.accepted) == len(READERS)
    for one in relay.accepted:
        assert b"the road was open again" in one.content
        assert b"Changed" not in one.content


def test_without_a_relay_nothing_can_be_scheduled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = found(tmp_path / "other", capsys)
    issue = paper.compose()
    assert "no-relay" in paper.run("schedule", issue, expect=4).err


def test_without_a_schedule_there_is_no_hour_to_go_by(paper: Paper) -> None:
    issue = paper.compose()
    paper.set_schedule(None)
    assert "no-schedule" in paper.run("schedule", issue, "--at", "09:00", expect=3).err
