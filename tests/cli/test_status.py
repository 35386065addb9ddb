"""`biweekly status`: what is next, what is sending, and what needs a person."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.paper import NOW, Paper, found
from tests.transports.relay import Fault, Relay

from biweekly.serving import open_clock
from biweekly.store import tables

Talk = pytest.CaptureFixture[str]
FIRST = (NOW + timedelta(days=7)).date()


@pytest.fixture
def paper(tmp_path: Path, capsys: Talk) -> Paper:
    return found(tmp_path / "paper", capsys)


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as opened:
        yield opened


def problems(paper: Paper) -> list[str]:
    found_problems: list[str] = paper.run("status", "--json").json["problems"]
    return found_problems


def tick(paper: Paper, at: datetime) -> None:
    """Let the clock of `serve` look once, at a moment of our choosing."""
    with open_clock(paper.publication, say=lambda _: None, stop=threading.Event(), clock=lambda: at) as fortnight:
        fortnight.tick(at)


def test_a_new_publication_has_a_next_date_and_no_problems(paper: Paper) -> None:
    status = paper.run("status", "--json").json
    assert list(status) == ["schema", "next", "sending", "problems"]
    assert status["schema"] == "biweekly/status/1"
    assert (status["sending"], status["problems"]) == (None, [])
    coming = status["next"]
    assert (coming["issue"], coming["date"], coming["state"]) == (None, str(FIRST), "not scheduled")
    assert coming["timezone"] == "Europe/Stockholm"
    assert abs(coming["in_seconds"] - (datetime.fromisoformat(coming["due"]) - datetime.now(UTC)).total_seconds()) < 60


def test_in_words_it_is_a_line_for_each(paper: Paper) -> None:
    lines = paper.run("status").out.splitlines()
    assert lines[0].startswith(f"next      {FIRST}  not scheduled  ")
    assert lines[1:] == ["sending   nothing", "problems  none"]
    paper.set_schedule(None)
    assert paper.run("status").out.splitlines()[0] == "next      nothing: there is no [schedule]"
    assert paper.run("status", "--json").json["next"] is None


def test_what_is_scheduled_comes_next(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    paper.run("schedule", issue, "--at", (NOW + timedelta(days=1)).isoformat())
    coming = paper.run("status", "--json").json["next"]
    assert (coming["issue"], coming["state"]) == (issue, "scheduled")
    assert datetime.fromisoformat(coming["due"]) == NOW + timedelta(days=1)
    assert f"next      {issue}  scheduled  " in paper.run("status").out


def test_a_draft_for_the_next_date_is_named(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    coming = paper.run("status", "--json").json["next"]
    assert (coming["issue"], coming["date"], coming["state"]) == (issue, issue, "draft")
    assert f"next      {issue}  draft  " in paper.run("status").out


def test_a_mailing_whose_hour_has_passed_says_that_nothing_runs(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    paper.run("schedule", issue)
    paper.change(tables.mailing, due=NOW - timedelta(minutes=5))
    assert problems(paper) == [f"{issue}: its hour has passed and it has not begun: biweekly serve"]
    tick(paper, NOW)
    assert problems(paper) == []


def test_what_is_sending_is_its_account_and_says_how_to_go_on(paper: Paper) -> None:
    with Relay(faults=[Fault(at="rcpt", do="reply", text="451 4.7.1 greylisted", to="^bek@")]) as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        report = paper.run(*paper.confirm(issue), "--json", expect=1).json
    status = paper.run("status", "--json").json
    assert status["sending"] == {key: value for key, value in report.items() if key != "schema"}
    assert status["problems"] == [f"{issue}: 1 still to go or waiting: biweekly resume {issue}"]
    assert f"sending   {issue}  sending  3 of 3" in paper.run("status").out


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^bek@"), "failed"),
        (Fault(at="dot", do="accept-and-drop", to="^bek@"), "uncertain"),
    ],
)
def test_what_failed_or_is_uncertain_is_a_problem_with_a_command(paper: Paper, fault: Fault, word: str) -> None:
    with Relay(faults=[fault]) as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        paper.run(*paper.confirm(issue), expect=1)
    assert problems(paper) == [f"{issue}: 1 place is {word}: biweekly report {issue} --csv"]
    assert f"!         {issue}: 1 place is {word}" in paper.run("status").out


def test_failures_of_an_earlier_issue_are_not_said_for_ever(paper: Paper) -> None:
    fault = Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^bek@", times=1)
    with Relay(faults=[fault]) as relay:
        paper.use_relay(relay.port)
        paper.run(*paper.confirm(paper.compose()), expect=1)
        paper.run(*paper.confirm(paper.compose(title="Another bridge")))
    assert problems(paper) == []


def test_a_missed_mailing_is_a_problem_until_a_person_sends_it(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    paper.run("schedule", issue)
    paper.change(tables.mailing, due=NOW - timedelta(hours=3))
    tick(paper, NOW)
    (problem,) = problems(paper)
    assert problem.startswith(f"{issue}: missed, nothing was sent: ")
    assert problem.endswith(f"biweekly send {issue} --live")
    assert relay.accepted == []
    paper.run(*paper.confirm(issue))
    assert (problems(paper), len(relay.accepted)) == ([], 3)


def test_a_date_on_which_nothing_went_out_is_a_problem(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    paper.set_schedule(f'anchor = {(NOW - timedelta(days=1)).date()}\nat = "09:00"\ntimezone = "Europe/Stockholm"')
    tick(paper, NOW - timedelta(days=5))
    tick(paper, NOW)
    (problem,) = problems(paper)
    assert problem.startswith(f"{(NOW - timedelta(days=1)).date()}: missed: nobody looked until ")
    tick(paper, NOW + timedelta(days=1))
    assert len(problems(paper)) == 1


def test_every_command_it_names_is_one(paper: Paper, capsys: Talk) -> None:
    from biweekly.cli.frame import run

    fault = Fault(at="dot", do="accept-and-drop", to="^bek@")
    with Relay(faults=[fault]) as relay:
        paper.use_relay(relay.port)
        paper.run(*paper.confirm(paper.compose()), expect=1)
    for problem in problems(paper):
        words = problem.partition(": biweekly ")[2].split()
        capsys.readouterr()
        assert run(["-C", str(paper.root), *words]) == 0
