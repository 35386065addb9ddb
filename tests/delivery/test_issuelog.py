"""The issue log: every place by number and domain, whole lines, never an address."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biweekly.delivery.issuelog import IssueLog, read
from biweekly.errors import StoreError
from biweekly.model.issue import VariantName
from biweekly.model.mailing import Lane, MailingId, Outcome, OutcomeState, Place, Settled, Spot, Wait
from biweekly.model.subscriber import SubscriberId

NOW = datetime(2026, 11, 26, 9, 0, 0, 123456, tzinfo=UTC)
MAILING, OTHER = MailingId(7), MailingId(8)
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
Row = tuple[Spot, SubscriberId, str, Outcome, int]


def place(pos: int, *, opened: int = 0, attempts: int = 0) -> Place:
    return Place(
        Spot(Lane(1), pos, opened), SubscriberId(pos + 100), f"r{pos}@d.example", f"Reader {pos}", "d.example",
        VariantName.HTML, attempts=attempts,
    )  # fmt: skip


def accepted(pos: int, *, opened: int = 0) -> Settled:
    return Settled(place(pos, opened=opened), Outcome(OutcomeState.ACCEPTED, NOW, 250, "250 2.0.0 queued"))


def row(one: Settled) -> Row:
    assert isinstance(one.fate, Outcome)
    return one.place.spot, one.place.subscriber, one.place.domain, one.fate, one.attempts


def lines(path: Path) -> Sequence[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def fill_the_disk(log: IssueLog) -> int:
    """Let every write fail as on a full disk; returns what `give_room` takes back."""
    kept = os.dup(log._file.fileno())
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._file.fileno())
    os.close(full)
    return kept


def give_room(log: IssueLog, kept: int) -> None:
    os.dup2(kept, log._file.fileno())
    os.close(kept)


@pytest.fixture
def log(tmp_path: Path) -> IssueLog:
    return IssueLog(tmp_path / "2026-11-26.jsonl")


def test_an_outcome_is_a_line_with_number_and_domain_and_without_an_address(log: IssueLog) -> None:
    log.settled(MAILING, [accepted(4)])
    log.close()
    assert lines(log.path) == [
        {
            "at": "2026-11-26T09:00:00.123Z", "mailing": 7, "event": "accepted", "lane": 1, "pos": 4, "round": 0,
            "subscriber": 104, "domain": "d.example", "attempts": 1, "code": 250, "reply": "250 2.0.0 queued",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (OutcomeState.ACCEPTED, "accepted"),
        (OutcomeState.REFUSED, "refused"),
        (OutcomeState.EXPIRED, "expired"),
        (OutcomeState.SKIPPED, "skipped"),
        (OutcomeState.IN_DOUBT, "uncertain"),
    ],
)
def test_each_outcome_has_its_word(log: IssueLog, state: OutcomeState, event: str) -> None:
    log.settled(MAILING, [Settled(place(0), Outcome(state, NOW))])
    log.close()
    assert [one["event"] for one in lines(log.path)] == [event]


def test_a_try_that_was_put_off_is_a_line_and_a_place_given_back_is_none(log: IssueLog) -> None:
    later = NOW + timedelta(minutes=5)
    log.settled(
        MAILING,
        [
            Settled(place(0, attempts=1), Wait(later, 2, 451, "451 later")),
            Settled(place(1, attempts=1), Wait(later, 1)),
        ],
    )
    log.close()
    (line,) = lines(log.path)
    assert (line["event"], line["pos"], line["attempts"], line["at"]) == ("waiting", 0, 2, "2026-11-26T09:05:00.123Z")


def test_what_happened_to_the_mailing_is_a_line_in_any_alphabet(log: IssueLog) -> None:
    log.tell("ruled", mailing=MAILING, at=NOW, who="Нино", places=3)
    log.close()
    assert lines(log.path) == [
        {"at": "2026-11-26T09:00:00.123Z", "mailing": 7, "event": "ruled", "who": "Нино", "places": 3}
    ]
    assert "Нино" in log.path.read_text("utf-8")


def test_no_line_holds_an_address_whatever_the_relay_said(log: IssueLog) -> None:
    words = "550 5.1.1 <R0@D.Example>: moved to new.place@other.example"
    log.settled(
        MAILING,
        [
            Settled(place(0), Outcome(OutcomeState.REFUSED, NOW, 550, words)),
            Settled(place(0), Wait(NOW, 1, 450, words)),
        ],
    )
    log.tell("no relay", mailing=MAILING, at=NOW, reason=f"the relay said {words}")
    log.fill(MAILING, [row(Settled(place(1), Outcome(OutcomeState.REFUSED, NOW, 550, words)))])
    log.close()
    assert len(lines(log.path)) == 4
    assert "@" not in log.path.read_text("utf-8")


def test_the_log_grows_and_is_never_begun_anew(log: IssueLog) -> None:
    log.settled(MAILING, [accepted(0)])
    log.close()
    again = IssueLog(log.path)
    again.settled(MAILING, [accepted(1)])
    again.close()
    assert [one["pos"] for one in lines(log.path)] == [0, 1]


def test_missing_lines_are_filled_from_the_ledger_once(log: IssueLog) -> None:
    log.settled(MAILING, [accepted(0), accepted(2)])
    log.settled(OTHER, [accepted(1)])
    ledger = [row(accepted(pos)) for pos in range(4)] + [row(accepted(2, opened=1))]
    assert log.fill(MAILING, ledger) == 3
    assert log.fill(MAILING, ledger) == 0
    log.close()
    told = [(one["pos"], one["round"]) for one in lines(log.path) if one["mailing"] == MAILING]
    assert sorted(told) == [(0, 0), (1, 0), (2, 0), (2, 1), (3, 0)]


def test_a_waiting_line_does_not_stand_for_an_outcome(log: IssueLog) -> None:
    log.settled(MAILING, [Settled(place(0), Wait(NOW, 1, 451, "later"))])
    assert log.fill(MAILING, [row(accepted(0))]) == 1
    log.close()


@given(there=st.sets(st.tuples(st.integers(0, 20_000), st.integers(0, 2)), max_size=40))
def test_filling_adds_what_is_missing_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, there: set[tuple[int, int]]
) -> None:
    log = IssueLog(tmp_path_factory.mktemp("log") / "i.jsonl")
    ledger = {(pos, opened) for pos in (0, 1, 7, 8, 9, 19_999) for opened in (0, 1)}
    log.settled(MAILING, [accepted(pos, opened=opened) for pos, opened in sorted(there)])
    assert log.fill(MAILING, [row(accepted(pos, opened=opened)) for pos, opened in sorted(ledger)]) == len(
        ledger - there
    )
    log.close()
    told = [(one["pos"], one["round"]) for one in lines(log.path)]
    assert len(told) == len(set(told))
    assert set(told) == there | ledger


def test_a_torn_last_line_spoils_no_other_and_is_filled_in(log: IssueLog) -> None:
    log.settled(MAILING, [accepted(0), accepted(1)])
    log.close()
    os.truncate(log.path, log.path.stat().st_size - 20)
    again = IssueLog(log.path)
    again.settled(MAILING, [accepted(2)])
    assert [one["pos"] for one in read(log.path)] == [0, 2]
    assert again.fill(MAILING, [row(accepted(pos)) for pos in range(3)]) == 1
    again.close()
    assert sorted(one["pos"] for one in read(log.path)) == [0, 1, 2]


def test_what_is_no_line_of_ours_is_passed_over(log: IssueLog) -> None:
    log.settled(MAILING, [accepted(0)])
    log.close()
    with log.path.open("ab") as file:
        file.write(b'\xff\xfe\n[]\n7\n\n{"event": 3}\n')
    assert [one.get("pos") for one in read(log.path)] == [0, None]


@FULL
def test_a_full_disk_stops_nobody_and_the_log_knows_that_it_is_behind(log: IssueLog) -> None:
    log.settled(MAILING, [accepted(0)])
    kept = fill_the_disk(log)
    log.settled(MAILING, [accepted(1)])
    assert log.behind
    give_room(log, kept)
    log.settled(MAILING, [accepted(2)])
    log.close()
    # Another process finds it out as well, and what was lost does not come back in the midst of other lines.
    again = IssueLog(log.path)
    was_behind = again.behind
    assert [one["pos"] for one in lines(log.path)] == [0, 2]
    filled = again.fill(MAILING, [row(accepted(pos)) for pos in range(3)])
    assert (was_behind, filled, again.behind) == (True, 1, False)
    again.close()


@FULL
def test_closing_on_a_full_disk_is_no_error(log: IssueLog) -> None:
    kept = fill_the_disk(log)
    log.settled(MAILING, [accepted(0)])
    log.close()
    os.close(kept)


@FULL
def test_a_log_that_could_not_be_filled_stays_behind(log: IssueLog) -> None:
    kept = fill_the_disk(log)
    log.settled(MAILING, [accepted(0)])
    log.fill(MAILING, [row(accepted(0))])
    assert log.behind
    give_room(log, kept)
    log.close()


def test_a_log_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        IssueLog(tmp_path / "nowhere" / "2026-11-26.jsonl")
    assert error.value.code == "log-unwritable"
