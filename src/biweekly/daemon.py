"""Edge: processes. A supervisor: starts its children, starts each again alone when it ends, and stops them in order.

Children are in process groups of their own, so that Ctrl-C reaches the supervisor alone and it alone decides. When the
supervisor dies, however it dies, they are told: by the kernel on Linux, and everywhere by the end of their standard
input, which `leash` turns into a SIGTERM.
"""

import contextlib
import errno
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from biweekly.errors import ConfigError

PATIENCE: Final = 35.0  # seconds: 30 for letters in flight, and a little to write down what became of them
LONGEST_WAIT: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Program:
    """A child to keep running: the name it goes by, its command, and the open files it inherits."""

    name: str
    command: Sequence[str]
    files: tuple[int, ...] = ()


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    again_at: float | None = 0.0
    wait: float = 1.0


def supervise(
    programs: Sequence[Program],
    *,
    say: Callable[[str], None],
    first_wait: float = 1.0,
    longest_wait: float = LONGEST_WAIT,
    patience: float = PATIENCE,
) -> int:
    """Keep programs running until SIGTERM or SIGINT, then stop them in good order and return 0.

    A program that ends is started again after `first_wait` seconds, then after twice as long each time up to
    `longest_wait`, beginning anew once it has lived that long. When told to stop, all get SIGTERM; what is still there
    after `patience` seconds, or at a second signal, is killed, and then 1 is returned.
    """
    children = [_Child(one, wait=first_wait) for one in programs]
    with _signals() as (wake, asked):
        while not asked:
            now = time.monotonic()
            for child in children:
                _reap(child, say, now, first_wait, longest_wait)
                if child.process is None and child.again_at is not None and child.again_at <= now:
                    _start(child, now)
            dues = [one.again_at for one in children if one.process is None and one.again_at is not None]
            wake(min((max(0.0, due - now) for due in dues), default=None))
        return _stop(children, say, wake, asked, patience)


def leash() -> None:
    """Ask this process to stop (SIGTERM) once its standard input ends: its supervisor holds the other end."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="leash", daemon=True).start()


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that the pages answer on; port 0 picks a free one.

    The supervisor keeps it, so that a restart of the pages keeps the port and loses no visitor. ConfigError
    `port-taken` or `host-unknown`.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise _no_address(host, error) from error
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(where)
        opened.listen(256)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise _no_address(host, error) from error
        raise ConfigError(
            f"nothing can be answered on {host}:{port}: {error.strerror}", code="port-taken", key="web.port",
            hint="biweekly serve --port 0",
        ) from error  # fmt: skip
    return opened


def _no_address(host: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"{host} is no address of this machine: {error}", code="host-unknown", key="web.host",
        hint='write host = "127.0.0.1" under [web]',
    )  # fmt: skip


def address_of(opened: socket.socket) -> str:
    """Return the address of a listening socket as a browser takes it."""
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# --- one child -------------------------------------------------------------------------------------------------------


def _start(child: _Child, now: float) -> None:
    child.process = subprocess.Popen(
        child.program.command, stdin=subprocess.PIPE, pass_fds=child.program.files, process_group=0,
        preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - the supervisor has one thread
    )  # fmt: skip
    child.began, child.again_at = now, None


def _reap(child: _Child, say: Callable[[str], None], now: float, first_wait: float, longest_wait: float) -> None:
    if child.process is None or (code := child.process.poll()) is None:
        return
    _close(child)
    lived = now - child.began
    child.wait = first_wait if lived >= longest_wait else child.wait
    child.again_at = now + child.wait
    say(f"{child.program.name} {_ending(code)} after {lived:.0f} s; it starts again in {child.wait:.0f} s")
    child.wait = min(child.wait * 2, longest_wait)


def _close(child: _Child) -> None:
    if child.process is not None and child.process.stdin is not None:
        with contextlib.suppress(OSError):
            child.process.stdin.close()
    child.process = None


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _die_with(parent: int) -> Callable[[], None] | None:
    """On Linux, have the kernel tell a child when its supervisor dies; runs in the child, before its program."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return tie


# --- all of them -----------------------------------------------------------------------------------------------------


def _stop(
    children: Sequence[_Child],
    say: Callable[[str], None],
    wake: Callable[[float | None], None],
    asked: Sequence[int],
    patience: float,
) -> int:
    running = [one for one in children if one.process is not None]
    say(f"stopping; {' and '.join(one.program.name for one in running) or 'nothing'} may take up to {patience:.0f} s")
    for child in running:
        _signal(child, signal.SIGTERM)
    until = time.monotonic() + patience
    code = 0
    while any(_is_running(one) for one in running):
        rest = until - time.monotonic()
        if rest <= 0 or len(asked) > 1:
            for child in running:
                if _is_running(child):
                    say(f"{child.program.name} did not end in time and is killed; biweekly status says what it left")
                    _signal(child, signal.SIGKILL)
                    code = 1
            break
        wake(rest)
    for child in running:
        if child.process is not None:
            child.process.wait()
        _close(child)
    say("stopped")
    return code


def _is_running(child: _Child) -> bool:
    return child.process is not None and child.process.poll() is None


def _signal(child: _Child, number: int) -> None:
    if child.process is not None:
        child.process.send_signal(number)


@contextlib.contextmanager
def _signals() -> Iterator[tuple[Callable[[float | None], None], Sequence[int]]]:
    """Give a wait that any signal ends, and the list of those that asked to stop."""
    asked: list[int] = []
    hear, tell = socket.socketpair()
    hear.setblocking(False)
    tell.setblocking(False)

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    def wake(seconds: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(hear, selectors.EVENT_READ)
            selector.select(seconds)
        with contextlib.suppress(BlockingIOError):
            while hear.recv(256):
                pass

    before: dict[int, Any] = {one: signal.signal(one, note) for one in (signal.SIGTERM, signal.SIGINT)}
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
    former = signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    try:
        yield wake, asked
    finally:
        signal.set_wakeup_fd(former)
        for number, handler in before.items():
            signal.signal(number, handler)
        hear.close()
        tell.close()
