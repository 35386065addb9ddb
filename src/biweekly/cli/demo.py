"""Shell. `demo`: the whole story on sample data, in a throwaway folder, with the mail to look at."""

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.model.issue import IssueId
    from biweekly.publication import Publication

app = typer.Typer(add_completion=False)

_PREVIEW_PORT, _PAGES_PORT = 8765, 8766
_CONSENT: Final = "Yes, send me the Review every second week."


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the account; take the folder away, serve no pages.")
    ] = False,
) -> None:
    """Try everything on sample data: compose, validate, send to the built-in mailbox, look at what arrived.

    Nothing leaves this machine. Ends 0 although some letters fail or wait: two of the sample addresses are there for
    that.

    Example: biweekly demo --once
    """
    from biweekly.publication import open_publication
    from biweekly.sample import lay_out

    with contextlib.ExitStack() as later:
        doors = None if once else (later.enter_context(_door(_PREVIEW_PORT)), later.enter_context(_door(_PAGES_PORT)))
        pages_port = _PAGES_PORT if doors is None else doors[1].getsockname()[1]
        folder = Path(tempfile.mkdtemp(prefix="biweekly-demo-"))
        if once:
            later.callback(shutil.rmtree, folder, ignore_errors=True)
        lay_out(folder, public_url=f"http://127.0.0.1:{pages_port}")
        publication = open_publication(folder, environ={})
        speak.say(f"{_step('publication')} {publication.config.publication.name}, a throwaway in {folder}")
        issue = _compose(publication)
        _let_in(publication)
        _send(publication, issue)
        if doors is not None:
            _show(publication, issue, *doors)


def _compose(publication: "Publication") -> "IssueId":
    from biweekly.newsroom import open_newsroom
    from biweekly.wiring import utc_now

    made = open_newsroom(publication).compose_issue(now=utc_now())
    out = [one for one in made.composition.candidates if not one.included]
    speak.say(f"{_step('issue')} {made.issue.id} “{made.issue.subject}”")
    speak.say(f"{_step('')} {len(made.issue.entries)} reports are in; {len(out)} left out:")
    for one in out:
        speak.say(f"{_step('')}   {one.title or one.report}: {one.why}")
    return made.issue.id


def _let_in(publication: "Publication") -> None:
    from biweekly.audience.roster import Roster
    from biweekly.audience.validate import shown
    from biweekly.sample import ROSTER
    from biweekly.services.subscriptions import Basis
    from biweekly.wiring import open_people, open_store, utc_now

    engine = open_store(publication)
    basis = Basis(source=f"import of {ROSTER.name}", wording=_CONSENT, at=utc_now())
    result = open_people(publication, engine).import_all(Roster(publication.root / ROSTER), basis=basis)
    engine.dispose()
    speak.say(f"{_step('subscribers')} {result.rows} rows: {result.new} let in, {len(result.invalid)} refused:")
    for bad in result.invalid:
        speak.say(f"{_step('')}   line {bad.line}: {shown(bad.address) or '(nothing)'}: {bad.reason}")


def _send(publication: "Publication", issue: "IssueId") -> None:
    from biweekly.cli.meter import progress_of
    from biweekly.cli.posting import sending_office, tell
    from biweekly.wiring import utc_now

    with sending_office(publication) as office:
        plan = office.mailings.plan(issue)
        page = plan.edition.variants[0].html or ""
        speak.say(f"{_step('edition')} {plan.edition.sha256[:12]}, {len(page.encode()) / 1000:.0f} kB of HTML")
        speak.say(f"{_step('sending')} to {plan.subscribers} subscribers, into the built-in mailbox")
        with progress_of(office, issue, anew=True):
            mailing, _ = office.mailings.send(issue, confirmed=plan.subscribers, now=utc_now())
        mailing = office.books.find(mailing.id)
        speak.say("")
        tell(publication, mailing, *office.mailings.account(mailing))


# --- looking at it ---------------------------------------------------------------------------------------------------


def _show(publication: "Publication", issue: "IssueId", preview_door: socket.socket, pages_door: socket.socket) -> None:
    """Serve the preview with the mailbox, and what the letters' links lead to, until Ctrl-C."""
    from biweekly.cli.preview import serve_until_stopped
    from biweekly.web.preview import preview_app

    address = f"http://127.0.0.1:{preview_door.getsockname()[1]}"
    speak.say("")
    speak.say(f"{_step('the issue')} {address}/i/{issue}")
    speak.say(f"{_step('the mail')} {address}/mailbox    its links work; to leave the list is one of them")
    speak.say(f"{_step('stop')} Ctrl-C")
    with _pages(publication, pages_door):
        serve_until_stopped(preview_app(publication.root, environ={}), preview_door)
    speak.say(f"Stopped. Everything is still in {publication.root}; try: biweekly -C {publication.root} status")


@contextlib.contextmanager
def _pages(publication: "Publication", door: socket.socket) -> Iterator[None]:
    import uvicorn

    from biweekly.web.public import public_app
    from biweekly.wiring import public_doors

    config = uvicorn.Config(
        public_app(public_doors(publication)), log_config=None, access_log=False, lifespan="off",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[door]), name="pages", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def _door(port: int) -> Iterator[socket.socket]:
    """Open a port on this machine: this one, or any that is free where another program has it."""
    from biweekly.cli.preview import listen
    from biweekly.errors import ConfigError

    try:
        door = listen(port)
    except ConfigError:
        door = listen(0)
    with door:
        yield door


def _step(name: str) -> str:
    return speak.paint(f"{name:<12}", "dim")
