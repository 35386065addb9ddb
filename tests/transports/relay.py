r"""A scripted SMTP server on loopback that misbehaves on demand and keeps its own account of what it accepted.

In a test: `with Relay(faults=[Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^bounce")]) as relay:`; it runs
in a thread with a loop of its own. As a program (for tests that kill the sender):

    python tests/transports/relay.py --port 0 --record FILE [--offer PIPELINING,SIZE=1000] [--fault JSON]...

which prints `listening on 127.0.0.1:PORT`. Each acceptance is a line of JSON in the record before its 250 is written:
the oracle of "nobody twice, nobody lost".

It is strict: what it does not offer it refuses, and a limit it names it keeps. What it does always (greylisting,
throttles, domains that crawl, closing after some letters) is in `script.Habits`. A fault happens `at` one of: connect
banner ehlo helo starttls tls auth rset mail rcpt data bdat content dot quit. `dot` is the end of content by BDAT too,
and `bdat` is before a chunk is read. What a fault can `do`:

reply       `text`, its lines divided by \n; a 421 hangs up
stay        `text`, and goes on whatever it said, refusing what it was asked
wait        for `seconds`, then `text` or the ordinary reply
drop reset  end the connection, politely or not
garbage     something that is no SMTP (`text` where given), then silence
oversize    a reply that never ends
freeze      silence; stall: not even reading
drip        a byte every 20 ms of `text` or the ordinary reply
inject      the ordinary reply and `text` behind it in the same packet
impostor    (at auth, SCRAM) takes whoever comes without knowing the password
accept-and-drop  accept-and-garbage    (at dot) the letter is taken and recorded, its 250 is not said
"""

import argparse
import asyncio
import contextlib
import json
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.transports.script import (
    EVERYTHING,
    LOCKSTEP,
    WITH_CHUNKING,
    Accepted,
    Account,
    Connection,
    Fault,
    Greylist,
    Habits,
    Script,
    Throttle,
    read_record,
)
from tests.transports.session import Session
from tests.transports.voice import House, Over

__all__ = [
    "EVERYTHING", "LOCKSTEP", "WITH_CHUNKING", "Accepted", "Connection", "Fault", "Greylist", "Relay", "Throttle",
    "read_record",
]  # fmt: skip


class Relay:
    """The server. All settings are given at the start; what it saw is read from its attributes."""

    def __init__(
        self,
        *,
        offer: Sequence[str] = EVERYTHING,
        faults: Sequence[Fault] = (),
        login: tuple[str, str] | None = None,
        mechanisms: Sequence[str] = ("PLAIN", "LOGIN"),
        proof_with_consent: bool = False,
        certificate: Path | None = None,
        implicit_tls: bool = False,
        record: Path | None = None,
        keep_content: bool = True,
        port: int = 0,
        seed: int = 0,
        latency: float = 0.0,
        greylist: Greylist | None = None,
        throttles: Sequence[Throttle] = (),
        crawl: Mapping[str, float] | None = None,
        close_after: int | None = None,
    ) -> None:
        habits = Habits(
            tuple(offer), login, tuple(mechanisms), proof_with_consent, greylist, tuple(throttles), crawl or {},
            close_after, latency,
        )  # fmt: skip
        context: ssl.SSLContext | None = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        self.port = port
        self.trouble: BaseException | None = None
        self._house = House(
            habits, Script(faults, habits, seed=seed), Account(record, keep_content=keep_content), context,
            implicit_tls, asyncio.Event(),
        )  # fmt: skip
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None

    # --- what it saw ---------------------------------------------------------------------------------------------

    @property
    def accepted(self) -> list[Accepted]:
        return self._house.account.accepted

    @property
    def connections(self) -> list[Connection]:
        return self._house.connections

    @property
    def logins_tried(self) -> int:
        return self._house.logins_tried

    @property
    def faults(self) -> list[Fault]:
        """What goes wrong; may be changed while it serves."""
        return self._house.script.faults

    @faults.setter
    def faults(self, faults: Sequence[Fault]) -> None:
        self._house.script.faults = list(faults)

    def pairs(self) -> Counter[tuple[str, str]]:
        """How often each (Message-ID, recipient) was accepted."""
        return Counter((one.message_id, rcpt) for one in list(self.accepted) for rcpt in one.recipients)

    # --- life ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.run, name="relay", daemon=True)
        self._thread.start()
        self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended with an error of its own
            self._loop.call_soon_threadsafe(self._house.stop.set)
        if self._thread is not None:
            self._thread.join(10)
        if self.trouble is not None:
            raise self.trouble

    def run(self) -> None:
        """Serve until stopped."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._started.set()
            self._house.account.close()

    def announce(self) -> None:
        """Print where it listens, once it does."""
        self._started.wait()
        sys.stdout.write(f"listening on 127.0.0.1:{self.port}\n")
        sys.stdout.flush()

    async def _serve(self) -> None:
        house = self._house
        tls = house.context if house.implicit_tls else None
        server = await asyncio.start_server(self._met, "127.0.0.1", self.port, ssl=tls, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        try:
            await house.stop.wait()
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = Session(self._house, reader, writer)
        try:
            await session.serve()
        except (Over, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        except BaseException as error:  # noqa: BLE001 - shown to the test that owns the relay
            self.trouble = self.trouble or error
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()


def main(argv: Sequence[str]) -> None:
    """Run as a program until killed."""
    parser = argparse.ArgumentParser(description="a scripted SMTP server on loopback")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--offer", default=",".join(EVERYTHING), help="capabilities, divided by commas")
    parser.add_argument("--fault", action="append", default=[], help='JSON, as {"at": "rcpt", "do": "drop", "nth": 3}')
    parser.add_argument("--user")
    parser.add_argument("--password", default="", help="or the access token")
    parser.add_argument("--mechanisms", default="PLAIN,LOGIN", help="PLAIN, LOGIN, XOAUTH2, SCRAM-SHA-256")
    parser.add_argument("--certificate", type=Path, help="PEM with its key: offers STARTTLS")
    parser.add_argument("--implicit-tls", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply arrives")
    parser.add_argument("--greylist", type=json.loads, help='JSON, as {"to": "@grey", "seconds": 2}')
    parser.add_argument("--throttle", type=json.loads, action="append", default=[],
                        help='JSON, as {"domain": "slow.example", "most": 5, "seconds": 1}')  # fmt: skip
    parser.add_argument("--crawl", type=json.loads, default={}, help='JSON, as {"slow.example": 0.5}')
    parser.add_argument("--close-after", type=int, help="letters on one connection")
    chosen = parser.parse_args(argv)
    relay = Relay(
        offer=[one for one in chosen.offer.split(",") if one],
        faults=[Fault(**json.loads(one)) for one in chosen.fault],
        login=(chosen.user, chosen.password) if chosen.user else None, mechanisms=chosen.mechanisms.split(","),
        certificate=chosen.certificate, implicit_tls=chosen.implicit_tls, record=chosen.record, keep_content=False,
        port=chosen.port, seed=chosen.seed, latency=chosen.latency,
        greylist=Greylist(**chosen.greylist) if chosen.greylist else None,
        throttles=[Throttle(**one) for one in chosen.throttle], crawl=chosen.crawl, close_after=chosen.close_after,
    )  # fmt: skip
    threading.Thread(target=relay.announce, daemon=True).start()
    relay.run()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(sys.argv[1:])
