"""Pure. Which issue on which day, at which instant: calendar arithmetic, and nothing else.

The dates are `anchor` + k x `every_weeks` x 7 days, for every whole k: no year, week number or clock change can shift
them. The hour is wall-clock time in the publication's zone, turned into an instant as late as possible. An hour that
the clocks jump over is moved forward by as much as they jump (02:30 is read as 03:30); an hour that they repeat means
the first of the two. An issue is known by its nominal date, so that another hour or other zone rules never make a
second one.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from biweekly.model.occurrence import Planned

_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(weeks=1)


class CutoffRule(Protocol):
    """A weekday (Monday is 0) and a time (`config.Cutoff`)."""

    @property
    def weekday(self) -> int:
        """Which day of the week."""
        ...

    @property
    def at(self) -> time:
        """At which wall-clock time."""
        ...


class Rhythm(Protocol):
    """What is asked of a schedule (`config.ScheduleConfig`)."""

    @property
    def anchor(self) -> date:
        """The date of any one issue."""
        ...

    @property
    def every_weeks(self) -> int:
        """How many weeks from one issue to the next."""
        ...

    @property
    def at(self) -> time:
        """The hour of the mailing."""
        ...

    @property
    def zone(self) -> ZoneInfo:
        """Whose wall clock it is."""
        ...

    @property
    def cutoff(self) -> CutoffRule:
        """What arrived by then is in the automatic issue."""
        ...


class Reading(StrEnum):
    """How a wall-clock time is to be read on a day."""

    PLAIN = "plain"
    GAP = "gap"
    FOLD = "fold"


def nominal_dates(schedule: Rhythm, *, since: date) -> Iterator[date]:
    """Yield the dates of issues from `since` on, that day included, to the end of the calendar."""
    step = schedule.every_weeks * 7
    # Rounds up; the anchor may lie before or after.
    ordinal = schedule.anchor.toordinal() + -((schedule.anchor.toordinal() - since.toordinal()) // step) * step
    while ordinal <= date.max.toordinal():
        yield date.fromordinal(ordinal)
        ordinal += step


def next_nominal(schedule: Rhythm, *, after: date, inclusive: bool = True) -> date:
    """Return the first date of an issue on or after a day; with `inclusive` false, strictly after it."""
    return next(nominal_dates(schedule, since=after if inclusive else after + _DAY))


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant (UTC) at which a wall clock shows a time on a day.

    In a gap it is read with the offset from before the jump, which moves it forward by the gap; in a fold it is the
    first of the two: both are what PEP 495 means by `fold=0`.
    """
    return datetime.combine(day, at.replace(fold=0), zone).astimezone(UTC)


def reading(day: date, at: time, zone: ZoneInfo) -> Reading:
    """Say whether a wall-clock time is shown once on a day, never, or twice."""
    first = datetime.combine(day, at.replace(fold=0), zone)
    second = first.replace(fold=1)
    if first.utcoffset() == second.utcoffset():
        return Reading.PLAIN
    shown = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    return Reading.FOLD if shown == first.replace(tzinfo=None) else Reading.GAP


def due_of(nominal: date, schedule: Rhythm) -> datetime:
    """Return the instant at which the issue of a nominal date is mailed."""
    return instant(nominal, schedule.at, schedule.zone)


def cutoff_for(nominal: date, schedule: Rhythm) -> datetime:
    """Return the cut-off of an issue: the last configured weekday and time strictly before it is mailed."""
    due = due_of(nominal, schedule)
    # A week more than the calendar asks for: where a zone leaves out a whole day, the hour comes a day later.
    day = nominal - ((nominal.weekday() - schedule.cutoff.weekday) % 7) * _DAY + _WEEK
    while (found := instant(day, schedule.cutoff.at, schedule.zone)) >= due:
        day -= _WEEK
    return found


def plan(schedule: Rhythm, *, since: date, count: int) -> tuple[Planned, ...]:
    """Return the next `count` issues from `since` on, that day included."""
    return tuple(
        Planned(nominal, due_of(nominal, schedule), cutoff_for(nominal, schedule))
        for nominal in islice(nominal_dates(schedule, since=since), count)
    )


def plan_ahead(schedule: Rhythm, *, since: date, now: datetime, count: int) -> tuple[Planned, ...]:
    """Return every issue from `since` on whose hour has passed, and the `count` issues that are still to come."""
    found: list[Planned] = []
    coming = 0
    for nominal in nominal_dates(schedule, since=since):
        if coming == count:
            break
        found.append(Planned(nominal, due_of(nominal, schedule), cutoff_for(nominal, schedule)))
        coming += found[-1].due > now
    return tuple(found)


def say_distance(wait: timedelta) -> str:
    """Say how far off an instant is, in two units at most: "in 1 day 23 h", "in 4 min", "2 h ago"."""
    seconds = abs(int(wait.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        words = f"{days} day{'s' * (days != 1)}" + (f" {hours} h" if hours else "")
    elif hours:
        words = f"{hours} h" + (f" {minutes} min" if minutes else "")
    elif minutes:
        words = f"{minutes} min"
    else:
        return "now"
    return f"{words} ago" if wait < timedelta(0) else f"in {words}"


def say_instant(at: datetime, zone: ZoneInfo) -> str:
    """Say an instant as the publication's wall clock shows it, with the zone and UTC."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} {zone.key} ({at.astimezone(UTC):%H:%M} UTC)"
