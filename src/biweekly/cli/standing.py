"""Shell. How one mailing stands while it goes: lane by lane, relay by relay, as a document and in words."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

from biweekly.cli.meter import Course, pace_words, percent, rate_in_words, share_of

if TYPE_CHECKING:
    from biweekly.delivery.pace import Pace
    from biweekly.model.mailing import Mailing, Tally
    from biweekly.store.watch import LaneStanding
    from biweekly.wiring import Office

_COLUMNS: Final = ("planned", "accepted", "waiting", "failed", "uncertain", "skipped", "to go")
_ALWAYS: Final = ("planned", "accepted", "to go")
_NARROWEST_NAME: Final = 12


class Standing:
    """A mailing with everything that `status` tells of it. Reads rows only."""

    def __init__(self, office: "Office", mailing: "Mailing", now: datetime) -> None:
        """Read how it stands at `now`."""
        from biweekly.delivery import quiet
        from biweekly.store import ledger, stages, watch

        config = office.publication.config
        self.mailing, self.now = mailing, now
        self.zone: tzinfo = config.schedule.zone if config.schedule else UTC
        self.tally, self.not_mailed = office.mailings.account(mailing)
        self.lanes = watch.lanes(office.engine, mailing.id)
        self.senders = at_work(ledger.holders(office.engine, mailing.id), now)
        self.next_try = watch.waits(office.engine, [mailing.id]).next_try
        hold = quiet.hours(config.schedule.quiet_hours, config.schedule.zone) if config.schedule else quiet.never
        self.quiet_until = hold(now)
        staged = len({one.stage for one in self.lanes}) > 1 and self.tally.to_go > 0
        wait = config.delivery.canary_wait
        self.stage, self.stage_until = (
            stages.open_stage(office.engine, mailing.id, wait, now) if staged else (stages.REST, None)
        )
        self.stage_word = {stages.SEEDS: stages.SEED_LANE, stages.CANARY: stages.CANARY_LANE}.get(self.stage)
        self._read_paces(office)

    def _read_paces(self, office: "Office") -> None:
        from biweekly.delivery.pace import permit
        from biweekly.store.paces import PaceBook

        book, config = PaceBook(office.engine), office.publication.config
        slowed = book.read("lane", [one.name for one in self.lanes])
        per_lane = config.delivery.per_lane
        self.lane_paces = {name: permit(pace, per_lane.get(name)) for name, pace in slowed.items()}
        names = {one.name: one.rate for one in config.relay}
        found = book.read("relay", names)
        self.relays = {name: permit(found[name], rate) for name, rate in names.items()}
        self.today = {name: book.accepted_on(name, self.now.astimezone(UTC).date()) for name in names}

    @property
    def in_flight(self) -> int:
        """How many places are claimed by a sender, their letters on their way."""
        return sum(one.in_flight for one in self.lanes)

    # --- for scripts ---------------------------------------------------------------------------------------------

    def document(self, account: Mapping[str, Any], course: Course | None = None) -> dict[str, Any]:
        """Return it as scripts read it: the account as `report` has it, and more."""
        return {
            **account, "in_flight": self.in_flight, "senders": self.senders, "next_try": _iso(self.next_try),
            "quiet_until": _iso(self.quiet_until), "stage": self.stage_word, "stage_until": _iso(self.stage_until),
            "rate": course.rate if course else None,
            "lanes": [self._lane_document(one) for one in self.lanes],
            "relays": [
                {"name": name, "accepted_today": self.today[name], **_pace_document(pace)}
                for name, pace in self.relays.items()
            ],
        }  # fmt: skip

    def _lane_document(self, one: "LaneStanding") -> dict[str, Any]:
        counts = {word.replace(" ", "_"): count for word, count in _counts(one.tally).items()}
        return {
            "name": one.name, "stage": one.stage, **counts,
            "in_flight": one.in_flight, **_pace_document(self.lane_paces[one.name]),
        }  # fmt: skip

    # --- for people ----------------------------------------------------------------------------------------------

    def words(self, *, width: int, height: int | None = None, course: Course | None = None) -> list[str]:
        """Write it in lines of at most `width`, and in at most `height` lines where that is given.

        Where there are more lanes than room, those with most still to do are shown.
        """
        if self.mailing.started is None:
            due = f"   due {self._clock(self.mailing.due)}" if self.mailing.due else ""
            return [f"{self.mailing.issue}  {self.mailing.state.replace('_', ' ')}{due}"]
        head = [self._headline(course), *self._remarks()]
        foot = [line for name in self.relays for line in self._relay_lines(name)]
        room = None if height is None else height - len(head) - len(foot) - 3
        lines = [*head, *self._lane_table(width, room), *foot]
        return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]

    def _headline(self, course: Course | None) -> str:
        one, tally = self.mailing, self.tally
        final = tally.planned - tally.to_go - tally.waiting
        pace = pace_words(course, tally) if course and one.state == "sending" else []
        share = f"{percent(share_of(tally))} · {final:,} of {tally.planned:,}"
        return f"{one.issue}  {one.state.replace('_', ' ')}   {' · '.join([share, *pace])}"

    def _remarks(self) -> list[str]:
        remarks = [self.mailing.reason] if self.mailing.reason else []
        senders = len(self.senders)
        if senders:
            remarks.append(f"{self.in_flight:,} in flight with {senders} sender{'' if senders == 1 else 's'}")
        elif self.mailing.state == "sending":
            remarks.append("no sender is at work" + (f"; it left {self.in_flight:,} open" if self.in_flight else ""))
        if self.next_try is not None and self.tally.waiting:
            remarks.append(f"next try {self._clock(self.next_try)}")
        if self.quiet_until is not None and self.mailing.state == "sending":
            remarks.append(f"quiet hours until {self._clock(self.quiet_until)}")
        if self.stage_word is not None:
            until = f", the others from {self._clock(self.stage_until)} on" if self.stage_until else " first"
            remarks.append(f"{self.stage_word}{until}")
        return [f"  {remark}" for remark in remarks]

    def _lane_table(self, width: int, room: int | None) -> list[str]:
        counted = [(one, _counts(one.tally)) for one in self.lanes]
        total = _counts(self.tally)
        columns = [word for word in _COLUMNS if word in _ALWAYS or total[word]]
        wide = {word: max(len(word), len(f"{total[word]:,}")) for word in columns}
        most = max((len(one.name) for one in self.lanes), default=4)
        name = max(_NARROWEST_NAME, min(most, width - sum(wide.values()) - 2 * len(columns)))

        def row(label: str, cells: Sequence[str]) -> str:
            short = label if len(label) <= name else f"{label[: name - 1]}…"
            return f"{short:<{name}}" + "".join(
                f"  {cell:>{wide[word]}}" for cell, word in zip(cells, columns, strict=True)
            )

        groups = [
            [row(one.name, [f"{counts[word]:,}" for word in columns]), *self._pace_lines(self.lane_paces[one.name])]
            for one, counts in counted
        ]
        busiest = sorted(range(len(groups)), key=lambda n: -(counted[n][1]["to go"] + counted[n][1]["waiting"]))
        shown: set[int] = set()
        used = 0
        for number in busiest:
            if room is not None and used + len(groups[number]) > room:
                break
            shown.add(number)
            used += len(groups[number])
        lines = [row("lane", columns), *(line for n, group in enumerate(groups) if n in shown for line in group)]
        if len(shown) < len(groups):
            rest = [counts for n, (_, counts) in enumerate(counted) if n not in shown]
            lines.append(f"and {len(rest)} lanes more, {sum(one['to go'] for one in rest):,} to go")
        return [*lines, row("all", [f"{total[word]:,}" for word in columns])]

    def _relay_lines(self, name: str) -> list[str]:
        pace = self.relays[name]
        speed = "" if pace.rate is not None else ", as fast as it takes them"
        return [f"relay {name}  {self.today[name]:,} accepted today{speed}", *self._pace_lines(pace)]

    def _pace_lines(self, pace: "Pace") -> list[str]:
        """Write how fast a lane or relay may be mailed, where that is not as fast as it takes them, and why."""
        lines = []
        if pace.rate is not None:
            asked = f", asked for patience at {rate_in_words(pace.too_fast)}" if pace.too_fast is not None else ""
            lines.append(f"  at most {rate_in_words(pace.rate)}{asked}")
        if pace.resting(self.now):
            lines.append(f"  rests until {self._clock(pace.rest_until)}")
        if lines and pace.why and pace.too_fast is not None:
            lines[-1] += f": {pace.why}"
        return lines

    def _clock(self, at: datetime | None) -> str:
        if at is None:
            return ""
        local, today = at.astimezone(self.zone), self.now.astimezone(self.zone).date()
        return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%a %d %b %Y %H:%M}"


def at_work(holders: "Sequence[tuple[str, datetime | None]]", now: datetime) -> list[int]:
    """Return the processes that send, as far as can be told: here by their number, elsewhere by their lease."""
    from biweekly.delivery.journal import Holder, boot_id

    here, found = boot_id(), []
    for name, lease_until in holders:
        one = Holder.parse(name)
        if (lease_until is not None and lease_until > now) or (one.boot == here and _is_there(one.pid)):
            found.append(one.pid)
    return sorted(found)


def _is_there(pid: int) -> bool:
    # Only where boots are told apart, which is never on Windows: there this would be no question but a signal.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True


def _counts(tally: "Tally") -> dict[str, int]:
    return {
        "planned": tally.planned, "accepted": tally.accepted, "waiting": tally.waiting, "failed": tally.failed,
        "uncertain": tally.uncertain, "skipped": tally.skipped, "to go": tally.to_go,
    }  # fmt: skip


def _pace_document(pace: "Pace") -> dict[str, Any]:
    return {
        "rate": pace.rate, "permitted": pace.permitted, "too_fast": pace.too_fast,
        "rest_until": _iso(pace.rest_until), "why": pace.why,
    }  # fmt: skip


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")
