r"""A scripted SMTP server on loopback that misbehaves on demand and keeps its own account of what it accepted.

In a test: `with Relay(faults=[Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^bounce")]) as relay:`; it runs
in a thread with a loop of its own. As a program (for tests that kill the sender):

    python tests/transports/relay.py --port 0 --record FILE [--offer PIPELINING,SIZE=1000] [--fault JSON]...

which prints `listening on 127.0.0.1:PORT`. Each acceptance is a line of JSON in the record before its 250 is written:
the oracle of "nobody twice, nobody lost".

A fault happens `at` one of: connect banner ehlo helo starttls tls auth rset mail rcpt data content dot quit.
What it can `do`:

reply       `text`, its lines divided by \n; a 421 hangs up
drop reset  end the connection, politely or not
garbage     something that is no SMTP (`text` where given), then silence
oversize    a reply that never ends
freeze      silence; stall: not even reading
drip        a byte every 20 ms of `text` or the ordinary reply
inject      the ordinary reply and `text` behind it in the same packet
accept-and-drop  accept-and-garbage    (at dot) the letter is taken and recorded, its 250 is not said
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import random
import re
import socket
import ssl
import struct
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

EVERYTHING: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE", "ENHANCEDSTATUSCODES")
GARBAGE: Final = b"\x16\x03\x01 this is no SMTP\xff\r\n"
OVERSIZE: Final = b"250-" + b"x" * 998 + b"\r\n"
_DRIP: Final = 0.02
_END: Final = b"\r\n.\r\n"


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    `to` is searched in the recipient (from RCPT on); `nth` is the n-th letter of the server, counted by MAIL from 1;
    `chance` rolls the seeded die; `times` is how often at most; `after_bytes` counts the content.
    """

    at: str
    do: str
    text: str = ""
    to: str | None = None
    nth: int | None = None
    chance: float = 1.0
    times: int | None = None
    after_bytes: int = 0


@dataclass(frozen=True)
class Accepted:
    """A letter as it arrived, with its transparency dots taken out."""

    message_id: str
    mail_from: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass
class Connection:
    """What one client wrote: its command lines, and every byte before and inside TLS."""

    commands: list[str] = field(default_factory=list)
    in_clear: bytearray = field(default_factory=bytearray)
    in_tls: bytearray = field(default_factory=bytearray)


class _Over(Exception):
    """This connection is done with."""


