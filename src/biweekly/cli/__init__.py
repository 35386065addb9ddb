"""Shell. The command tree: a file for each noun, found and imported only when it is called.

Importing this module must stay cheap: `biweekly --help` answers within 0.3 s.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Final

# The everyday verbs and the nouns, in the order of --help: name, module, panel, one line.
COMMANDS: Final[Sequence[tuple[str, str, str, str]]] = (
    ("demo", "demo", "Start here", "Try everything on sample data, in a throwaway folder"),
    ("init", "init", "Start here", "Start a publication in an empty or new folder"),
    ("doctor", "doctor", "Start here", "Find what is wrong and say how to put it right"),
    ("preview", "preview", "Start here", "Open the local preview; it reloads on every save"),
    ("reports", "reports", "An issue's life", "Take in, list and check the manuscripts"),
    ("issue", "issue", "An issue's life", "Compose, plan and render an issue"),
    ("test", "test", "An issue's life", "Send a marked copy that never counts"),
    ("send", "send", "An issue's life", "Show the plan of a mailing; with --live, send it"),
    ("schedule", "schedule", "An issue's life", "Freeze an issue and set its time"),
    ("unschedule", "unschedule", "An issue's life", "Take a scheduled issue back"),
    ("pause", "pause", "An issue's life", "Let a mailing under way rest"),
    ("resume", "resume", "An issue's life", "Go on with a mailing that stopped part-way"),
    ("resolve", "resolve", "An issue's life", "Settle the places whose fate is uncertain"),
    ("resend", "resend", "An issue's life", "Try the places that have failed once more"),
    ("stop-press", "stop_press", "An issue's life", "Give whom a paused mailing has not reached another edition"),
    ("cancel", "cancel", "An issue's life", "End a paused mailing for good"),
    ("report", "report", "An issue's life", "The account of a mailing, adding up to the last subscriber"),
    ("status", "status", "An issue's life", "What is next, what is sending, what needs you"),
    ("subscribers", "subscribers", "Subscribers", "Import, list, suppress and erase subscribers"),
    ("calendar", "calendar", "Running it", "The dates of coming issues"),
    ("serve", "serve", "Running it", "Run the public pages, the scheduler and the sender"),
    ("dkim", "dkim", "Running it", "Make the keys that sign letters"),
    ("db", "db", "Running it", "Look the database over, and bring it up to date"),
)


def main() -> None:
    """Run the program: the entry point of the `biweekly` script."""
    from biweekly.cli.frame import run

    sys.exit(run(sys.argv[1:]))


def load(module: str) -> object:
    """Import a noun's module and return its `app`, a typer application."""
    return importlib.import_module(f"biweekly.cli.{module}").app
