"""Pure. What becomes of places that a stopped sender left open: read from its journal, or in doubt."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from biweekly.model.mailing import Outcome, OutcomeState, Place, Spot, Wait


def settle_open(
    places: Sequence[Place], journal: Mapping[Spot, int] | None, *, torn: bool = False, now: datetime
) -> Mapping[Spot, Outcome | Wait]:
    """Settle every open place of a dead sender.

    `journal` holds the last record of each spot (0: handed over, else the relay's reply code), None where it cannot be
    believed: then all is in doubt. A place it does not name had not left and is due again, as is one whose reply was
    no acceptance; one handed over without a reply may have arrived (RFC 1047). Where the last record is `torn`, it may
    have named any place that no other record names, so all of those are in doubt.
    """
    return {place.spot: _settle_one(place, journal, torn=torn, now=now) for place in places}


def due_again(places: Sequence[Place], *, now: datetime) -> Mapping[Spot, Outcome | Wait]:
    """Make every place due again: nobody had held them."""
    return {place.spot: Wait(now, place.attempts) for place in places}


def _settle_one(place: Place, journal: Mapping[Spot, int] | None, *, torn: bool, now: datetime) -> Outcome | Wait:
    if journal is None:
        return Outcome(OutcomeState.IN_DOUBT, now, 0, "the sender stopped, and what it had sent is not known")
    match journal.get(place.spot):
        case None if torn:
            return Outcome(OutcomeState.IN_DOUBT, now, 0, "the sender stopped while it was writing its journal")
        case None:
            return Wait(now, place.attempts)
        case 0:
            return Outcome(OutcomeState.IN_DOUBT, now, 0, "the sender stopped before the relay's answer was known")
        case code if 200 <= code < 300:  # noqa: PLR2004 - 2yz: the relay took it (RFC 5321 section 4.2.1)
            return Outcome(OutcomeState.ACCEPTED, now, code, "accepted, as the journal says")
        case _:
            return Wait(now, place.attempts)
