"""`biweekly report` and `resolve`: an account that adds up, row by row as well, and what people rule."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.paper import READERS, Paper, found
from tests.transports.relay import Fault, Relay

from biweekly.cli import posting

Talk = pytest.CaptureFixture[str]
EVERY_STATE = (
    "accepted@d1.example", "failed@d2.example", "waiting@d3.example", "uncertain@d4.example", "-formula@d5.example",
)  # fmt: skip
FAULTS = (
    Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^failed@"),
    Fault(at="rcpt", do="reply", text="451 4.7.1 greylisted", to="^waiting@"),
    Fault(at="dot", do="accept-and-drop", to="^uncertain@", times=1),
)


@pytest.fixture
def paper(tmp_path: Path, capsys: Talk) -> Paper:
    return found(tmp_path / "paper", capsys, readers=EVERY_STATE)


@pytest.fixture
def sent(paper: Paper) -> Iterator[str]:
    """An issue of which some letters were taken, some refused, some put off, and one is uncertain."""
    with Relay(faults=FAULTS) as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        paper.run(*paper.confirm(issue, len(EVERY_STATE)), expect=1)
        yield issue


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_account_is_a_sum_with_its_words(paper: Paper, sent: str) -> None:
    said = paper.run("report", sent)
    lines = said.out.splitlines()
    assert lines[0] == f"{sent}  sending"
    assert lines[-1] == "accepted 2 + waiting 1 + failed 1 + uncertain 1 + skipped 0 + to go 0 = 5 planned"
    assert any("may have arrived" in line for line in lines)
    assert said.err == ""


def test_as_json_it_has_every_key_that_scripts_rely_on(paper: Paper, sent: str) -> None:
    report = paper.run("report", sent, "--json").json
    assert next(iter(report.items())) == ("schema", "biweekly/report/1")
    counts = ("planned", "to_go", "accepted", "waiting", "failed", "uncertain", "skipped")
    assert [report[one] for one in counts] == [5, 0, 2, 1, 1, 1, 0]
    assert (report["issue"], report["state"], report["adds_up"], report["finished"]) == (sent, "sending", True, None)
    assert isinstance(report["mailing"], int)
    assert report["not_mailed"] == {}


def test_as_csv_it_has_a_row_for_each_place_in_all_kinds_of_state(paper: Paper, sent: str) -> None:
    said = paper.run("report", sent, "--csv")
    assert said.out.splitlines()[0] == "address,variant,lane,state,attempts,code,at"
    found_rows = {one["address"].lstrip("'"): one for one in rows(said.out)}
    states = {address.partition("@")[0]: one["state"] for address, one in found_rows.items()}
    assert states == {
        "accepted": "accepted", "failed": "failed", "waiting": "waiting", "uncertain": "uncertain",
        "-formula": "accepted",
    }  # fmt: skip
    assert found_rows["failed@d2.example"]["code"] == "550"
    assert found_rows["uncertain@d4.example"]["code"] == ""
    assert {one["attempts"] for one in found_rows.values()} == {"1"}
    assert all(one["at"].endswith("Z") and one["lane"] for one in found_rows.values())


def test_a_cell_that_a_spreadsheet_would_run_is_kept_from_running(paper: Paper, sent: str) -> None:
    assert "'-formula@d5.example," in paper.run("report", sent, "--csv").out


def test_those_to_go_have_a_row_too(paper: Paper) -> None:
    with Relay(login=("desk", "right horse")) as relay:
        paper.use_relay(relay.port, more='user = "desk"\npassword_file = "password"')
        (paper.root / "password").write_text("wrong horse\n")
        (paper.root / "password").chmod(0o600)
        issue = paper.compose()
        paper.run(*paper.confirm(issue, len(EVERY_STATE)), expect=5)
    found_rows = rows(paper.run("report", issue, "--csv").out)
    assert {(one["state"], one["attempts"], one["code"], one["at"]) for one in found_rows} == {("to go", "0", "", "")}
    assert len(found_rows) == len(EVERY_STATE)


def test_a_mailing_that_is_not_there_is_said(paper: Paper) -> None:
    assert "no-such-issue" in paper.run("report", expect=1).err
    issue = paper.compose()
    assert "no-mailing" in paper.run("report", issue, expect=1).err


def test_one_mailing_of_several_is_named_by_its_number(paper: Paper) -> None:
    issue = paper.compose()
    reports = [paper.run(*paper.confirm(issue, 5), "--json").json for _ in range(2)]
    first, second = (one["mailing"] for one in reports)
    assert paper.run("report", issue, "--json").json["mailing"] == second
    assert paper.run("report", issue, "--mailing", str(first), "--json").json == reports[0]
    assert "no-mailing" in paper.run("report", issue, "--mailing", "999", expect=1).err
    assert "a rehearsal" in paper.run("report", issue).out


def test_a_scheduled_mailing_has_an_account_without_numbers(paper: Paper) -> None:
    with Relay() as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        paper.run("schedule", issue)
        report = paper.run("report", issue, "--json").json
        assert (report["state"], report["planned"], report["adds_up"], report["started"]) == (
            "scheduled",
            0,
            True,
            None,
        )
        assert "due " in paper.run("report", issue).out


# --- resolve -----------------------------------------------------------------------------------------------------


def test_a_ruling_is_one_of_two(paper: Paper, sent: str) -> None:
    for words in ((), ("--sent", "--again")):
        assert "ruling-missing" in paper.run("resolve", sent, *words, expect=2).err


def test_ruled_sent_it_counts_as_accepted_and_is_kept_with_who_and_why(paper: Paper, sent: str) -> None:
    assert "1 place settled as accepted" in paper.run("resolve", sent, "--sent", "-m", "the relay's log").err
    report = paper.run("report", sent, "--json").json
    assert (report["accepted"], report["uncertain"], report["adds_up"]) == (3, 0, True)
    assert "nothing-uncertain" in paper.run("resolve", sent, "--sent", expect=1).err
    log = (paper.root / "var/logs" / f"{sent}.jsonl").read_text()
    assert '"event":"ruled"' in log
    assert "the relay's log" in log


def test_ruled_again_it_is_due_and_resume_sends_it_byte_for_byte(paper: Paper) -> None:
    with Relay(faults=FAULTS) as relay:
        paper.use_relay(relay.port)
        issue = paper.compose()
        paper.run(*paper.confirm(issue, len(EVERY_STATE)), expect=1)
        said = paper.run("resolve", issue, "uncertain@d4.example", "--again")
        assert "1 place settled as due again" in said.err
        assert f"biweekly resume {issue}" in said.err
        paper.run("resume", issue, expect=1)
        report = paper.run("report", issue, "--json").json
        assert (report["accepted"], report["uncertain"], report["adds_up"]) == (3, 0, True)
        twice = [one.content for one in relay.accepted if one.recipients == ("uncertain@d4.example",)]
        assert len(twice) == 2
        assert twice[0] == twice[1]


def test_only_a_reader_who_is_uncertain_can_be_ruled_on(paper: Paper, sent: str) -> None:
    assert "nothing-uncertain" in paper.run("resolve", sent, "accepted@d1.example", "--sent", expect=1).err
    paper.run("resolve", sent, READERS[0], "--sent", expect=1)
    assert paper.run("report", sent, "--json").json["uncertain"] == 1


def test_a_user_without_a_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert posting.who_asks() == "somebody"
