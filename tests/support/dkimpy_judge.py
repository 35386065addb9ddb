"""dkimpy as a judge of signatures, with DNS answers handed to it."""

from collections.abc import Mapping

import dkim as dkimpy


def verdicts(message: bytes, records: Mapping[str, str]) -> list[bool]:
    """Say of each signature of a message, from the top, whether it holds. `records` are TXT records by name."""

    def ask(name: bytes | str, timeout: int = 5) -> bytes:  # noqa: ARG001 - dkimpy hands it over
        asked = name.decode() if isinstance(name, bytes) else name
        return records.get(asked.removesuffix("."), "").encode()

    def verdict(number: int) -> bool:
        try:
            return bool(dkimpy.DKIM(message).verify(idx=number, dnsfunc=ask))
        except dkimpy.DKIMException:
            return False

    count = sum(name.lower() == b"dkim-signature" for name, _ in dkimpy.rfc822_parse(message)[0])
    return [verdict(number) for number in range(count)]
