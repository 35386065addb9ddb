"""`biweekly status`: what is next, what is sending, and what needs a person; lane by lane, and again and again."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.paper import NOW, Paper, found
from tests.journeys.house import wait_until
from tests.transports.relay import Fault, Relay

from biweekly.delivery.pace import Pace
from biweekly.serving import open_clock
from biweekly.store import tables
from biweekly.store.paces import PaceBook
from biweekly.wiring import open_store

Talk = pytest.CaptureFixture[str]
FIRST = (NOW + timedelta(days=7)).date()


@pytest.fixture
def paper(tmp_path: Path, capsys: Talk) -> Paper:
    return found(tmp_path / "paper", capsys)


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
    assert f"sending   {issue}  sending  2 of 3, 1 waiting" in paper.run("status").out


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


# --- one mailing, lane by lane -----------------------------------------------------------------------------------

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(paper: Paper) -> Iterator[Start]:
    """Starts a command as a process of its own; whatever is left of it ends with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*words: str, **how: Any) -> "subprocess.Popen[str]":
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True, **how}
        running.append(subprocess.Popen([sys.executable, "-m", "biweekly", "-C", str(paper.root), *words], **how))
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.wait()
        if one.stdout is not None:
            one.stdout.close()


def lanes(paper: Paper, issue: str) -> dict[str, Any]:
    return {one["name"]: one for one in paper.run("status", issue, "--json").json["mailing"]["lanes"]}


def test_an_issue_that_was_not_mailed_has_no_lanes(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    assert "no-mailing" in paper.run("status", issue, expect=1).err
    paper.run("schedule", issue, "--at", (NOW + timedelta(days=1)).isoformat())
    assert paper.run("status", issue).out.startswith(f"{issue}  scheduled   due ")


def test_of_an_issue_it_tells_each_lane_and_adds_up(paper: Paper) -> None:
    faults = [
        Fault(at="rcpt", do="reply", text="451 4.3.0 later", to="^bek@"),
        Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^anna@"),
    ]
    with Relay(faults=faults) as relay:
        paper.use_relay(relay.port, more="rate = 50.0")
        issue = paper.compose()
        paper.run(*paper.confirm(issue), expect=1)
        found_status = paper.run("status", issue, "--json").json
    assert list(found_status) == ["schema", "next", "sending", "problems", "mailing"]
    mailing = found_status["mailing"]
    assert {key: mailing[key] for key in found_status["sending"]} == found_status["sending"]
    (lane,) = mailing["lanes"]
    counts = ("planned", "accepted", "waiting", "failed", "uncertain", "skipped", "to_go", "in_flight")
    assert [lane[key] for key in counts] == [3, 1, 1, 1, 0, 0, 0, 0]
    assert (lane["rate"], lane["rest_until"]) == (None, None)
    (told,) = mailing["relays"]
    assert (told["name"], told["accepted_today"]) == (f"127.0.0.1:{relay.port}", 1)
    assert (told["rate"], told["permitted"]) == (50.0, 50.0)
    assert (mailing["senders"], mailing["in_flight"]) == ([], 0)
    assert mailing["next_try"] is not None
    said = paper.run("status", issue).out.splitlines()
    assert said[0] == f"{issue}  sending   66 % · 2 of 3"
    assert said[1] == "  no sender is at work"
    assert said[3].split() == ["lane", "planned", "accepted", "waiting", "failed", "to", "go"]
    assert said[4].split() == ["others", "1", "3", "1", "1", "1", "0"]
    assert said[5].split() == ["all", "3", "1", "1", "1", "0"]
    assert said[6:] == [f"relay 127.0.0.1:{relay.port}  1 accepted today", "  at most 50/s"]


def test_a_lane_that_rests_says_until_when_and_in_whose_words(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    paper.run(*paper.confirm(issue))
    now = datetime.now(UTC)
    slow = Pace(None, 3.0, 6.0, now, timedelta(seconds=30), now + timedelta(minutes=5), "450 4.7.28 too many letters")
    engine = open_store(paper.publication)
    PaceBook(engine).keep("lane", "others 1", slow)
    engine.dispose()
    lane = lanes(paper, issue)["others 1"]
    assert (lane["rate"], lane["too_fast"], lane["why"]) == (3.0, 6.0, "450 4.7.28 too many letters")
    said = paper.run("status", issue).out.splitlines()
    assert "  at most 3.0/s, asked for patience at 6.0/s" in said
    assert any(line.startswith("  rests until ") and line.endswith(": 450 4.7.28 too many letters") for line in said)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_it_can_be_asked_while_another_process_sends(
    paper: Paper, start: Start, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "postgresql":
        paper.configure(f'[database]\nurl = "{request.getfixturevalue("postgresql_url")}"')
        roster = paper.root / "subscribers" / "invented.csv"
        assert start("subscribers", "import", str(roster), "--apply").wait(60) == 0
    with Relay(faults=[Fault(at="dot", do="freeze", to="^bek@")]) as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        sender = start(*paper.confirm(issue))
        wait_until(lambda: mailing_of(paper).get("in_flight", 0) > 0, "letters on their way, of which one hangs")
        mailing = mailing_of(paper)
        assert mailing["senders"] == [sender.pid]
        assert mailing["state"] == "sending"
        assert sum(one["in_flight"] for one in mailing["lanes"]) == mailing["in_flight"]
        assert "1 sender" in paper.run("status", issue).out
        assert problems(paper) == []
        sender.kill()
        sender.wait()
        assert mailing_of(paper)["senders"] == ([] if kind == "sqlite" else mailing_of(paper)["senders"])


def mailing_of(paper: Paper) -> dict[str, Any]:
    """The mailing under way, however it is called."""
    sending = paper.run("status", "--json").json["sending"]
    if sending is None:
        return {}
    found_mailing: dict[str, Any] = paper.run("status", sending["issue"], "--json").json["mailing"]
    return found_mailing


# --- again and again ---------------------------------------------------------------------------------------------


def test_watching_as_json_is_a_document_a_line_until_ctrl_c(paper: Paper, relay: Relay, start: Start) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    paper.run(*paper.confirm(issue))
    watching = start("status", issue, "--watch", "--json")
    assert watching.stdout is not None
    for _ in range(2):
        told = json.loads(watching.stdout.readline())
        assert next(iter(told.items())) == ("schema", "biweekly/status/1")
        assert (told["mailing"]["issue"], told["mailing"]["accepted"]) == (issue, 3)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 0


def test_watching_into_a_file_is_a_block_of_lines(start: Start) -> None:
    watching = start("status", "--watch")
    assert watching.stdout is not None
    block = [watching.stdout.readline() for _ in range(4)]
    assert [line.split(" ")[0] for line in block] == ["next", "sending", "problems", "\n"]
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is played by a pseudo-terminal")
def test_watching_on_a_terminal_fits_into_it_and_ctrl_c_is_the_way_out(
    paper: Paper, relay: Relay, start: Start
) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    paper.run(*paper.confirm(issue))
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "60", "LINES": "16", "NO_COLOR": "1"}
    watching = start("status", issue, "--watch", stdin=theirs, stdout=theirs, env=environ, start_new_session=True)
    os.close(theirs)
    shown = ""
    while "accepted today" not in shown:
        shown += os.read(ours, 65536).decode()
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 0
    os.close(ours)
    assert f"{issue}  sent   100 % · 3 of 3" in shown
    assert "\x1b[3" not in shown
