"""Pure. A person who receives the newsletter, what they agreed to, and who must never be mailed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from biweekly.model.address import Mailbox
from biweekly.model.issue import VariantName

SubscriberId = NewType("SubscriberId", int)


class Standing(StrEnum):
    """Where a subscriber stands. Only the active are mailed."""

    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    PAUSED = "paused"
    BOUNCED = "bounced"
    LEFT = "left"
    SUPPRESSED = "suppressed"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One person. `mailbox` is None once erased."""

    id: SubscriberId
    mailbox: Mailbox | None
    standing: Standing
    variant: VariantName
    since: datetime


@dataclass(frozen=True, slots=True)
class Consent:
    """One event in what a person agreed to: when, what happened, from where, and the wording."""

    subscriber: SubscriberId
    at: datetime
    event: str
    source: str
    wording: str


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address, as a keyed hash only, that is never mailed again whatever is imported."""

    key_hash: bytes
    reason: str
    at: datetime
    source: str
