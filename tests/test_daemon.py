"""The supervisor, with real processes: each is started again alone, all are stopped in order, none is left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.overheard import PATIENCE, Overheard

from biweekly.daemon import address_of, listen
from biweekly.errors import ConfigError

# A supervisor of two children; its options stand in the command line, and it says everything on stdout.
SUPERVISOR = """
import json, sys
from biweekly.daemon import Program, supervise
options, *commands = map(json.loads, sys.argv[1:])
programs = [Program(name, [sys.executable, "-u", "-c", *words]) for name, words in commands]
sys.exit(supervise(programs, say=lambda line: print(line, flush=True), **options))
"""
# A child that says who and how old it is, and ends in good order when told.
CHILD = """
import os, signal, sys
def end(*_):
    # In one piece: two children say it at the same time into the same pipe.
    os.write(1, (sys.argv[1] + " told to end\\n").encode())
    os._exit(0)
signal.signal(signal.SIGTERM, end)
os.write(1, (sys.argv[1] + f" is {os.getpid()}\\n").encode())
while True:
    signal.pause()
"""
STUBBORN = CHILD.replace("    os._exit(0)\n", "")
BRIEF = "import sys; print(sys.argv[1], 'came and went', flush=True); sys.exit(3)"
# A child that watches for the end of its standard input, and would not be told by the kernel.
LEASHED = """
import signal, sys
from biweekly.daemon import leash
leash()
print(sys.argv[1], "leashed", flush=True)
signal.pause()
"""
Said = re.Match[str]


class Watched(Overheard):
    """A supervisor as a process of its own, and everything that it and its children say."""

    def __init__(self, *children: tuple[str, str], **options: float) -> None:
        commands = [json.dumps([name, [program, name]]) for name, program in children]
        said = json.dumps({"first_wait": 0.01, **options})
        super().__init__([sys.executable, "-u", "-c", SUPERVISOR, said, *commands], start_new_session=True)

    def pid_of(self, name: str) -> int:
        return int(self.hear(rf"{name} is (\d+)")[1])


Watch = Callable[..., Watched]


@pytest.fixture
def watch() -> Iterator[Watch]:
    running: list[Watched] = []

    def start(*children: tuple[str, str], **options: float) -> Watched:
        running.append(Watched(*children, **options))
        return running[-1]

    yield start
    for one in running:
        one.close()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_is_killed_is_started_again_alone(watch: Watch) -> None:
    watched = watch(("pages", CHILD))
    first = watched.pid_of("pages")
    os.kill(first, signal.SIGKILL)
    watched.hear(r"pages was ended by SIGKILL after \d+ s; it starts again in 0 s")
    assert watched.pid_of("pages") != first


def test_the_other_child_does_not_notice(watch: Watch) -> None:
    watched = watch(("pages", CHILD), ("clock", CHILD))
    found = {name: int(pid) for name, pid in (watched.hear(r"(\w+) is (\d+)").groups() for _ in range(2))}
    os.kill(found["pages"], signal.SIGKILL)
    watched.pid_of("pages")
    watched.process.send_signal(signal.SIGTERM)
    assert watched.end() == 0
    assert not [line for line in watched.said if line.startswith("clock was")]
    assert sum(line.startswith("clock is") for line in watched.said) == 1


def test_a_child_that_keeps_ending_is_started_more_and_more_seldom(watch: Watch) -> None:
    watched = watch(("clock", BRIEF), first_wait=0.26, longest_wait=0.6)
    waits = [int(watched.hear(r"clock ended with exit code 3 after 0 s; it starts again in (\d) s")[1])]
    waits += [int(watched.hear(r"starts again in (\d) s")[1]) for _ in range(2)]
    assert waits == [0, 1, 1]  # 0.26, 0.52 and 0.6 seconds


def test_a_child_that_lived_long_begins_anew(watch: Watch) -> None:
    watched = watch(("clock", BRIEF), first_wait=0.01, longest_wait=0.01)
    for _ in range(4):
        watched.hear("starts again in 0 s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_tells_all_and_waits_for_them(watch: Watch, number: signal.Signals) -> None:
    watched = watch(("pages", CHILD), ("clock", CHILD))
    pids = [int(watched.hear(r"is (\d+)")[1]) for _ in range(2)]
    watched.process.send_signal(number)
    assert watched.end() == 0
    assert {"pages told to end", "clock told to end"} <= set(watched.said)
    assert watched.said[-1] == "stopped"
    assert not any(is_there(pid) for pid in pids)


def test_ctrl_c_reaches_the_supervisor_alone(watch: Watch) -> None:
    heed = 'signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))\n'
    watched = watch(("clock", CHILD.replace("signal.signal(", f"{heed}signal.signal(", 1)))
    watched.pid_of("clock")
    os.killpg(watched.process.pid, signal.SIGINT)  # as the terminal does
    assert watched.end() == 0
    assert "clock told to end" in watched.said
    assert "interrupted" not in watched.said


def test_a_child_that_does_not_end_in_time_is_killed_and_it_shows(watch: Watch) -> None:
    watched = watch(("clock", STUBBORN), patience=0.05)
    pid = watched.pid_of("clock")
    watched.process.send_signal(signal.SIGTERM)
    assert watched.end() == 1
    assert "clock did not end in time and is killed; biweekly status says what it left" in watched.said
    assert not is_there(pid)


def test_a_second_signal_does_not_wait(watch: Watch) -> None:
    watched = watch(("clock", STUBBORN), patience=3600.0)
    watched.pid_of("clock")
    watched.process.send_signal(signal.SIGTERM)
    watched.hear("told to end")
    watched.process.send_signal(signal.SIGINT)
    assert watched.end() == 1


def test_told_to_stop_while_a_child_rests_it_starts_nothing_more(watch: Watch) -> None:
    watched = watch(("clock", BRIEF), first_wait=3600.0, longest_wait=3600.0)
    watched.hear("starts again in 3600 s")
    watched.process.send_signal(signal.SIGTERM)
    assert watched.end() == 0
    assert sum("came and went" in line for line in watched.said) == 1


def test_when_the_supervisor_is_killed_no_child_is_left(watch: Watch) -> None:
    watched = watch(("pages", CHILD), ("clock", LEASHED))
    watched.hear("pages is|leashed")
    watched.hear("pages is|leashed")
    watched.process.kill()
    # Their end closes the pipe that they all write to, and that is what is waited for.
    assert watched.end() == -signal.SIGKILL


def test_the_end_of_standard_input_is_enough_for_a_leashed_process() -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", LEASHED, "clock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "clock leashed\n"
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGTERM


# --- the door ----------------------------------------------------------------------------------------------------


def test_port_nought_is_a_free_one_and_its_address_is_a_browsers() -> None:
    with listen("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        assert address_of(opened) == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port)):
            pass


def test_a_name_for_this_machine_will_do() -> None:
    with listen("localhost", 0) as opened:
        assert address_of(opened).startswith("http://")


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="there is no IPv6 here")
def test_an_address_of_the_newer_kind_stands_in_brackets() -> None:
    with listen("::1", 0) as opened:
        assert re.fullmatch(r"http://\[::1\]:\d+", address_of(opened))


def test_a_port_that_is_taken_is_said_with_its_cure() -> None:
    with listen("127.0.0.1", 0) as opened, pytest.raises(ConfigError) as error:
        listen("127.0.0.1", opened.getsockname()[1])
    assert (error.value.code, error.value.exit_code, error.value.hint) == ("port-taken", 3, "biweekly serve --port 0")


@pytest.mark.parametrize("host", ["a" * 70, "192.0.2.1"])
def test_a_host_that_is_not_this_machine_is_said(host: str) -> None:
    with pytest.raises(ConfigError) as error:
        listen(host, 0)
    assert error.value.code == "host-unknown"
