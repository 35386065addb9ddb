"""What an editor waits for: an issue rendered, and a save seen in the preview."""

import http.client
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.sizes import Size
from benchmarks.table import Row
from benchmarks.workshop import REPORTS, Plan, Workshop, checked, issue_of

_NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
_SEEN_WITHIN: Final = 10.0


def rendered(shop: Workshop, size: Size) -> Iterator[Row]:
    """An issue of 15 reports: the first time, and again."""
    from biweekly.model.issue import IssueId
    from biweekly.newsroom import open_newsroom
    from biweekly.publication import open_publication

    root = shop.publication(Plan(0))
    newsroom, issue = open_newsroom(open_publication(root, environ={})), IssueId(issue_of(root))
    times = []
    for _ in range(size.renders + 1):
        began = time.perf_counter()
        edition = newsroom.render_issue(issue, now=_NOW)
        times.append((time.perf_counter() - began) * 1000)
    html = max(len((one.html or "").encode()) for one in edition.variants)
    warm = median(times[1:])
    yield Row(
        f"an issue of {REPORTS} reports rendered, warm", f"{warm:.0f} ms", "", warm, "ms", floor=100, goal=60,
        less=True, note=f"{html / 1000:.0f} KB of HTML; the first time in this process {times[0]:.0f} ms",
    )  # fmt: skip
    shop.clear(root)


def previewed(shop: Workshop, size: Size) -> Iterator[Row]:
    """From a report saved to the page that shows it."""
    root = shop.publication(Plan(0))
    issue = issue_of(root)
    report = min((root / "reports").glob("*.md"))
    preview = subprocess.Popen(
        [sys.executable, "-m", "biweekly", "-C", str(root), "preview", issue, "--port", "0"], stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        port = _port_of(preview)
        times = [_seen_after(port, issue, report, f"Saved{number}") for number in range(size.saves + 1)][1:]
    finally:
        preview.terminate()
        preview.wait(10)
    took = median(times)
    yield Row("save to new preview", f"{took:.2f} s", "", took, "s", floor=0.5, goal=0.3, less=True)
    shop.clear(root)


def _port_of(preview: "subprocess.Popen[str]") -> int:
    for line in preview.stderr or ():
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        if found:
            return int(found[1])
    checked(condition=False, what="the preview did not start")
    return 0


def _seen_after(port: int, issue: str, report: Path, word: str) -> float:
    """Save a report with a new word in it, as an editor's page hears of it, and return when the page has it."""
    stream = http.client.HTTPConnection("127.0.0.1", port, timeout=_SEEN_WITHIN)
    stream.request("GET", "/events")
    events = stream.getresponse()
    events.readline()
    # Two saves within a moment count as one: this one shall stand alone.
    time.sleep(0.5)
    began = time.perf_counter()
    text = report.read_text()
    report.write_text(re.sub(r'^title = "(?:Saved\d+ )?', f'title = "{word} ', text, count=1, flags=re.MULTILINE))
    while not events.readline().startswith(b"event: changed"):
        pass
    # As a browser does: the page, which renders, and then the frame in it.
    page = http.client.HTTPConnection("127.0.0.1", port, timeout=_SEEN_WITHIN)
    for path in (f"/i/{issue}", f"/i/{issue}/mail"):
        page.request("GET", path)
        shown = page.getresponse().read()
    took = time.perf_counter() - began
    stream.close()
    page.close()
    checked(word.encode() in shown, f"the preview does not show what was saved: {word}")
    return took