class Relay:
    """The server. All settings are given at the start; what it saw is read from its attributes."""

    def __init__(
        self,
        *,
        offer: Sequence[str] = EVERYTHING,
        faults: Sequence[Fault] = (),
        login: tuple[str, str] | None = None,
        certificate: Path | None = None,
        implicit_tls: bool = False,
        record: Path | None = None,
        keep_content: bool = True,
        port: int = 0,
        seed: int = 0,
        latency: float = 0.0,
    ) -> None:
        self.faults = list(faults)
        self.accepted: list[Accepted] = []
        self.connections: list[Connection] = []
        self.logins_tried = 0
        self.port = port
        self._offer = tuple(offer)
        self._login = login
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._implicit_tls = implicit_tls
        self._record = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if record else None
        self._keep_content = keep_content
        self._die = random.Random(seed)  # noqa: S311 - faults are to be repeatable
        self._latency = latency
        self._happened: Counter[int] = Counter()
        self._letters = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self.trouble: BaseException | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.run, name="relay", daemon=True)
        self._thread.start()
        self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended with an error of its own
            self._loop.call_soon_threadsafe(self._stop.set)
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
            if self._record is not None:
                os.close(self._record)

    async def _serve(self) -> None:
        # readuntil is not used for content, so the limit only bounds a command line.
        server = await asyncio.start_server(
            self._met, "127.0.0.1", self.port, ssl=self._context if self._implicit_tls else None, limit=1 << 20
        )
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        try:
            await self._stop.wait()
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = _Session(self, reader, writer)
        try:
            await session.serve()
        except (_Over, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        except BaseException as error:  # noqa: BLE001 - shown to the test that owns the relay
            self.trouble = self.trouble or error
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    # --- the account ---------------------------------------------------------------------------------------------

    def pairs(self) -> Counter[tuple[str, str]]:
        """How often each (Message-ID, recipient) was accepted."""
        return Counter((one.message_id, rcpt) for one in list(self.accepted) for rcpt in one.recipients)

    def account(self, mail_from: str, recipients: Sequence[str], content: bytes) -> None:
        """Write an acceptance down before it is said."""
        found = re.search(rb"(?im)^message-id:\s*(\S+)", content)
        one = Accepted(
            found[1].decode("utf-8", "replace") if found else "", mail_from, tuple(recipients),
            content if self._keep_content else b"",
        )  # fmt: skip
        if self._record is not None:
            line = {
                "message_id": one.message_id, "mail_from": mail_from, "recipients": one.recipients,
                "size": len(content), "sha256": hashlib.sha256(content).hexdigest(),
            }  # fmt: skip
            os.write(self._record, json.dumps(line).encode() + b"\n")
        self.accepted.append(one)

    def fault_at(self, phase: str, recipient: str | None) -> Fault | None:
        """Return the first fault that is due here."""
        for index, fault in enumerate(self.faults):
            if (
                fault.at == phase
                and (fault.to is None or (recipient is not None and re.search(fault.to, recipient)))
                and (fault.nth is None or fault.nth == self._letters)
                and (fault.times is None or self._happened[index] < fault.times)
                and (fault.chance >= 1 or self._die.random() < fault.chance)
            ):
                self._happened[index] += 1
                return fault
        return None


class _Session:
    """One connection."""

    def __init__(self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._relay = relay
        self._reader = reader
        self._writer = writer
        self._log = Connection()
        relay.connections.append(self._log)
        self._encrypted = relay._implicit_tls
        self._mail_from: str | None = None
        self._recipients: list[str] = []
        self._last_recipient: str | None = None
        self._buffer = bytearray()

    async def serve(self) -> None:
        await self._at("connect", "")
        await self._at("banner", "220 relay.example ESMTP")
        while True:
            line = (await self._line()).decode("utf-8", "surrogateescape")
            self._log.commands.append(line)
            verb, _, argument = line.partition(" ")
            await self._obey(verb.upper(), argument)

    async def _obey(self, verb: str, argument: str) -> None:
        match verb:
            case "EHLO":
                offered = list(self._relay._offer)
                if self._relay._context is not None and not self._encrypted:
                    offered.append("STARTTLS")
                if self._relay._login is not None:
                    offered.append("AUTH PLAIN LOGIN")
                await self._at(
                    "ehlo", "\n".join(["250 relay.example", *(f"250 {one.replace('=', ' ')}" for one in offered)])
                )
            case "HELO":
                await self._at("helo", "250 relay.example")
            case "STARTTLS":
                await self._starttls()
            case "AUTH":
                await self._auth(argument)
            case "RSET":
                if await self._at("rset", "250 2.0.0 flushed"):
                    self._mail_from, self._recipients = None, []
            case "MAIL":
                self._relay._letters += 1
                if self._mail_from is not None:
                    await self._say("503 5.5.1 nested MAIL command")
                elif await self._at("mail", "250 2.1.0 sender ok"):
                    self._mail_from = _between(argument)
            case "RCPT":
                self._last_recipient = _between(argument)
                if self._mail_from is None:
                    await self._say("503 5.5.1 need MAIL")
                elif await self._at("rcpt", "250 2.1.5 recipient ok"):
                    self._recipients.append(self._last_recipient)
            case "DATA":
                fault = self._peek("data")
                if fault is not None or self._recipients:
                    if await self._at("data", "354 go ahead", fault=fault):
                        await self._data()
                else:
                    await self._say("554 5.5.1 no valid recipients")
            case "QUIT":
                await self._at("quit", "221 2.0.0 bye")
                raise _Over
            case _:
                await self._say("500 5.5.2 what was that?")

    async def _starttls(self) -> None:
        context = self._relay._context
        if context is None:
            await self._say("502 5.5.1 no TLS here")
            return
        if not await self._at("starttls", "220 2.0.0 ready"):
            return
        fault = self._peek("tls")
        if fault is not None:
            await self._misbehave(fault, "")
        await self._writer.start_tls(context)
        self._encrypted = True

    async def _auth(self, argument: str) -> None:
        self._relay.logins_tried += 1
        user, password = self._relay._login or ("", "")
        wanted = "PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        right = self._relay._login is not None and argument == wanted
        await self._at("auth", "235 2.7.0 welcome" if right else "535 5.7.8 wrong name or password")

    async def _data(self) -> None:
        fault = self._peek("content")
        if fault is not None:
            while len(self._buffer) < fault.after_bytes:
                await self._more()
            await self._misbehave(fault, "250 2.0.0 too early")
            if fault.do != "reply":
                raise _Over
            # The client may go on or hang up; whatever it still writes is kept as it came.
            while True:
                await self._more()
        content = await self._content()
        recipients, mail_from = self._recipients, self._mail_from or ""
        self._mail_from, self._recipients = None, []
        fault = self._peek("dot")
        if fault is None and not recipients:
            await self._say("554 5.5.1 no valid recipients")
        elif fault is None or fault.do in ("drip", "inject", "accept-and-drop", "accept-and-garbage") or _takes(fault):
            self._relay.account(mail_from, recipients, content)
            await self._at("dot", "250 2.0.0 taken", fault=fault)
        else:
            await self._misbehave(fault, "250 2.0.0 taken")

    async def _content(self) -> bytes:
        r"""Read up to CRLF.CRLF and nothing else: no other line end counts."""
        searched = 0
        while True:
            if self._buffer.startswith(b".\r\n"):
                del self._buffer[:3]
                return b""
            end = self._buffer.find(_END, max(0, searched - len(_END)))
            if end >= 0:
                raw = bytes(self._buffer[: end + 2])
                del self._buffer[: end + len(_END)]
                raw = raw.replace(b"\r\n..", b"\r\n.")
                return raw[1:] if raw.startswith(b"..") else raw
            searched = len(self._buffer)
            await self._more()

    # --- bytes ---------------------------------------------------------------------------------------------------

    async def _more(self) -> None:
        piece = await self._reader.read(1 << 18)
        if not piece:
            raise _Over
        (self._log.in_tls if self._encrypted else self._log.in_clear).extend(piece)
        self._buffer += piece

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            await self._more()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def _write(self, raw: bytes) -> None:
        if self._relay._latency:
            await asyncio.sleep(self._relay._latency)
        self._writer.write(raw)
        await self._writer.drain()

    async def _say(self, text: str) -> None:
        await self._write(_reply_bytes(text))

    def _peek(self, phase: str) -> Fault | None:
        return self._relay.fault_at(
            phase, self._last_recipient if phase in ("rcpt", "data", "content", "dot") else None
        )

    async def _at(self, phase: str, ordinary: str, *, fault: Fault | None = None) -> bool:
        """Answer as scripted, else as usual; whether the answer was a positive one."""
        fault = fault or self._peek(phase)
        if fault is None:
            if ordinary:
                await self._say(ordinary)
            return ordinary[:1] in ("2", "3")
        return await self._misbehave(fault, ordinary)

    async def _misbehave(self, fault: Fault, ordinary: str) -> bool:
        match fault.do:
            case "reply":
                await self._say(fault.text)
                if fault.text.startswith("421"):
                    raise _Over
                return fault.text[:1] in ("2", "3")
            case "drop" | "accept-and-drop":
                raise _Over
            case "reset":
                linger = struct.pack("ii", 1, 0)
                self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                raise _Over
            case "garbage" | "accept-and-garbage":
                await self._write(fault.text.encode("latin-1") or GARBAGE)
            case "oversize":
                await self._write(OVERSIZE * 200)
            case "freeze":
                pass
            case "stall":
                await self._relay._stop.wait()
                raise _Over
            case "drip":
                for byte in _reply_bytes(fault.text or ordinary):
                    await self._write(bytes([byte]))
                    await asyncio.sleep(_DRIP)
                return True
            case "inject":
                await self._write(_reply_bytes(ordinary) + _reply_bytes(fault.text))
                return True
            case unknown:
                raise ValueError(f"no such fault: {unknown}")
        while True:  # and now silence, until the client has enough
            await self._more()


def _takes(fault: Fault) -> bool:
    return fault.do == "reply" and fault.text.startswith("2")


def _between(argument: str) -> str:
    found = re.search(r"<(.*?)>", argument)
    return found[1] if found else ""


def _reply_bytes(text: str) -> bytes:
    r"""Write lines divided by \n as one reply: the code of each line is kept, all but the last are continued."""
    lines = text.split("\n")
    return b"".join(
        (f"{line[:3]}-{line[4:]}" if index < len(lines) - 1 else line).encode() + b"\r\n"
        for index, line in enumerate(lines)
    )


def read_record(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the acceptances of a record; a line that a killed server did not finish is none."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield json.loads(line)


def main(argv: Sequence[str]) -> None:
    """Run as a program until killed."""
    parser = argparse.ArgumentParser(description="a scripted SMTP server on loopback")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--offer", default=",".join(EVERYTHING), help="capabilities, divided by commas")
    parser.add_argument("--fault", action="append", default=[], help='JSON, as {"at": "rcpt", "do": "drop", "nth": 3}')
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--certificate", type=Path, help="PEM with its key: offers STARTTLS")
    parser.add_argument("--implicit-tls", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each reply")
    chosen = parser.parse_args(argv)
    relay = Relay(
        offer=[one for one in chosen.offer.split(",") if one],
        faults=[Fault(**json.loads(one)) for one in chosen.fault],
        login=(chosen.user, chosen.password) if chosen.user else None,
        certificate=chosen.certificate, implicit_tls=chosen.implicit_tls, record=chosen.record, keep_content=False,
        port=chosen.port, seed=chosen.seed, latency=chosen.latency,
    )  # fmt: skip
    threading.Thread(target=_announce, args=(relay,), daemon=True).start()
    relay.run()


def _announce(relay: Relay) -> None:
    relay._started.wait()
    sys.stdout.write(f"listening on 127.0.0.1:{relay.port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(sys.argv[1:])
