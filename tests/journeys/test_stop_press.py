"""A mailing under way, steered from another process: paused, corrected, ended, opened again. Each reader gets one."""

import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from tests.journeys.house import PATIENCE, House, kill, wait_until
from tests.transports.relay import Fault, Relay

READERS = 60
SLOW = 0.5  # seconds a letter, on each of two connections: time enough for a command or two
FIRST, SECOND = "A bridge opens", "Corrected: a bridge opens"


def ready(house: House, relay: Relay, database_url: str) -> tuple[str, Sequence[str]]:
    house.use_relay(relay.port, connections=2, batch=5)
    house.use_database(database_url)
    addresses = house.subscribe(READERS)
    issue = house.compose()
    call_it(house, issue, FIRST)
    return issue, addresses


def call_it(house: House, issue: str, subject: str) -> None:
    path = house.root / "issues" / issue / "issue.toml"
    path.write_text(re.sub(r"(?m)^subject = .*$", f"subject = {json.dumps(subject)}", path.read_text(), count=1))


@contextmanager
def sending(house: House, issue: str, relay: Relay, letters: int) -> Iterator["subprocess.Popen[str]"]:
    """A sender whose relay has taken so many letters and is slow from then on, and that is gone at the end."""
    relay.faults = [Fault("dot", "wait", seconds=0.05)]
    process = house.start("send", issue, "--live", "--confirm", f"{issue}:{READERS}")
    try:
        wait_until(lambda: len(relay.accepted) >= letters or process.poll() is not None, f"letter {letters}")
        relay.faults = [Fault("dot", "wait", seconds=SLOW)]
        yield process
    finally:
        kill(process)
        relay.faults = []


def freeze(house: House, issue: str, relay: Relay, sender: "subprocess.Popen[str]") -> str:
    """Stop a sender that waits for its relay, pause the mailing, and return what `pause` said."""
    while True:
        # One that is frozen in the midst of a commit keeps everybody from writing: let it go on a little.
        wait_until(lambda: house.json("report", issue)["accepted"] == len(relay.accepted), "what was taken is settled")
        sender.send_signal(signal.SIGSTOP)
        done = house.run("pause", issue, expect=None)
        if done.returncode != 3:
            assert done.returncode == 0, done.stderr
            return done.stdout
        sender.send_signal(signal.SIGCONT)


def subjects(relay: Relay) -> dict[str, list[str]]:
    """Which subjects each recipient was sent."""
    found: dict[str, list[str]] = {}
    for one in relay.accepted:
        head = one.content.partition(b"\r\n\r\n")[0].decode()
        subject = re.search(r"(?m)^Subject: (.*)\r$", head)
        assert subject
        found.setdefault(one.recipients[0], []).append(subject[1])
    return found


def told(house: House, issue: str, mailing: int) -> Counter[str]:
    """What the log says became of the places of a mailing, without the database."""
    last: dict[tuple[int, int], str] = {}
    for raw in (house.root / "var/logs" / f"{issue}.jsonl").read_text().splitlines():
        line = json.loads(raw)
        if line["mailing"] == mailing and "pos" in line:
            last[line["lane"], line["pos"]] = line["event"]
    return Counter(last.values())


