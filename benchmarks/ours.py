"""Wiring. One of the contenders: mails a publication's issue as `send --live` does, and tells what that cost.

    python -m benchmarks.ours FOLDER READERS

The CPU counted is that from the first commit of outcomes to the last: starting, rendering and freezing are other rows.
"""

import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.workshop import checked, issue_of

from biweekly.model.issue import IssueId
from biweekly.model.mailing import Settled
from biweekly.publication import open_publication
from biweekly.wiring import open_office, utc_now


class Meter:
    """Reads the clocks of CPU, of the process and of each kind of thread, whenever outcomes were committed."""

    def __init__(self) -> None:
        self.letters = 0
        self.first: tuple[int, float, dict[str, float]] | None = None
        self.last: tuple[int, float, dict[str, float]] = (0, 0.0, {})

    def heard(self, settled: Sequence[Settled]) -> None:
        """Take note; called on the thread that has the database."""
        self.letters += len(settled)
        self.last = (self.letters, time.process_time(), self._threads())
        self.first = self.first or self.last

    def _threads(self) -> dict[str, float]:
        used: dict[str, float] = {}
        for thread in threading.enumerate():
            if thread.ident is not None:
                name = thread.name.partition("_")[0]
                used[name] = used.get(name, 0.0) + time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        return used

    def report(self) -> dict[str, object]:
        """Say what 1,000 letters cost, in seconds of CPU."""
        first = self.first or self.last
        letters = max(1, self.last[0] - first[0])
        threads = {name: (used - first[2].get(name, 0.0)) / letters * 1000 for name, used in self.last[2].items()}
        return {"cpu_per_1k": (self.last[1] - first[1]) / letters * 1000, "threads": threads}


def main() -> None:
    root, readers = Path(sys.argv[1]), int(sys.argv[2])
    meter, began = Meter(), time.perf_counter()
    with open_office(open_publication(root, environ={}), progress=meter.heard) as office:
        mailing, carried = office.mailings.send(IssueId(issue_of(root)), confirmed=readers, now=utc_now())
        seconds = time.perf_counter() - began
        tally = office.books.tally(mailing.id)
    checked(carried.ending == "done" and tally.accepted == readers, f"not everybody was mailed: {tally}")
    print(json.dumps({"letters": readers, "seconds": seconds, **meter.report()}))


if __name__ == "__main__":
    main()
