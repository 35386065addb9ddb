"""Signed letters on their way through a real Postfix: two judges find them good, and find what was done to them."""

import csv
import json
import smtplib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.journeys.house import House
from tests.support import dkimpy_judge
from tests.support.opendkim import OpenDkim
from tests.support.postfix import Door, Postfix
from tests.transports.relay import EVERYTHING, Accepted, Relay

from biweekly.dkim import SIGNED

# Every name is a trap for somebody: an encoder, a folder of lines, a rewriter of addresses.
READERS: Final = (
    ("nino@d0.example", "ნინო ბერიძე", "html"),
    ("shirin@d1.example", "شیرین رستمی", "text"),
    ("ruth@d2.example", 'Ruth "the Quill" O\'Malley, Ph.D. (retd.)', "html"),
    ("long@d3.example", "Maximiliana Theodora " * 8 + "von Hohenlohe", "text"),
    ("plain@d4.example", "", "html"),
    ("Mixed.Case+tag@d5.example", "Back\\slash  and @ sign", "text"),
    ("o'neil@d6.example", "Zoë =?utf-8?q?no?= <i>", "html"),
)
BEYOND_ASCII: Final = ("жанна@d7.example", "Жанна", "html")
ADDED: Final = "List-Unsubscribe: <https://evil.example/leave>"


@dataclass
class Judges:
    """Those who know the records of both keys."""

    records: Mapping[str, str]
    opendkim: OpenDkim

    def verdicts(self, letter: bytes) -> list[bool]:
        """What both judges say of both signatures: four times the same, or the judges disagree."""
        ours, theirs = dkimpy_judge.verdicts(letter, self.records), self.opendkim.verdicts(letter)
        assert list(theirs) == ["rsa", "ed"], theirs
        return [*ours, *theirs.values()]


@dataclass
class Round:
    """A mailing that has arrived."""

    postfix: Postfix
    relay: Relay
    judges: Judges
    letters: dict[str, bytes]


GOOD: Final = [True] * 4
BROKEN: Final = [False] * 4


def make_keys(house: House) -> dict[str, str]:
    """Make both keys, configure them as the command says; returns their records."""
    records, config = {}, ""
    for words in (("--selector", "rsa"), ("--selector", "ed", "--ed25519")):
        made = house.json("dkim", "keygen", *words)
        records[made["record"]["name"]] = made["record"]["text"]
        config += made["config"].removeprefix("[dkim]\n")
    house.add_config(f"[dkim]\n{config}")
    return records


def subscribe(house: House, *readers: tuple[str, str, str]) -> None:
    roster = house.root / "subscribers" / "odd.csv"
    with roster.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("email", "name", "variant"), *readers])
    house.run("subscribers", "import", str(roster), "--apply")


def by_reader(accepted: list[Accepted]) -> dict[str, bytes]:
    letters = {one.recipients[0]: one.content for one in accepted}
    assert len(letters) == len(accepted)
    return letters


def furnish(folder: Path) -> tuple[House, Judges]:
    """A publication with both keys, and judges who know their records."""
    house = House(folder / "review")
    init = [sys.executable, "-m", "biweekly", "init", str(house.root), "--no-input"]
    subprocess.run(init, check=True, capture_output=True)
    records = make_keys(house)
    return house, Judges(records, OpenDkim.over(folder / "opendkim", records))


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Round]:
    """A whole mailing by commands, through Postfix, to the relay behind it."""
    folder = tmp_path_factory.mktemp("signed")
    doors = {"usual": Door(), "meddling": Door(adds=ADDED)}
    with Relay(offer=EVERYTHING) as relay, Postfix(relay.port, doors) as postfix:
        house, judges = furnish(folder)
        house.use_relay(postfix.port())
        subscribe(house, *READERS, BEYOND_ASCII)
        issue, count = house.compose(), len(READERS) + 1
        report = house.json("send", issue, "--live", "--confirm", f"{issue}:{count}")
        assert (report["accepted"], report["adds_up"]) == (count, True)
        postfix.wait_until_empty()
        yield Round(postfix, relay, judges, by_reader(relay.accepted))


