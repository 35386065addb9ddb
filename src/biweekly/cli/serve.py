"""Shell. `serve`: the public pages, and the clock with the sender, as two processes that are kept running."""

import logging
import signal
import socket
import sys
import threading
from contextlib import nullcontext, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.config import WebConfig
    from biweekly.publication import Publication

app = typer.Typer(add_completion=False)

_GRACE_SECONDS: Final = 10  # for pages that are being answered when it is time to stop


class Half(StrEnum):
    """One of the two processes."""

    PAGES = "pages"
    CLOCK = "clock"


@app.command()
def serve(
    ctx: typer.Context,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Where the pages answer; 0 picks a free port.")
    ] = None,
    host: Annotated[str | None, typer.Option(metavar="ADDR", help="The address of this machine to answer on.")] = None,
    only: Annotated[Half | None, typer.Option(help="Run one half alone, in this very process.")] = None,
    leashed: Annotated[bool, typer.Option("--leashed", hidden=True)] = False,
    inherited: Annotated[int | None, typer.Option("--inherited-socket", hidden=True)] = None,
    inherited_metrics: Annotated[int | None, typer.Option("--inherited-metrics", hidden=True)] = None,
) -> None:
    """Run the public pages and the clock with the sender, each in a process of its own, until Ctrl-C.

    The clock composes at the cut-off and begins what is scheduled; a half that ends is started again alone. Ctrl-C or
    SIGTERM stops both: letters in flight get 30 s. With metrics_port under [web], the pages tell a monitor how it goes.

    Example: biweekly serve --port 8080
    """
    from biweekly.daemon import leash, listen

    publication = ctx.obj.publication()
    if leashed:
        leash()
    web = publication.config.web
    if only is Half.CLOCK:
        _run_clock(publication)
        return
    opened = socket.socket(fileno=inherited) if inherited is not None else listen(host or web.host, _or(port, web.port))
    metrics = socket.socket(fileno=inherited_metrics) if inherited_metrics is not None else _listen_for_monitor(web)
    with opened, metrics or nullcontext():
        if only is Half.PAGES:
            _run_pages(publication, opened, metrics)
        else:
            raise typer.Exit(_supervise(publication, opened, metrics))


def _listen_for_monitor(web: "WebConfig") -> socket.socket | None:
    """Open the port of the metrics, on this machine only, where there is one."""
    from biweekly.daemon import listen
    from biweekly.errors import ConfigError
    from biweekly.web.metrics.page import HOST

    if web.metrics_port is None:
        return None
    try:
        return listen(HOST, web.metrics_port)
    except ConfigError as error:
        raise ConfigError(
            error.message, code="port-taken", key="web.metrics_port",
            hint="choose another metrics_port under [web], or take it out",
        ) from error  # fmt: skip


def _supervise(publication: "Publication", opened: socket.socket, metrics: socket.socket | None) -> int:
    from biweekly.daemon import Program, supervise
    from biweekly.wiring import open_store

    # Here and once: two processes of a first start need not race for it, and what is wrong is said before they start.
    open_store(publication).dispose()
    base = (sys.executable, "-m", "biweekly", "-C", str(publication.root), "serve", "--leashed", "--only")
    handed = {"--inherited-socket": opened} | ({"--inherited-metrics": metrics} if metrics else {})
    words = [word for option, one in handed.items() for word in (option, str(one.fileno()))]
    pages = Program("pages", (*base, "pages", *words), tuple(one.fileno() for one in handed.values()))
    clock = Program("clock", (*base, "clock"))
    return supervise([pages, clock], say=lambda line: speak.say(f"serve: {line}"))


def _run_pages(publication: "Publication", opened: socket.socket, metrics: socket.socket | None) -> None:
    import uvicorn

    from biweekly.daemon import address_of
    from biweekly.web.public import public_app
    from biweekly.wiring import public_doors

    class Pages(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                speak.say(f"pages on {address_of(opened)}")

    _log_to_stderr()
    if metrics is not None:
        _answer_monitor(publication, metrics)
    # The server puts its own handler in their place, and when it has ended in good order raises the signal once more.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    # No access log: the tokens in it would let whoever reads it take people off the list.
    config = uvicorn.Config(
        public_app(public_doors(publication)), log_config=None, access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=_GRACE_SECONDS, lifespan="off",
    )  # fmt: skip
    Pages(config).run(sockets=[opened])


def _answer_monitor(publication: "Publication", metrics: socket.socket) -> None:
    from biweekly.daemon import address_of
    from biweekly.web.metrics.page import PATH, answer, text_of
    from biweekly.wiring import open_store, utc_now

    answer(metrics, text_of(publication, open_store(publication), utc_now))
    speak.say(f"metrics on {address_of(metrics)}{PATH}")


def _run_clock(publication: "Publication") -> None:
    from biweekly.scheduler import Alarm
    from biweekly.serving import open_clock
    from biweekly.web.metrics.page import clock_file

    _log_to_stderr()
    sign = clock_file(publication)

    def woke() -> None:
        with suppress(OSError):  # a full disk stops no mailing; a monitor sees the clock's age grow
            sign.touch()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # From a thread: a handler runs in the midst of whatever holds the event's own lock.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    with open_clock(publication, say=lambda line: speak.say(f"clock: {line}"), stop=stop, apart=True) as fortnight:
        Alarm(fortnight.tick, trouble=speak.complain, woke=woke).run(stop)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given
