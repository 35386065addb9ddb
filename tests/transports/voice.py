"""How the scripted relay hears and speaks, and how it misbehaves."""

import asyncio
import socket
import ssl
import struct
from dataclasses import dataclass, field
from typing import Final

from tests.transports.script import Account, Connection, Fault, Habits, Script

GARBAGE: Final = b"\x16\x03\x01 this is no SMTP\xff\r\n"
OVERSIZE: Final = b"250-" + b"x" * 998 + b"\r\n"
_DRIP: Final = 0.02


class Over(Exception):
    """This connection is done with."""


@dataclass
class House:
    """What all connections of a relay share."""

    habits: Habits
    script: Script
    account: Account
    context: ssl.SSLContext | None
    implicit_tls: bool
    stop: asyncio.Event
    connections: list[Connection] = field(default_factory=list)
    logins_tried: int = 0


class Voice:
    """One connection's bytes, in and out."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.house = house
        self.habits = house.habits
        self.reader = reader
        self.writer = writer
        self.log = Connection()
        house.connections.append(self.log)
        self.encrypted = house.implicit_tls
        self.buffer = bytearray()

    async def more(self) -> None:
        piece = await self.reader.read(1 << 18)
        if not piece:
            raise Over
        (self.log.in_tls if self.encrypted else self.log.in_clear).extend(piece)
        self.buffer += piece

    async def line(self) -> bytes:
        while (end := self.buffer.find(b"\r\n")) < 0:
            await self.more()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        return line

    async def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            await self.more()
        piece = bytes(self.buffer[:size])
        del self.buffer[:size]
        return piece

    async def write(self, raw: bytes) -> None:
        if self.habits.latency:
            # On its way for so long, like everything behind it: what is pipelined waits only once.
            asyncio.get_running_loop().call_later(self.habits.latency, self._arrive, raw)
        else:
            self.writer.write(raw)
            await self.writer.drain()

    def _arrive(self, raw: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(raw)

    async def flush(self) -> None:
        """Let what was said arrive."""
        if self.habits.latency:
            await asyncio.sleep(self.habits.latency)

    async def say(self, text: str) -> None:
        await self.write(reply_bytes(text))

    async def misbehave(self, fault: Fault, ordinary: str, *, before: bool = True) -> bool:
        if before and fault.after_bytes and ordinary:
            # Never to its end: then it would be an answer.
            await self.write(reply_bytes(ordinary)[:-1][: fault.after_bytes])
        match fault.do:
            case "reply":
                await self.say(fault.text)
                if fault.text.startswith("421"):
                    raise Over
                return fault.text[:1] in ("2", "3")
            case "stay":
                await self.say(fault.text)
                return False
            case "drop" | "accept-and-drop":
                raise Over
            case "reset":
                await self.flush()
                linger = struct.pack("ii", 1, 0)
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                raise Over
            case "garbage" | "accept-and-garbage":
                await self.write(fault.text.encode("latin-1") or GARBAGE)
            case "oversize":
                await self.write(OVERSIZE * 200)
            case "freeze":
                pass
            case "stall":
                await self.house.stop.wait()
                raise Over
            case "wait":
                await asyncio.sleep(fault.seconds)
                await self.say(fault.text or ordinary)
                return True
            case "drip":
                for byte in reply_bytes(fault.text or ordinary):
                    await self.write(bytes([byte]))
                    await asyncio.sleep(_DRIP)
                return True
            case "inject":
                await self.write(reply_bytes(ordinary) + reply_bytes(fault.text))
                return True
            case unknown:
                raise ValueError(f"no such fault: {unknown}")
        while True:  # and now silence, until the client has enough
            await self.more()


def reply_bytes(text: str) -> bytes:
    r"""Write lines divided by \n as one reply: the code of each line is kept, all but the last are continued."""
    lines = text.split("\n")
    return b"".join(
        (f"{line[:3]}-{line[4:]}" if index < len(lines) - 1 else line).encode() + b"\r\n"
        for index, line in enumerate(lines)
    )
