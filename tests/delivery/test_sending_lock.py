"""One sender at a time: the lock dies with its holder and is nobody's inheritance."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from biweekly.delivery.sending_lock import sole_sender
from biweekly.errors import Refused

HOLDER = """
import sys
from pathlib import Path
from biweekly.delivery.sending_lock import sole_sender
with sole_sender(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
# A holder with a child that outlives it: the child says so, and lives until its standard input ends.
PARENT = """
import subprocess, sys
from pathlib import Path
from biweekly.delivery.sending_lock import sole_sender
with sole_sender(Path(sys.argv[1])):
    child = "print('born', flush=True); import sys; sys.stdin.read()"
    subprocess.Popen([sys.executable, "-c", child], close_fds=False).wait()
"""
FORKED = """
import os, sys
from pathlib import Path
from biweekly.delivery.sending_lock import sole_sender
with sole_sender(Path(sys.argv[1])):
    if os.fork():
        os._exit(0)
    print("born", flush=True)
    sys.stdin.read()
"""


def start(program: str, lock: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_who_it_is(tmp_path: Path) -> None:
    lock = tmp_path / "sending.lock"
    holder = start(HOLDER, lock)
    with pytest.raises(Refused, match=f"process {holder.pid} is sending") as refusal, sole_sender(lock):
        pass
    assert (refusal.value.code, refusal.value.exit_code) == ("another-sender", 4)
    end(holder)


def test_the_lock_is_freed_by_the_death_of_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "sending.lock"
    end(start(HOLDER, lock))
    with sole_sender(lock):
        assert lock.exists()


@pytest.mark.parametrize("program", [PARENT, FORKED])
def test_a_child_that_outlives_its_parent_does_not_inherit_it(tmp_path: Path, program: str) -> None:
    lock = tmp_path / "sending.lock"
    parent = start(program, lock)
    parent.kill()
    parent.wait()
    with sole_sender(lock):
        pass
    parent.communicate()


def test_the_same_process_is_refused_as_well_and_the_lock_is_not_lost_by_it(tmp_path: Path) -> None:
    lock = tmp_path / "sending.lock"
    with sole_sender(lock):
        with pytest.raises(Refused, match="this very process"), sole_sender(lock):
            pass
        ask = HOLDER.replace("sys.stdin.read()", "")
        asked = subprocess.run(
            [sys.executable, "-c", ask, str(lock)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert "Refused" in asked.stderr
    with sole_sender(lock):
        pass


def test_of_many_threads_one_at_a_time_has_it(tmp_path: Path) -> None:
    lock = tmp_path / "sending.lock"
    together, enough = threading.Barrier(8), threading.Event()
    had, refused = [], []

    def work() -> None:
        together.wait()
        try:
            with sole_sender(lock):
                had.append(1)
                enough.wait(30)
        except Refused:
            refused.append(1)
            if len(refused) == 7:
                enough.set()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(had), len(refused)) == (1, 7)


def test_it_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    lock = tmp_path / "sending.lock"
    with pytest.raises(ZeroDivisionError), sole_sender(lock):
        _ = 1 // 0
    with sole_sender(lock):
        pass
