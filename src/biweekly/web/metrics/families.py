"""Pure. What a monitor is told: places by state, letters by relay, paces, waits, the clock. No address is among it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from biweekly.delivery.pace import Pace
from biweekly.model.mailing import Mailing, Tally
from biweekly.web.metrics.openmetrics import Family, Sample


@dataclass(frozen=True, slots=True)
class Told:
    """A mailing and how it stands; `in_flight` counts what is on its way."""

    mailing: Mailing
    tally: Tally
    in_flight: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read at `now`.

    `letters` are those that each relay took, in all and today (by UTC); `paces` those that are kept, by kind (relay or
    lane) and name. `clock_woke` is when the clock of `serve` last woke, None where it never did.
    """

    now: datetime
    version: str
    mailings: Sequence[Told]
    letters: Mapping[str, tuple[int, int]]
    paces: Mapping[tuple[str, str], Pace]
    oldest_wait: datetime | None
    next_due: datetime | None
    clock_woke: datetime | None


def families(facts: Facts) -> Iterator[Family]:
    """Turn facts into families; what is not known has no sample."""
    yield Family("biweekly", "info", "The program.", [Sample(1, {"version": facts.version})])
    yield Family(
        "biweekly_places", "gauge", "Places of a mailing by the state they are in; they add up to its plan.",
        [
            Sample(count, {**_labels(told.mailing), "state": state})
            for told in facts.mailings
            for state, count in _states(told.tally)
        ],
    )  # fmt: skip
    yield Family(
        "biweekly_in_flight", "gauge", "Places of a mailing that a sender has claimed, their letters on their way.",
        [Sample(told.in_flight, _labels(told.mailing)) for told in facts.mailings],
    )  # fmt: skip
    yield Family(
        "biweekly_paused", "gauge", "Whether a mailing is paused and waits for a person.",
        [Sample(told.mailing.state == "paused", _labels(told.mailing)) for told in facts.mailings],
    )  # fmt: skip
    yield Family(
        "biweekly_relay_letters", "counter", "Letters that a relay took.",
        [Sample(total, {"relay": name}) for name, (total, _) in facts.letters.items()],
    )  # fmt: skip
    yield Family(
        "biweekly_relay_letters_today", "gauge", "Letters that a relay took on this day, by UTC.",
        [Sample(today, {"relay": name}) for name, (_, today) in facts.letters.items()],
    )  # fmt: skip
    yield from _paces(facts)
    yield from _times(facts)


def _paces(facts: Facts) -> Iterator[Family]:
    yield Family(
        "biweekly_pace_letters_per_second", "gauge",
        "How fast a relay or lane may be mailed; no sample where it is as fast as it takes them.",
        [
            Sample(pace.rate, {"kind": kind, "name": name})
            for (kind, name), pace in facts.paces.items()
            if pace.rate is not None
        ],
        unit="letters_per_second",
    )  # fmt: skip
    yield Family(
        "biweekly_rest_seconds", "gauge", "How long a relay or lane that asked for patience still rests.",
        [
            Sample(max(0.0, (pace.rest_until - facts.now).total_seconds()), {"kind": kind, "name": name})
            for (kind, name), pace in facts.paces.items()
            if pace.rest_until is not None
        ],
        unit="seconds",
    )  # fmt: skip


def _times(facts: Facts) -> Iterator[Family]:
    yield Family(
        "biweekly_oldest_waiting_age_seconds", "gauge", "How long ago the longest waiting place was first tried.",
        _since(facts.oldest_wait, facts.now), unit="seconds",
    )  # fmt: skip
    yield Family(
        "biweekly_next_due_timestamp_seconds", "gauge",
        "When something is due next: a mailing, a try, a date of the calendar. In the past, nobody works.",
        [] if facts.next_due is None else [Sample(facts.next_due.timestamp())], unit="seconds",
    )  # fmt: skip
    yield Family(
        "biweekly_clock_tick_age_seconds", "gauge", "How long ago the clock of serve last woke; it does each 30 s.",
        _since(facts.clock_woke, facts.now), unit="seconds",
    )  # fmt: skip


def _since(at: datetime | None, now: datetime) -> list[Sample]:
    return [] if at is None else [Sample(max(0.0, (now - at).total_seconds()))]


def _labels(mailing: Mailing) -> dict[str, str]:
    return {"issue": mailing.issue, "mailing": str(mailing.id), "kind": mailing.kind}


def _states(tally: Tally) -> Iterator[tuple[str, int]]:
    for word in ("to_go", "accepted", "waiting", "failed", "uncertain", "skipped"):
        yield word, getattr(tally, word)
