"""Edge: processes. What takes the letters: our own sink (`sink.c`), a slower one with TLS, or Postfix's smtp-sink."""

import contextlib
import ipaddress
import mmap
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks import machine

_SOURCE: Final = Path(__file__).with_name("sink.c")
_COUNTS: Final = struct.Struct("=5Q")


@dataclass(frozen=True, slots=True)
class Counts:
    """What a sink has taken: times are seconds of the monotonic clock."""

    letters: int
    size_bytes: int
    connections: int
    first: float
    last: float

    @property
    def span(self) -> float:
        """The seconds from the first letter to the last."""
        return self.last - self.first


@dataclass(frozen=True)
class Sink:
    """A sink at work. `counts` is None where it keeps none (smtp-sink)."""

    port: int
    pid: int
    board: mmap.mmap | None = field(default=None, repr=False)

    @property
    def counts(self) -> Counts | None:
        """What it has taken so far."""
        if self.board is None:
            return None
        letters, size, connections, first, last = _COUNTS.unpack_from(self.board)
        return Counts(letters, size, connections, first / 1e9, last / 1e9)


class Sinks:
    """Makes sinks; compiles ours once, in `folder`. `own` says whether there is a compiler for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = self._compile()
        self._made = 0

    @property
    def own(self) -> bool:
        """Whether it is our own sink."""
        return self._program is not None

    def _compile(self) -> Path | None:
        compiler = machine.program("cc")
        if compiler is None:
            machine.say("no C compiler here: letters go into smtp-sink, which itself caps at about 2,500/s")
            return None
        made = self._folder / "sink"
        told = subprocess.run(
            [compiler, "-O2", "-o", str(made), str(_SOURCE)], check=False, capture_output=True, text=True
        )
        if told.returncode:
            machine.say(f"{_SOURCE.name} does not compile here:\n{told.stderr}")
            machine.say("letters go into smtp-sink, which itself caps at about 2,500/s")
            return None
        return made

    @contextlib.contextmanager
    def open(
        self, *, latency_ms: float = 0, chunking: bool = True, crawl: Sequence[str] = (), crawl_ms: float = 10_000,
        log: Path | None = None,
    ) -> Iterator[Sink]:  # fmt: skip
        """Run a sink until the block ends; what the options mean stands in `sink.c`."""
        if self._program is None:
            with _smtp_sink() as sink:
                yield sink
            return
        self._made += 1
        path = self._folder / f"counts-{self._made}"
        path.write_bytes(bytes(_COUNTS.size))
        words = ["-s", str(path), "-r", str(latency_ms), "-w", str(crawl_ms)]
        words += [word for suffix in crawl for word in ("-c", suffix)]
        words += [] if chunking else ["-n"]
        words += [] if log is None else ["-l", str(log)]
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), _COUNTS.size, prot=mmap.PROT_READ) as board,
            _running([str(self._program), *words]) as process,
        ):
            yield Sink(_port_of(process), process.pid, board)


@contextlib.contextmanager
def open_tls_sink(folder: Path, *, log: Path, crawl: str, crawl_ms: float) -> Iterator[tuple[Sink, Path]]:
    """Run the sink with TLS (`tls_sink.py`) until the block ends; yields it and the certificate to trust."""
    certificate, key = _certificate(folder)
    command = [
        sys.executable, "-m", "benchmarks.tls_sink", str(certificate), str(key), str(log), crawl, str(crawl_ms),
    ]  # fmt: skip
    with _running(command) as process:
        yield Sink(_port_of(process), process.pid), certificate


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port_of(process: "subprocess.Popen[str]") -> int:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.strip():
        sys.exit("a sink did not start")
    return int(line)


@contextlib.contextmanager
def _smtp_sink() -> Iterator[Sink]:
    program = machine.program("smtp-sink")
    if program is None:
        sys.exit("letters need a C compiler or smtp-sink (Debian: gcc and libc6-dev, or postfix)")
    port = free_port()
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, *as_nobody, f"127.0.0.1:{port}", "100"])
    try:
        wait_for(port)
        yield Sink(port, process.pid)
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, *, seconds: float = 20) -> None:
    """Wait until somebody listens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine, good for a day."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    certificate, key_file = folder / "sink.pem", folder / "sink.key"
    if certificate.exists():
        return certificate, key_file
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return certificate, key_file
