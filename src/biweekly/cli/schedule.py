"""Shell. `schedule`: freeze an issue and set its time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from biweekly.cli import speak
from biweekly.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from biweekly.config import ScheduleConfig

app = typer.Typer(add_completion=False)


@app.command()
def schedule(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="[ISSUE]", help="A date, `next` or `latest`.")] = "next",
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help='"2026-11-26 09:00" or "09:00" in the zone of the publication.')
    ] = None,
) -> None:
    """Freeze an issue and set its time: exactly these bytes go out then, from a running `serve`.

    Without --at it is the issue's own date at the hour of [schedule].

    Example: biweekly schedule 2026-11-26 --at "2026-11-26 09:00"
    """
    from biweekly.cadence import say_distance
    from biweekly.cli.posting import which_issue
    from biweekly.issues.folder import read
    from biweekly.services.safety import warn_or_refuse
    from biweekly.wiring import answers, open_office, utc_now

    publication = ctx.obj.publication()
    rhythm = publication.config.schedule
    if rhythm is None:
        raise ConfigError(
            "there is no [schedule], so no hour and no zone to go by", code="no-schedule", key="schedule",
            place="config.toml", hint="config.example.toml shows a [schedule]",
        )  # fmt: skip
    wanted = which_issue(publication, issue)
    now = utc_now()
    due = _instant(rhythm, at, read(publication.issues, wanted).date, now=now)
    url = publication.config.publication.public_url
    for warning in warn_or_refuse(publication.config, public_url_answers=answers(url)):
        speak.say(f"{speak.paint('!', 'yellow')} {warning}")
    with open_office(publication) as office:
        mailing = office.mailings.schedule(wanted, due=due, now=now)
        readers, _ = office.books.count_readers()
    local = due.astimezone(rhythm.zone)
    speak.show(
        f"{wanted} goes out {local:%a %d %b %Y %H:%M} {rhythm.timezone} ({due:%H:%M} UTC), {say_distance(due - now)}"
    )
    speak.show(f"  edition {mailing.edition[:12]} is frozen; {sum(readers.values()):,} subscribers as of now")
    speak.say("It needs biweekly serve to be running then. To take it back: biweekly unschedule " + wanted)


def _instant(rhythm: "ScheduleConfig", at: str | None, day: date, *, now: datetime) -> datetime:
    from biweekly.cadence import instant

    if at is None:
        return instant(day, rhythm.at, rhythm.zone)
    text = at.strip()
    try:
        if len(text) <= len("09:00"):
            clock = time.fromisoformat(text.rjust(5, "0"))
            today = now.astimezone(rhythm.zone).date()
            due = instant(today, clock, rhythm.zone)
            return due if due > now else instant(today + timedelta(days=1), clock, rhythm.zone)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{at!r} is no time", code="time-form", hint='--at "2026-11-26 09:00", in the zone of the publication'
        ) from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return instant(moment.date(), moment.time(), rhythm.zone)
