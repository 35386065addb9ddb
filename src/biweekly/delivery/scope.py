"""Pure. Whose fault a refusal is: by phase, enhanced status and basic code (RFC 3463, RFC 5321 section 4.2)."""

import re
from collections.abc import Mapping
from typing import Final

from biweekly.model.mailing import Phase, Reply, Scope

CLOSING: Final = 421  # the session ends (RFC 5321 section 3.8)

# Before RCPT the relay does not know the reader, so nothing it says there can be about them.
READER_KNOWN: Final = frozenset({Phase.RCPT, Phase.DATA, Phase.CONTENT})
_HARD_WITHOUT_STATUS: Final = frozenset({550, 551, 553, 556})
_LOGIN: Final = frozenset({454, 530, 534, 535, 538})
_PROTOCOL: Final = frozenset({500, 501, 502, 503, 504, 555})
_STRIKES: Final = frozenset({"5.1.1", "5.1.6", "5.1.10"})
NO_SUCH_DOMAIN: Final = ("5.1.2", "5.4.4")

# Policy in words, where there is no status to go by. A reader is never blamed for what might be about us.
_POLICY_WORDS: Final = re.compile(
    r"block(?:ed|list)|black ?list|deny ?list|s3150|\bspam|\bspf\b|\bdkim\b|\bdmarc\b|reputation|polic(?:y|ies)"
    r"|\brelay|access denied|not authori[sz]ed|authenticat|\brdns\b|reverse dns|\bptr\b|\brbl\b|dnsbl|rate limit",
    re.IGNORECASE,
)

_RATE_WORDS: Final = re.compile(r"rate.?limit|too (?:many|fast|quickly)|throttl|slow down|TSS0\d", re.IGNORECASE)

# By subject and detail, the class left out; a subject alone is the rule for all of its details not named.
_BY_STATUS: Final[Mapping[str, Scope]] = {
    "1": Scope.READER,
    "1.7": Scope.SENDER,  # the sender's mailbox is not well formed
    "1.8": Scope.SENDER,  # the sender's domain does not exist
    "1.9": Scope.MESSAGE,
    "2": Scope.READER,
    "2.3": Scope.MESSAGE,  # longer than this mailbox takes: so it is for the next one
    "3": Scope.DOMAIN,
    "3.4": Scope.MESSAGE,  # too big
    "4": Scope.DOMAIN,
    "4.4": Scope.READER,  # the address leads nowhere
    "5": Scope.SENDER,
    "5.3": Scope.DOMAIN,  # too many recipients on this connection
    "6": Scope.MESSAGE,
    "6.7": Scope.READER,  # this reader's address needs SMTPUTF8
    "7": Scope.SENDER,
    "7.28": Scope.DOMAIN,  # rates are one provider's affair
    "7.650": Scope.DOMAIN,
    "7.651": Scope.DOMAIN,
}


def scope_of(reply: Reply) -> Scope:
    """Say whose fault a refusal is.

    The enhanced status wins where its class is the basic code's. Policy (x.7.y) is never the reader's fault, but for
    a greylisting (450 or 451 with 4.7.1). Any code and any text gives a scope; what makes no sense is the sender's.
    """
    known = reply.phase in READER_KNOWN
    match reply.code // 100:
        case _ if reply.code == CLOSING:
            return Scope.DOMAIN  # whatever else it says
        case 4 | 5:
            scope = _by_status(reply) or (_of_deferral(reply) if reply.code < 500 else _of_refusal(reply))  # noqa: PLR2004 - the border of RFC 5321 section 4.2.1
        case _:
            return Scope.SENDER
    if scope is Scope.READER and not known and reply.enhanced != "5.6.7":
        return Scope.SENDER
    return scope


def counts_for_breaker(reply: Reply) -> bool:
    """Whether this is one of the answers that, many in a row, mean that a person must look before more is sent.

    That is every refusal that is our fault or the message's, and a destination's lasting one; a destination that only
    asks for patience slows its own lane.
    """
    kind = reply.code // 100
    match scope_of(reply):
        case Scope.SENDER | Scope.MESSAGE:
            return kind in (4, 5)
        case Scope.DOMAIN:
            return kind == 5  # noqa: PLR2004 - the class of lasting refusals
        case _:
            return False


def asks_for_patience(reply: Reply) -> bool:
    """Whether the answer says that letters come too fast: 4.7.y but for greylisting, or so in words.

    A 421 alone says that this connection is over, as after a number of letters, and nothing about the rate.
    """
    if reply.code // 100 != 4:  # noqa: PLR2004 - the class of deferrals
        return False
    if reply.enhanced is not None and reply.enhanced.startswith("4.7."):
        return reply.enhanced != "4.7.1" or reply.code == CLOSING
    return bool(_RATE_WORDS.search(reply.text))


def is_strike(reply: Reply) -> bool:
    """Whether the answer says that the address does not exist: 5.1.1, 5.1.6 or 5.1.10, and in so many digits."""
    return reply.code // 100 == 5 and reply.enhanced in _STRIKES and scope_of(reply) is Scope.READER  # noqa: PLR2004


def wants_second_look(reply: Reply) -> bool:
    """Whether the refusal may be a fault of DNS that is gone tomorrow: the domain is said not to exist."""
    return reply.code // 100 == 5 and reply.enhanced in NO_SUCH_DOMAIN  # noqa: PLR2004 - the class


def _by_status(reply: Reply) -> Scope | None:
    if reply.enhanced is None:
        return None
    kind, _, rest = reply.enhanced.partition(".")
    if kind != str(reply.code)[0]:
        return None
    if rest == "7.1" and reply.code in (450, 451):
        return Scope.READER
    if rest == "7.0" and "TSS0" in reply.text:
        return Scope.DOMAIN
    return _BY_STATUS.get(rest) or _BY_STATUS.get(rest.partition(".")[0])


def _of_deferral(reply: Reply) -> Scope:
    if reply.code in _LOGIN or _POLICY_WORDS.search(reply.text):
        return Scope.SENDER
    return Scope.READER if reply.code in (450, 451) and reply.phase is Phase.RCPT else Scope.DOMAIN


def _of_refusal(reply: Reply) -> Scope:
    if reply.code in _LOGIN or reply.code in _PROTOCOL:
        return Scope.SENDER
    if reply.code == 552:  # noqa: PLR2004 - too big, unless a status says that the mailbox is full
        return Scope.MESSAGE
    if reply.phase in (Phase.CONNECT, Phase.BANNER):
        return Scope.DOMAIN
    if _POLICY_WORDS.search(reply.text):
        return Scope.SENDER
    if reply.phase in (Phase.DATA, Phase.CONTENT):
        return Scope.MESSAGE
    return Scope.READER
