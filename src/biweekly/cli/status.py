"""Shell. `status`: what is next, what is sending, what needs you; with an issue or --watch, lane by lane."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.cli.meter import Course
    from biweekly.cli.standing import Standing
    from biweekly.model.issue import IssueId
    from biweekly.model.mailing import Mailing
    from biweekly.publication import Publication
    from biweekly.wiring import Office

app = typer.Typer(add_completion=False)

_GRACE: Final = timedelta(minutes=2)  # a running clock has begun it by then


_EVERY: Final = 1.0  # seconds between two looks on a terminal and in JSON
_EVERY_ELSEWHERE: Final = 10.0


@app.command()
def status(
    ctx: typer.Context,
    issue: Annotated[
        str | None, typer.Argument(metavar="[ISSUE]", help="A date, `next` or `latest`: its mailing lane by lane.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document; with --watch, one a line.")] = False,
) -> None:
    """Say what is next, what is sending, and what needs you; of an issue, how its mailing stands lane by lane.

    It only reads, and may be asked while another process sends.

    Example: biweekly status --watch
    """
    from biweekly.cli.posting import which_issue
    from biweekly.wiring import open_office

    publication = ctx.obj.publication()
    wanted = None if issue is None else which_issue(publication, issue)
    with open_office(publication) as office:
        look = _Look(publication, office, wanted)
        if watch:
            _watch(look, as_json=as_json)
        elif as_json:
            speak.show_json("status", look.document(detailed=wanted is not None))
        else:
            for line in look.words(detailed=wanted is not None):
                speak.show(line)


class _Look:
    """One look after the other at the same publication."""

    def __init__(self, publication: "Publication", office: "Office", wanted: "IssueId | None") -> None:
        from biweekly.cli.meter import Course

        self._publication = publication
        self._office = office
        self._wanted = wanted
        self._course = Course()
        self._watched: Mailing | None = None

    def document(self, *, detailed: bool) -> dict[str, Any]:
        """Return what scripts read; `detailed` adds the mailing lane by lane."""
        from biweekly.cli.posting import document

        found = self._summary()
        if detailed:
            standing, course = self._standing()
            found["mailing"] = standing and standing.document(
                document(standing.mailing, standing.tally, standing.not_mailed), course
            )
        return found

    def words(self, *, detailed: bool, size: tuple[int, int | None] = (0, None)) -> list[str]:
        """Return what people read, in lines; `size` is width and height of the terminal, 0 and None for any."""
        width, height = size
        lines: list[str] = []
        standing, course = self._standing() if detailed else (None, None)
        if self._wanted is None:
            lines = _told(self._summary())
        if standing is not None:
            room = None if height is None else height - len(lines) - 1
            lines += [""] if lines else []
            lines += standing.words(width=width or 200, height=room, course=course)
        return lines

    def _summary(self) -> dict[str, Any]:
        from biweekly.wiring import utc_now

        now = utc_now()
        return {
            "next": _coming(self._publication, self._office, now),
            "sending": _under_way(self._office),
            "problems": _problems(self._publication, self._office, now),
        }

    def _standing(self) -> "tuple[Standing | None, Course | None]":
        """Read how the mailing stands: the issue's, or the one under way. Its rate is known from the second look on."""
        from biweekly.cli.meter import Course
        from biweekly.cli.standing import Standing
        from biweekly.wiring import utc_now

        mailing = self._office.mailings.of_issue(self._wanted) if self._wanted else _first_under_way(self._office)
        if mailing is None:
            return None, None
        if self._watched is None or self._watched.id != mailing.id:
            self._watched, self._course = mailing, Course()
        standing = Standing(self._office, mailing, utc_now())
        self._course.note(standing.tally.planned - standing.tally.to_go, time.monotonic())
        return standing, self._course


def _watch(look: _Look, *, as_json: bool) -> None:
    """Look again and again; Ctrl-C is the way out, and no failure."""
    try:
        if as_json:
            _repeat(lambda: speak.show_json_line("status", look.document(detailed=True)), _EVERY)
        elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            _draw(look)
        else:
            _repeat(lambda: speak.show("\n".join([*look.words(detailed=True), ""])), _EVERY_ELSEWHERE)
    except KeyboardInterrupt:
        return


def _draw(look: _Look) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

        def show() -> None:
            width, height = shutil.get_terminal_size()
            lines = look.words(detailed=True, size=(width, height))
            text = Text.from_ansi("\n".join(lines), no_wrap=True, overflow="ellipsis")
            live.update(text, refresh=True)

        _repeat(show, _EVERY)


def _repeat(show: Callable[[], None], every: float) -> None:
    while True:
        show()
        time.sleep(every)


def _coming(publication: "Publication", office: "Office", now: datetime) -> dict[str, Any] | None:
    """Return the mailing that goes out next; where none is scheduled, the next date of the rhythm."""
    from biweekly.model.mailing import MailingState

    rhythm = publication.config.schedule
    zone = rhythm.zone if rhythm else UTC
    scheduled = [one for one in office.books.in_states(MailingState.SCHEDULED, MailingState.COOLING_OFF) if one.due]
    if scheduled and scheduled[0].due:
        first = scheduled[0]
        return {"issue": first.issue, "state": first.state, **_times(first.due or now, zone, now)}
    if rhythm is None:
        return None
    from biweekly.cadence import instant, next_nominal

    day = next_nominal(rhythm, after=now.astimezone(zone).date())
    due = instant(day, rhythm.at, rhythm.zone)
    if due <= now:
        day = next_nominal(rhythm, after=day, inclusive=False)
        due = instant(day, rhythm.at, rhythm.zone)
    from biweekly.issues.folder import listing

    draft = next((one.id for one in listing(publication.issues) if one.day == day and not one.was_sent), None)
    state = "not scheduled" if draft is None else "draft"
    return {"issue": draft, "date": day.isoformat(), "state": state, **_times(due, zone, now)}


