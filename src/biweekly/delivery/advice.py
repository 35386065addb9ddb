"""Pure. What the large providers mean by their codes, and what to do about it."""

from collections.abc import Mapping
from typing import Final

from biweekly.model.mailing import Reply

_REVERSE_DNS: Final = "the relay's address has no matching forward and reverse DNS; ask whoever runs it to set PTR"
_SPF: Final = "SPF does not pass: name the relay in the TXT record of the envelope's domain (v=spf1 ...)"
_TLS: Final = "the relay does not use TLS towards this provider; ask whoever runs it to switch it on"
_DKIM: Final = "DKIM does not pass: check the selector's TXT record and that the relay does not change the letters"
_DMARC: Final = 'there is no DMARC record: publish "v=DMARC1; p=none" at _dmarc under the domain of From'
_ALIGNMENT: Final = "neither SPF nor DKIM passes for the domain of From; sign or send with that very domain"
_RATE: Final = "too many letters at once for this provider; lower rate or connections of [[relay]] and go on later"

# Status to advice, as the providers publish them (Gmail's and Outlook's lists of SMTP errors).
ADVICE: Final[Mapping[str, str]] = {
    "4.7.23": _REVERSE_DNS,
    "5.7.25": _REVERSE_DNS,
    "4.7.27": _SPF,
    "5.7.27": _SPF,
    "4.7.29": _TLS,
    "5.7.29": _TLS,
    "4.7.30": _DKIM,
    "5.7.30": _DKIM,
    "4.7.31": _DMARC,
    "4.7.40": _DMARC,
    "5.7.40": _DMARC,
    "4.7.32": _ALIGNMENT,
    "5.7.32": _ALIGNMENT,
    "4.7.28": _RATE,
    "4.7.650": _RATE,
    "4.7.651": _RATE,
    "5.7.26": "the letters are not authenticated: neither SPF nor DKIM passes; check both records before going on",
    "5.7.515": "Outlook wants SPF and DKIM to pass and DMARC to be aligned; check all three records before going on",
    "4.2.1": "this reader gets mail faster than the mailbox takes it; it is tried again by itself",
    "4.2.2": "this reader's mailbox is full; it is tried again by itself",
}


def advice_for(reply: Reply) -> str | None:
    """Say what the provider means and what helps; None where the reply has no well-known status."""
    return ADVICE.get(reply.enhanced) if reply.enhanced else None
