"""`biweekly calendar`: the coming dates, where each stands, and which hour is read by a rule."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.cli.paper import NOW, Paper, found
from tests.transports.relay import Relay

KEYS = {
    "date", "weekday", "local", "timezone", "utc", "cutoff", "distance", "state", "issue", "reason",
}  # fmt: skip
FIRST = (NOW + timedelta(days=7)).date()
STOCKHOLM = ZoneInfo("Europe/Stockholm")


@pytest.fixture
def paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Paper:
    return found(tmp_path / "paper", capsys, readers=())


def test_the_coming_dates_are_two_weeks_apart_at_the_hour_of_the_zone(paper: Paper) -> None:
    document = paper.run("calendar", "list", "--json", "--count", "30").json
    assert next(iter(document.items())) == ("schema", "biweekly/calendar/1")
    dates = document["dates"]
    assert [one["date"] for one in dates] == [str(FIRST + n * timedelta(weeks=2)) for n in range(30)]
    for one in dates:
        assert set(one) == KEYS
        local = datetime.combine(date.fromisoformat(one["date"]), time(9), STOCKHOLM)
        assert datetime.fromisoformat(one["utc"]) == datetime.fromisoformat(one["local"]) == local
        assert datetime.fromisoformat(one["cutoff"]) < local
        assert datetime.fromisoformat(one["cutoff"]).astimezone(STOCKHOLM).strftime("%a %H:%M") == "Tue 12:00"
        assert (one["state"], one["issue"], one["reason"]) == ("planned", None, None)
    # A year has both offsets in it, and the hour on the wall stays.
    assert len({one["local"][-6:] for one in dates}) == 2


def test_in_words_a_date_is_a_line(paper: Paper) -> None:
    lines = paper.run("calendar", "list").out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith(f"{FIRST}  {FIRST:%a} 09:00 Europe/Stockholm (")
    assert lines[0].endswith("planned")


def test_the_next_one_is_told_with_its_cut_off(paper: Paper) -> None:
    said = paper.run("calendar", "next")
    assert said.out.startswith(f"{FIRST}  ")
    assert "cut-off " in said.out
    document = paper.run("calendar", "next", "--json").json
    assert next(iter(document.items())) == ("schema", "biweekly/calendar-next/1")
    assert document["date"] == str(FIRST)


def test_looking_makes_no_database(paper: Paper) -> None:
    paper.run("calendar", "list")
    assert not (paper.root / "var" / "biweekly.db").exists()


def test_an_issue_that_was_scheduled_stands_at_its_date(paper: Paper) -> None:
    with Relay() as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        paper.run("schedule", issue)
        first = paper.run("calendar", "list", "--json").json["dates"][0]
        assert (first["date"], first["state"], first["issue"]) == (issue, "scheduled", issue)
        assert f"scheduled as {issue}" in paper.run("calendar", "next").out


def test_without_a_schedule_there_are_no_dates(paper: Paper) -> None:
    paper.set_schedule(None)
    for verb in ("list", "next"):
        assert "no-schedule" in paper.run("calendar", verb, expect=3).err


def test_a_count_has_its_limits(paper: Paper) -> None:
    paper.run("calendar", "list", "--count", "0", expect=2)
    paper.run("calendar", "list", "--count", "501", expect=2)
    assert len(paper.run("calendar", "list", "--count", "500", "--json").json["dates"]) == 500


def test_an_hour_that_comes_twice_or_never_is_warned_of(paper: Paper) -> None:
    year = datetime.now(UTC).year + 1
    changes = [date(year, month, 31) - timedelta(days=(date(year, month, 31).weekday() + 1) % 7) for month in (3, 10)]
    for day, words in zip(changes, ("there is no 02:30", "02:30 comes twice"), strict=True):
        paper.set_schedule(f'anchor = {day}\nat = "02:30"\ntimezone = "Europe/Stockholm"')
        said = paper.run("calendar", "list")
        assert f"{day}: the clocks change; {words}" in said.err
        assert "clocks" not in said.out
    paper.set_schedule(f'anchor = {changes[0]}\nat = "09:00"\ntimezone = "Europe/Stockholm"')
    assert paper.run("calendar", "list").err == ""