def _times(due: datetime, zone: Any, now: datetime) -> dict[str, Any]:
    local = due.astimezone(zone)
    return {
        "due": due.isoformat(timespec="seconds").replace("+00:00", "Z"), "local": f"{local:%a %d %b %Y %H:%M}",
        "timezone": str(zone), "in_seconds": max(0, int((due - now).total_seconds())),
    }  # fmt: skip


def _under_way(office: "Office") -> dict[str, Any] | None:
    from biweekly.cli.posting import document

    mailing = _first_under_way(office)
    return None if mailing is None else document(mailing, *office.mailings.account(mailing))


def _first_under_way(office: "Office") -> "Mailing | None":
    from biweekly.model.mailing import MailingState

    return next(iter(office.books.in_states(MailingState.SENDING, MailingState.PAUSED)), None)


def _problems(publication: "Publication", office: "Office", now: datetime) -> list[str]:
    """Name what needs a person: uncertain places, failures, missed dates, mailings that stand still."""
    from biweekly.model.mailing import MailingState

    found = []
    mailings = office.books.in_states(MailingState.SENDING, MailingState.PAUSED, MailingState.SENT)
    newest = max((one.id for one in mailings), default=0)
    for one in mailings:
        tally, _ = office.mailings.account(one)
        if tally.uncertain:
            found.append(f"{one.issue}: {_places(tally.uncertain)} uncertain: biweekly report {one.issue} --csv")
        if tally.failed and one.id == newest:  # those of earlier issues were looked at then
            found.append(f"{one.issue}: {_places(tally.failed)} failed: biweekly report {one.issue} --csv")
        if one.state is MailingState.PAUSED:
            why = f": {one.reason}" if one.reason else ""
            found.append(f"{one.issue}: paused{why}: biweekly resume {one.issue}")
        elif one.state is MailingState.SENDING and tally.to_go + tally.waiting and not _is_carried(office, one, now):
            count = tally.to_go + tally.waiting
            found.append(f"{one.issue}: {count:,} still to go or waiting: biweekly resume {one.issue}")
    found += [
        f"{one.issue}: missed, nothing was sent: {one.reason}: biweekly send {one.issue} --live"
        for one in office.books.in_states(MailingState.MISSED)
    ]
    found += [
        f"{one.issue}: its hour has passed and it has not begun: biweekly serve"
        for one in office.books.in_states(MailingState.SCHEDULED, MailingState.COOLING_OFF)
        if one.due is not None and now - one.due > _GRACE
    ]
    return found + _missed_dates(publication, office, now)


def _is_carried(office: "Office", mailing: "Mailing", now: datetime) -> bool:
    from biweekly.cli.standing import at_work
    from biweekly.store import ledger

    return bool(at_work(ledger.holders(office.engine, mailing.id), now))


def _places(count: int) -> str:
    return "1 place is" if count == 1 else f"{count:,} places are"


def _missed_dates(publication: "Publication", office: "Office", now: datetime) -> list[str]:
    """Say of each date since the issue before last that nothing went out on it, where no mailing tells of it."""
    from biweekly.model.occurrence import OccurrenceState
    from biweekly.serving import find_mailing
    from biweekly.store.desk import Desk

    rhythm = publication.config.schedule
    if rhythm is None:
        return []
    since = (now - timedelta(weeks=2 * rhythm.every_weeks)).date()
    return [
        f"{one.nominal}: {one.reason or 'missed'}"
        for one in Desk(office.engine, publication.newsletter).occurrences(since=since)
        if one.state is OccurrenceState.MISSED
        and find_mailing(publication, office.books, one.nominal, one.issue) is None
    ]


def _told(found: dict[str, Any]) -> list[str]:
    coming, sending = found["next"], found["sending"]
    if coming is None:
        lines = ["next      nothing: there is no [schedule]"]
    else:
        days, rest = divmod(coming["in_seconds"], 86400)
        away = f"{days} d {rest // 3600} h" if days else f"{rest // 3600} h {rest % 3600 // 60} min"
        name = coming["issue"] or coming["date"]
        when = f"{coming['local']} {coming['timezone']}, in {away}"
        lines = [f"next      {name}  {coming['state'].replace('_', ' ')}  {when}"]
    if sending is None:
        lines.append("sending   nothing")
    else:
        done = sending["planned"] - sending["to_go"] - sending["waiting"]
        wait = f", {sending['waiting']:,} waiting" if sending["waiting"] else ""
        lines.append(f"sending   {sending['issue']}  {sending['state']}  {done:,} of {sending['planned']:,}{wait}")
    lines += [f"{speak.paint('!', 'yellow')}         {problem}" for problem in found["problems"]]
    return lines if found["problems"] else [*lines, "problems  none"]
