"""A sender small enough to be seen through: an Ear that keeps what it is told, and letters to give it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.transports.relay import Relay

from biweekly.config import RelayConfig
from biweekly.errors import DeliveryInDoubt, RelayUnavailable, TransportError
from biweekly.model.mailing import Lane, Letter, Reply, Spot
from biweekly.transports.sasl import Login
from biweekly.transports.smtp import USUAL, SmtpTransport, open_smtp
from biweekly.transports.wire import Timeouts

Tls = Literal["implicit", "starttls", "none"]
Answer = Reply | TransportError
_PATIENCE = 60.0  # of a test that waits for what never comes


def letter(number: int = 1, *, to: str = "", content: bytes = b"", utf8: bool = False) -> Letter:
    head = f"Message-ID: <{number}@news.example>\r\nSubject: one\r\n\r\n".encode()
    body = content or b"two\r\n.three\r\n"
    return Letter(Spot(Lane(0), number), "from@example.com", to or f"reader{number}@example.org", (head, body), utf8)


def config(relay: Relay, tls: Tls = "none", **more: Any) -> RelayConfig:
    return RelayConfig(host="127.0.0.1", port=relay.port, tls=tls, **more)


@dataclass
class Listener:
    """Keeps what it is told, and gives the transport letters while there is room.

    `on_handed` and `on_answered` are called in between and may raise; `again` puts letters that were not sent back.
    """

    waiting: deque[Letter] = field(default_factory=deque)
    again: bool = False
    on_handed: Callable[[Letter], None] = lambda _: None
    on_answered: Callable[[Letter], None] = lambda _: None
    transport: SmtpTransport | None = None
    handings: list[int] = field(default_factory=list)
    told: dict[int, list[Answer]] = field(default_factory=dict)
    on_way: int = 0
    most_on_way: int = 0
    stirrings: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def handed(self, one: Letter) -> None:
        self.on_handed(one)
        self.handings.append(one.spot.pos)

    def answered(self, one: Letter, answer: Answer) -> None:
        self.on_way -= 1
        self.told.setdefault(one.spot.pos, []).append(answer)
        if self.again and isinstance(answer, RelayUnavailable):
            self.waiting.appendleft(one)
        self._news.set()
        self.on_answered(one)

    def stirred(self) -> None:
        self.stirrings += 1
        self.feed()
        self._news.set()

    def feed(self) -> None:
        transport = self.transport
        while transport is not None and transport.room and self.waiting:
            self.on_way += 1
            self.most_on_way = max(self.most_on_way, self.on_way)
            transport.submit(self.waiting.popleft())

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until something holds, looking at each stirring."""
        async with asyncio.timeout(_PATIENCE):
            while not enough():
                self._news.clear()
                await self._news.wait()

    async def carry(self, transport: SmtpTransport) -> None:
        """Give it letters until all are answered or it has closed."""
        self.transport = transport
        self.feed()
        await self.until(lambda: transport.closed or not (self.waiting or self.on_way))
        self.transport = None

    # --- what came of them ---------------------------------------------------------------------------------------

    def last(self, number: int) -> Answer:
        return self.told[number][-1]

    def reply(self, number: int) -> Reply:
        answer = self.last(number)
        assert isinstance(answer, Reply), answer
        return answer

    def fates(self) -> dict[int, int | str]:
        """What became of each letter at last: a code, `in doubt` or `unavailable`."""
        return {number: fate(answers[-1]) for number, answers in sorted(self.told.items())}


def fate(answer: Answer) -> int | str:
    match answer:
        case Reply(code=code):
            return code
        case DeliveryInDoubt():
            return "in doubt"
        case _:
            return "unavailable"


def send(
    relay: Relay,
    letters: Sequence[Letter],
    *,
    timeouts: Timeouts = USUAL,
    login: Login | None = None,
    again: bool = True,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    **more: Any,
) -> Listener:
    """Send letters as an engine does: a new connection after each that closed, until each letter has an answer."""
    ear = Listener(deque(letters), again=again)

    async def story() -> None:
        while ear.waiting:
            transport = await open_smtp(config(relay, **more), ear, login=login, timeouts=timeouts)
            await ear.carry(transport)
            await transport.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(story())
    return ear


def hold_to_account(ear: Listener, relay: Relay) -> None:
    """Hold what was told against the relay's record: nobody twice, nobody lost, nothing accepted that was not.

    What was accepted there is accepted or in doubt here, and what is accepted here was accepted there.
    """
    there = {rcpt: count for (_, rcpt), count in relay.pairs().items()}
    assert set(there.values()) <= {1}
    fates = {f"reader{number}@example.org": fate for number, fate in ear.fates().items()}
    accepted = {reader for reader, fate in fates.items() if isinstance(fate, int) and fate < 300}
    doubtful = {reader for reader, fate in fates.items() if fate == "in doubt"}
    assert accepted <= set(there) <= accepted | doubtful
    assert all(one.out_of_turn == [] for one in relay.connections)
    # Nothing is in doubt that was not handed over, and nothing is told twice but what was tried twice.
    for number, answers in ear.told.items():
        assert all(isinstance(one, RelayUnavailable) for one in answers[:-1])
        if fate(answers[-1]) == "in doubt":
            assert number in ear.handings
