"""A process that takes and settles milestones until none is due, and says so line by line: URL, NOW as arguments."""

import sys
from datetime import datetime

from biweekly.model.occurrence import MilestoneState, Ruling
from biweekly.store import open_database
from biweekly.store.desk import Desk


def main() -> None:
    url, now = sys.argv[1], datetime.fromisoformat(sys.argv[2])
    desk = Desk(open_database(url), "main")
    while (taken := desk.take(now=now)) is not None:
        print("took", taken.occurrence.nominal, taken.kind, flush=True)  # noqa: T201 - the parent listens
        desk.settle(taken, Ruling(MilestoneState.DONE, "done"), now=now)
        print("settled", taken.occurrence.nominal, taken.kind, flush=True)  # noqa: T201 - the parent listens


if __name__ == "__main__":
    main()
