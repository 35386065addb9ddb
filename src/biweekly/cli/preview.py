"""Shell. `biweekly preview`: the local preview page, live."""

import os
import socket
from typing import Annotated, Any

import typer

from biweekly.cli import speak
from biweekly.errors import BiweeklyError, ConfigError

app = typer.Typer(add_completion=False)


@app.command()
def preview(
    ctx: typer.Context,
    issue: Annotated[
        str | None, typer.Argument(metavar="[ISSUE]", help="An issue's date, `next` or `latest`; `next` if left out.")
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port on this machine; 0 takes a free one.")
    ] = 8765,
) -> None:
    """Open the local preview: phone, desktop, dark and plain text. It reloads on every save; Ctrl-C stops it.

    Example: biweekly preview next --port 0
    """
    publication = ctx.obj.publication()
    from biweekly.web.preview import preview_app

    door = listen(port)
    web = preview_app(publication.root, environ=os.environ)
    address = f"http://127.0.0.1:{door.getsockname()[1]}"
    try:
        speak.say(_first_look(web.state.desk, issue, address))
        serve_until_stopped(web, door)
    finally:
        door.close()
    speak.say("Preview stopped.")


def listen(port: int) -> socket.socket:
    """Open a port on this machine and no other. ConfigError `port-taken`."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind(("127.0.0.1", port))
        # From now on a visitor waits instead of being turned away, however long the first look takes.
        door.listen(128)
    except OSError as error:
        door.close()
        raise ConfigError(
            f"port {port} cannot be used: {error.strerror or error}", code="port-taken", place="--port",
            hint="biweekly preview --port 0",
        ) from error  # fmt: skip
    return door


def serve_until_stopped(web: Any, door: socket.socket) -> None:
    """Serve a page with live streams until Ctrl-C or SIGTERM, which end the streams first."""
    import asyncio
    import contextlib
    import signal

    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - the server's own words
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().call_soon_threadsafe(web.state.bell.close)
            # Not handed on: the server would end the process by the same signal, before anything is said.
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

    config = uvicorn.Config(web, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=2)
    with contextlib.suppress(KeyboardInterrupt):
        Server(config).run(sockets=[door])


def _first_look(desk: Any, issue: str | None, address: str) -> str:
    """Render once before the browser asks, and say what is there and where."""
    try:
        chosen = desk.resolve(issue or "next")
    except BiweeklyError as error:
        if issue is not None:
            raise
        return f"{error.message[:1].upper()}{error.message[1:]}.\n{address}/    Ctrl-C stops."
    look = desk.look(chosen)
    if look.fault is not None:
        speak.complain(look.fault)
        return f"{address}/i/{chosen}    shows it too, and looks again at every save. Ctrl-C stops."
    proof = look.proof
    size = f"HTML {proof.size_bytes / 1000:.0f} kB, text {len(proof.text.encode()) / 1000:.0f} kB"
    return f"Rendered {chosen} in {proof.took_ms} ms ({size}).\n{address}/i/{chosen}    Ctrl-C stops; every save shows."
