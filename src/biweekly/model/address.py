"""Pure. One mailbox, normalized."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """An address that passed validation (`audience/validate.py` makes them).

    `written` is what letters are sent to: the local part as its owner typed it (NFC), the domain in lower case.
    `domain` is the A-label form (RFC 5890), lower case. `ascii` is the whole address in ASCII, None where the local
    part needs SMTPUTF8 (RFC 6531). `key` is equal for two spellings of one mailbox: lower-cased local part and
    A-label domain.
    """

    written: str
    local: str
    domain: str
    ascii: str | None
    key: str

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a relay that offers SMTPUTF8 can take a letter for it."""
        return self.ascii is None

    @property
    def on_wire(self) -> str:
        """The form for RCPT and header fields: ASCII where that exists (RFC 6532 elsewhere)."""
        return self.ascii or f"{self.local}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address, as in a From field; the name may be empty."""

    name: str
    address: Address
