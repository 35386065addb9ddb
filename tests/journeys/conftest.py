import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.journeys.house import RELAY, House, RelayProcess


@pytest.fixture
def start_relay(tmp_path: Path) -> Iterator[Callable[..., RelayProcess]]:
    """Starts scripted relays: `start_relay("--latency", "0.01")`."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str) -> RelayProcess:
        record = tmp_path / f"record-{len(running)}.jsonl"
        process = subprocess.Popen(
            [sys.executable, str(RELAY), "--record", str(record), *options], stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r":(\d+)$", said.strip())
        assert found, said
        return RelayProcess(process, int(found[1]), record)

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A new publication, without a relay."""
    made = House(tmp_path / "review")
    subprocess.run(
        [sys.executable, "-m", "biweekly", "init", str(made.root), "--no-input"], check=True, capture_output=True
    )
    return made
