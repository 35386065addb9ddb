"""The table of figures: `make bench`. What each row means stands in README.md beside this file.

    python -m benchmarks.bench [ROW...] [--short] [--rounds N]

Peers run in the same minutes as we do, in turns, on the same machine; only the ratios say something. --short does a
little of everything, marks nothing, and fails where something does not work.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import letters, machine, million, newsroom, pace, pages
from benchmarks.sizes import FULL, SHORT, Size
from benchmarks.table import Row, head, line
from benchmarks.workshop import Workshop

ROWS: Final[Mapping[str, Callable[[Workshop, Size], Iterator[Row]]]] = {
    "unsigned": letters.unsigned,
    "signed": letters.signed,
    "signed-twice": letters.signed_twice,
    "far": letters.far,
    "paced": pace.paced,
    "million": million.million,
    "clicked": pages.clicked,
    "rendered": newsroom.rendered,
    "previewed": newsroom.previewed,
}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join(ROWS)}; without any, all")
    ask.add_argument("--short", action="store_true", help="does it run, not how fast")
    ask.add_argument("--rounds", type=int, help="how many rounds the contenders run")
    asked = ask.parse_args()
    unknown = [name for name in asked.rows if name not in ROWS]
    if unknown:
        ask.error(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    machine.insist()
    size = SHORT if asked.short else FULL
    if asked.rounds:
        size = replace(size, rounds=asked.rounds)
    missed = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        shop = Workshop(Path(folder))
        print(head(), flush=True)
        for name in asked.rows or ROWS:
            machine.say(f"{name} ...")
            for row in ROWS[name](shop, size):
                print(line(row, marked=size.marks), flush=True)
                missed += row.met == "neither"
    if missed and size.marks:
        machine.say(f"{missed} below the floor")
        sys.exit(1)


if __name__ == "__main__":
    main()
