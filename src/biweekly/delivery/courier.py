"""Conduct. A few letters, one after another, each with its answer: test copies, and mail that waits for nobody."""

import asyncio

from biweekly.contracts import OpenTransport, Transport
from biweekly.errors import TransportError
from biweekly.model.mailing import Letter, Reply


class Courier:
    """Carries single letters over a connection of its own, opened with the first. Close it when done."""

    def __init__(self, opening: OpenTransport) -> None:
        """Open nothing yet."""
        self._opening = opening
        self._transport: Transport | None = None
        self._answer: asyncio.Future[Reply | TransportError] | None = None

    async def send(self, letter: Letter) -> Reply:
        """Hand a letter over and return the relay's answer. Raises what the transport says where there is none."""
        if self._transport is None or self._transport.closed:
            self._transport = await self._opening(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.submit(letter)
        answer = await self._answer
        if isinstance(answer, TransportError):
            raise answer
        return answer

    async def close(self) -> None:
        """Take leave."""
        if self._transport is not None:
            await self._transport.close()

    # --- what the transport calls --------------------------------------------------------------------------------

    def handed(self, letter: Letter) -> None:
        """Nothing is written down about letters that are not counted."""

    def answered(self, letter: Letter, answer: Reply | TransportError) -> None:  # noqa: ARG002 - one at a time
        """The letter has its answer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def stirred(self) -> None:
        """There is room for the next one."""
