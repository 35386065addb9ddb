"""Letters to a real Postfix, and what has arrived at the relay behind it."""

import asyncio
import re
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pytest
from tests.support.postfix import Door, Postfix
from tests.transports.listening import Listener, letter
from tests.transports.relay import Relay

from biweekly.config import RelayConfig
from biweekly.model.mailing import Letter
from biweekly.transports.smtp import open_smtp

# What some relay or other takes for the end of a message, besides CRLF.CRLF (SMTP smuggling, VU#302671).
PSEUDO_TERMINATORS: Final = (
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n\x00.\r\n",
)  # fmt: skip
SMUGGLED: Final = b"MAIL FROM:<a@evil.example>\r\nRCPT TO:<b@evil.example>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
BY_CHUNKS: Final = Door()
# Since 3.9 it is the default that only CRLF ends a line where the end of a message is looked for.
BY_DATA: Final = Door({
    "smtpd_discard_ehlo_keywords": "chunking", "smtpd_forbid_bare_newline": "normalize",
    "smtpd_forbid_bare_newline_exclusions": "",
})  # fmt: skip
LIMITED: Final = Door({"smtputf8_enable": "no", "smtpd_discard_ehlo_keywords": "8bitmime"})
DOORS: Final = {"chunks": BY_CHUNKS, "data": BY_DATA, "limited": LIMITED}
by_way = pytest.mark.parametrize("way", ["chunks", "data"])


@dataclass
class Chain:
    """A Postfix and the relay behind it."""

    postfix: Postfix
    relay: Relay

    def carry(self, door: str, letters: Sequence[Letter]) -> tuple[Listener, dict[str, bytes]]:
        """Send letters to a door; returns what was said of them, and what arrived at the end, by reader."""
        ear = Listener(deque(letters))
        before = len(self.relay.accepted)

        async def story() -> None:
            chosen = RelayConfig(host="127.0.0.1", port=self.postfix.port(door), tls="none")
            transport = await open_smtp(chosen, ear)
            await ear.carry(transport)
            await transport.close()

        asyncio.run(story())
        self.postfix.wait_until_empty()
        arrived = self.relay.accepted[before:]
        assert [len(one.recipients) for one in arrived] == [1] * len(arrived)
        by_reader = {one.recipients[0]: one.content for one in arrived}
        assert len(by_reader) == len(arrived)
        return ear, by_reader


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Relay() as relay, Postfix(relay.port, DOORS) as postfix:
        yield Chain(postfix, relay)


@by_way
def test_letters_arrive_once_each_and_byte_for_byte_below_what_postfix_writes(chain: Chain, way: str) -> None:
    letters = [letter(number) for number in range(30)]
    ear, arrived = chain.carry(way, letters)
    assert ear.fates() == dict.fromkeys(range(30), 250)
    assert set(arrived) == {one.rcpt_to for one in letters}
    for one in letters:
        head, _, body = b"".join(one.content).partition(b"\r\n\r\n")
        # It adds a From and a Date where there is none, below ours.
        above, _, rest = arrived[one.rcpt_to].partition(head)
        assert re.fullmatch(rb"Received: from [^\r]*\r\n(\t[^\r]*\r\n)+", above)
        assert rest.endswith(b"\r\n\r\n" + body)


@by_way
def test_all_seven_pseudo_terminators_arrive_within_one_message_each(chain: Chain, way: str) -> None:
    letters = []
    for number, end in enumerate(PSEUDO_TERMINATORS):
        letters += [letter(number, content=b"one" + end + SMUGGLED + b"the last line\r\n"), letter(10 + number)]
    ear, arrived = chain.carry(way, letters)
    assert set(ear.fates().values()) == {250}
    assert set(arrived) == {one.rcpt_to for one in letters}
    for one in letters:
        content = b"".join(one.content).partition(b"\r\n\r\n")[2]
        # Postfix rewrites line ends that are none, and takes a dot behind one for a doubled one; all else is as it was.
        assert squeezed(arrived[one.rcpt_to].partition(b"\r\n\r\n")[2]) == squeezed(content)


def squeezed(content: bytes) -> bytes:
    return re.sub(rb"[\r\n .]+", b"", content)


def test_what_postfix_does_not_offer_fails_alone_and_nothing_of_it_is_said(chain: Chain) -> None:
    letters = [
        letter(1), letter(2, to="жанна@example.org", utf8=True), letter(3, content="zwölf\r\n".encode()), letter(4),
    ]  # fmt: skip
    said = len(chain.postfix.log)
    ear, arrived = chain.carry("limited", letters)
    assert ear.fates() == {1: 250, 2: 550, 3: 554, 4: 250}
    assert (ear.reply(2).enhanced, ear.reply(3).enhanced) == ("5.6.7", "5.6.3")
    assert ear.handings == [1, 4]
    assert set(arrived) == {letters[0].rcpt_to, letters[3].rcpt_to}
    log = chain.postfix.log[said:]
    assert log.count("client=") == 2
    assert "reject" not in log


def test_what_postfix_offers_passes_through_it_beyond_ascii(chain: Chain) -> None:
    letters = [letter(1, to="жанна@example.org", utf8=True), letter(2, content="zwölf\r\n".encode())]
    ear, arrived = chain.carry("chunks", letters)
    assert ear.fates() == {1: 250, 2: 250}
    assert set(arrived) == {one.rcpt_to for one in letters}
    assert arrived[letters[1].rcpt_to].endswith("zwölf\r\n".encode())


def test_nothing_is_left_of_a_postfix_when_its_test_ends() -> None:
    with Relay() as relay, Postfix(relay.port) as postfix:
        port, folder = postfix.port(), postfix.folder
        assert folder.exists()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass
    assert not folder.exists()
