"""A name server and what asks it."""

from collections.abc import Callable, Iterator

import pytest
from tests.support.nameserver import NameServer, serving

from biweekly.sender.resolver import Resolver


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server that knows nothing yet."""
    with serving() as made:
        yield made


@pytest.fixture
def ask(server: NameServer) -> Callable[[], Resolver]:
    """What makes a resolver that remembers nothing, and that waits for a moment only."""
    return lambda: Resolver(server.address, patience_s=0.4)
