"""Shell. `status`: what is next, what is sending, what needs you."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.publication import Publication
    from biweekly.wiring import Office

app = typer.Typer(add_completion=False)

_GRACE: Final = timedelta(minutes=2)  # a running clock has begun it by then


@app.command()
def status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is next, what is sending, and what needs you.

    Example: biweekly status
    """
    from biweekly.wiring import open_office, utc_now

    publication = ctx.obj.publication()
    now = utc_now()
    with open_office(publication) as office:
        found = {
            "next": _coming(publication, office, now),
            "sending": _under_way(office),
            "problems": _problems(publication, office, now),
        }
    if as_json:
        speak.show_json("status", found)
    else:
        _tell(found)


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
    from biweekly.model.mailing import MailingState

    under_way = office.books.in_states(MailingState.SENDING, MailingState.PAUSED)
    if not under_way:
        return None
    return document(under_way[0], *office.mailings.account(under_way[0]))


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
        elif one.state is MailingState.SENDING and tally.to_go + tally.waiting:
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


def _tell(found: dict[str, Any]) -> None:
    coming, sending = found["next"], found["sending"]
    if coming is None:
        speak.show("next      nothing: there is no [schedule]")
    else:
        days, rest = divmod(coming["in_seconds"], 86400)
        away = f"{days} d {rest // 3600} h" if days else f"{rest // 3600} h {rest % 3600 // 60} min"
        name = coming["issue"] or coming["date"]
        when = f"{coming['local']} {coming['timezone']}, in {away}"
        speak.show(f"next      {name}  {coming['state'].replace('_', ' ')}  {when}")
    if sending is None:
        speak.show("sending   nothing")
    else:
        done = sending["planned"] - sending["to_go"]
        speak.show(f"sending   {sending['issue']}  {sending['state']}  {done:,} of {sending['planned']:,}")
    for problem in found["problems"]:
        speak.show(f"{speak.paint('!', 'yellow')}         {problem}")
    if not found["problems"]:
        speak.show("problems  none")
