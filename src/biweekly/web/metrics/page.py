"""Shell. The page that a monitor asks for, answered from the rows of the publication by a thread of its own.

It is plain HTTP and says no address. It only ever answers on this machine: who wants it elsewhere forwards it.
"""

import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from biweekly import __version__
from biweekly.delivery.pace import Pace, permit
from biweekly.errors import BiweeklyError
from biweekly.model.mailing import Mailing, MailingId, MailingState
from biweekly.publication import Publication
from biweekly.store import accounts, watch
from biweekly.store.books import Books
from biweekly.store.desk import Desk
from biweekly.store.paces import PaceBook
from biweekly.web.metrics.families import Facts, Told, families
from biweekly.web.metrics.openmetrics import CONTENT_TYPE, write

HOST: Final = "127.0.0.1"
PATH: Final = "/metrics"
_LATEST_SENT: Final = 3
_LOG: Final = logging.getLogger("biweekly.metrics")
_PATIENCE: Final = 10.0  # seconds for a monitor to ask its question


def clock_file(publication: Publication) -> Path:
    """Return the file that the clock of `serve` touches whenever it wakes."""
    return publication.var / "clock"


def read(publication: Publication, engine: Engine, now: datetime) -> Facts:
    """Read everything that is told: of mailings, those under way and the last that were sent."""
    books, desk = Books(engine, publication.newsletter), Desk(engine, publication.newsletter)
    going = books.in_states(MailingState.SENDING, MailingState.PAUSED)
    sent = sorted(books.in_states(MailingState.SENT), key=lambda one: one.id)[-_LATEST_SENT:]
    told = [_told(engine, one) for one in (*going, *sent)]
    waits = watch.waits(engine, [one.id for one in going if one.state is MailingState.SENDING])
    coming = [one.due for one in books.in_states(MailingState.SCHEDULED, MailingState.COOLING_OFF)]
    dues = [one for one in (waits.next_try, desk.next_due(), *coming) if one is not None]
    woke = None
    with suppress(OSError):
        woke = datetime.fromtimestamp(clock_file(publication).stat().st_mtime, UTC)
    return Facts(
        now=now, version=__version__, mailings=told, letters=watch.letters_by_relay(engine, now.astimezone(UTC).date()),
        paces=_paces(publication, engine, [one.id for one in going]), oldest_wait=waits.oldest,
        next_due=min(dues, default=None), clock_woke=woke,
    )  # fmt: skip


def _told(engine: Engine, mailing: Mailing) -> Told:
    lanes = watch.lanes(engine, mailing.id)
    return Told(mailing, accounts.tally(engine, mailing.id), sum(one.in_flight for one in lanes))


def _paces(publication: Publication, engine: Engine, going: list[MailingId]) -> Mapping[tuple[str, str], Pace]:
    book, config = PaceBook(engine), publication.config
    rates = {one.name: one.rate for one in config.relay}
    names = dict.fromkeys(lane.name for mailing in going for lane in accounts.lane_infos(engine, mailing))
    relays = {("relay", n): permit(pace, rates[n]) for n, pace in book.read("relay", rates).items()}
    per_lane = config.delivery.per_lane
    return relays | {("lane", n): permit(pace, per_lane.get(n)) for n, pace in book.read("lane", names).items()}


def answer(opened: socket.socket, text: Callable[[], str]) -> ThreadingHTTPServer:
    """Answer `/metrics` on a listening socket, from threads that end with the process. Close it by `server_close`."""

    class Page(BaseHTTPRequestHandler):
        timeout = _PATIENCE

        def do_GET(self) -> None:  # the name is the library's
            if self.path.partition("?")[0] != PATH:
                self._say(404, "text/plain; charset=utf-8", f"only {PATH} is here\n")
                return
            try:
                self._say(200, CONTENT_TYPE, text())
            except BiweeklyError as error:
                self._say(503, "text/plain; charset=utf-8", f"{error.code}: {error.message}\n")

        def _say(self, status: int, kind: str, body: str) -> None:
            encoded = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_: object) -> None:
            """Say nothing of each question."""

    server = _Server(opened.getsockname()[:2], Page, bind_and_activate=False)
    server.socket.close()
    server.socket = opened
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the library's names
        """Let a monitor that hung up go; what else went wrong is the program's."""
        if not isinstance(sys.exception(), OSError):
            _LOG.exception("the metrics could not be told")


def text_of(publication: Publication, engine: Engine, clock: Callable[[], datetime]) -> Callable[[], str]:
    """Return what reads and writes the page anew each time it is asked."""
    return lambda: write(families(read(publication, engine, clock())))
