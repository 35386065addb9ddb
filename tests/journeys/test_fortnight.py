"""Months of a publication under a clock of our own: each issue on its day, at its wall-clock hour, once.

The scheduler with the sender is the real one, on SQLite, through a relay on loopback. It is opened anew again and
again, as after restarts, and looks at the moments it asked for itself and, as the alarm's poll, now and then between.
"""

import os
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.transports.relay import Fault, Relay

from biweekly.audience.row import Row
from biweekly.cli.frame import run
from biweekly.errors import BiweeklyError
from biweekly.issues.folder import listing
from biweekly.issues.sent import sent_reports
from biweekly.model.issue import IssueId
from biweekly.model.mailing import MailingKind, MailingState
from biweekly.model.occurrence import Occurrence, OccurrenceState
from biweekly.publication import Publication, open_publication
from biweekly.services.fortnight import Fortnight
from biweekly.services.subscriptions import Basis
from biweekly.serving import open_clock
from biweekly.store.desk import Desk
from biweekly.wiring import Office, open_office, open_people, open_store

STOCKHOLM = ZoneInfo("Europe/Stockholm")
MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
READERS = ("anna@d1.example", "bek@d2.example", "cholpon@d3.example")
REPORT = """+++
title = "{title}"
section = "Field Reports"
+++

{title}: the road was open again, and nobody could say for how long.
"""


def local(text: str) -> datetime:
    """What the wall clock in Stockholm shows; the first of the two where it shows it twice."""
    return datetime.fromisoformat(text).replace(tzinfo=STOCKHOLM).astimezone(UTC)


@dataclass
class Paper:
    """A publication that comes out by itself, and the clock it lives by."""

    root: Path
    relay: Relay
    now: datetime
    dice: random.Random
    said: list[str] = field(default_factory=list)
    written: int = 0

    @property
    def publication(self) -> Publication:
        return open_publication(self.root, environ={})

    @contextmanager
    def office(self) -> Iterator[Office]:
        opened = open_office(self.publication, clock=lambda: self.now)
        yield opened
        opened.close()

    def write(self, count: int = 1) -> None:
        """Put manuscripts on the shelf, as editors do: nobody says when they came."""
        for _ in range(count):
            self.written += 1
            path = self.root / "reports" / f"report-{self.written}.md"
            path.write_text(REPORT.format(title=f"Report {self.written}"))
            os.utime(path, (self.now.timestamp(), self.now.timestamp()))

    def look(self, fortnight: Fortnight) -> datetime | None:
        """Do what the alarm does when it rings."""
        try:
            return fortnight.tick(self.now)
        except BiweeklyError as error:
            self.said.append(f"trouble: {error.code}")
            return None

    def live(self, until: datetime) -> None:
        """Let time pass, with a restart now and then."""
        while self.now < until:
            with open_clock(
                self.publication, say=self.said.append, stop=threading.Event(), clock=lambda: self.now
            ) as fortnight:
                for _ in range(self.dice.randint(1, 12)):
                    wake = self.look(fortnight)
                    poll = self.now + timedelta(hours=self.dice.uniform(1, 24))
                    self.now = min(until, poll, max(wake or poll, self.now + timedelta(seconds=1)))
                    if self.now == until:
                        break

    def sleep(self, until: datetime) -> None:
        """Let time pass and nobody look."""
        self.now = until

    def schedule(self, issue: str) -> None:
        """What a person does with `biweekly schedule`."""
        with self.office() as office:
            day = next(one.day for one in listing(self.publication.issues) if one.id == issue)
            due = datetime.combine(day, time(9), STOCKHOLM).astimezone(UTC)
            office.mailings.schedule(IssueId(issue), due=due, now=self.now)

    def calendar(self) -> dict[date, Occurrence]:
        engine = open_store(self.publication)
        rows = {one.nominal: one for one in Desk(engine, "main").occurrences()}
        engine.dispose()
        return rows

    def mailed(self) -> dict[str, datetime]:
        """When each issue began to go out, by the wall clock; that it ended is looked at as well."""
        with self.office() as office:
            sent = office.books.in_states(MailingState.SENT)
            for one in sent:
                assert one.kind is MailingKind.REGULAR
                assert office.books.tally(one.id).accepted == len(READERS)
            assert len({one.issue for one in sent}) == len(sent)
            return {one.issue: one.started.astimezone(STOCKHOLM) for one in sent if one.started}

    def letters(self) -> Counter[tuple[str, str]]:
        """How often the relay took a letter, by subject and reader."""
        return Counter(
            (str(message_from_bytes(one.content)["Subject"]), one.recipients[0]) for one in self.relay.accepted
        )


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as opened:
        yield opened


