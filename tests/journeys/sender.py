"""A sender as a process, with a lease and a linger of its own: `python sender.py ROOT ISSUE LEASE_SECONDS`."""

import os
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from biweekly.errors import BiweeklyError
from biweekly.model.issue import IssueId
from biweekly.publication import open_publication
from biweekly.wiring import open_office


def main(root: str, issue: str, lease: str) -> int:
    publication = open_publication(Path(root), environ=os.environ)
    office = open_office(publication)
    room = replace(
        office.postroom, lease=timedelta(seconds=float(lease)), linger=timedelta(seconds=float(lease)),
        stop=threading.Event(),
    )  # fmt: skip
    try:
        carried = room.carry(office.mailings.of_issue(IssueId(issue)))
    except BiweeklyError as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return error.exit_code
    sys.stdout.write(f"{carried.ending}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
