"""Pure. What to do with a relay's answer, and when to try again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from biweekly.delivery.scope import counts_for_breaker, is_strike, scope_of, wants_second_look
from biweekly.errors import RelayUnavailable, TransportError
from biweekly.model.mailing import Outcome, OutcomeState, Reply, Scope, Wait

__all__ = ["SECOND_LOOK", "Due", "Patience", "counts_for_breaker", "is_strike", "judge", "scope_of"]

SECOND_LOOK: Final = timedelta(days=1)
_JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Patience:
    """The waits between tries, the last one repeating, and the age at which a letter has lost its worth."""

    waits: tuple[timedelta, ...]
    give_up_after: timedelta

    def wait(self, attempts: int, *, jitter: float) -> timedelta:
        """Return the wait after so many tries, `jitter` from -1 to 1 moving it by a tenth at most.

        Without it all who were refused together would come back together.
        """
        usual = self.waits[min(max(attempts, 1), len(self.waits)) - 1]
        return usual * (1 + _JITTER * min(1.0, max(-1.0, jitter)))


@dataclass(frozen=True, slots=True)
class Due:
    """Not tried at all: due again at once, no attempt used up; it is the relay that rests."""

    code: str
    because: str


def judge(
    answer: Reply | TransportError, *, attempts: int, began: datetime, now: datetime, patience: Patience, jitter: float
) -> Outcome | Wait | Due:
    """Decide what becomes of a letter that was just tried.

    `attempts` counts this try; `began` is when this place was first tried, paused time left out. 2yz is accepted
    (RFC 5321 section 4.2.1). A 5yz is refused only where the reader is its reason (`scope_of`, RFC 3463); where the
    domain is said not to exist, a day after the first try at the earliest. What is our fault or the message's waits,
    and counts for the breaker. What may have arrived is in doubt. The rest waits, or expires once the next try would
    fall after `patience.give_up_after`.
    """
    wait = patience.wait(attempts, jitter=jitter)
    match answer:
        case RelayUnavailable():
            return Due(answer.code, answer.message)
        case TransportError():  # DeliveryInDoubt, and anything that cannot be told from it
            return Outcome(OutcomeState.IN_DOUBT, now, 0, answer.message)
        case Reply(code=code) if 200 <= code < 300:  # noqa: PLR2004 - RFC 5321 section 4.2.1
            return Outcome(OutcomeState.ACCEPTED, now, code, str(answer))
        case Reply(code=code) if 500 <= code < 600 and scope_of(answer) is Scope.READER:  # noqa: PLR2004 - the same
            if not wants_second_look(answer) or now - began >= SECOND_LOOK:
                return Outcome(OutcomeState.REFUSED, now, code, str(answer))
            wait = max(wait, SECOND_LOOK)
    next_try = now + wait
    if next_try > began + patience.give_up_after:
        return Outcome(OutcomeState.EXPIRED, now, answer.code, str(answer))
    return Wait(next_try, attempts, answer.code, str(answer))
