"""Pure. Names of domains: one spelling for each, and which lies below which."""

import re
from typing import Final

_LABELS: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_LONGEST: Final = 253


def ascii_domain(name: str) -> str:
    """Return a domain in ASCII and lower case (RFC 5891), without a last dot; empty where it is none."""
    made = name.strip().removesuffix(".").lower()
    if not made.isascii():
        import idna

        try:
            made = idna.encode(made, uts46=True).decode("ascii")
        except ValueError:
            return ""
    return made if len(made) <= _LONGEST and _LABELS.fullmatch(made) else ""


def domain_of(mailbox: str) -> str:
    """Return the domain of an address, alone or as `Name <address>`, as `ascii_domain` does."""
    return ascii_domain(mailbox.rstrip("> \t").rpartition("@")[2]) if "@" in mailbox else ""


def is_within(domain: str, parent: str) -> bool:
    """Whether a domain is another one or below it; both in ASCII and lower case."""
    return domain == parent or domain.endswith(f".{parent}")
