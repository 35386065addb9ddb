"""Wiring. One of the contenders: mails a publication's issue as `send --live` does, and tells what that cost.

    python -m benchmarks.ours FOLDER READERS

What counts is the time from the first commit of outcomes to the last: starting, rendering and freezing are other rows.
"""

import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workshop import checked, issue_of

from biweekly.model.issue import IssueId
from biweekly.model.mailing import Settled
from biweekly.publication import open_publication
from biweekly.wiring import open_office, utc_now


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at one moment: letters so far, seconds, seconds of CPU, and those of each kind of thread."""

    letters: int
    at: float
    cpu: float
    threads: Mapping[str, float]


class Meter:
    """Reads the clocks of CPU, of the process and of each kind of thread, whenever outcomes were committed."""

    def __init__(self) -> None:
        self.letters = 0
        self.first: Reading | None = None
        self.last = Reading(0, 0.0, 0.0, {})

    def heard(self, settled: Sequence[Settled]) -> None:
        """Take note; called on the thread that has the database."""
        self.letters += len(settled)
        self.last = Reading(self.letters, time.perf_counter(), time.process_time(), self._threads())
        self.first = self.first or self.last

    def _threads(self) -> dict[str, float]:
        used: dict[str, float] = {}
        for thread in threading.enumerate():
            if thread.ident is not None:
                name = thread.name.partition("_")[0]
                used[name] = used.get(name, 0.0) + time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        return used

    def report(self) -> dict[str, object]:
        """Say how long all took at the pace of those between, and what 1,000 letters cost, in seconds of CPU."""
        first, last = self.first or self.last, self.last
        letters = max(1, last.letters - first.letters)
        threads = {name: (used - first.threads.get(name, 0.0)) / letters * 1000 for name, used in last.threads.items()}
        seconds = (last.at - first.at) * last.letters / letters
        return {"seconds": seconds, "cpu_per_1k": (last.cpu - first.cpu) / letters * 1000, "threads": threads}


def main() -> None:
    root, readers = Path(sys.argv[1]), int(sys.argv[2])
    meter = Meter()
    with open_office(open_publication(root, environ={}), progress=meter.heard) as office:
        mailing, carried = office.mailings.send(IssueId(issue_of(root)), confirmed=readers, now=utc_now())
        tally = office.books.tally(mailing.id)
    checked(carried.ending == "done" and tally.accepted == readers, f"not everybody was mailed: {tally}")
    print(json.dumps(meter.report()))


if __name__ == "__main__":
    main()
