"""Pure. What a client says: command lines that cannot be broken out of, and content that cannot end early."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from biweekly.errors import AddressError, ConfigError

END_OF_CONTENT: Final = b".\r\n"

# C0, DEL and C1; a space or an angle bracket in an address would begin a parameter of its own.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BREAKS_PATH: Final = re.compile(r"[\x00-\x20\x7f-\xa0<>\u2028\u2029]")
_FULL_NAME: Final = re.compile(
    r"(?=.{1,255}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.IGNORECASE
)


def command(verb: str, argument: str = "") -> bytes:
    """Write one command line.

    Raises AddressError `control-character` where the argument holds C0, DEL or C1 controls, or cannot be encoded:
    such an argument could end the line and begin a command of its own (RFC 5321 section 4.1.2).
    """
    if _CONTROLS.search(argument):
        raise AddressError(f"a control character in the argument of {verb}", code="control-character")
    try:
        return (f"{verb} {argument}" if argument else verb).encode() + b"\r\n"
    except UnicodeEncodeError:
        raise AddressError(f"the argument of {verb} cannot be encoded", code="control-character") from None


def path(address: str) -> str:
    """Write an address between angle brackets; AddressError `control-character` where it could leave them."""
    if _BREAKS_PATH.search(address):
        raise AddressError("a space, bracket or control character in an address", code="control-character")
    return f"<{address}>"


def own_name(configured: str | None, *, own_ip: str, remote: bool) -> str:
    """Choose the name for EHLO: the configured full name, else an address literal (RFC 5321 sections 4.1.1.1, 4.1.3).

    `localhost` and short names say nothing to a remote host and are never given to one. Raises ConfigError
    `bad-ehlo-name` for a name that could not be one.
    """
    if configured is not None:
        name = configured.rstrip(".")
        local = name.split(".")[0].lower() == "localhost" or "." not in name
        if not local and not _FULL_NAME.fullmatch(name):
            raise ConfigError(
                f"{configured!r} is no full host name",
                code="bad-ehlo-name",
                hint='write one such as "mail.example.org"',
            )
        if not local or (not remote and name.lower() == "localhost"):
            return name
    try:
        ip = ipaddress.ip_address(own_ip.partition("%")[0])
    except ValueError:
        return "[127.0.0.1]"
    return f"[IPv6:{ip}]" if ip.version == 6 else f"[{ip}]"  # noqa: PLR2004 - the number is the protocol's name


def for_data(content: Iterable[bytes]) -> list[bytes]:
    r"""Write content as it goes after DATA, with the end of content (RFC 5321 section 4.5.2).

    A line that begins with a dot gets another one, across the borders of pieces too. Only CRLF ends a line here: the
    pseudo-terminators of SMTP smuggling (`\n.\n` and its kin) go through byte for byte, and end nothing at a server
    that keeps the standard. One that takes a bare LF for a line end is fooled; letters hold none (`letter.gate`).
    """
    written: list[bytes] = []
    tail = b"\r\n"  # what came just before: content begins at the start of a line
    for piece in content:
        if piece:
            written.append(_stuffed(piece, tail))
            tail = (tail + piece[-2:])[-2:]
    if tail != b"\r\n":
        written.append(b"\r\n")
    written.append(END_OF_CONTENT)
    return written


def _stuffed(piece: bytes, tail: bytes) -> bytes:
    if b"." not in piece:
        return piece
    if b"\r\n." in piece:
        piece = piece.replace(b"\r\n.", b"\r\n..")
    begins_with_dot = piece.startswith(b".") and tail == b"\r\n"
    if begins_with_dot or (piece.startswith(b"\n.") and tail.endswith(b"\r")):
        at = piece.index(b".")
        piece = piece[:at] + b"." + piece[at:]
    return piece
