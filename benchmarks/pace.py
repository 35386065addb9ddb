"""A permitted rate over TLS while 40 % of the list is at domains that crawl: is it used, and do the others wait?"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import machine
from benchmarks.sinks import open_tls_sink
from benchmarks.sizes import Size
from benchmarks.table import Row
from benchmarks.workshop import Plan, Workshop, biweekly, checked, issue_of

_CRAWL: Final = ".crawl.example"
_CRAWLING_SHARE: Final = 0.4
_START_WITHIN: Final = 30.0
_END_WITHIN: Final = 40.0  # what is on its way gets 30 s
_STOPPED: Final = 5  # the exit code of a mailing that was stopped part-way
# Of a hundred readers, forty are at four large providers that crawl, forty at ten that do not, twenty at small domains.
_DOMAINS: Final = tuple(
    [f"large{n % 4}{_CRAWL}" for n in range(40)]
    + [f"large{n % 10}.example" for n in range(40)]
    + [f"small{n}.example" for n in range(20)]
)


@dataclass(frozen=True, slots=True)
class Paced:
    """What came of a permitted rate. `delays` are those of letters to lanes that do not crawl, in seconds."""

    share: float
    delays: list[float]
    letters: int
    crawled: int
    sink_cpu: float
    sender_cpu: float
    foreign: float


def paced(shop: Workshop, size: Size) -> Iterator[Row]:
    """One row for each permitted rate, and one for how long the others waited."""
    for rate in size.rates:
        machine.say(f"  {rate}/s for {size.paced_seconds:.0f} s")
        done = _pace(shop, size, rate)
        late = sorted(done.delays)[int(len(done.delays) * 0.99)] if done.delays else 0.0
        what = f"permitted {rate}/s over TLS, 40 % crawl"
        cpu = (done.sender_cpu / max(1, done.letters) * 1000, done.sink_cpu / max(1, done.letters) * 1000)
        note = f"{done.letters:,} letters begun, {done.crawled:,} of them to domains that answer after"
        note += f" {size.crawl_ms / 1000:g} s; CPU s per 1,000: ours {cpu[0]:.3f} + sink {cpu[1]:.3f}"
        foreign = machine.loud(done.foreign)
        yield Row(
            what, f"{done.share * rate:,.1f}/s", f"permitted {rate}/s", done.share, "%", floor=0.95, goal=0.98,
            note=note + (f"; {foreign}" if foreign else ""),
        )  # fmt: skip
        yield Row("  p99 delay of the other lanes", f"{late:.2f} s", "", late, "s", goal=1.0, less=True)


def _pace(shop: Workshop, size: Size, rate: int) -> Paced:
    log = shop.folder / f"paced-{rate}.log"
    plan = Plan(size.paced_readers, domains=_DOMAINS)
    with open_tls_sink(shop.folder, log=log, crawl=_CRAWL, crawl_ms=size.crawl_ms) as (sink, certificate):
        root = shop.publication(plan, sink, relay=f'tls = "implicit"\nca_file = "{certificate}"\nrate = {rate}.0')
        issue, watch = issue_of(root), machine.Watch()
        with (shop.folder / "paced.talk").open("w") as talk:
            sender = subprocess.Popen(
                [sys.executable, "-m", "biweekly", "-C", str(root), "send", issue, "--live", "--confirm",
                 f"{issue}:{plan.readers}"], stdout=talk, stderr=talk,
            )  # fmt: skip
            try:
                began = _first(log, sender)
                started = (machine.cpu_of(sender.pid), machine.cpu_of(sink.pid))
                time.sleep(max(0.0, began + size.paced_seconds - time.monotonic()))
                checked(sender.poll() is None, f"a paced mailing ended by itself: {_talk(shop.folder)}")
                spent, sink_spent = machine.cpu_of(sender.pid), machine.cpu_of(sink.pid)
                foreign = watch.foreign(spent + sink_spent)
            finally:
                code = _end(sender)
    checked(code == _STOPPED, f"a paced mailing, told to stop, ended with {code}:\n{_talk(shop.folder)}")
    account = biweekly(root, "report", issue, "--json")
    checked('"adds_up": true' in account, f"after a paced mailing the account does not add up: {account}")
    shop.clear(root)
    begun, quick, crawled = _read(log, until=began + size.paced_seconds)
    # The even pace: what this lane's readers are of the list, they are of the rate.
    gap = 1 / (rate * (1 - _CRAWLING_SHARE))
    delays = [max(0.0, at - began - number * gap) for number, at in enumerate(quick)]
    spent, sink_spent = spent - started[0], sink_spent - started[1]
    return Paced(begun / (rate * size.paced_seconds), delays, begun, crawled, sink_spent, spent, foreign)


def _first(log: Path, sender: "subprocess.Popen[bytes]") -> float:
    """Wait for the first letter to be begun and return when that was."""
    until = time.monotonic() + _START_WITHIN
    while time.monotonic() < until and sender.poll() is None:
        line = log.read_text().partition("\n")[0] if log.exists() else ""
        if line:
            return float(line.split()[0])
        time.sleep(0.05)
    checked(condition=False, what=f"a paced mailing did not begin: {_talk(log.parent)}")
    return 0.0


def _talk(folder: Path) -> str:
    return (folder / "paced.talk").read_text()


def _end(sender: "subprocess.Popen[bytes]") -> int:
    """Stop it in good order and return its exit code; one that does not end is killed."""
    sender.send_signal(signal.SIGTERM)
    try:
        return sender.wait(_END_WITHIN)
    except subprocess.TimeoutExpired:
        sender.kill()
        return sender.wait()


def _read(log: Path, *, until: float) -> tuple[int, list[float], int]:
    """Return how many letters were begun, when those to quick lanes had arrived, and how many crawl."""
    begun, crawled, quick = 0, 0, []
    for line in log.read_text().splitlines():
        at, what, reader = line.split()
        if float(at) > until:
            continue
        crawls = reader.endswith(_CRAWL)
        begun += what == "rcpt"
        crawled += what == "rcpt" and crawls
        if what == "letter" and not crawls:
            quick.append(float(at))
    return begun, quick, crawled
