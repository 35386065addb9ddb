"""A relay that refuses everybody for our own fault: paused, nobody struck off, and resumed to everybody once."""

from collections import Counter

import pytest
from tests.journeys.house import House
from tests.transports.relay import Fault, Relay

READERS = 1000
WORDS = "550 5.7.26 This mail has been blocked because the sender is unauthenticated"


@pytest.mark.slow
@pytest.mark.parametrize("at", ["rcpt", "dot"])
def test_all_refused_for_our_own_fault_is_a_pause_and_nobody_is_struck_off(
    house: House, database_url: str, at: str
) -> None:
    with Relay(faults=[Fault(at, "reply", text=WORDS)], keep_content=False) as relay:
        house.use_relay(relay.port, batch=100)
        house.use_database(database_url)
        addresses = house.subscribe(READERS)
        issue = house.compose()
        before = house.json("subscribers", "list")

        sent = house.run("send", issue, "--live", "--confirm", f"{issue}:{READERS}", expect=5)
        assert f"biweekly resume {issue}" in sent.stderr
        report = house.json("report", issue)
        assert (report["state"], report["failed"], report["uncertain"], report["accepted"]) == ("paused", 0, 0, 0)
        assert "550 5.7.26" in report["reason"]
        assert report["waiting"] >= 10
        assert report["waiting"] + report["to_go"] == READERS
        # It did not go through the whole list to learn that.
        assert report["waiting"] < READERS / 2
        assert house.json("subscribers", "list") == before
        assert [problem for problem in house.json("status")["problems"] if "paused" in problem and "5.7.26" in problem]
        assert relay.accepted == []
        house.run("db", "check")

        # Nothing has changed yet: it looks for itself, and rests again.
        house.run("resume", issue, expect=5)
        assert house.json("report", issue)["failed"] == 0

        relay.faults = []
        house.run("resume", issue)
        assert Counter(one.recipients[0] for one in relay.accepted) == Counter(addresses)
        report = house.json("report", issue)
        assert (report["state"], report["accepted"], report["adds_up"]) == ("sent", READERS, True)
        assert house.json("subscribers", "list") == before
        house.run("db", "check")