def test_every_letter_of_a_mailing_verifies_after_postfix(arrived: Round) -> None:
    assert {reader for reader, _, _ in (*READERS, BEYOND_ASCII)} == set(arrived.letters)
    for reader, _, variant in (*READERS, BEYOND_ASCII):
        letter = arrived.letters[reader]
        assert b"by postfix.example (Postfix" in letter.partition(b"DKIM-Signature:")[0], "it came another way"
        assert (b"multipart/alternative" in letter) == (variant == "html")
        assert arrived.judges.verdicts(letter) == GOOD, letter.partition(b"\r\n\r\n")[0].decode()


def test_a_second_list_unsubscribe_added_by_postfix_breaks_all_signatures(arrived: Round) -> None:
    reader = READERS[0][0]
    letter = arrived.letters[reader]
    before = len(arrived.relay.accepted)
    with smtplib.SMTP("127.0.0.1", arrived.postfix.port("usual")) as onward:
        onward.sendmail("news@review.example", [reader], letter)
    with smtplib.SMTP("127.0.0.1", arrived.postfix.port("meddling")) as onward:
        onward.sendmail("news@review.example", [reader], letter)
    arrived.postfix.wait_until_empty()
    again, meddled = sorted((one.content for one in arrived.relay.accepted[before:]), key=len)
    assert arrived.judges.verdicts(again) == GOOD
    assert meddled.count(b"\r\nList-Unsubscribe: ") == 2
    assert arrived.judges.verdicts(meddled) == BROKEN


@pytest.mark.parametrize("variant", ["html", "text"])
def test_any_signed_field_that_is_added_breaks_all_signatures(arrived: Round, variant: str) -> None:
    letter = arrived.letters[next(reader for reader, _, kind in READERS if kind == variant)]
    for name in sorted(SIGNED):
        added = f"{name}: added@evil.example\r\n".encode()
        assert arrived.judges.verdicts(added + letter) == BROKEN, name
        # Last of the fields is where a judge that takes them from the top would not look.
        assert arrived.judges.verdicts(letter.replace(b"\r\n\r\n", b"\r\n" + added + b"\r\n", 1)) == BROKEN, name
    assert arrived.judges.verdicts(b"X-Spam-Status: No\r\n" + letter) == GOOD


def test_a_changed_body_breaks_all_signatures(arrived: Round) -> None:
    for reader, letter in arrived.letters.items():
        changed = letter.replace(b"lorries", b"lorry's")
        assert changed != letter
        assert arrived.judges.verdicts(changed) == BROKEN, reader
        assert arrived.judges.verdicts(letter + b"and so on\r\n") == BROKEN, reader


def test_a_reader_beyond_ascii_fails_alone_and_by_name_at_a_postfix_without_smtputf8(tmp_path: Path) -> None:
    # What is behind it takes ASCII alone: Postfix would have to encode anything else anew, and break what is signed.
    plain = [one for one in EVERYTHING if one not in ("8BITMIME", "SMTPUTF8")]
    doors = {"usual": Door({"smtputf8_enable": "no", "smtpd_discard_ehlo_keywords": "8bitmime"})}
    with Relay(offer=plain) as relay, Postfix(relay.port, doors) as postfix:
        house, judges = furnish(tmp_path)
        house.use_relay(postfix.port())
        subscribe(house, *READERS, BEYOND_ASCII)
        issue, count = house.compose(), len(READERS) + 1
        report = house.json("send", issue, "--live", "--confirm", f"{issue}:{count}", expect=1)
        postfix.wait_until_empty()
        letters = by_reader(relay.accepted)
    assert (report["accepted"], report["failed"], report["adds_up"]) == (count - 1, 1, True)
    assert house.states(issue) == {reader: "accepted" for reader, _, _ in READERS} | {BEYOND_ASCII[0]: "failed"}
    assert set(letters) == {reader for reader, _, _ in READERS}
    assert {reader: judges.verdicts(letter) for reader, letter in letters.items()} == dict.fromkeys(letters, GOOD)
    lines = (house.root / "var/logs" / f"{issue}.jsonl").read_text().splitlines()
    (refused,) = (line for line in map(json.loads, lines) if line["event"] == "refused")
    assert (refused["domain"], refused["attempts"]) == ("d7.example", 1)
    assert refused["reply"].startswith("550 5.6.7 not sent: the relay takes no address with letters beyond ASCII")
