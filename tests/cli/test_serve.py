"""`biweekly serve` as real processes: pages and clock, each started again alone, both stopped in good order."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.cli.paper import NOW, READERS, Paper
from tests.journeys.house import wait_until
from tests.support.overheard import Overheard
from tests.transports.relay import Relay

from biweekly.store import tables

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found by Linux's /proc"),
]


class Served(Overheard):
    """`serve` and all it says."""

    def __init__(self, root: Path, *words: str) -> None:
        command = [sys.executable, "-m", "biweekly", "-C", str(root), "serve", *words]
        super().__init__(command, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def hear_all(self, *patterns: str) -> dict[str, "re.Match[str]"]:
        """Listen until each pattern has matched a line, in whatever order."""
        heard: dict[str, re.Match[str]] = {}
        while len(heard) < len(patterns):
            line = self.hear("").string
            for one in patterns:
                if one not in heard and (match := re.search(one, line)) is not None:
                    heard[one] = match
        return heard

    def half(self, name: str) -> int:
        """The process of one half."""
        for one in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(one.read_text().rpartition(")")[2].split()[1])
                words = one.with_name("cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == self.process.pid and name.encode() in words:
                return int(one.parent.name)
        raise AssertionError(f"there is no {name}")

    def end(self) -> int:
        """Hear it out, and return its exit code; nothing may ever show a traceback."""
        code = super().end()
        assert not [line for line in self.said if "Traceback" in line], self.said
        return code


@pytest.fixture
def paper(related: Paper) -> Paper:
    return related


@pytest.fixture
def serve(paper: Paper) -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(*words: str) -> Served:
        running.append(Served(paper.root, *(words or ("--port", "0"))))
        return running[-1]

    yield start
    for one in running:
        one.close()


Serve = Callable[..., Served]
PAGES, CLOCK = r"pages on (http://\S+)", "clock: next issue"


def answers(address: str) -> bool:
    # Whatever it is, it is our pages that say so: nothing stands at an address that nobody was given.
    return httpx.get(f"{address}/u/nobody").status_code in {200, 400, 404, 410}


def test_it_answers_and_says_the_next_issue_and_a_sigterm_stops_both_halves(serve: Serve) -> None:
    served = serve()
    heard = served.hear_all(PAGES, CLOCK)
    assert answers(heard[PAGES][1])
    halves = [served.half("pages"), served.half("clock")]
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 0
    assert served.said[-1] == "serve: stopped"
    assert not [pid for pid in halves if Path(f"/proc/{pid}").exists()]


def test_a_half_that_is_killed_is_started_again_alone_on_the_same_port(serve: Serve) -> None:
    served = serve()
    address = served.hear_all(PAGES, CLOCK)[PAGES][1]
    pages, clock = served.half("pages"), served.half("clock")

    os.kill(pages, signal.SIGKILL)
    served.hear("serve: pages was ended by SIGKILL")
    assert served.hear(PAGES)[1] == address
    assert answers(address)
    assert (served.half("clock"), served.half("pages") == pages) == (clock, False)

    pages = served.half("pages")
    os.kill(clock, signal.SIGKILL)
    served.hear("serve: clock was ended by SIGKILL")
    served.hear(CLOCK)
    assert (served.half("pages"), served.half("clock") == clock) == (pages, False)
    served.process.send_signal(signal.SIGINT)
    assert served.end() == 0


def test_when_the_supervisor_is_killed_neither_half_is_left(serve: Serve) -> None:
    served = serve()
    served.hear_all(PAGES, CLOCK)
    served.process.kill()
    # Their end closes the pipe that all of them write to.
    assert served.end() == -signal.SIGKILL


def test_what_was_scheduled_is_mailed_and_what_is_too_late_is_missed(paper: Paper, serve: Serve, relay: Relay) -> None:
    issue = paper.compose()
    paper.run("schedule", issue)
    paper.change(tables.mailing, due=NOW - timedelta(hours=3))
    served = serve("--only", "clock")
    served.hear(CLOCK)
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 0
    assert paper.run("report", issue, "--json").json["state"] == "missed"
    assert relay.accepted == []

    paper.run("schedule", issue)
    paper.change(tables.mailing, due=NOW - timedelta(hours=1))
    served = serve("--only", "clock")
    served.hear(CLOCK)
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 0
    # It was told to stop at some moment of all this: whoever it had not come to is mailed by the next one.
    served = serve("--only", "clock")
    served.hear(CLOCK)
    wait_until(lambda: paper.run("report", issue, "--json").json["state"] == "sent", "the end of the mailing")
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 0
    assert sorted(one.recipients[0] for one in relay.accepted) == sorted(READERS)


def test_an_idle_clock_leaves_sending_to_others(paper: Paper, serve: Serve) -> None:
    served = serve("--only", "clock")
    served.hear(CLOCK)
    issue = paper.compose()
    assert paper.run(*paper.confirm(issue), "--json").json["accepted"] == len(READERS)


def test_a_login_that_is_refused_is_asked_once_and_said(paper: Paper, serve: Serve) -> None:
    with Relay(login=("desk", "right horse")) as relay:
        path = paper.root / "config.toml"
        path.write_text(re.sub(r"port = \d+\ntls", f"port = {relay.port}\ntls", path.read_text()))
        paper.configure('user = "desk"\npassword_file = "password"')
        (paper.root / "password").write_text("wrong horse\n")
        (paper.root / "password").chmod(0o600)
        issue = paper.compose()
        paper.run("schedule", issue)
        paper.change(tables.mailing, due=NOW)
        served = serve("--only", "clock")
        served.hear("error relay-login-refused: ")
        served.process.send_signal(signal.SIGTERM)
        assert served.end() == 0
        assert relay.logins_tried == 1
    assert paper.run("report", issue, "--json").json["state"] == "paused"


def test_a_port_that_is_taken_is_said_before_anything_is_started(serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        served = serve("--port", str(taken.getsockname()[1]))
        assert served.end() == 3
    assert any("port-taken" in line for line in served.said)
    assert any("biweekly serve --port 0" in line for line in served.said)


def test_a_monitor_is_told_how_it_goes_on_a_port_of_its_own(paper: Paper, serve: Serve) -> None:
    paper.configure("[web]\nport = 0\nmetrics_port = 0")
    served = serve()
    metrics = r"metrics on http://127\.0\.0\.1:(\d+)/metrics"
    heard = served.hear_all(PAGES, CLOCK, metrics)
    address = f"http://127.0.0.1:{heard[metrics][1]}/metrics"
    told = httpx.get(address)
    assert told.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert told.text.endswith("\n# EOF\n")
    wait_until(lambda: "biweekly_clock_tick_age_seconds " in httpx.get(address).text, "the clock's first sign")
    assert httpx.get(f"{heard[PAGES][1]}/metrics").status_code == 404

    os.kill(served.half("pages"), signal.SIGKILL)
    assert served.hear(metrics)[1] == heard[metrics][1]
    assert httpx.get(address).status_code == 200
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 0


def test_a_port_for_the_monitor_that_is_taken_is_said(paper: Paper, serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        paper.configure(f"[web]\nmetrics_port = {taken.getsockname()[1]}")
        served = serve()
        assert served.end() == 3
    assert any("metrics_port" in line for line in served.said)


def test_the_pages_alone_need_no_schedule(paper: Paper, serve: Serve) -> None:
    paper.set_schedule(None)
    served = serve("--only", "pages", "--port", "0")
    assert answers(served.hear(PAGES)[1])
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 0


def test_without_a_schedule_the_clock_says_what_it_does(paper: Paper, serve: Serve) -> None:
    paper.set_schedule(None)
    served = serve("--only", "clock")
    served.hear(r"clock: no \[schedule\] in config.toml")
    served.process.send_signal(signal.SIGTERM)
    assert served.end() == 0
