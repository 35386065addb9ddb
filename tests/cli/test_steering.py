"""`pause`, `cancel`, `stop-press`, `resend` and `db check`: plans until --live, words, documents and exit codes."""

import io
import json
import sys
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.cli.paper import READERS, Paper, found
from tests.transports.relay import Fault, Relay

from biweekly.store import tables, writing
from biweekly.wiring import open_store

Talk = pytest.CaptureFixture[str]
REFUSED = Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^anna@")
LATER = Fault(at="rcpt", do="reply", text="451 4.2.2 full", to="^bek@")
TORN = Fault(at="dot", do="accept-and-drop", to="^cholpon@", times=1)


@pytest.fixture
def paper(related: Paper) -> Paper:
    return related


def begun(paper: Paper, relay: Relay, *faults: Fault) -> str:
    """An issue whose mailing has begun, with whatever the relay said to whom; one reader waits unless told."""
    relay.faults = list(faults) or [LATER]
    issue = paper.compose()
    paper.run(*paper.confirm(issue), expect=1)
    relay.faults = []
    return issue


def write_subject(paper: Paper, issue: str, subject: str) -> None:
    path = paper.root / "issues" / issue / "issue.toml"
    lines = [
        f"subject = {json.dumps(subject)}" if line.startswith("subject = ") else line
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")


# --- pause -------------------------------------------------------------------------------------------------------


def test_pausing_says_where_it_stands_and_what_the_ways_on_are(paper: Paper, relay: Relay) -> None:
    issue = begun(paper, relay)
    said = paper.run("pause", issue, "--why", "a wrong name")
    assert said.out.splitlines()[0] == f"{issue} is paused: a wrong name"
    assert said.out.splitlines()[-1].startswith("accepted 2 + waiting 1 ")
    assert f"biweekly resume {issue}" in said.err
    assert f"biweekly stop-press {issue}" in said.err
    assert "was paused already: a wrong name" in paper.run("pause", issue).out
    status = paper.run("status", "--json").json
    assert [one for one in status["problems"] if one == f"{issue}: paused: a wrong name: biweekly resume {issue}"]
    assert paper.run("report", issue, "--json").json["reason"] == "a wrong name"


def test_what_is_not_under_way_is_refused(paper: Paper, relay: Relay) -> None:
    del relay
    issue = paper.compose()
    assert "error not-under-way" in paper.run("pause", issue, expect=4).err
    paper.run(*paper.confirm(issue))
    assert "error not-under-way" in paper.run("pause", issue, expect=4).err
    for command in ("cancel", "stop-press"):
        assert "error not-paused" in paper.run(command, issue, "--live", expect=4).err


# --- cancel ------------------------------------------------------------------------------------------------------


def test_cancelling_is_a_plan_until_live(paper: Paper, relay: Relay) -> None:
    issue = begun(paper, relay)
    paper.run("pause", issue)
    plan = paper.run("cancel", issue)
    assert plan.out.splitlines()[0] == "Plan (nothing has been changed)"
    assert f"biweekly cancel {issue} --live" in plan.err
    document = paper.run("cancel", issue, "--json").json
    assert next(iter(document)) == "schema"
    assert (document["schema"], document["skipped_by_this"], document["accepted"]) == ("biweekly/cancel-plan/1", 1, 2)
    assert paper.run("report", issue, "--json").json["state"] == "paused"


def test_a_cancelled_mailing_adds_up_and_is_over(paper: Paper, relay: Relay) -> None:
    issue = begun(paper, relay, LATER, TORN)
    paper.run("pause", issue)
    report = paper.run("cancel", issue, "--live", "--json")
    assert report.json["schema"] == "biweekly/report/1"
    assert {key: report.json[key] for key in ("state", "accepted", "uncertain", "skipped", "adds_up")} == {
        "state": "cancelled", "accepted": 1, "uncertain": 1, "skipped": 1, "adds_up": True,
    }  # fmt: skip
    assert f"biweekly resolve {issue} --sent" in report.err
    uncertain = f"{issue}: 1 place is uncertain: biweekly report {issue} --csv"
    assert uncertain in paper.run("status", "--json").json["problems"]
    assert "nothing-to-resume" in paper.run("resume", issue, expect=4).err
    assert "mailing-ended" in paper.run("resolve", issue, "--again", expect=4).err
    paper.run("resolve", issue, "--sent")
    assert paper.run("status", "--json").json["problems"] == []
    assert len(relay.accepted) == 2


# --- stop-press --------------------------------------------------------------------------------------------------


def test_a_stop_press_is_a_plan_until_live(paper: Paper, relay: Relay) -> None:
    issue = begun(paper, relay)
    paper.run("pause", issue)
    assert "unchanged: the issue is still the edition that was stopped" in paper.run("stop-press", issue).out
    write_subject(paper, issue, "Corrected")
    plan = paper.run("stop-press", issue)
    assert plan.out.splitlines()[0] == "Plan (nothing has been sent)"
    assert "“Corrected”" in plan.out
    assert "unchanged" not in plan.out
    document = paper.run("stop-press", issue, "--json").json
    assert (document["schema"], document["subscribers"], document["subject"]) == (
        "biweekly/stop-press-plan/1", 1, "Corrected",
    )  # fmt: skip
    assert document["edition"] != document["stopped_edition"]
    assert len(relay.accepted) == 2


@pytest.mark.parametrize(
    ("confirm", "code", "exit_code"),
    [(None, "not-confirmed", 4), ("{issue}:2", "count-changed", 4), ("2001-01-01:1", "issue-changed", 4),
     ("one", "confirm-form", 2)],
)  # fmt: skip
def test_a_stop_press_asks_for_the_number(
    paper: Paper, relay: Relay, confirm: str | None, code: str, exit_code: int
) -> None:
    issue = begun(paper, relay)
    paper.run("pause", issue)
    words = () if confirm is None else ("--confirm", confirm.format(issue=issue))
    said = paper.run("stop-press", issue, "--live", *words, expect=exit_code)
    assert f"error {code}" in said.err
    assert (paper.run("report", issue, "--json").json["state"], len(relay.accepted)) == ("paused", 2)


def test_the_number_can_be_typed(paper: Paper, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    issue = begun(paper, relay)
    paper.run("pause", issue)
    write_subject(paper, issue, "Corrected")
    keyboard = io.StringIO("1\n")
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", keyboard)
    said = paper.run("stop-press", issue, "--live")
    assert "This mails" in said.err
    assert b"Subject: Corrected" in relay.accepted[-1].content
    assert sorted(one.recipients[0] for one in relay.accepted) == sorted(READERS)


def test_afterwards_the_reports_of_both_add_up_and_the_folder_knows(paper: Paper, relay: Relay) -> None:
    issue = begun(paper, relay)
    paper.run("pause", issue)
    sent = (paper.root / "issues" / issue / "sent.toml").read_text()
    another = paper.root / "reports" / "another.md"
    another.write_text('+++\ntitle = "Another"\nsection = "Field Reports"\n+++\n\nAnother one, that came late.\n')
    listed = paper.root / "issues" / issue / "issue.toml"
    listed.write_text(listed.read_text().replace('"a-bridge-opens"', '"a-bridge-opens", "another"', 1))
    second = paper.run("stop-press", issue, "--live", "--confirm", f"{issue}:1", "--json").json
    assert (second["schema"], second["kind"], second["accepted"], second["adds_up"]) == (
        "biweekly/report/1", "stop_press", 1, True,
    )  # fmt: skip
    first = paper.run("report", issue, "--json").json
    assert (first["kind"], first["accepted"], first["skipped"], first["adds_up"]) == ("regular", 2, 1, True)
    assert f"as mailing {second['mailing']}" in paper.run("report", issue).out
    # What only the second edition had was mailed too; what stood there stays.
    now = (paper.root / "issues" / issue / "sent.toml").read_text()
    assert set(sent.splitlines()) < set(now.splitlines())
    assert "another" in now
    assert "another" not in sent


# --- resend ------------------------------------------------------------------------------------------------------


def test_resending_is_a_plan_until_live_and_sends_nothing_itself(paper: Paper, relay: Relay) -> None:
    issue = begun(paper, relay, REFUSED)
    assert "error resend-what" in paper.run("resend", issue, "--live", expect=2).err
    plan = paper.run("resend", issue, "--failed")
    assert plan.out.splitlines()[0] == "Plan (nothing has been changed)"
    assert "1   1 refused · 0 given up" in plan.out
    assert f"biweekly resend {issue} --failed --live" in plan.err
    assert paper.run("report", issue, "--json").json["failed"] == 1
    done = paper.run("resend", issue, "--failed", "--live", "--why", "the domain was moved", "--json")
    assert done.json == {
        "schema": "biweekly/resend/1", "issue": issue, "mailing": 1, "places": 1, "state": "sending",
    }  # fmt: skip
    assert f"biweekly resume {issue}" in done.err
    assert len(relay.accepted) == 2
    paper.run("resume", issue)
    assert sorted(one.recipients[0] for one in relay.accepted) == sorted(READERS)
    assert "No place of this mailing has failed." in paper.run("resend", issue, "--failed").err
    assert "error nothing-failed" in paper.run("resend", issue, "--failed", "--live", expect=1).err
    assert "error no-mailing" in paper.run("resend", issue, "--failed", "--mailing", "9", expect=1).err


# --- a rehearsal -------------------------------------------------------------------------------------------------


def test_a_rehearsal_that_was_never_finished_says_how_it_ends(tmp_path: Path, capsys: Talk, relay: Relay) -> None:
    paper = found(tmp_path / "other", capsys)
    issue = paper.compose()
    paper.run(*paper.confirm(issue))
    paper.change(tables.mailing, state="sending")
    paper.use_relay(relay.port)
    problems = paper.run("status", "--json").json["problems"]
    assert f"{issue}: a rehearsal was never finished: biweekly pause {issue}" in problems
    assert "error rehearsal" in paper.run("resume", issue, expect=4).err
    paper.run("pause", issue)
    problems = paper.run("status", "--json").json["problems"]
    assert f"{issue}: a rehearsal was never finished: biweekly cancel {issue}" in problems
    paper.run("cancel", issue, "--live")
    assert paper.run("status", "--json").json["problems"] == []
    paper.run(*paper.confirm(issue))
    assert sorted(one.recipients[0] for one in relay.accepted) == sorted(READERS)


# --- db check ----------------------------------------------------------------------------------------------------


def test_a_database_in_order_says_so(paper: Paper, relay: Relay) -> None:
    assert paper.run("db", "check").out == "0 mailings with 0 places: every one is in exactly one state\n"
    begun(paper, relay, REFUSED, TORN)
    assert paper.run("db", "check").out == "1 mailing with 3 places: every one is in exactly one state\n"
    assert paper.run("db", "check", "--json").json == {
        "schema": "biweekly/db-check/1", "mailings": 1, "places": 3, "problems": [],
    }  # fmt: skip


def test_what_is_wrong_is_named_with_exit_code_1(paper: Paper, relay: Relay) -> None:
    issue = begun(paper, relay)
    engine = open_store(paper.publication)
    with writing(engine) as connection:
        connection.execute(update(tables.lane).values(accepted=7))
    engine.dispose()
    said = paper.run("db", "check", expect=1)
    assert f"mailing 1 ({issue}), counts: lane " in said.out
    assert "7 are counted as accepted, and " in said.out
    assert "keep var/" in said.err
    problems = paper.run("db", "check", "--json", expect=1).json["problems"]
    assert {one["check"] for one in problems} == {"counts"}
    assert set(problems[0]) == {"mailing", "issue", "check", "message"}
