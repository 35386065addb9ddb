"""No content ends early and none is changed on its way, in the opinion of more than one server."""

import asyncio
import contextlib
import email
import re
import shutil
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transports.listening import Listener, hold_to_account, letter, send
from tests.transports.relay import EVERYTHING, LOCKSTEP, WITH_CHUNKING, Relay

from biweekly.config import RelayConfig
from biweekly.model.mailing import Letter
from biweekly.transports.smtp import open_smtp

OFFERS = {"lockstep": LOCKSTEP, "pipelined": EVERYTHING, "chunked": WITH_CHUNKING}
PSEUDO_TERMINATORS: Final = (
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n\x00.\r\n",
)  # fmt: skip


def smuggled(terminator: bytes) -> bytes:
    return b"before" + terminator + b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nevil\r\n"


def chunk_smuggled(terminator: bytes) -> bytes:
    envelope = b"RSET\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<b@example.org>\r\n"
    return b"before" + terminator + envelope + b"BDAT 4 LAST\r\nevil"


def contents(letters: Sequence[Letter]) -> list[bytes]:
    return [b"".join(one.content) for one in letters]


@pytest.mark.parametrize("terminator", [*PSEUDO_TERMINATORS, b"\r\n.\r\n"])
@pytest.mark.parametrize("way", OFFERS)
def test_a_pseudo_terminator_in_the_content_arrives_as_one_letter_byte_for_byte(way: str, terminator: bytes) -> None:
    letters = [letter(1, content=smuggled(terminator)), letter(2)]
    with Relay(offer=OFFERS[way]) as relay:
        ear = send(relay, letters)
    hold_to_account(ear, relay)
    assert ear.fates() == {1: 250, 2: 250}
    assert [one.content for one in relay.accepted] == contents(letters)
    assert {one.mail_from for one in relay.accepted} == {"from@example.com"}


@pytest.mark.parametrize("terminator", PSEUDO_TERMINATORS)
def test_commands_in_the_content_of_a_chunk_are_content(terminator: bytes) -> None:
    letters = [letter(1, content=chunk_smuggled(terminator)), letter(2)]
    with Relay(offer=WITH_CHUNKING) as relay:
        ear = send(relay, letters)
    assert ear.fates() == {1: 250, 2: 250}
    assert [one.content for one in relay.accepted] == contents(letters)


@settings(max_examples=25)
@given(st.lists(st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\0", b"a", b"DATA\r\n"])), max_size=5))
def test_letters_of_nothing_but_line_ends_and_dots_arrive_as_they_were(drawn: list[list[bytes]]) -> None:
    letters = [letter(number, content=b"".join(pieces) + b"\r\n") for number, pieces in enumerate(drawn)]
    for offer in OFFERS.values():
        with Relay(offer=offer) as relay:
            ear = send(relay, letters)
        hold_to_account(ear, relay)
        assert [one.content for one in relay.accepted] == contents(letters)


def carry(port: int, letters: Sequence[Letter]) -> Listener:
    ear = Listener(deque(letters))

    async def story() -> None:
        transport = await open_smtp(RelayConfig(host="127.0.0.1", port=port, tls="none"), ear)
        await ear.carry(transport)
        await transport.close()

    asyncio.run(story())
    return ear


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class _Keeper:
    """Keeps what aiosmtpd hands over."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, list[str], bytes]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.kept.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 kept"


def test_a_second_servers_opinion_is_the_same() -> None:
    keeper = _Keeper()
    controller = Controller(keeper, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
    controller.start()
    letters = [
        *(letter(number, content=smuggled(one)) for number, one in enumerate(PSEUDO_TERMINATORS)),
        letter(20, to="björn@example.org", utf8=True),
        letter(21, content=b".\r\n..\r\n...dots\r\n"),
    ]
    try:
        ear = carry(controller.port, letters)
    finally:
        controller.stop()
    assert set(ear.fates().values()) == {250}
    assert [content for _, _, content in keeper.kept] == contents(letters)
    assert [rcpt for _, rcpt, _ in keeper.kept] == [[one.rcpt_to] for one in letters]
    assert email.message_from_bytes(keeper.kept[-1][2])["Message-ID"] == "<21@news.example>"


@contextlib.contextmanager
def sinking(folder: Path, *options: str) -> Iterator[int]:
    """Run Postfix's own test server, which pipelines, and give its port."""
    program = shutil.which("smtp-sink") or shutil.which("/usr/sbin/smtp-sink")
    if program is None:
        pytest.skip("Postfix's smtp-sink is missing")
    port = free_port()
    who = ["-u", "root"] if folder.owner() == "root" else []
    with subprocess.Popen([program, *who, *options, f"127.0.0.1:{port}", "10"]) as process:
        try:
            for _ in range(500):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()


def test_postfixs_own_sink_is_of_the_same_opinion_letter_by_letter(tmp_path: Path) -> None:
    letters = [
        *(letter(number, content=b".\r\n..\r\n...%d\r\n" % number) for number in range(40)),
        *(letter(number, content=b"x" * 70 + b"\r\n" + b"y" * 70_000 + b"\r\n") for number in range(40, 44)),
    ]
    with sinking(tmp_path, "-d", f"{tmp_path}/letter.") as port:
        ear = carry(port, letters)
    assert set(ear.fates().values()) == {250}
    assert ear.most_on_way == 2
    found = {}
    for path in tmp_path.iterdir():
        raw = path.read_bytes()
        reader = re.search(rb"^X-Rcpt-Args: <(.*)>$", raw, flags=re.MULTILINE)
        assert reader is not None
        # It keeps lines without their returns, and an empty one behind the last.
        found[reader[1].decode()] = raw[raw.index(b"Message-ID:") :].rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"
    assert found == {one.rcpt_to: b"".join(one.content) for one in letters}


@pytest.mark.parametrize("reply", ["-r", "-f", "-q"])
@pytest.mark.parametrize("at", ["mail", "rcpt", "data", "."])
def test_what_the_sink_refuses_or_hangs_up_on_has_an_answer(tmp_path: Path, at: str, reply: str) -> None:
    with sinking(tmp_path, reply, at) as port:
        ear = carry(port, [letter(1), letter(2), letter(3)])
    fates = ear.fates()
    if reply == "-q":  # hangs up
        assert fates[1] == ("in doubt" if at == "." else "unavailable")
    else:  # refuses softly, or for good
        assert fates == dict.fromkeys((1, 2, 3), 450 if reply == "-r" else 500)
