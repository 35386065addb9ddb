"""Pure. What a name server may answer, and what a domain's records come to."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from biweekly.model.look import Standing


class Outcome(StrEnum):
    """The five ways a question can end. The last two say nothing about the record that was asked for."""

    FOUND = "found"
    NO_SUCH_NAME = "no such name"
    NO_SUCH_RECORD = "no such record"
    SERVER_FAILED = "server failed"
    NO_ANSWER = "no answer"


_KNOWN: Final = frozenset({Outcome.FOUND, Outcome.NO_SUCH_NAME, Outcome.NO_SUCH_RECORD})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `records` are texts: a TXT record's strings joined, `10 mx.example.org` for MX, addresses.

    `words` say how it ended where that is not plain from the outcome.
    """

    outcome: Outcome
    records: tuple[str, ...] = ()
    words: str = ""

    @property
    def known(self) -> bool:
        """Whether it says anything about the record: there, or certainly not there."""
        return self.outcome in _KNOWN

    @property
    def why(self) -> str:
        """How it ended, for a person."""
        return self.words or f"{self.outcome}"


Ask = Callable[[str, str], Answer]
"""Asks for the records of a name (no dot at its end) and a type, such as `TXT`; never raises."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a record stands, in a sentence; `remarks` are what is unwise about one that exists."""

    standing: Standing
    message: str
    remarks: tuple[str, ...] = ()


def unknown(name: str, kind: str, answer: Answer) -> Judgement:
    """Say that it could not be found out, and why not."""
    return Judgement(Standing.UNKNOWN, f"could not be found out: {answer.why} ({kind} of {name})")
