"""A Postfix of a test's own: letters come in at its doors on loopback and leave for one relay there, and nowhere else.

It is the installed one with a folder of its own for configuration, queue, data and log, so that what runs on this
machine already is not touched. Nothing is delivered here, nothing is looked up in DNS. It ends with the test; where the
test is killed, after `_LONGEST`.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

_PATH: Final = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
_PATIENCE: Final = 30.0  # seconds
_LONGEST: Final = 600  # seconds that a Postfix runs at most, whatever became of the test
_TRIES: Final = 5  # at ports that nobody else has taken meanwhile

_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = postfix.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.1/32
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:nobody lives here
relayhost = [127.0.0.1]:{relay}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
in_flow_delay = 0
"""
_MASTER: Final = """\
qmgr    unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce  unix - - n - 0 bounce
defer   unix - - n - 0 bounce
trace   unix - - n - 0 bounce
smtp    unix - - n - - smtp
error   unix - - n - - error
retry   unix - - n - - error
anvil   unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Door:
    """A port. `settings` of its smtpd(8) differ from the usual ones; `adds` is a header field put into every letter."""

    settings: Mapping[str, str] = field(default_factory=dict)
    adds: str = ""


class Postfix:
    """Runs between `with` and its end, for the relay at that port of 127.0.0.1. Skips by name where it cannot."""

    def __init__(self, relay: int, doors: Mapping[str, Door] | None = None) -> None:
        self._relay = relay
        self._doors = doors or {"usual": Door()}
        self._ports: dict[str, int] = {}
        self._as_root: list[str] = []
        self.folder = Path()
        self._daemons = ""
        self._master: subprocess.Popen[bytes] | None = None
        self._ending = ExitStack()

    def port(self, door: str = "usual") -> int:
        """Where a door is."""
        return self._ports[door]

    @property
    def log(self) -> str:
        """What it says it did."""
        return self._sudo("cat", str(self.folder / "log")).stdout

    def wait_until_empty(self) -> None:
        """Wait until nothing is in its queue: all has been taken by the relay, or has come back to its sender."""
        # In the order in which a message moves; `deferred` never empties in time and shows up as the failure it is.
        queues = [str(self.folder / "queue" / one) for one in ("incoming", "active", "deferred")]
        deadline = time.monotonic() + _PATIENCE
        while self._sudo("find", *queues, "-type", "f").stdout:
            if time.monotonic() > deadline:
                pytest.fail(f"Postfix has not passed everything on:\n{self.log}")
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self._as_root = _way_to_root()
        with ExitStack() as ending:
            self.folder = Path(tempfile.mkdtemp(prefix="bw-postfix-"))
            ending.callback(self._sudo, "rm", "-rf", str(self.folder))
            self._furnish()
            for _ in range(_TRIES):
                if self._start():
                    break
            else:
                pytest.fail(f"Postfix does not start:\n{self.log}")
            ending.callback(self._stop)
            self._ending = ending.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.__exit__(kind, error, trace)

    # --- small steps ---------------------------------------------------------------------------------------------

    def _sudo(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._as_root, *words], capture_output=True, text=True, check=False, env={**os.environ, "PATH": _PATH}
        )

    def _furnish(self) -> None:
        folder = self.folder
        folder.chmod(0o755)
        (folder / "etc").mkdir()
        (folder / "queue").mkdir()
        self._daemons, owner = self._sudo("postconf", "-dh", "daemon_directory", "mail_owner").stdout.split()
        self._sudo("install", "-d", "-o", owner, str(folder / "data"))
        text = _MAIN.format(folder=folder, daemons=self._daemons, relay=self._relay)
        _write_settled(folder / "etc/main.cf", text)

    def _start(self) -> bool:
        """Open the doors at ports that were free just now; False where another was faster."""
        etc = self.folder / "etc"
        self._ports = dict(zip(self._doors, _free_ports(len(self._doors)), strict=True))
        _write_settled(etc / "master.cf", _MASTER + "".join(self._services()))
        checked = self._sudo("postfix", "-c", str(etc), "check")
        if checked.returncode:
            pytest.fail(f"Postfix finds its folder unfit:\n{checked.stderr}")
        self._master = subprocess.Popen(
            [*self._as_root, f"{self._daemons}/master", "-c", str(etc), "-s", "-e", str(_LONGEST)],
            start_new_session=True,
        )
        deadline = time.monotonic() + _PATIENCE
        for port in self._ports.values():
            while not _greets(port):
                if self._master.poll() is not None or time.monotonic() > deadline:
                    self._end_master()
                    return False
                time.sleep(0.01)
        return self._master.poll() is None

    def _services(self) -> list[str]:
        """Write an smtpd(8) and a cleanup(8) for each door."""
        lines = []
        for name, door in self._doors.items():
            chosen = dict(door.settings, cleanup_service_name=f"cleanup-{name}")
            options = "".join(f" -o {{ {key} = {value} }}" for key, value in chosen.items())
            lines.append(f"127.0.0.1:{self._ports[name]} inet n - n - - smtpd{options}\n")
            checks = ""
            if door.adds:
                table = self.folder / "etc" / f"adds-{name}"
                _write_settled(table, f"/^MIME-Version:/ PREPEND {door.adds}\n")
                checks = f" -o header_checks=regexp:{table}"
            lines.append(f"cleanup-{name} unix n - n - 0 cleanup{checks}\n")
        # What comes back to a sender is put into the queue by this one.
        return [*lines, "cleanup unix n - n - 0 cleanup\n"]

    def _stop(self) -> None:
        self._end_master()
        # An smtpd(8) that was at its door may outlive its master by a moment.
        deadline = time.monotonic() + _PATIENCE
        while any(_listens(port) for port in self._ports.values()) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _end_master(self) -> None:
        """Stop master(8), or sudo, which hands the signal on; master stops all that it has started."""
        if self._master is not None and self._master.poll() is None:
            self._sudo("kill", str(self._master.pid))
            self._master.wait(_PATIENCE)


def _way_to_root() -> list[str]:
    """Return the words before a command that only root may run; skips by name where there are none, or no Postfix."""
    if shutil.which("postfix", path=_PATH) is None:
        pytest.skip("Postfix is missing")
    if os.geteuid() == 0:
        return []
    # .ci/run has asked for root already, to install what is needed; `make test` alone never does.
    if os.environ.get("BIWEEKLY_NO_SKIPS") == "1" and shutil.which("sudo") is not None:
        return ["sudo", "-n"]
    return pytest.skip("Postfix is started by root alone")


def _write_settled(path: Path, text: str) -> None:
    """Write a file that Postfix reads at once: for two seconds it would take it for one that is still being written."""
    path.write_text(text)
    long_ago = time.time() - 60
    os.utime(path, (long_ago, long_ago))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as probes:
        found = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in found:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in found]


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as knock:
            return knock.recv(4) == b"220 "
    except OSError:
        return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE).close()
    except ConnectionError:
        return False
    return True
