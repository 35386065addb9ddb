"""Pure. The circuit breaker: many failures that are no reader's fault, and a person must look before more is sent."""

from collections import deque
from typing import Final

from biweekly.delivery.scope import counts_for_breaker
from biweekly.errors import DeliveryInDoubt, TransportError
from biweekly.model.mailing import Reply

IN_A_ROW: Final = 10
_WINDOW: Final = 40


class Breaker:
    """Counts. Trips at ten failures in a row, or at half of the last forty letters."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._window: deque[bool] = deque(maxlen=_WINDOW)

    def note(self, answer: Reply | TransportError) -> str | None:
        """Count an answer; once it is enough, return why, with the relay's own words.

        A letter in doubt counts; a connection lost before anything had left does not (the relay rests for that).
        """
        if isinstance(answer, Reply):
            failed = counts_for_breaker(answer)
        elif isinstance(answer, DeliveryInDoubt):
            failed = True
        else:
            return None
        self._window.append(failed)
        self._in_a_row = self._in_a_row + 1 if failed else 0
        if not failed:
            return None
        words = str(answer) if isinstance(answer, Reply) else answer.message
        if self._in_a_row >= IN_A_ROW:
            return f"{self._in_a_row} letters in a row failed, and not for their readers' sake: {words}"
        if len(self._window) == _WINDOW and sum(self._window) * 2 >= _WINDOW:
            return f"{sum(self._window)} of the last {_WINDOW} letters failed, and not for their readers' sake: {words}"
        return None
