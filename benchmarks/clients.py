"""Edge: processes. Runs one client against a sink, and counts: letters a second, CPU of both sides, foreign load."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import machine
from benchmarks.sinks import Sink
from benchmarks.workshop import CONNECTIONS, Plan, Workshop, checked, issue_of

_NODEMAILER: Final = Path(__file__).with_name("nodemailer.js")


@dataclass(frozen=True, slots=True)
class Run:
    """What one client did. `rate` is letters a second, seen by the sink where it counts; CPU is seconds per 1,000."""

    rate: float
    cpu: float
    sink_cpu: float
    foreign: float
    memory_mb: float
    told: Mapping[str, Any] = field(default_factory=dict)


Contender = Callable[[], Run]


def interleave(rounds: int, contenders: Mapping[str, Contender]) -> dict[str, list[Run]]:
    """Let everybody run in turn, so many rounds."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            machine.say(f"  round {number + 1} of {rounds}: {name}")
            runs[name].append(contender())
    return runs


def rates(runs: Sequence[Run]) -> list[float]:
    """Return the rates of some runs."""
    return [run.rate for run in runs]


def costs(**parties: Sequence[Run]) -> str:
    """Say what a thousand letters cost each party, client and sink, and how much others disturbed it."""
    words = [
        f"{name.replace('_', ' ')} {median(run.cpu for run in runs):.3f} + sink"
        f" {median(run.sink_cpu for run in runs):.3f}"
        for name, runs in parties.items()
    ]
    foreign = machine.loud(max(run.foreign for runs in parties.values() for run in runs))
    return "CPU s per 1,000: " + ", ".join(words) + (f"; up to {foreign}" if foreign else "")


def run(command: Sequence[str], sink: Sink, letters: int) -> Run:
    """Run a client to its end. One that tells its own figures prints them as its last line, in JSON."""
    sink_before, watch = machine.cpu_of(sink.pid), machine.Watch()
    with tempfile.TemporaryFile("w+") as talk:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=talk, text=True)
        told = process.stdout.read() if process.stdout is not None else ""
        _, status, used = os.wait4(process.pid, 0)
        talk.seek(0)
        complaint = talk.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = watch.seconds()
    checked(process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}:\n{complaint}")
    own: dict[str, Any] = json.loads(told.splitlines()[-1]) if told.strip().endswith("}") else {}
    spent, sink_spent = used.ru_utime + used.ru_stime, machine.cpu_of(sink.pid) - sink_before
    counts = sink.counts
    if counts is not None:
        checked(counts.letters == letters, f"{command[0]}: {letters} letters went out and {counts.letters} arrived")
        seconds = counts.span * letters / max(1, letters - 1)
    return Run(
        rate=letters / max(1e-9, seconds if counts is not None else own.get("seconds", seconds)),
        cpu=own.get("cpu_per_1k", spent / letters * 1000), sink_cpu=sink_spent / letters * 1000,
        foreign=watch.foreign(spent + sink_spent), memory_mb=used.ru_maxrss / 1024, told=own,
    )  # fmt: skip


# --- the contenders --------------------------------------------------------------------------------------------------


def ours(shop: Workshop, plan: Plan, **sink_options: Any) -> Contender:
    """Mail an issue to everybody in a new copy of a publication; every place must end accepted."""

    def contend() -> Run:
        with shop.sinks.open(**sink_options) as sink:
            root = shop.publication(plan, sink)
            done = run([sys.executable, "-m", "benchmarks.ours", str(root), str(plan.readers)], sink, plan.readers)
        shop.clear(root)
        return done

    return contend


def smtp_source(shop: Workshop, letters: int, size_bytes: int) -> Contender | None:
    """Postfix's load generator: one fixed message, nothing recorded. None where it is not here."""
    program = machine.program("smtp-source")
    if program is None:
        return None

    def contend() -> Run:
        with shop.sinks.open() as sink:
            command = [
                program, "-d", "-s", str(CONNECTIONS), "-l", str(size_bytes), "-m", str(letters), "-f", "a@b.example",
                "-t", "r@x.example", f"inet:127.0.0.1:{sink.port}",
            ]  # fmt: skip
            return run(command, sink, letters)

    return contend


def peer(
    shop: Workshop, library: str, letter: Path, letters: int, *, connections: int = CONNECTIONS,
    key: Path | None = None, **sink_options: Any,
) -> Contender:  # fmt: skip
    """Send ready bytes with a library of Python: `benchmarks.peer`."""

    def contend() -> Run:
        with shop.sinks.open(**sink_options) as sink:
            words = ["--port", str(sink.port), "--letter", str(letter), "--letters", str(letters)]
            words += ["--connections", str(connections), *(["--key", str(key)] if key else [])]
            return run([sys.executable, "-m", "benchmarks.peer", library, *words], sink, letters)

    return contend


def nodemailer(shop: Workshop, letter: Path, letters: int, *, key: Path | None = None) -> Contender | None:
    """Send ready bytes with nodemailer's pool. None where there is no node, or it does not find the module."""
    node = machine.program("node")
    if node is None:
        return None
    asked = [node, "-e", "require('nodemailer')"]
    # Asked from where the script stands: that is where node looks for it.
    if subprocess.run(asked, check=False, capture_output=True, cwd=_NODEMAILER.parent).returncode:
        return None

    def contend() -> Run:
        with shop.sinks.open() as sink:
            words = [str(sink.port), str(letter), str(letters), str(CONNECTIONS), *([str(key)] if key else [])]
            return run([node, str(_NODEMAILER), *words], sink, letters)

    return contend


def ready_letter(shop: Workshop, plan: Plan) -> Path:
    """Write a finished letter of an issue, unsigned, for those who only send."""
    from biweekly.audience.validate import require
    from biweekly.model.issue import IssueId
    from biweekly.publication import open_publication
    from biweekly.wiring import open_office

    path = shop.folder / f"letter-{plan.reports}-{plan.words}.eml"
    if not path.exists():
        root = shop.publication(Plan(0, reports=plan.reports, words=plan.words))
        with open_office(open_publication(root, environ={})) as office:
            (letter,) = office.test_letters(IssueId(issue_of(root)), [require("reader@peer.example")])
        path.write_bytes(b"".join(letter.content))
        shop.clear(root)
    return path
