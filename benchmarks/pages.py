"""Readers who leave while an issue goes out: how long their one-click POST takes (RFC 8058)."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.sinks import free_port, wait_for
from benchmarks.sizes import Size
from benchmarks.table import Row
from benchmarks.workshop import Plan, Workshop, checked, issue_of

_EVERY: Final = 0.025  # seconds between two readers
_BODY: Final = b"List-Unsubscribe=One-Click"
_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def clicked(shop: Workshop, size: Size) -> Iterator[Row]:
    """One-click POSTs, 40 a second, each over a connection of its own, while a signed mailing goes out."""
    plan = Plan(size.clicked, sign=("rsa", "ed25519"))
    with shop.sinks.open() as sink:
        root = shop.publication(plan, sink)
        tokens, port = _tokens(root, plan.readers), free_port()
        pages = subprocess.Popen(
            [sys.executable, "-m", "biweekly", "-C", str(root), "serve", "--only", "pages", "--port", str(port)],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        times: list[float] = []
        with (shop.folder / "clicked.talk").open("w") as talk:
            try:
                wait_for(port)
                sender = subprocess.Popen(_sending(root, plan.readers), stdout=talk, stderr=talk)
                _leave(port, tokens, times, sender, root)
                code = sender.wait()
            finally:
                pages.terminate()
                pages.wait(15)
    shop.clear(root)
    told = (shop.folder / "clicked.talk").read_text()
    checked(code == 0, f"the mailing ended with {code} while readers left:\n{told}")
    checked(times, "nobody could leave during the mailing")
    late = sorted(times)[int(len(times) * 0.99)]
    yield Row(
        "one-click POST during a send, p99", f"{late:.0f} ms", "", late, "ms", floor=100, goal=50, less=True,
        note=f"{len(times)} readers left, the middle one within {median(times):.0f} ms",
    )  # fmt: skip


def _sending(root: Path, readers: int) -> Sequence[str]:
    issue = issue_of(root)
    confirmed = f"{issue}:{readers}"
    return [sys.executable, "-m", "biweekly", "-C", str(root), "send", issue, "--live", "--confirm", confirmed]


def _tokens(root: Path, readers: int) -> Sequence[str]:
    """Make the links of readers, last ones first: those of whom the letter has perhaps not left yet."""
    from biweekly.publication import open_publication
    from biweekly.tokens import Purpose
    from biweekly.wiring import open_office

    with open_office(open_publication(root, environ={})) as office:
        signer = office.postroom.signer()
        return [signer.sign(Purpose.UNSUBSCRIBE, number, 1) for number in range(readers, 0, -1)]


def _leave(port: int, tokens: Sequence[str], times: list[float], sender: "subprocess.Popen[bytes]", root: Path) -> None:
    """Press for one reader after another while the mailing goes out. Milliseconds."""
    log = root / "var" / "logs" / f"{issue_of(root)}.jsonl"
    while sender.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.02)
    due = time.perf_counter()
    for token in tokens:
        time.sleep(max(0.0, due - time.perf_counter()))
        if sender.poll() is not None:
            return
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", f"/u/{token}", body=_BODY, headers=_HEADERS)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        # From when this reader pressed, also where the one before had to wait: readers know nothing of each other.
        times.append((time.perf_counter() - due) * 1000)
        checked(answer.status == 200, f"a one-click POST was answered {answer.status}")
        due += _EVERY
