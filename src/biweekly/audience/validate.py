"""Pure. Is this an address that a letter can be sent to, and why not."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from email_validator import validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from biweekly.errors import AddressError
from biweekly.model.address import Address

# The plain kind, which is nearly every address: an ASCII dot-atom of at most 64 characters (RFC 5322 section 3.2.3),
# an @-sign, and a domain in ASCII. Everything else is email-validator's from the first character on.
_PLAIN: Final = re.compile(
    r"(?=[^@]{1,64}@)([A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+(?:\.[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+)*)@([A-Za-z0-9.\-]{1,250})"
)
_LONGEST: Final = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
_LOWER_CASED: Final = frozenset(CASE_INSENSITIVE_MAILBOX_NAMES)


@dataclass(frozen=True, slots=True)
class Invalid:
    """Not an address that can be mailed; `reason` is a sentence for the person who reads the list."""

    reason: str


def validate(text: str) -> Address | Invalid:
    """Judge one address by its spelling alone: syntax, IDN, SMTPUTF8, reserved domains. Asks no DNS.

    The answer is always email-validator's (`strict`, SMTPUTF8 allowed); plain ASCII addresses only get it faster, by a
    remembered verdict on their domain.
    """
    plain = _PLAIN.fullmatch(text)
    if plain is not None and len(text) <= _LONGEST:
        local, typed = plain.groups()
        domain = _plain_domain(typed)
        if domain is not None and local.lower() not in _LOWER_CASED:
            ascii_form = f"{local}@{domain}"
            return Address(ascii_form, local, domain, ascii_form, ascii_form.lower())
    return _ask(text)


def require(text: str) -> Address:
    """Return the address, or raise AddressError `address-invalid` with the reason."""
    found = validate(text.strip())
    if isinstance(found, Invalid):
        raise AddressError(found.reason, code="address-invalid", place=shown(text))
    return found


def restore(wire: str) -> Address:
    """Return the address that was stored in its form for the wire (`Address.on_wire`).

    What was valid when it was stored stays an address, whatever a later release of the validator thinks.
    """
    found = validate(wire)
    if isinstance(found, Invalid):
        local, _, domain = wire.rpartition("@")
        return Address(wire, local, domain, wire if wire.isascii() else None, wire.lower())
    return found


def shown(text: str) -> str:
    """Make text from a list fit for a line on a terminal: short, and without control characters."""
    flat = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:121])
    return f"{flat[:119]}…" if len(flat) > 120 else flat  # noqa: PLR2004 - a line's worth


@lru_cache(maxsize=65_536)
def _plain_domain(typed: str) -> str | None:
    """Return a domain in lower case where it is good and the same in both alphabets, else None: ask in full."""
    if "xn--" in typed.lower():
        return None
    found = _ask(f"x@{typed}")
    return found.domain if isinstance(found, Address) else None


def _ask(text: str) -> Address | Invalid:
    try:
        found = validate_email(text, strict=True, allow_smtputf8=True, check_deliverability=False)
    except ValueError as error:  # EmailNotValidError, and what lone surrogates do to encoders
        if isinstance(error, UnicodeError):
            return Invalid("The email address holds characters that are no valid Unicode.")
        return Invalid(str(error))
    domain = found.ascii_domain.lower()
    return Address(
        written=found.normalized,
        local=found.local_part,
        domain=domain,
        ascii=found.ascii_email,
        key=f"{found.local_part.lower()}@{domain}",
    )
