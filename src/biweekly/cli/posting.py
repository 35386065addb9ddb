"""Shell. What the mailing commands share: the office that stops in good order, the account in words, exit codes."""

import getpass
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from biweekly.cli import speak
from biweekly.errors import Refused, UsageError

if TYPE_CHECKING:
    from biweekly.model.issue import IssueId
    from biweekly.model.mailing import Mailing, Tally
    from biweekly.publication import Publication
    from biweekly.services.mailings import Carried
    from biweekly.wiring import Office

_STOPPED, _NO_RELAY, _LOOK, _REFUSED = 5, 75, 1, 4


def which_issue(publication: "Publication", word: str) -> "IssueId":
    """Say which issue is meant by an id, `next` or `latest`."""
    from biweekly.issues.folder import resolve

    schedule = publication.config.schedule
    now = datetime.now(schedule.zone if schedule else UTC)
    return resolve(publication.issues, word, today=now.date())


def confirmed(issue: "IssueId", count: int, subject: str, confirm: str | None, *, command: str) -> int:
    """Return the number of subscribers that a person or a script confirmed, for a command that mails so many.

    Raises UsageError `confirm-form`; Refused `issue-changed` and `not-confirmed`.
    """
    if confirm is not None:
        found = re.fullmatch(r"(?P<issue>[^:]+):(?P<count>\d+)", confirm)
        if found is None:
            raise UsageError(
                "--confirm takes the issue and the number of subscribers", code="confirm-form",
                hint=f"--confirm {issue}:{count}",
            )  # fmt: skip
        if found["issue"] != issue:
            raise Refused(
                f"{found['issue']} was confirmed, and this is {issue}", code="issue-changed",
                hint=f"--confirm {issue}:{count}",
            )  # fmt: skip
        return int(found["count"])
    if not sys.stdin.isatty():
        raise Refused(
            "a live send is confirmed by its number of subscribers", code="not-confirmed",
            hint=f"biweekly {command} {issue} --live --confirm {issue}:{count}",
        )  # fmt: skip
    speak.say(f"This mails {issue} “{subject}”.")
    typed = typer.prompt(f"Type the number of subscribers to send to ({count})", err=True)
    if typed.strip().replace(",", "") != str(count):
        raise Refused("that is another number, so nothing was sent", code="not-confirmed")
    return count


@contextmanager
def sending_office(publication: "Publication") -> Iterator["Office"]:
    """Open the office for a command that sends: Ctrl-C and SIGTERM end its mailing in good order."""
    from biweekly.wiring import open_office

    with open_office(publication, apart=True) as office, _stopping(office.stop):
        yield office


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a stop in good order; a second one ends at once."""

    def asked(number: int, _frame: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        speak.say("\nStopping: letters in flight get 30 seconds. Again to stop at once.")
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def document(mailing: "Mailing", tally: "Tally", not_mailed: Mapping[str, int]) -> dict[str, Any]:
    """Return the account of a mailing as scripts read it."""
    return {
        "issue": mailing.issue, "mailing": mailing.id, "kind": mailing.kind, "state": mailing.state,
        "edition": mailing.edition,
        "planned": tally.planned, "to_go": tally.to_go, "accepted": tally.accepted, "waiting": tally.waiting,
        "failed": tally.failed, "uncertain": tally.uncertain, "skipped": tally.skipped, "adds_up": tally.adds_up,
        "not_mailed": dict(not_mailed), "started": _iso(mailing.started), "finished": _iso(mailing.finished),
        "reason": mailing.reason,
    }  # fmt: skip


def tell(publication: "Publication", mailing: "Mailing", tally: "Tally", not_mailed: Mapping[str, int]) -> None:
    """Print the account of a mailing; its last line is the sum."""
    marks = ", with failures" if mailing.state == "sent" and (tally.failed or tally.uncertain) else ""
    rehearsal = "   (a rehearsal: it went to the built-in mailbox)" if mailing.kind == "test" else ""
    speak.show(f"{mailing.issue}  {mailing.state.replace('_', ' ')}{marks}{rehearsal}")
    for line in _times(publication, mailing):
        speak.show(f"  {line}")
    if mailing.reason:
        speak.show(f"  {mailing.reason}")
    rows = (
        ("accepted", tally.accepted, "taken by the relay"),
        ("waiting", tally.waiting, "tried again on their own; biweekly resume or serve goes on"),
        ("failed", tally.failed, "refused for the reader's own address, or given up"),
        ("uncertain", tally.uncertain, "may have arrived; nothing retries them by itself: biweekly resolve"),
        ("skipped", tally.skipped, "left or suppressed after planning, or the mailing was ended"),
        ("to go", tally.to_go, "not tried yet"),
    )
    for word, count, meaning in rows:
        if count or word == "accepted":
            speak.show(f"  {word:<10} {count:>9,}   {meaning}")
    if not_mailed:
        reasons = " · ".join(f"{count:,} {reason}" for reason, count in sorted(not_mailed.items()))
        speak.show(f"  not mailed {sum(not_mailed.values()):>9,}   {reasons}")
    if not tally.adds_up:
        speak.show("  These numbers do not add up. Please keep var/ as it is and report this.")
    speak.show(str(tally))


def _times(publication: "Publication", mailing: "Mailing") -> list[str]:
    schedule = publication.config.schedule
    zone = schedule.zone if schedule else UTC
    if mailing.started is None:
        return [f"due {mailing.due.astimezone(zone):%a %d %b %Y %H:%M %Z}"] if mailing.due else []
    start = mailing.started.astimezone(zone)
    end = f"–{mailing.finished.astimezone(zone):%H:%M:%S}" if mailing.finished else ""
    return [f"{start:%a %d %b %Y %H:%M:%S}{end} {schedule.timezone if schedule else 'UTC'}"]


def exit_code(carried: "Carried", tally: "Tally") -> int:
    """Say how a send ended, as an exit code."""
    if carried.ending == "no relay":
        return _NO_RELAY
    if carried.ending in {"paused", "stopped"}:
        return _STOPPED
    if carried.ending == "busy":
        return _REFUSED
    return _LOOK if tally.failed or tally.waiting or tally.uncertain or tally.to_go else 0


def account_for(
    publication: "Publication", office: "Office", issue: "IssueId", carried: "Carried", mailing: "Mailing", *,
    as_json: bool,
) -> int:  # fmt: skip
    """Print what became of a mailing that was just carried, and return the exit code."""
    mailing = office.books.find(mailing.id)
    tally, others = office.mailings.account(mailing)
    if carried.trouble is not None:
        speak.complain(carried.trouble)
    if as_json:
        speak.show_json("report", document(mailing, tally, others))
    else:
        tell(publication, mailing, tally, others)
    code = exit_code(carried, tally)
    if code == _STOPPED or carried.ending == "no relay":
        speak.say(f"Nobody is lost and nobody is mailed twice. Go on with: biweekly resume {issue}")
    return code


def who_asks() -> str:
    """Name the person at the keyboard, as far as the system knows: for rulings and the audit log."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # which of them depends on the system and the release of Python
        return "somebody"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")
