"""Times what biweekly claims: `make bench`. Figures are ratios of interleaved rounds in one run on one machine.

    render    the sample issue, first and warm
    freeze    an audience of 1,000,000 on SQLite, and bytes a place
    letters   whole letters a second into Postfix's smtp-sink on loopback, claims and outcomes at synchronous=FULL,
              beside the standard library's smtplib sending ready bytes that differ in nothing

Absolute numbers are this machine's; only the ratios say something. smtp-sink itself tops out near 2,500 big letters a
second, so a client that reaches it is no longer what is measured.
"""

import argparse
import os
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from biweekly.audience.validate import require
from biweekly.model.issue import IssueId
from biweekly.model.mailing import MailingKind
from biweekly.newsroom import open_newsroom
from biweekly.publication import Publication, data_root, open_publication
from biweekly.store import open_database, reading, writing
from biweekly.store.books import Books
from biweekly.store.migrations import upgrade
from biweekly.wiring import open_office

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def clocked(call: Callable[[], object]) -> float:
    """Return the seconds a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def biweekly(root: Path, *words: str) -> None:
    """Run a command in a publication."""
    subprocess.run([sys.executable, "-m", "biweekly", "-C", str(root), *words], check=True, capture_output=True)


@contextmanager
def publication(port: int | None, readers: int) -> Iterator[Publication]:
    """Make a throwaway publication of the sample reports with invented subscribers."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "pub"
        subprocess.run([sys.executable, "-m", "biweekly", "init", str(root), "--no-input"], check=True,
                       capture_output=True)  # fmt: skip
        shutil.copytree(data_root() / "reports", root / "reports", dirs_exist_ok=True)
        if port is not None:
            with (root / "config.toml").open("a") as config:
                config.write(f'\n[[relay]]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nconnections = 10\n')
                config.write("[delivery]\nbatch = 200\n")
        roster = root / "subscribers" / "readers.csv"
        roster.write_text("email,name\n" + "".join(f"r{n}@d{n % 40}.example,Reader {n}\n" for n in range(readers)))
        biweekly(root, "subscribers", "import", str(roster), "--apply")
        biweekly(root, "issue", "compose")
        yield open_publication(root, environ={})


def bench_render() -> None:
    """Render the sample issue: once cold, then warm."""
    with publication(None, 1) as pub:
        newsroom = open_newsroom(pub)
        issue = next(folder.name for folder in pub.issues.iterdir())
        cold = clocked(lambda: newsroom.render_issue(IssueId(issue), now=NOW))
        warm = [clocked(lambda: newsroom.render_issue(IssueId(issue), now=NOW)) for _ in range(7)]
        edition = newsroom.render_issue(IssueId(issue), now=NOW)
        html = max(len((one.html or "").encode()) for one in edition.variants)
        print(f"render    {len(edition.reports)} reports, {html / 1000:.0f} kB of HTML: first {cold * 1000:.0f} ms,"
              f" warm {statistics.median(warm) * 1000:.0f} ms")  # fmt: skip


def bench_freeze(readers: int) -> None:
    """Freeze an audience on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{folder}/b.db")
        upgrade(engine)
        domains = ["large.example"] * 40 + ["second.example"] * 15 + [f"d{n}.example" for n in range(2000)]
        with writing(engine) as connection:
            connection.exec_driver_sql(
                "INSERT INTO subscriber (id, key_hash, address_id, standing, variant, since) VALUES (?, ?, ?, ?, ?, 0)",
                [(n, os.urandom(16), n, "active", "html") for n in range(1, readers + 1)],
            )
            connection.exec_driver_sql(
                "INSERT INTO address (id, subscriber, address, name, domain, at) VALUES (?, ?, ?, ?, ?, 0)",
                [(n, n, f"r{n}@x", f"Reader {n}", domains[n * 7919 % len(domains)]) for n in range(1, readers + 1)],
            )
        books = Books(engine, "main")
        took = clocked(
            lambda: books.enter_and_begin(
                IssueId("i"), MailingKind.REGULAR, ("0" * 64, "w", b""), expected=readers, now=NOW
            )
        )
        with reading(engine) as connection:
            size = connection.exec_driver_sql(
                "SELECT sum(pgsize) FROM dbstat WHERE name IN ('audience', 'uq_audience_subscriber')"
            ).scalar_one()
            lanes = connection.exec_driver_sql("SELECT count(*) FROM lane").scalar_one()
        engine.dispose()
        print(f"freeze    {readers:,} places in {took:.1f} s, {size / readers:.0f} bytes a place, {lanes} lanes")


@contextmanager
def sink() -> Iterator[int]:
    """Run Postfix's smtp-sink on a free port."""
    program = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin")
    if program is None:
        sys.exit("letters   needs smtp-sink (Debian: postfix)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, *as_nobody, f"127.0.0.1:{port}", "100"])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


def peer_smtplib(port: int, letter: bytes, count: int) -> None:
    """Send ready bytes with the standard library, over one connection: threads do not help it."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        for n in range(count):
            client.sendmail("news@review.example", [f"r{n}@d.example"], letter)


def bench_letters(readers: int, rounds: int) -> None:
    """Send whole mailings and the peer's letters in turns."""
    ours, theirs, size = [], [], 0
    with sink() as port:
        for _ in range(rounds):
            with publication(port, readers) as pub:
                issue = IssueId(next(folder.name for folder in pub.issues.iterdir()))
                office = open_office(pub)
                took = clocked(partial(office.mailings.send, issue, confirmed=readers, now=NOW))
                tally = office.books.tally(office.mailings.of_issue(issue).id)
                assert tally.accepted == readers, str(tally)
                ours.append(readers / took)
                (letter,) = office.test_letters(issue, [require("r1@d.example")])
                body = b"".join(letter.content)
                size = len(body)
                office.close()
            count = max(200, readers // 5)
            theirs.append(count / clocked(partial(peer_smtplib, port, body, count)))
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(f"letters   {size / 1000:.0f} kB each, 10 connections: {mine:,.0f}/s from command to account;"
          f" smtplib with ready bytes {peer:,.0f}/s; ratio {mine / peer:.1f}")  # fmt: skip


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("what", nargs="*", default=["render", "freeze", "letters"])
    ask.add_argument("--short", action="store_true", help="a tenth of the size: does it run, not how fast")
    chosen = ask.parse_args()
    scale = 10 if chosen.short else 1
    if "render" in chosen.what:
        bench_render()
    if "freeze" in chosen.what:
        bench_freeze(1_000_000 // scale)
    if "letters" in chosen.what:
        bench_letters(10_000 // scale, 3 if scale == 1 else 1)


if __name__ == "__main__":
    main()