def found(root: Path, relay: Relay, now: datetime, *, schedule: str, seed: int = 0) -> Paper:
    """A new publication of three readers with a schedule of its own."""
    assert run(["init", str(root), "--no-input", "--timezone", "Europe/Stockholm"]) == 0
    path = root / "config.toml"
    text = re.sub(r"(?ms)^\[schedule\]$.*?(?=^$)", f"[schedule]\n{schedule}\n", path.read_text())
    relays = f'\n[[relay]]\nhost = "127.0.0.1"\nport = {relay.port}\ntls = "none"\nconnections = 1\n'
    path.write_text(text + relays)
    paper = Paper(root, relay, now, random.Random(seed))  # noqa: S311 - chooses moments, guards nothing
    engine = open_store(paper.publication)
    basis = Basis(source="a test", wording="", at=now)
    rows = [Row(number, address) for number, address in enumerate(READERS, 1)]
    open_people(paper.publication, engine).import_all(rows, basis=basis)
    engine.dispose()
    return paper


def thursdays(first: str, count: int) -> Sequence[date]:
    return [date.fromisoformat(first) + n * 2 * WEEK for n in range(count)]


AUTOMATIC = 'anchor = 2026-11-26\nat = "09:00"\ntimezone = "Europe/Stockholm"\ncutoff = "Tue 12:00"\nautomatic = true'
BY_HAND = AUTOMATIC.replace("true", "false")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begins", "first"), [("2026-09-14T08:00", "2026-09-17"), ("2027-02-15T08:00", "2027-02-18")],
    ids=["autumn", "spring"],
)  # fmt: skip
def test_three_months_by_themselves(tmp_path: Path, relay: Relay, begins: str, first: str) -> None:
    paper = found(tmp_path / "paper", relay, local(begins), schedule=AUTOMATIC)
    days = thursdays(first, 7)
    for day in days:
        cutoff = local(f"{day - 2 * DAY}T12:00")
        paper.live(cutoff - HOUR)
        paper.write(2)
        paper.live(cutoff - timedelta(seconds=1))
        assert not (paper.root / "issues" / day.isoformat()).exists(), "composed before its cut-off"
        paper.live(cutoff + MINUTE)
        assert (paper.root / "issues" / day.isoformat() / "issue.toml").exists()
        paper.write(1)  # too late for this one, and in the next
        paper.live(local(f"{day}T08:59"))
        assert day.isoformat() not in paper.mailed(), "mailed before its hour"
        paper.live(local(f"{day}T09:01"))
    paper.live(local(f"{days[-1]}T23:00"))

    assert paper.mailed() == {f"{day}": datetime.combine(day, time(9), STOCKHOLM) for day in days}
    offsets = {one.utcoffset() for one in paper.mailed().values()}
    assert len(offsets) == 2, "the clocks changed in between"
    assert set(paper.letters().values()) == {1}
    assert len(paper.letters()) == len(days) * len(READERS)
    dates = {parsedate_to_datetime(message_from_bytes(one.content)["Date"]) for one in relay.accepted}
    assert dates == {datetime.combine(day, time(9), STOCKHOLM) for day in days}
    assert {day: paper.calendar()[day].state for day in days} == dict.fromkeys(days, OccurrenceState.DONE)
    # Every report went out in exactly one issue: two and, from the second on, the one that came too late before.
    by_issue = Counter(sent_reports(paper.publication.issues).values())
    assert list(by_issue.values()).count(3) == len(days) - 1
    assert by_issue[IssueId(first)] == 2
    assert not [line for line in paper.said if "missed" in line or "trouble" in line]


def test_by_hand_only_what_a_person_scheduled_goes_out(tmp_path: Path, relay: Relay) -> None:
    paper = found(tmp_path / "paper", relay, local("2026-10-05T08:00"), schedule=BY_HAND)
    days = thursdays("2026-10-15", 4)
    for number, day in enumerate(days):
        paper.live(local(f"{day - 3 * DAY}T12:00"))
        if number != 2:
            paper.write()
        paper.live(local(f"{day - DAY}T10:00"))
        if number in {0, 3}:
            paper.schedule(day.isoformat())
        paper.live(local(f"{day}T18:00"))
    # The second was composed and nobody scheduled it. Nothing was written for the third, and it took that one's report.
    assert paper.mailed() == {f"{day}": datetime.combine(day, time(9), STOCKHOLM) for day in (days[0], days[3])}
    states = [paper.calendar()[day].state for day in days]
    assert states == [OccurrenceState.DONE, OccurrenceState.MISSED, OccurrenceState.MISSED, OccurrenceState.DONE]
    assert sum(f"issue of {days[1]}: missed" in line for line in paper.said) == 1
    assert set(paper.letters().values()) == {1}


