"""Pure. What a plug-in promises, one Protocol each. A leaf satisfies it without importing anything."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Protocol

from biweekly.errors import RelayUnavailable, TransportError
from biweekly.model.issue import Report, SetAside
from biweekly.model.mailing import Lane, Letter, MailingId, MailingState, Place, Reply, Settled, Spot


class Reader(Protocol):
    """Reads one source as reports."""

    def __call__(
        self, raw: bytes, *, source: str, url: str | None, sections: Sequence[str], today: date, zone: tzinfo
    ) -> Sequence[Report | SetAside]:
        """Return what the source holds, in its own order: reports, and what had to be set aside with a reason.

        `source` is the name shown to people, `url` the page's own address where it is known, `sections` the
        configured section titles, `today` the publication's date and `zone` the one in which a time without a zone is
        meant. Never raises for what a file can hold.
        """
        ...


class Compiler(Protocol):
    """Compiles MJML to HTML; a RenderError names the template and the line."""

    def __call__(self, source: str, *, template: str) -> str:
        """Return the HTML of an MJML document whose values were escaped already."""
        ...


class Ear(Protocol):
    """Whoever is told what becomes of the letters on one transport. All calls come from the transport's own loop."""

    def handed(self, letter: Letter) -> None:
        """Hear that the first byte of a letter's content is about to leave; if this raises, it does not."""
        ...

    def answered(self, letter: Letter, answer: Reply | TransportError) -> None:
        """Hear what came of a letter.

        A Reply is the relay's, whatever it says. RelayUnavailable: no content had left, or the relay made plain that
        it did not take it. DeliveryInDoubt: it had, and no complete answer came. The transport is closed by then, or
        will be.
        """
        ...

    def stirred(self) -> None:
        """Hear that there may be room for another letter, or that the transport closed."""
        ...


class Transport(Protocol):
    """A connection that takes letters and tells its Ear what becomes of them."""

    @property
    def room(self) -> int:
        """How many more letters may be submitted now; 0 once it is closed."""
        ...

    @property
    def closed(self) -> bool:
        """Whether another must be opened."""
        ...

    @property
    def failure(self) -> RelayUnavailable | None:
        """Why it closed, where it was not we who took leave."""
        ...

    def submit(self, letter: Letter) -> None:
        """Hand a letter over; only while there is room. Raises what the Ear's `handed` raised."""
        ...

    async def close(self) -> None:
        """Take leave (QUIT) and close; never raises. Only when no letter is on its way."""
        ...

    def cut(self) -> None:
        """Close at once. Letters on their way are answered: in doubt where they were handed over."""
        ...


class OpenTransport(Protocol):
    """Opens a transport to one relay."""

    async def __call__(self, ear: Ear) -> Transport:
        """Connect, greet, secure, authenticate. RelayUnavailable says why not, in the relay's words."""
        ...


class TurnTaken(Protocol):
    """What a turn of the ledger gives back."""

    @property
    def places(self) -> Sequence[Place]: ...  # noqa: D102
    @property
    def state(self) -> MailingState: ...  # noqa: D102
    @property
    def next_due(self) -> datetime | None: ...  # noqa: D102
    @property
    def unclaimed(self) -> bool: ...  # noqa: D102


class OpenLedger(Protocol):
    """The ledger, as a sender uses it (`store.ledger.Ledger`)."""

    def turn(  # noqa: D102
        self, settled: Sequence[Settled], *, wanted: int, now: datetime, allowed: Mapping[Lane, int] | None = None
    ) -> TurnTaken: ...
    def release(self, settled: Sequence[Settled], unhanded: Sequence[Place], *, now: datetime) -> None: ...  # noqa: D102
    def renew(self, *, now: datetime) -> None: ...  # noqa: D102


class Pen(Protocol):
    """The journal, as a sender uses it."""

    def handed(self, mailing: MailingId, spot: Spot) -> None: ...  # noqa: D102
    def answered(self, mailing: MailingId, spot: Spot, code: int) -> None: ...  # noqa: D102


class Templates(Protocol):
    """Where templates come from: the publication's own folder wins over the built-in one, file by file."""

    def __call__(self, name: str) -> tuple[str, str]:
        """Return a template's text and its path for messages; RenderError `template-missing`."""
        ...


Environ = Mapping[str, str]
