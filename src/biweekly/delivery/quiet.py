"""Pure. Quiet hours: from when until when nothing is sent, by the publication's own clock."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo

_DAY = timedelta(days=1)


def hours(span: tuple[time, time] | None, zone: tzinfo) -> Callable[[datetime], datetime | None]:
    """Return what says until when it is quiet at an aware time, None where it is not.

    A span may go over midnight: 20:00 to 08:00. Wall-clock hours, so that summer time does not move them.
    """
    if span is None or span[0] == span[1]:
        return never
    begins, ends = span

    def until(now: datetime) -> datetime | None:
        local = now.astimezone(zone)
        clock = local.time()
        within = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
        if not within:
            return None
        day = local.date() if clock < ends else local.date() + _DAY
        end = datetime.combine(day, ends, zone)
        if end.astimezone(UTC) <= now.astimezone(UTC):
            end = end.replace(fold=1)  # in the night in which the clocks say an hour twice, it is the second one
        return end.astimezone(UTC)

    return until


def never(_: datetime) -> datetime | None:
    """It is never quiet."""
    return None
