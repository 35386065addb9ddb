"""Pure. What a relay offers, and what it must be told of one letter (RFC 5321 3.3, 1870, 3030, 6152, 6531)."""

from dataclasses import dataclass
from typing import Final, Self

from biweekly.errors import AddressError
from biweekly.model.mailing import Letter, Phase, Reply
from biweekly.transports.commands import command, path

GO_AHEAD: Final = 354
CLOSING: Final = 421  # may come at any time (RFC 5321 section 3.8)
_MOST_DIGITS: Final = 20  # of a SIZE (RFC 1870 section 4)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the relay offers (RFC 5321 section 4.1.1.1). `most_bytes` is its SIZE limit, None where it names none."""

    size: bool = False
    most_bytes: int | None = None
    pipelining: bool = False
    chunking: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    starttls: bool = False
    mechanisms: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lines: tuple[str, ...]) -> Self:
        """Read the lines of an EHLO reply after the first."""
        offered = {words[0]: words[1:] for line in lines if (words := line.upper().split())}
        limit = next(iter(offered.get("SIZE", [])), "")
        known = limit.isascii() and limit.isdigit() and len(limit) <= _MOST_DIGITS
        return cls(
            size="SIZE" in offered,
            most_bytes=(int(limit) or None) if known else None,
            pipelining="PIPELINING" in offered,
            chunking="CHUNKING" in offered,
            eight_bit="8BITMIME" in offered,
            smtputf8="SMTPUTF8" in offered,
            starttls="STARTTLS" in offered,
            mechanisms=frozenset(offered.get("AUTH", [])),
        )


def unfit(letter: Letter, capabilities: Capabilities) -> Reply | None:
    """Answer in the relay's place where a letter is sure to fail here, and alone; None where it may be tried."""
    if needs_utf8(letter) and not (capabilities.smtputf8 and capabilities.eight_bit):
        words = "not sent: the relay takes no address with letters beyond ASCII (SMTPUTF8)"
        return Reply(550, words, Phase.MAIL, "5.6.7")
    if not capabilities.eight_bit and not is_seven_bit(letter):
        return Reply(554, "not sent: the relay takes no content beyond ASCII (8BITMIME)", Phase.MAIL, "5.6.3")
    limit = capabilities.most_bytes
    if limit is not None and letter.size_bytes > limit:
        words = f"not sent: the letter has {letter.size_bytes} bytes and the relay takes {limit}"
        return Reply(552, words, Phase.MAIL, "5.3.4")
    try:
        path(letter.mail_from)
    except AddressError as error:
        return Reply(501, f"not sent: {error}", Phase.MAIL, "5.1.7")
    try:
        path(letter.rcpt_to)
    except AddressError as error:
        return Reply(553, f"not sent: {error}", Phase.RCPT, "5.1.3")
    return None if letter.rcpt_to else Reply(553, "not sent: there is no address", Phase.RCPT, "5.1.3")


def mail(letter: Letter, capabilities: Capabilities, size_bytes: int) -> bytes:
    """Write MAIL with the parameters that the relay knows and this letter needs."""
    size = f" SIZE={size_bytes}" if capabilities.size else ""
    if needs_utf8(letter):
        return command("MAIL", f"FROM:{path(letter.mail_from)}{size} BODY=8BITMIME SMTPUTF8")
    body = "" if is_seven_bit(letter) else " BODY=8BITMIME"
    return command("MAIL", f"FROM:{path(letter.mail_from)}{size}{body}")


def rcpt(letter: Letter) -> bytes:
    """Write RCPT."""
    return command("RCPT", f"TO:{path(letter.rcpt_to)}")


def needs_utf8(letter: Letter) -> bool:
    """Whether only a relay with SMTPUTF8 can take it (RFC 6531)."""
    return letter.needs_smtputf8 or not (letter.mail_from.isascii() and letter.rcpt_to.isascii())


def is_seven_bit(letter: Letter) -> bool:
    """Whether every octet of the content is below 128."""
    return letter.clean or all(map(bytes.isascii, letter.content))
