"""Edge: sockets. A sink over implicit TLS, fast enough for permitted rates; as a program it prints its port.

    python -m benchmarks.tls_sink CERTIFICATE KEY LOG CRAWL CRAWL_MS

The answer to a recipient whose domain ends in CRAWL comes CRAWL_MS later, and whatever stands behind it on that
connection waits with it. Each line of LOG is the monotonic time in seconds, `rcpt` or `letter`, and the recipient: when
a letter was begun, and when the last byte of it was there.
"""

import asyncio
import signal
import ssl
import sys
import time
from collections import deque
from typing import Final, TextIO, cast

_TERMINATOR: Final = b"\r\n.\r\n"
_OFFERS: Final = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n"


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, log: TextIO, crawl: bytes, crawl_seconds: float) -> None:
        self._log = log
        self._crawl = crawl
        self._crawl_seconds = crawl_seconds
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._recipient = b""
        self._in_data = False
        self._chunk_left: int | None = None
        self._waiting: deque[tuple[float, bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._say(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Read on for as long as something is whole."""
        self._unread += data
        while self._content() if self._in_data or self._chunk_left is not None else self._command():
            pass

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's own words
        """Forget what was still to be said."""
        self._transport = None

    # --- letters -------------------------------------------------------------------------------------------------

    def _content(self) -> bool:
        if self._chunk_left is not None:
            used = min(self._chunk_left, len(self._unread))
            del self._unread[:used]
            self._chunk_left -= used
            if self._chunk_left:
                return False
            self._chunk_left = None
        else:
            at = self._unread.find(_TERMINATOR)
            if at < 0:
                # What can be no part of the dot that ends it is of no more use.
                del self._unread[: -len(_TERMINATOR)]
                return False
            del self._unread[: at + len(_TERMINATOR)]
            self._in_data = False
        self._note("letter")
        self._say(b"250 2.0.0 Taken\r\n")
        return True

    def _command(self) -> bool:
        at = self._unread.find(b"\n")
        if at < 0:
            return False
        line = bytes(self._unread[:at]).strip()
        del self._unread[: at + 1]
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._say(_OFFERS)
        elif verb == b"RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0]
            self._note("rcpt")
            self._say(b"250 2.1.5 Ok\r\n", self._crawl_seconds if self._recipient.endswith(self._crawl) else 0.0)
        elif verb == b"DATA":
            self._say(b"354 Go ahead\r\n")
            self._in_data = True
        elif verb == b"BDAT":
            self._chunk_left = int(line.split()[1])
        elif verb == b"QUIT":
            self._say(b"221 2.0.0 Bye\r\n")
        else:
            self._say(b"250 2.0.0 Ok\r\n")
        return True

    def _note(self, what: str) -> None:
        self._log.write(f"{time.monotonic():.6f} {what} {self._recipient.decode()}\n")

    # --- replies -------------------------------------------------------------------------------------------------

    def _say(self, words: bytes, later: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        if not later and not self._waiting:
            self._write(words)
            return
        due = max(loop.time() + later, self._waiting[-1][0] if self._waiting else 0.0)
        self._waiting.append((due, words))
        if len(self._waiting) == 1:
            loop.call_at(due, self._ripen)

    def _ripen(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._waiting[0][0] <= loop.time() + 0.001:
            self._write(self._waiting.popleft()[1])
        if self._waiting:
            loop.call_at(self._waiting[0][0], self._ripen)

    def _write(self, words: bytes) -> None:
        if self._transport is not None:
            self._transport.write(words)


async def serve(certificate: str, key: str, log: TextIO, crawl: str, crawl_seconds: float) -> None:
    """Take letters until SIGTERM."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(
        lambda: Session(log, crawl.encode(), crawl_seconds), "127.0.0.1", 0, ssl=context
    )  # fmt: skip
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()


def main() -> None:
    certificate, key, log_path, crawl, crawl_ms = sys.argv[1:]
    with open(log_path, "w", buffering=1) as log:  # noqa: PTH123 - by the line: it is read while it is written
        work = serve(certificate, key, log, crawl, float(crawl_ms) / 1000)
        try:
            import uvloop
        except ImportError:
            asyncio.run(work)
        else:
            uvloop.run(work)


if __name__ == "__main__":
    main()
