"""Shell. `calendar`: the dates of coming issues, and where each stands."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from biweekly.cli import speak
from biweekly.errors import ConfigError

if TYPE_CHECKING:
    from biweekly.config import ScheduleConfig
    from biweekly.model.occurrence import Occurrence, Planned
    from biweekly.publication import Publication

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The dates of coming issues.")

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_LOOK_AHEAD: Final = timedelta(days=731)


@dataclass(frozen=True, slots=True)
class _Line:
    """An issue to come: its date, where it stands, and the issue where there is one."""

    planned: "Planned"
    state: str
    issue: str | None
    reason: str | None


@app.command("list")
def list_(
    ctx: typer.Context,
    count: Annotated[int, typer.Option(min=1, max=500, help="How many issues to show.")] = 6,
    as_json: _Json = False,
) -> None:
    """Show the coming issues: date, hour in the publication's zone and in UTC, and where each stands.

    Example: biweekly calendar list --count 12
    """
    publication = ctx.obj.publication()
    rhythm, now = _rhythm(publication), datetime.now(UTC)
    lines = _lines(publication, rhythm, now, count)
    if as_json:
        speak.show_json("calendar", {"dates": [_document(one, rhythm, now) for one in lines]})
        return
    for one in lines:
        speak.show(_row(one, rhythm, now))
        if one.reason:
            speak.show(f"            {one.reason}")
    _warn_of_clock_changes(rhythm, now)


@app.command("next")
def next_(ctx: typer.Context, as_json: _Json = False) -> None:
    """Show the next issue.

    Example: biweekly calendar next --json
    """
    publication = ctx.obj.publication()
    rhythm, now = _rhythm(publication), datetime.now(UTC)
    one = _lines(publication, rhythm, now, 1)[0]
    if as_json:
        speak.show_json("calendar-next", _document(one, rhythm, now))
        return
    from biweekly.cadence import say_instant

    speak.show(_row(one, rhythm, now))
    speak.show(f"  cut-off {say_instant(one.planned.cutoff, rhythm.zone)}")
    if one.reason:
        speak.show(f"  {one.reason}")


def _rhythm(publication: "Publication") -> "ScheduleConfig":
    rhythm = publication.config.schedule
    if rhythm is None:
        raise ConfigError(
            "there is no [schedule], so there are no dates", code="no-schedule", key="schedule", place="config.toml",
            hint="config.example.toml shows a [schedule]",
        )  # fmt: skip
    return rhythm


def _lines(publication: "Publication", rhythm: "ScheduleConfig", now: datetime, count: int) -> list[_Line]:
    from biweekly.cadence import plan_ahead

    today = now.astimezone(rhythm.zone).date()
    coming = [one for one in plan_ahead(rhythm, since=today, now=now, count=count) if one.due > now]
    if publication.config.database.url is None and not (publication.root / "var" / "biweekly.db").exists():
        return [_Line(one, "planned", None, None) for one in coming]
    from biweekly.serving import find_mailing
    from biweekly.store.books import Books
    from biweekly.store.desk import Desk
    from biweekly.wiring import open_store

    engine = open_store(publication)
    try:
        books = Books(engine, publication.newsletter)
        rows = {one.nominal: one for one in Desk(engine, publication.newsletter).occurrences(since=today)}
        lines = []
        for one in coming:
            row = rows.get(one.nominal)
            mailing = find_mailing(publication, books, one.nominal, row.issue if row else None)
            issue = mailing.issue if mailing else row.issue if row else None
            state = mailing.state.value if mailing else _state(row)
            lines.append(_Line(one, state, issue, row.reason if row else None))
        return lines
    finally:
        engine.dispose()


def _state(row: "Occurrence | None") -> str:
    return row.state.value if row is not None else "planned"


def _row(one: _Line, rhythm: "ScheduleConfig", now: datetime) -> str:
    from biweekly.cadence import say_distance

    local = one.planned.due.astimezone(rhythm.zone)
    stands = f"{one.state.replace('_', ' ')}{f' as {one.issue}' if one.issue else ''}"
    hours = f"{local:%a %H:%M} {rhythm.timezone} ({one.planned.due:%H:%M} UTC)"
    return f"{one.planned.nominal}  {hours}  {say_distance(one.planned.due - now):<18}{stands}"


def _document(one: _Line, rhythm: "ScheduleConfig", now: datetime) -> dict[str, Any]:
    from biweekly.cadence import say_distance

    local = one.planned.due.astimezone(rhythm.zone)
    return {
        "date": one.planned.nominal.isoformat(),
        "weekday": f"{one.planned.nominal:%A}",
        "local": local.isoformat(timespec="minutes"),
        "timezone": rhythm.timezone,
        "utc": _iso(one.planned.due),
        "cutoff": _iso(one.planned.cutoff),
        "distance": say_distance(one.planned.due - now),
        "state": one.state,
        "issue": one.issue,
        "reason": one.reason,
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _warn_of_clock_changes(rhythm: "ScheduleConfig", now: datetime) -> None:
    """An hour at which the clocks change is read by a rule that somebody may not expect."""
    from biweekly.cadence import Reading, due_of, nominal_dates, reading

    for nominal in nominal_dates(rhythm, since=now.date()):
        if nominal > (now + _LOOK_AHEAD).date():
            return
        how = reading(nominal, rhythm.at, rhythm.zone)
        if how is Reading.PLAIN:
            continue
        local = due_of(nominal, rhythm).astimezone(rhythm.zone)
        if how is Reading.GAP:
            rule = f"there is no {rhythm.at:%H:%M} on that day, so it is {local:%Y-%m-%d %H:%M}"
        else:
            rule = f"{rhythm.at:%H:%M} comes twice on that day, and the first is meant"
        speak.say(f"{speak.paint('!', 'yellow')} {nominal}: the clocks change; {rule}")
