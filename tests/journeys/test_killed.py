"""A sender that is killed, frozen or cut off: nobody twice, nobody missing but those named uncertain."""

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.journeys.house import House, RelayProcess, kill, wait_until

READERS = 120
SENDER = Path(__file__).with_name("sender.py")


def ready(house: House, relay: RelayProcess, database_url: str, *, readers: int = READERS) -> tuple[str, Sequence[str]]:
    house.use_relay(relay.port, connections=3, batch=10)
    house.use_database(database_url)
    addresses = house.subscribe(readers)
    return house.compose(), addresses


def reached(relay: RelayProcess, process: "subprocess.Popen[str]", letters: int) -> bool:
    return relay.count() >= letters or process.poll() is not None


def account(house: House, issue: str, relay: RelayProcess, addresses: Sequence[str]) -> Counter[str]:
    """Hold the ledger against the server's own record, and return the states."""
    states = house.states(issue)
    accepted = relay.accepted()
    assert sorted(states) == sorted(addresses), "somebody is missing from the report"
    assert not [to for to, times in accepted.items() if times > 1], "somebody was mailed twice"
    for address, state in states.items():
        if state == "accepted":
            assert address in accepted, f"{address} is called accepted and was not"
        if address in accepted:
            assert state in {"accepted", "uncertain"}, f"{address} has it and is called {state}"
    report = house.json("report", issue)
    assert report["adds_up"]
    assert report["planned"] == len(addresses)
    return Counter(states.values())


@pytest.mark.slow
@pytest.mark.parametrize("moments", [(1, 40, 90), (7, 8, 119), (23, 60, 61), (3, 30, 100)])
def test_killed_at_any_moment_and_resumed(
    house: House, start_relay: Callable[..., RelayProcess], database_url: str, moments: tuple[int, ...]
) -> None:
    relay = start_relay("--latency", "0.002")
    issue, addresses = ready(house, relay, database_url)
    words = ["send", issue, "--live", "--confirm", f"{issue}:{READERS}"]
    for moment in moments:
        process = house.start(*words)
        wait_until(partial(reached, relay, process, moment), f"letter {moment}")
        kill(process)
        words = ["resume", issue]
        assert house.json("report", issue)["adds_up"]
    house.run(*words, expect=None)
    states = account(house, issue, relay, addresses)
    assert states["accepted"] + states["uncertain"] == READERS
    # Only what was handed over when it died is in doubt: three connections with one letter each.
    assert states["uncertain"] <= 3 * len(moments)
    log = [json.loads(line) for line in (house.root / "var/logs" / f"{issue}.jsonl").read_text().splitlines()]
    told = Counter(line["event"] for line in log if "lane" in line)
    assert told["accepted"] == states["accepted"]
    assert told["uncertain"] == states["uncertain"]


@pytest.mark.slow
def test_a_torn_last_record_of_the_journal_still_adds_up(
    house: House, start_relay: Callable[..., RelayProcess], sqlite_url: str
) -> None:
    relay = start_relay("--latency", "0.002")
    issue, addresses = ready(house, relay, sqlite_url)
    process = house.start("send", issue, "--live", "--confirm", f"{issue}:{READERS}")
    wait_until(lambda: relay.count() >= 50, "letter 50")
    kill(process)
    (journal,) = (house.root / "var/journal").glob("*.journal")
    with journal.open("r+b") as file:
        file.truncate(journal.stat().st_size - random.Random(1).randint(1, 15))  # noqa: S311 - any cut will do
    house.run("resume", issue, expect=None)
    states = account(house, issue, relay, addresses)
    assert states["accepted"] + states["uncertain"] == READERS


@pytest.mark.slow
def test_without_its_journal_all_that_was_open_is_in_doubt_and_nobody_is_mailed_twice(
    house: House, start_relay: Callable[..., RelayProcess], sqlite_url: str
) -> None:
    relay = start_relay("--latency", "0.002")
    issue, addresses = ready(house, relay, sqlite_url)
    process = house.start("send", issue, "--live", "--confirm", f"{issue}:{READERS}")
    wait_until(lambda: relay.count() >= 50, "letter 50")
    kill(process)
    for journal in (house.root / "var/journal").glob("*.journal"):
        journal.unlink()
    house.run("resume", issue, expect=1)
    states = account(house, issue, relay, addresses)
    assert states["uncertain"] > 0
    assert states["accepted"] + states["uncertain"] == READERS
    house.run("resolve", issue, "--sent", "--why", "the relay's log has them")
    assert house.json("report", issue)["accepted"] == READERS


@pytest.mark.slow
def test_ctrl_c_lets_letters_in_flight_finish(
    house: House, start_relay: Callable[..., RelayProcess], sqlite_url: str
) -> None:
    relay = start_relay("--latency", "0.002")
    issue, addresses = ready(house, relay, sqlite_url)
    process = house.start("send", issue, "--live", "--confirm", f"{issue}:{READERS}")
    wait_until(lambda: relay.count() >= 20, "letter 20")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 5, err
    assert f"biweekly resume {issue}" in err
    assert "uncertain 0 " in out
    states = account(house, issue, relay, addresses)
    assert states["to go"] > 0
    house.run("resume", issue)
    assert account(house, issue, relay, addresses) == {"accepted": READERS}


@pytest.mark.slow
def test_two_senders_on_one_database_the_second_is_refused(
    house: House, start_relay: Callable[..., RelayProcess], sqlite_url: str
) -> None:
    relay = start_relay("--latency", "0.01")
    issue, addresses = ready(house, relay, sqlite_url)
    process = house.start("send", issue, "--live", "--confirm", f"{issue}:{READERS}")
    wait_until(lambda: relay.count() >= 5, "letter 5")
    process.send_signal(signal.SIGSTOP)
    refused = house.run("resume", issue, expect=4)
    assert "another-sender" in refused.stderr
    process.send_signal(signal.SIGCONT)
    process.communicate()
    assert account(house, issue, relay, addresses) == {"accepted": READERS}


@pytest.mark.slow
@pytest.mark.postgresql
def test_a_frozen_sender_that_wakes_hands_over_nothing_more(
    house: House, start_relay: Callable[..., RelayProcess], postgresql_url: str
) -> None:
    relay = start_relay("--latency", "0.01")
    issue, addresses = ready(house, relay, postgresql_url)
    process = house.start("send", issue, "--live", "--confirm", f"{issue}:{READERS}")
    wait_until(lambda: relay.count() >= 5, "letter 5")
    kill(process)  # the mailing has begun; from here on two senders with a short lease

    def sender() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(SENDER), str(house.root), issue, "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    before = relay.count()
    first = sender()
    wait_until(lambda: relay.count() >= before + 20, "twenty letters of the first sender")
    first.send_signal(signal.SIGSTOP)
    second = sender()
    said, trouble = second.communicate()
    while "busy" in said or house.json("report", issue)["to_go"]:
        second = sender()  # its lease has to run out first
        said, trouble = second.communicate()
        assert second.returncode == 0, trouble
    after = relay.count()
    first.send_signal(signal.SIGCONT)
    _, trouble = first.communicate()
    assert "fenced" in trouble or "lease-lost" in trouble
    # What was on the wire when it froze may still be taken; it is named uncertain, and nothing else follows.
    assert relay.count() - after <= 3
    states = account(house, issue, relay, addresses)
    assert states["accepted"] + states["uncertain"] == READERS
    assert states["uncertain"] >= 1