@pytest.mark.slow
def test_the_rest_of_a_paused_mailing_gets_the_corrected_edition(house: House, database_url: str) -> None:
    with Relay() as relay:
        issue, addresses = ready(house, relay, database_url)
        with sending(house, issue, relay, 10) as sender:
            paused = house.run("pause", issue, "--why", "a wrong name, says nino@review.example")
            assert "a wrong name, says (address)" in paused.stdout
            assert sender.wait(PATIENCE) == 5
        first = house.json("report", issue)
        assert (first["state"], first["uncertain"], first["failed"]) == ("paused", 0, 0)
        left = first["to_go"] + first["waiting"]
        assert 0 < left < READERS
        assert first["accepted"] + left == READERS

        call_it(house, issue, SECOND)
        plan = house.json("stop-press", issue)
        assert (plan["subscribers"], plan["subject"], plan["accepted"]) == (left, SECOND, first["accepted"])
        wrong = house.run("stop-press", issue, "--live", "--confirm", f"{issue}:{left + 1}", expect=4)
        assert "count-changed" in wrong.stderr
        assert house.json("report", issue) == first
        second = house.json("stop-press", issue, "--live", "--confirm", f"{issue}:{left}")
        assert (second["kind"], second["planned"], second["accepted"], second["state"]) == (
            "stop_press", left, left, "sent",
        )  # fmt: skip
        assert second["edition"] != first["edition"]

        got = subjects(relay)
        assert sorted(got) == sorted(addresses)
        assert Counter(tuple(one) for one in got.values()) == {(FIRST,): READERS - left, (SECOND,): left}
        assert len({one.message_id for one in relay.accepted}) == READERS
        ended = house.json("report", issue)
        assert (ended["state"], ended["accepted"], ended["skipped"], ended["adds_up"]) == (
            "cancelled", READERS - left, left, True,
        )  # fmt: skip
        assert house.json("report", issue, "--mailing", str(second["mailing"]))["adds_up"]
        assert told(house, issue, ended["mailing"]) == {"accepted": READERS - left, "skipped": left}
        assert told(house, issue, second["mailing"]) == {"accepted": left}
        assert "already-mailed" in house.run("send", issue, expect=4).stderr
        assert "nothing-to-resume" in house.run("resume", issue, expect=4).stderr
        assert "every one is in exactly one state" in house.run("db", "check").stdout


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["cancel", "stop-press"])
def test_a_frozen_sender_keeps_a_mailing_from_being_ended_and_a_dead_one_does_not(
    house: House, database_url: str, ending: str
) -> None:
    with Relay() as relay:
        issue, addresses = ready(house, relay, database_url)

        def end(expect: int | None) -> Any:
            report = house.json("report", issue)
            confirm = () if ending == "cancel" else ("--confirm", f"{issue}:{report['to_go'] + report['waiting']}")
            return house.run(ending, issue, "--live", *confirm, expect=expect)

        with sending(house, issue, relay, 10) as sender:
            relay.faults = [Fault("dot", "freeze")]
            said = freeze(house, issue, relay, sender)
            claimed = re.search(r"(\d+) places? (?:is|are) claimed by a sender", said)
            assert claimed
            call_it(house, issue, SECOND)
            refused = end(None)
            code = {4: "another-sender", 3: "database-locked"}.get(refused.returncode, "nothing of the kind")
            assert f"error {code}" in refused.stderr
            assert house.json("report", issue)["state"] == "paused"
        done = end(None)
        if done.returncode == 4:
            # What the dead sender had open is settled now, and it is fewer than were confirmed.
            assert "count-changed" in done.stderr
            done = end(None)
        assert done.returncode in {0, 1}, done.stderr
        states = house.states(issue)
        assert sorted(states) == sorted(addresses)
        got = subjects(relay)
        assert max(len(one) for one in got.values()) == 1, "somebody was mailed twice"
        counts = Counter(states.values())
        assert counts["accepted"] + counts["uncertain"] + counts["skipped"] == READERS
        assert counts["uncertain"] <= int(claimed[1])
        for address, state in states.items():
            if state == "accepted":
                assert got[address] == [FIRST]
            elif state == "uncertain":
                assert got.get(address, [FIRST]) == [FIRST], "who may have the first edition gets no second"
            else:
                assert got.get(address) == ([SECOND] if ending == "stop-press" else None)
        house.run("db", "check")


@pytest.mark.slow
def test_who_was_refused_is_sent_the_same_again(house: House, database_url: str) -> None:
    refused = Fault("rcpt", "reply", text="550 5.1.1 no such user", to="^reader[1-4]@")
    torn = Fault("dot", "accept-and-drop", to="^reader5@", times=1)
    with Relay(faults=[refused, torn]) as relay:
        issue, addresses = ready(house, relay, database_url)
        house.run("send", issue, "--live", "--confirm", f"{issue}:{READERS}", expect=1)
        assert (house.json("report", issue)["failed"], house.json("report", issue)["uncertain"]) == (4, 1)
        house.run("subscribers", "suppress", "reader4@d4.example", "--reason", "asked by letter")
        relay.faults = []
        assert house.json("resend", issue, "--failed") == {
            "schema": "biweekly/resend-plan/1", "issue": issue, "mailing": 1, "places": 4, "refused": 4, "expired": 0,
            "gone": 1,
        }  # fmt: skip
        assert house.json("report", issue)["failed"] == 4
        house.run("resend", issue, "--failed", "--live", "--why", "the domain was moved")
        house.run("resolve", issue, "reader5@d5.example", "--again", "--why", "she has nothing")
        assert (house.json("report", issue)["state"], house.json("report", issue)["waiting"]) == ("sending", 5)
        house.run("resume", issue)
        report = house.json("report", issue)
        assert (report["state"], report["accepted"], report["skipped"], report["adds_up"]) == (
            "sent", READERS - 1, 1, True,
        )  # fmt: skip
        assert told(house, issue, 1) == {"accepted": READERS - 1, "skipped": 1}
        got = Counter(one.recipients[0] for one in relay.accepted)
        assert got == Counter(addresses) - Counter(["reader4@d4.example"]) + Counter(["reader5@d5.example"])
        one, other = (letter for letter in relay.accepted if letter.recipients[0] == "reader5@d5.example")
        assert one == other
        house.run("db", "check")


@pytest.mark.slow
def test_db_check_looks_on_while_a_mailing_is_sent(house: House, database_url: str) -> None:
    with Relay() as relay:
        issue, _ = ready(house, relay, database_url)
        looks = 0
        with sending(house, issue, relay, 5) as sender:
            while sender.poll() is None:
                house.run("db", "check")
                looks += 1
        assert looks > 0
        assert house.json("report", issue)["accepted"] == READERS


@pytest.mark.parametrize("command", ["pause", "cancel", "stop-press"])
def test_where_nothing_is_under_way_nothing_is_steered(house: House, command: str) -> None:
    house.subscribe(2)
    issue = house.compose()
    said = house.run(command, issue, expect=4 if command == "pause" else 1)
    assert ("not-under-way" if command == "pause" else "no-mailing") in said.stderr
