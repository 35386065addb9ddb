"""`biweekly preview`, as it is typed."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from biweekly.newsroom import open_newsroom
from biweekly.publication import data_root, open_publication
from biweekly.sample import lay_out

PATIENCE = 60.0


@pytest.fixture
def publication(tmp_path: Path) -> Path:
    lay_out(tmp_path, public_url="https://review.example")
    return tmp_path


def compose(root: Path) -> None:
    open_newsroom(open_publication(root, environ={})).compose_issue(now=datetime(2026, 11, 25, 9, tzinfo=UTC))


def command(root: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "biweekly", "-C", str(root), "preview", *words]


@contextmanager
def running(root: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], list[str], str]]:
    """The preview as a process, what it said up to its address, and the address."""
    process = subprocess.Popen(command(root, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+\S*", line):
                yield process, said, found[0]
                break
        else:
            pytest.fail(f"no address: {said}")
    finally:
        process.kill()
        process.communicate()


def test_a_free_port_is_taken_and_the_address_is_said_once_it_answers(publication: Path) -> None:
    compose(publication)
    with running(publication, "--port", "0") as (_, said, address):
        assert re.match(r"Rendered 2026-11-26 in \d+ ms \(HTML \d+ kB, text \d+ kB\)\.", said[0])
        assert address.endswith("/i/2026-11-26")
        assert "Ctrl-C" in said[-1]
        page = httpx.get(address, timeout=PATIENCE)
        assert page.status_code == 200
        assert "A Second Track Through the Gorge" in page.text


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_at_once_when_told_although_a_page_listens(publication: Path, how: signal.Signals) -> None:
    compose(publication)
    with running(publication, "--port", "0") as (process, _, address):
        with httpx.stream("GET", httpx.URL(address).join("/events?seen=0"), timeout=PATIENCE) as events:
            lines = events.iter_lines()
            assert next(lines) == "retry: 500"
            process.send_signal(how)
            assert not any("changed" in line for line in lines)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert err.splitlines()[-1] == "Preview stopped."
        assert "Traceback" not in err


def test_a_port_that_is_taken_is_said_with_a_way_on(publication: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = subprocess.run(
            command(publication, "--port", str(port)), capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    assert ran.returncode == 3
    assert f"port {port} cannot be used" in ran.stderr
    assert "port-taken" in ran.stderr
    assert "biweekly preview --port 0" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_an_issue_it_opens_on_the_list(publication: Path) -> None:
    with running(publication, "--port", "0") as (_, said, address):
        assert said[0].startswith("There is no unsent issue yet")
        assert "biweekly issue compose" in httpx.get(address, timeout=PATIENCE).text


def test_an_issue_that_is_not_there_is_an_error(publication: Path) -> None:
    ran = subprocess.run(
        command(publication, "2001-01-01", "--port", "0"), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert ran.returncode == 1
    assert "no-such-issue" in ran.stderr


def test_a_fault_is_said_on_the_terminal_and_the_page_waits_for_its_cure(publication: Path) -> None:
    compose(publication)
    own = publication / "templates" / "issue.mjml.j2"
    own.parent.mkdir()
    text = (data_root() / "templates" / own.name).read_text("utf-8")
    own.write_text(text.replace("{{ page.language }}", "{{ page.langage }}"), "utf-8")
    with running(publication, "--port", "0") as (_, said, address):
        assert "template-undefined: templates/issue.mjml.j2:" in said[0]
        assert "langage" in "".join(said)
        assert "cannot be rendered" in httpx.get(address, timeout=PATIENCE).text
        own.write_text(text, "utf-8")
        assert "cannot be rendered" not in httpx.get(address, timeout=PATIENCE).text


def test_only_this_machine_is_listened_to(publication: Path) -> None:
    with running(publication, "--port", "0") as (_, _said, address):
        answer = httpx.get(address, headers={"host": "review.example"}, timeout=PATIENCE)
        assert answer.status_code == 400