def test_a_machine_that_slept_past_the_limit_mails_nothing_says_so_and_goes_on(tmp_path: Path, relay: Relay) -> None:
    paper = found(tmp_path / "paper", relay, local("2026-10-12T08:00"), schedule=AUTOMATIC)
    first, second, third, fourth = thursdays("2026-10-15", 4)
    paper.write()
    paper.live(local(f"{first - DAY}T09:00"))  # composed and frozen
    paper.sleep(local(f"{first}T11:00:01"))
    paper.live(local(f"{second - 3 * DAY}T09:00"))
    paper.write()
    paper.sleep(local(f"{second}T11:00:01"))  # over the cut-off as well
    paper.live(local(f"{third - 3 * DAY}T09:00"))
    assert (paper.mailed(), relay.accepted) == ({}, [])
    states = {day: paper.calendar()[day].state for day in (first, second)}
    assert set(states.values()) == {OccurrenceState.MISSED}
    for day in (first, second):
        (line,) = [line for line in paper.said if line.startswith(f"issue of {day}") and "missed" in line]
        assert "nothing is mailed" in line

    # Late by less than the limit, over cut-off and hour: composed of what was there in time, and mailed at once.
    paper.sleep(local(f"{third}T10:30"))
    paper.live(local(f"{third}T18:00"))
    began = paper.mailed()[third.isoformat()]
    assert timedelta(0) <= began - datetime.combine(third, time(10, 30), STOCKHOLM) <= 5 * MINUTE
    assert len(sent_reports(paper.publication.issues)) == 2
    paper.write()
    paper.live(local(f"{fourth}T18:00"))
    assert paper.mailed()[fourth.isoformat()] == datetime.combine(fourth, time(9), STOCKHOLM)
    assert set(paper.letters().values()) == {1}


def test_a_clock_set_back_or_far_ahead_mails_nothing_twice(tmp_path: Path, relay: Relay) -> None:
    paper = found(tmp_path / "paper", relay, local("2026-10-12T08:00"), schedule=AUTOMATIC)
    first, second = thursdays("2026-10-15", 2)
    paper.write()
    paper.live(local(f"{first}T09:01"))
    for back_to in (f"{first}T08:59", f"{first}T00:00", f"{first - 2 * DAY}T11:59", f"{first - 5 * DAY}T09:00"):
        paper.now = local(back_to)
        paper.live(local(f"{first}T09:30"))
    assert len(relay.accepted) == len(READERS)
    # A battery that is empty, a typing error: ten years on for a minute.
    paper.now = local("2036-10-15T09:00")
    paper.live(paper.now + MINUTE)
    paper.now = local(f"{first}T12:00")
    paper.live(local(f"{second - 3 * DAY}T12:00"))
    assert len(relay.accepted) == len(READERS)
    paper.write()
    paper.live(local(f"{second}T09:01"))
    assert paper.mailed() == {f"{day}": datetime.combine(day, time(9), STOCKHOLM) for day in (first, second)}
    assert set(paper.letters().values()) == {1}


def test_an_hour_that_comes_twice_or_never_is_the_first_or_the_one_after_the_jump(tmp_path: Path, relay: Relay) -> None:
    schedule = (
        'anchor = 2026-10-25\nat = "02:30"\ntimezone = "Europe/Stockholm"\ncutoff = "Fri 12:00"\nautomatic = true'
    )
    paper = found(tmp_path / "paper", relay, local("2026-10-22T08:00"), schedule=schedule)
    paper.write()
    paper.live(local("2026-10-25T12:00"))
    paper.sleep(local("2027-03-25T08:00"))
    paper.write()
    paper.live(local("2027-03-29T12:00"))
    began = {issue: at.astimezone(UTC) for issue, at in paper.mailed().items()}
    assert began == {
        "2026-10-25": datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # the first 02:30, still on summer time
        "2027-03-28": datetime(2027, 3, 28, 1, 30, tzinfo=UTC),  # 02:30 read as 03:30
    }
    missed = [day for day, one in paper.calendar().items() if one.state is OccurrenceState.MISSED]
    assert len(missed) == 10, "one line for each Sunday that passed in sleep"
    assert all(sum(f"issue of {day}: " in line for line in paper.said) == 1 for day in missed)
    assert set(paper.letters().values()) == {1}


def test_places_that_wait_are_tried_again_when_due_across_restarts(tmp_path: Path) -> None:
    fault = Fault(at="rcpt", do="reply", text="451 4.7.1 greylisted, come back", to=r"^bek@", times=3)
    with Relay(faults=[fault]) as relay:
        paper = found(tmp_path / "paper", relay, local("2026-10-12T08:00"), schedule=AUTOMATIC)
        day = date(2026, 10, 15)
        paper.write()
        paper.live(local(f"{day}T09:02"))
        assert (paper.mailed(), len(relay.accepted)) == ({}, 2)
        paper.live(local(f"{day}T18:00"))
        assert list(paper.mailed()) == [day.isoformat()]
        assert paper.letters() == Counter(dict.fromkeys(paper.letters(), 1))
        assert len(relay.accepted) == len(READERS)
