from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.paper import Paper, found
from tests.transports.relay import Relay


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as opened:
        yield opened


@pytest.fixture
def related(tmp_path: Path, capsys: pytest.CaptureFixture[str], relay: Relay) -> Paper:
    """A publication whose mail goes to the relay."""
    made = found(tmp_path / "paper", capsys)
    made.use_relay(relay.port)
    return made
