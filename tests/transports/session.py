"""One connection of the scripted relay: obeys as a strict server does, except where the script says otherwise."""

import asyncio
import base64
import re
import ssl
from typing import Final

from tests.transports.gatekeeper import WELCOME, WRONG, judge
from tests.transports.script import Fault, domain_of
from tests.transports.voice import House, Over, Voice

_END: Final = b"\r\n.\r\n"
_ALONE: Final = ("EHLO", "HELO", "DATA", "STARTTLS", "AUTH", "QUIT")  # the last of what is written at once
_TAKEN: Final = "250 2.0.0 taken"


class Session(Voice):
    """One connection."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(house, reader, writer)
        self._authenticated = house.habits.login is None
        self._greeted = False
        self._carried = 0
        self._last_recipient: str | None = None
        self._forget()

    def _forget(self) -> None:
        self._mail_from: str | None = None
        self._recipients: list[str] = []
        self._words: list[str] = []
        self._chunks: bytearray | None = None

    async def serve(self) -> None:
        try:
            await self._at("connect", "")
            await self._at("banner", "220 relay.example ESMTP")
            while True:
                line = (await self.line()).decode("utf-8", "surrogateescape")
                self.log.commands.append(line)
                verb, _, argument = line.partition(" ")
                pipelines = self._greeted and self.habits.offers("PIPELINING")
                if self.buffer and verb.upper() != "BDAT" and (not pipelines or verb.upper() in _ALONE):
                    self.log.out_of_turn.append(line)
                await self._obey(verb.upper(), argument)
        except Over:
            await self.flush()
            raise

    async def _obey(self, verb: str, argument: str) -> None:
        match verb:
            case "EHLO":
                self._forget()
                self._greeted = True
                await self._at("ehlo", "\n".join(f"250 {one}" for one in ("relay.example", *self._offered())))
            case "HELO":
                self._forget()
                await self._at("helo", "250 relay.example")
            case "STARTTLS":
                await self._starttls()
            case "AUTH":
                await self._auth(argument)
            case "RSET":
                if await self._at("rset", "250 2.0.0 flushed"):
                    self._forget()
            case "MAIL":
                await self._mail(argument)
            case "RCPT":
                await self._rcpt(argument)
            case "DATA":
                await self._data()
            case "BDAT" if self.habits.offers("CHUNKING"):
                await self._bdat(argument)
            case "QUIT":
                await self._at("quit", "221 2.0.0 bye")
                raise Over
            case _:
                await self.say("500 5.5.2 what was that?")

    def _offered(self) -> list[str]:
        offered = [one.replace("=", " ") for one in self.habits.offer]
        if self.house.context is not None and not self.encrypted:
            offered.append("STARTTLS")
        if self.habits.login is not None:
            offered.append(" ".join(("AUTH", *self.habits.mechanisms)))
        return offered

    # --- the opening ---------------------------------------------------------------------------------------------

    async def _starttls(self) -> None:
        context = self.house.context
        if context is None or self.encrypted:
            await self.say("502 5.5.1 no TLS here")
            return
        if not await self._at("starttls", "220 2.0.0 ready"):
            return
        await self.flush()
        fault = self._peek("tls")
        if fault is not None:
            if fault.after_bytes:
                await self._part_of_handshake(context, fault.after_bytes)
            await self.misbehave(fault, "")
        await self.writer.start_tls(context)
        self.encrypted, self._greeted = True, False
        self._forget()

    async def _part_of_handshake(self, context: ssl.SSLContext, so_many: int) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = context.wrap_bio(incoming, outgoing, server_side=True)
        while not outgoing.pending:
            incoming.write(await self.reader.read(1 << 16))
            try:
                ours.do_handshake()
            except ssl.SSLWantReadError:
                continue
        await self.write(outgoing.read()[:so_many])

    async def _auth(self, argument: str) -> None:
        self.house.logins_tried += 1
        fault = self._peek("auth")
        if fault is not None and fault.do != "impostor":
            self._authenticated = await self._answer(fault, WELCOME)
            return
        try:
            reply = await judge(argument, self.habits, self._challenge, impostor=fault is not None)
        except ValueError:
            reply = WRONG
        self._authenticated = reply.startswith("235")
        await self.say(reply)

    async def _challenge(self, challenge: bytes) -> str:
        await self.say(f"334 {base64.b64encode(challenge).decode()}")
        return (await self.line()).decode("utf-8", "replace")

    # --- the envelope --------------------------------------------------------------------------------------------

    async def _mail(self, argument: str) -> None:
        self.house.script.letters += 1
        limit = self.habits.close_after
        if limit is not None and self._carried >= limit:
            await self.say("421 4.3.2 enough for this connection")
            raise Over
        if self._mail_from is not None:
            await self.say("503 5.5.1 nested MAIL command")
        elif not self._authenticated:
            await self.say("530 5.7.0 who are you?")
        elif (refusal := self._unknown_words(argument)) is not None:
            await self.say(refusal)
        elif await self._at("mail", "250 2.1.0 sender ok"):
            self._mail_from, self._words = _between(argument), argument.partition(">")[2].split()

    def _unknown_words(self, argument: str) -> str | None:
        words = argument.partition(">")[2].split()
        for word in words:
            name, _, value = word.partition("=")
            known = {"SIZE": "SIZE", "BODY": "8BITMIME", "SMTPUTF8": "SMTPUTF8"}.get(name)
            if known is None or not self.habits.offers(known) or (known == "8BITMIME" and value != "8BITMIME"):
                return f"555 5.5.4 {word} is not known here"
            if name == "SIZE" and self.habits.most_bytes is not None and int(value) > self.habits.most_bytes:
                return "552 5.3.4 too big"
        return _beyond_ascii(argument, words)

    async def _rcpt(self, argument: str) -> None:
        recipient = self._last_recipient = _between(argument)
        if self._mail_from is None:
            await self.say("503 5.5.1 need MAIL")
            return
        if (refusal := _beyond_ascii(argument, self._words)) is not None:
            await self.say(refusal)
            return
        fault = self._peek("rcpt")
        refusal = None if fault is not None else self.house.script.put_off(recipient)
        if refusal is not None:
            await self.say(refusal)
            if refusal.startswith("421"):
                raise Over
        elif await self._answer(fault, "250 2.1.5 recipient ok"):
            self._recipients.append(recipient)

    # --- the content ---------------------------------------------------------------------------------------------

    async def _data(self) -> None:
        fault = self._peek("data")
        if self._chunks is not None:
            await self.say("503 5.5.1 the rest of the chunks is awaited")
            return
        if fault is None and not self._recipients:
            await self.say("554 5.5.1 no valid recipients")
            return
        if not await self._answer(fault, "354 go ahead"):
            return
        fault = self._peek("content")
        if fault is not None:
            while len(self.buffer) < fault.after_bytes:
                await self.more()
            await self.misbehave(fault, "250 2.0.0 too early", before=False)
            if fault.do not in ("reply", "stay"):
                raise Over
            # The client may hang up, or go on to the end of what is thrown away.
            await self._content()
            self._forget()
            return
        await self._decide(await self._content())

    async def _bdat(self, argument: str) -> None:
        found = re.fullmatch(r"(\d+)( LAST)?", argument)
        if found is None:
            await self.say("501 5.5.4 BDAT size [LAST]")
            raise Over
        size, last = int(found[1]), found[2] is not None
        fault = self._peek("bdat")
        if fault is not None:
            await self.misbehave(fault, "250 2.0.0 too early")
            await self.exactly(size)
            return
        fault = self._peek("content") if self._recipients else None
        if fault is not None:
            while len(self.buffer) < min(size, fault.after_bytes):
                await self.more()
            await self.misbehave(fault, "250 2.0.0 too early", before=False)
            await self.exactly(size)
            return
        piece = await self.exactly(size)
        if not self._recipients:
            nothing = self._mail_from is None
            await self.say("503 5.5.1 need MAIL" if nothing else "554 5.5.1 no valid recipients")
            return
        self._chunks = (self._chunks or bytearray()) + piece
        if last:
            await self._decide(bytes(self._chunks))
        else:
            await self.say(f"250 2.0.0 {size} octets received")

    async def _decide(self, content: bytes) -> None:
        recipients, mail_from = self._recipients, self._mail_from or ""
        refusal = self._unfit(content)
        self._forget()
        fault = self._peek("dot")
        if recipients and (thought := self.habits.crawl.get(domain_of(recipients[0]))):
            await asyncio.sleep(thought)
        taken = fault is None or fault.do in ("drip", "inject", "wait", "accept-and-drop", "accept-and-garbage")
        if fault is None and not recipients:
            await self.say("554 5.5.1 no valid recipients")
        elif fault is None and refusal is not None:
            await self.say(refusal)
        elif taken or (fault is not None and fault.do == "reply" and fault.text.startswith("2")):
            self._carried += 1
            self.house.account.enter(mail_from, recipients, content)
            await self._answer(fault, _TAKEN)
        elif fault is not None:
            await self.misbehave(fault, _TAKEN)

    def _unfit(self, content: bytes) -> str | None:
        limit = self.habits.most_bytes
        if limit is not None and len(content) > limit:
            return "552 5.3.4 too big"
        if not content.isascii() and "BODY=8BITMIME" not in self._words:
            return "554 5.6.1 content beyond ASCII that was not announced"
        if not content.partition(b"\r\n\r\n")[0].isascii() and "SMTPUTF8" not in self._words:
            return "554 5.6.9 headers beyond ASCII that were not announced"
        return None

    async def _content(self) -> bytes:
        r"""Read up to CRLF.CRLF and nothing else: no other line end counts."""
        searched = 0
        while True:
            if self.buffer.startswith(b".\r\n"):
                del self.buffer[:3]
                return b""
            end = self.buffer.find(_END, max(0, searched - len(_END)))
            if end >= 0:
                raw = bytes(self.buffer[: end + 2])
                del self.buffer[: end + len(_END)]
                raw = raw.replace(b"\r\n..", b"\r\n.")
                return raw[1:] if raw.startswith(b"..") else raw
            searched = len(self.buffer)
            await self.more()

    # --- what goes wrong -----------------------------------------------------------------------------------------

    def _peek(self, phase: str) -> Fault | None:
        named = phase in ("rcpt", "data", "bdat", "content", "dot")
        return self.house.script.fault_at(phase, self._last_recipient if named else None)

    async def _at(self, phase: str, ordinary: str) -> bool:
        """Answer as scripted, else as usual; whether the answer was a positive one."""
        return await self._answer(self._peek(phase), ordinary)

    async def _answer(self, fault: Fault | None, ordinary: str) -> bool:
        if fault is None:
            if ordinary:
                await self.say(ordinary)
            return ordinary[:1] in ("2", "3")
        return await self.misbehave(fault, ordinary)


def _between(argument: str) -> str:
    found = re.search(r"<(.*?)>", argument)
    return found[1] if found else ""


def _beyond_ascii(argument: str, words: list[str]) -> str | None:
    return None if argument.isascii() or "SMTPUTF8" in words else "553 5.6.7 an address beyond ASCII without SMTPUTF8"
