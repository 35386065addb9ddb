"""The sample publication with one composed issue, and its preview on a port of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import httpx
import pytest
import uvicorn

from biweekly.newsroom import open_newsroom
from biweekly.publication import open_publication
from biweekly.sample import lay_out
from biweekly.web.preview import preview_app

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
ISSUE = "2026-11-26"


@pytest.fixture(scope="session")
def composed_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample publication as it is after `issue compose`: not to be changed."""
    folder = tmp_path_factory.mktemp("sample")
    lay_out(folder, public_url="https://review.example")
    made = open_newsroom(open_publication(folder, environ={})).compose_issue(now=NOW)
    assert made.issue.id == ISSUE
    return folder


@pytest.fixture
def publication(composed_sample: Path, tmp_path: Path) -> Path:
    """A publication of this test's own, with the issue 2026-11-26 in it."""
    import shutil

    return Path(shutil.copytree(composed_sample, tmp_path / "publication"))


class Asking:
    """Asks the preview of a folder, without a socket between."""

    def __init__(self, folder: Path) -> None:
        self._site = httpx.ASGITransport(preview_app(folder, environ={}, watch=False))

    def get(self, path: str, *, host: str = "127.0.0.1", method: str = "GET") -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._site, base_url=f"http://{host}") as client:
                return await client.request(method, path)

        return asyncio.run(ask())


@pytest.fixture
def asking(publication: Path) -> Asking:
    return Asking(publication)


class PreviewSite:
    """The preview of a folder on a port of its own, live."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._web = preview_app(folder, environ={})
        # Listening before the server runs: whoever comes early waits in the queue.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(self._web, log_level="error", access_log=False, timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._web.state.bell.closed = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def site(publication: Path) -> Iterator[PreviewSite]:
    with PreviewSite(publication) as running:
        yield running
