"""Edge: sockets. Other contenders: Python's libraries sending ready bytes, the cheapest that can be done with them.

    python -m benchmarks.peer smtplib|aiosmtplib --port N --letter FILE --letters N [--connections N] [--key FILE]

Each letter is the same but for the reader's address. With a key, dkimpy signs it.
"""

import argparse
import asyncio
import json
import smtplib
import threading
import time
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path

SENDER = "news@review.example"
_READER = b"reader@peer.example"
Write = Callable[[int], tuple[str, bytes]]


def writer(letter: bytes, key: bytes | None) -> Write:
    """Return what makes the letter of a reader."""
    if key is None:
        return lambda n: (f"reader{n}@peer.example", letter.replace(_READER, b"reader%d@peer.example" % n))
    import dkim

    def write(n: int) -> tuple[str, bytes]:
        made = letter.replace(_READER, b"reader%d@peer.example" % n)
        return f"reader{n}@peer.example", dkim.sign(made, b"bench", b"review.example", key) + made

    return write


def with_smtplib(port: int, write: Write, letters: int, connections: int) -> None:
    """Send over some connections, each with a thread of its own."""

    def carry(first: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example") as client:
            for n in range(first, letters, connections):
                reader, made = write(n)
                client.sendmail(SENDER, [reader], made)

    threads = [threading.Thread(target=carry, args=(first,)) for first in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def with_aiosmtplib(port: int, write: Write, letters: int, connections: int) -> None:
    """Send over some connections on one loop; the library has no pool, so here is one."""
    import aiosmtplib

    numbers = islice(count(), letters)

    async def carry() -> None:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, use_tls=False, start_tls=False, local_hostname="bench.example"
        )
        await client.connect()
        for n in numbers:
            reader, made = write(n)
            await client.sendmail(SENDER, [reader], made)
        await client.quit()

    await asyncio.gather(*(carry() for _ in range(connections)))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("library", choices=["smtplib", "aiosmtplib"])
    ask.add_argument("--port", type=int, required=True)
    ask.add_argument("--letter", type=Path, required=True)
    ask.add_argument("--letters", type=int, required=True)
    ask.add_argument("--connections", type=int, default=1)
    ask.add_argument("--key", type=Path)
    asked = ask.parse_args()
    write = writer(asked.letter.read_bytes(), asked.key.read_bytes() if asked.key else None)
    write(0)
    if asked.library == "aiosmtplib":
        import aiosmtplib  # noqa: F401 - loading it is no part of sending
    began, used = time.perf_counter(), time.process_time()
    if asked.library == "smtplib":
        with_smtplib(asked.port, write, asked.letters, asked.connections)
    else:
        asyncio.run(with_aiosmtplib(asked.port, write, asked.letters, asked.connections))
    seconds, spent = time.perf_counter() - began, time.process_time() - used
    print(json.dumps({"seconds": seconds, "cpu_per_1k": spent / asked.letters * 1000}))


if __name__ == "__main__":
    main()
