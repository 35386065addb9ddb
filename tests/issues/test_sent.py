import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biweekly.errors import IssueError
from biweekly.issues.sent import Sent, read_sent, sent_reports, write_sent
from biweekly.model.issue import IssueId, ReportId

ID = IssueId("2026-11-26")
MAILED = datetime(2026, 11, 26, 14, 0, 3, tzinfo=UTC)
SENT = Sent(ID, "e" * 64, MAILED, 1987, {ReportId("dam"): "aa", ReportId('a "ferry"'): "bb"})


def test_what_went_out_is_read_back(tmp_path: Path) -> None:
    write_sent(tmp_path, SENT)
    assert read_sent(tmp_path, ID) == SENT


def test_the_record_is_plain_toml_in_utc_to_the_second(tmp_path: Path) -> None:
    local = MAILED.astimezone(timezone(timedelta(hours=5))) + timedelta(microseconds=7)
    write_sent(tmp_path, replace(SENT, mailed=local))
    text = (tmp_path / ID / "sent.toml").read_text("utf-8")
    assert "mailed = 2026-11-26T14:00:03Z\n" in text
    assert text.startswith("# Written when this issue was mailed.")
    assert tomllib.loads(text)["reports"] == {"dam": "aa", 'a "ferry"': "bb"}


def test_an_issue_that_was_not_mailed_has_none(tmp_path: Path) -> None:
    assert read_sent(tmp_path, ID) is None
    assert sent_reports(tmp_path / "issues") == {}


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("edition = \n", 1, "Invalid value"),
        ('edition = "e"\nmailed = 2026-11-26T14:00:03Z\ncount = 3\n', None, "'reports' is missing"),
        ('edition = "e"\nmailed = 2026-11-26T14:00:03\ncount = 3\n[reports]\n', None, "not what it should be"),
        ('edition = "e"\nmailed = "yesterday"\ncount = 3\n[reports]\n', None, "not what it should be"),
        ("\x00", 1, "Invalid statement"),
        ("a=" + "[" * 5000, None, "recursion"),
    ],
)
def test_a_damaged_record_is_never_taken_for_none(tmp_path: Path, text: str, line: int | None, cause: str) -> None:
    (tmp_path / ID).mkdir()
    (tmp_path / ID / "sent.toml").write_text(text, "utf-8")
    with pytest.raises(IssueError) as caught:
        read_sent(tmp_path, ID)
    assert caught.value.code == "sent-unreadable"
    assert caught.value.place == f"issues/{ID}/sent.toml" + (f":{line}" if line else "")
    assert cause in caught.value.message
    with pytest.raises(IssueError):
        sent_reports(tmp_path)


def test_a_report_that_went_out_twice_is_known_by_the_first_time(tmp_path: Path) -> None:
    later = IssueId("2026-12-10")
    write_sent(
        tmp_path, replace(SENT, issue=later, mailed=MAILED + timedelta(days=14), reports={ReportId("dam"): "cc"})
    )
    write_sent(tmp_path, SENT)
    assert sent_reports(tmp_path) == {"dam": ID, 'a "ferry"': ID}


def test_a_record_counts_wherever_its_folder_was_renamed_to(tmp_path: Path) -> None:
    write_sent(tmp_path, SENT)
    (tmp_path / ID).rename(tmp_path / "old number one")
    assert sent_reports(tmp_path) == {"dam": "old number one", 'a "ferry"': "old number one"}


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8")).map(ReportId), st.text(st.characters(codec="utf-8")), max_size=4
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_names_are_read_back(tmp_path: Path, reports: dict[ReportId, str]) -> None:
    write_sent(tmp_path, replace(SENT, reports=reports))
    assert read_sent(tmp_path, ID) == replace(SENT, reports=reports)
