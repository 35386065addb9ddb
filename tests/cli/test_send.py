"""`biweekly send`, `resume` and `test`: a plan until --live, one account, and exit codes that scripts may rely on."""

import io
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.paper import READERS, Paper, found
from tests.transports.relay import Fault, Relay

from biweekly import wiring
from biweekly.delivery.sending_lock import sole_sender
from biweekly.postroom import Postroom

Talk = pytest.CaptureFixture[str]
REPORT_KEYS = (
    "schema", "issue", "mailing", "state", "planned", "to_go", "accepted", "waiting", "failed", "uncertain", "skipped",
    "adds_up", "not_mailed", "started", "finished",
)  # fmt: skip


@pytest.fixture
def paper(tmp_path: Path, capsys: Talk) -> Paper:
    return found(tmp_path / "paper", capsys)


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the next command find a person at a terminal who types this."""

    def put(text: str) -> None:
        keyboard = io.StringIO(text)
        monkeypatch.setattr(keyboard, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", keyboard)

    return put


def refuse(code: str, to: str, **more: Any) -> Fault:
    return Fault(at="rcpt", do="reply", text=code, to=to, **more)


# --- the plan ----------------------------------------------------------------------------------------------------


def test_without_live_it_is_a_plan_and_nothing_leaves(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    said = paper.run("send", issue)
    assert "Plan (nothing has been sent)" in said.out
    assert "Subscribers  3   html 3" in said.out
    assert f"127.0.0.1:{relay.port} (none)" in said.out
    assert f"biweekly send {issue} --live" in said.err
    assert relay.connections == []
    assert "no-mailing" in paper.run("report", issue, expect=1).err


def test_a_plan_as_json_is_one_document(paper: Paper) -> None:
    issue = paper.compose()
    paper.run("subscribers", "suppress", READERS[0])
    plan = paper.run("send", issue, "--json").json
    assert next(iter(plan.items())) == ("schema", "biweekly/send-plan/1")
    assert (plan["issue"], plan["kind"], plan["subscribers"]) == (issue, "test", 2)
    assert (plan["variants"], plan["not_mailed"]) == ({"html": 2}, {"suppressed": 1})
    assert "built-in mailbox" in plan["relay"]
    assert len(plan["edition"]) == 64
    assert any("link-http" in one for one in plan["warnings"])


def test_a_plan_for_nobody_says_what_comes_first(tmp_path: Path, capsys: Talk) -> None:
    paper = found(tmp_path / "paper", capsys, readers=())
    issue = paper.compose()
    assert "biweekly subscribers import FILE" in paper.run("send", issue).err
    assert "no-subscribers" in paper.run(*paper.confirm(issue, 0), expect=4).err


def test_an_issue_that_is_not_there_is_said(paper: Paper) -> None:
    for word in ("next", "latest", "2026-01-01", "tomorrow"):
        assert "no-such-issue" in paper.run("send", word, expect=1).err


# --- confirming --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confirm", "code", "exit_code"),
    [
        (None, "not-confirmed", 4),
        ("yes", "confirm-form", 2),
        ("{issue}", "confirm-form", 2),
        ("{issue}:", "confirm-form", 2),
        ("{issue}:-3", "confirm-form", 2),
        ("2020-01-02:3", "issue-changed", 4),
        ("{issue}:4", "count-changed", 4),
    ],
)
def test_a_script_says_issue_and_number_or_nothing_is_sent(
    paper: Paper, relay: Relay, confirm: str | None, code: str, exit_code: int
) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    words = [] if confirm is None else ["--confirm", confirm.format(issue=issue)]
    said = paper.run("send", issue, "--live", *words, expect=exit_code)
    assert code in said.err
    assert f"{issue}:3" in said.err or code == "count-changed"
    assert said.out == ""
    assert relay.connections == []
    assert "no-mailing" in paper.run("report", issue, expect=1).err


def test_a_person_types_the_number_of_subscribers(paper: Paper, relay: Relay, type_in: Callable[[str], None]) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    type_in("30\n")
    assert "not-confirmed" in paper.run("send", issue, "--live", expect=4).err
    assert relay.accepted == []
    type_in(" 3 \n")
    said = paper.run("send", issue, "--live")
    assert "Type the number of subscribers to send to (3)" in said.err
    assert len(relay.accepted) == 3


def test_a_person_who_leaves_the_question_has_sent_nothing(
    paper: Paper, relay: Relay, type_in: Callable[[str], None]
) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    type_in("")
    assert "Stopped." in paper.run("send", issue, "--live", expect=5).err
    assert relay.accepted == []


# --- how it ends -------------------------------------------------------------------------------------------------


def test_all_accepted_is_exit_code_0_and_the_last_line_is_the_sum(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    said = paper.run(*paper.confirm(issue))
    assert said.out.splitlines()[-1] == (
        "accepted 3 + waiting 0 + failed 0 + uncertain 0 + skipped 0 + to go 0 = 3 planned"
    )
    assert "sending: 100% of 3" in said.err
    assert sorted(one.recipients[0] for one in relay.accepted) == sorted(READERS)


def test_with_json_the_report_is_alone_on_stdout(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    said = paper.run(*paper.confirm(issue), "--json")
    report = said.json
    assert next(iter(report.items())) == ("schema", "biweekly/report/1")
    assert set(REPORT_KEYS) <= report.keys()
    assert (report["issue"], report["state"], report["accepted"], report["adds_up"]) == (issue, "sent", 3, True)
    assert report["started"].endswith("Z")
    assert report["finished"] >= report["started"]
    assert paper.run("report", issue, "--json").json == report


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        (refuse("550 5.1.1 nobody", "^bek@"), "failed"),
        (refuse("451 4.7.1 greylisted", "^bek@"), "waiting"),
        (refuse("550 5.7.26 unauthenticated", "^bek@"), "waiting"),
        (Fault(at="dot", do="accept-and-drop", to="^bek@"), "uncertain"),
    ],
)
def test_what_needs_a_look_is_exit_code_1(paper: Paper, fault: Fault, count: str) -> None:
    with Relay(faults=[fault]) as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        report = paper.run(*paper.confirm(issue), "--json", expect=1).json
        assert (report["accepted"], report[count], report["adds_up"]) == (2, 1, True)
        assert report["state"] == ("sending" if count == "waiting" else "sent")


def test_a_refused_login_pauses_it_and_resume_goes_on_when_it_is_put_right(paper: Paper) -> None:
    with Relay(login=("desk", "right horse")) as relay:
        paper.use_relay(relay.port, more='user = "desk"\npassword_file = "password"')
        password = paper.root / "password"
        password.write_text("wrong horse\n")
        password.chmod(0o600)
        issue = paper.compose()
        said = paper.run(*paper.confirm(issue), "--json", expect=5)
        assert "relay-login-refused" in said.err
        assert f"biweekly resume {issue}" in said.err
        assert (said.json["state"], said.json["to_go"]) == ("paused", 3)
        assert relay.logins_tried == 1
        problems = paper.run("status", "--json").json["problems"]
        assert len(problems) == 1
        assert "paused" in problems[0]
        password.write_text("right horse\n")
        assert paper.run("resume", issue, "--json").json["accepted"] == 3
        assert len(relay.accepted) == 3


def test_where_no_relay_answers_it_is_exit_code_75_and_nobody_is_lost(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "Postroom", partial(Postroom, no_relay_after=timedelta(milliseconds=1)))
    with Relay() as relay:
        port = relay.port
    paper.use_relay(port)
    issue = paper.compose()
    said = paper.run(*paper.confirm(issue), "--json", expect=75)
    assert "relay-unreachable" in said.err
    assert f"biweekly resume {issue}" in said.err
    assert (said.json["state"], said.json["to_go"]) == ("sending", 3)
    with Relay(port=port) as relay:
        assert paper.run("resume", issue, "--json").json["accepted"] == 3
        assert len(relay.accepted) == 3


def test_another_sender_at_work_is_exit_code_4(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    with sole_sender(paper.publication.var / "sending.lock"):
        assert "another-sender" in paper.run(*paper.confirm(issue), expect=4).err
    assert "no-mailing" in paper.run("report", issue, expect=1).err


def test_an_example_identity_stays_on_this_machine_whatever_is_asked(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    waits = refuse("451 4.7.1 greylisted", ".")
    with Relay(faults=[waits]) as busy:
        path = paper.root / "config.toml"
        here = path.read_text()
        path.write_text(here.replace(f"port = {relay.port}", f"port = {busy.port}"))
        issue = paper.compose()
        paper.run(*paper.confirm(issue), expect=1)
    away = here.replace('host = "127.0.0.1"', 'host = "smtp.example.org"').replace('tls = "none"', 'tls = "starttls"')
    path.write_text(away)
    other = paper.compose(title="Another bridge", date="2027-06-01")
    for words in (
        ("send", other), paper.confirm(other), ("schedule", other), ("resume", issue),
        ("test", other, "--to", READERS[0]),
    ):  # fmt: skip
        assert "placeholder-identity" in paper.run(*words, expect=4).err


def test_a_second_issue_goes_its_own_way(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    first = paper.compose()
    paper.run(*paper.confirm(first))
    second = paper.compose(title="Another bridge")
    assert second != first
    assert paper.run(*paper.confirm(second), "--json").json["accepted"] == 3
    assert "already-mailed" in paper.run("send", first, expect=4).err


def test_resuming_what_is_over_or_never_was_is_refused(paper: Paper, relay: Relay) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    assert "no-mailing" in paper.run("resume", issue, expect=1).err
    paper.run(*paper.confirm(issue))
    assert "nothing-to-resume" in paper.run("resume", issue, expect=4).err


def test_the_progress_of_a_resumed_mailing_begins_where_it_stopped(paper: Paper) -> None:
    with Relay(faults=[refuse("451 4.7.1 greylisted", "^bek@", times=1)]) as relay:
        paper.use_relay(relay.port)
        paper.configure('[delivery]\nretry = ["2 min"]')
        issue = paper.compose()
        paper.run(*paper.confirm(issue), expect=1)
        paper.end_waits()
        said = paper.run("resume", issue)
        assert "sending: 100% of 3" in said.err


# --- test copies -------------------------------------------------------------------------------------------------


def test_a_copy_goes_to_each_address_and_to_each_line_of_a_list(paper: Paper, relay: Relay, tmp_path: Path) -> None:
    paper.use_relay(relay.port)
    issue = paper.compose()
    roster = tmp_path / "desk.csv"
    roster.write_text('email\neditor@review.example\nsub@review.example\n"broken\n')
    said = paper.run("test", issue, "--to", "boss@review.example", "--to", str(roster))
    assert [one.recipients[0] for one in relay.accepted] == [
        "boss@review.example", "editor@review.example", "sub@review.example",
    ]  # fmt: skip
    assert said.out.count("accepted  ") == 3
    assert "desk.csv:4: left out" in said.err
    assert "does not answer" in said.err


def test_a_refused_copy_is_exit_code_1_in_the_relays_words(paper: Paper) -> None:
    with Relay(faults=[refuse("550 5.1.1 nobody here", "boss")]) as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        said = paper.run("test", issue, "--to", "boss@review.example", "--to", "sub@review.example", expect=1)
    assert "refused  boss@review.example   550 5.1.1 nobody here" in said.out
    assert "accepted  sub@review.example" in said.out


def test_without_a_relay_a_copy_goes_to_the_mailbox(paper: Paper) -> None:
    issue = paper.compose()
    said = paper.run("test", issue, "--to", "boss@review.example")
    assert "built-in mailbox" in said.err
    (letter,) = (paper.root / "var/mailbox").glob("*.eml")
    assert b"[Test] " in letter.read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [((), "no-address", 2), (("--to", "nobody"), "address-invalid", 1), (("--to", "a@b@c"), "address-invalid", 1)],
)
def test_a_copy_for_nobody_in_particular_is_not_sent(
    paper: Paper, words: tuple[str, ...], code: str, exit_code: int
) -> None:
    issue = paper.compose()
    assert code in paper.run("test", issue, *words, expect=exit_code).err
    assert not (paper.root / "var/mailbox").exists() or not list((paper.root / "var/mailbox").iterdir())


def test_every_event_of_a_mailing_is_a_line_in_its_log(paper: Paper) -> None:
    with Relay(faults=[refuse("550 5.1.1 <BEK@D2.EXAMPLE> moved to other@d9.example", "^bek@")]) as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        paper.run(*paper.confirm(issue), expect=1)
    text = (paper.root / "var/logs" / f"{issue}.jsonl").read_text()
    events = [json.loads(line)["event"] for line in text.splitlines()]
    assert (events[0], events[-1]) == ("began", "finished")
    assert sorted(events[1:-1]) == ["accepted", "accepted", "refused"]
    assert "@" not in text
