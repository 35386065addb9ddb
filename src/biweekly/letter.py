"""Pure. An edition's variant addressed to one reader: segments encoded once, the reader's words spliced in.

No template engine, MIME builder or HTML parser runs for a reader. Everything but a reader's own words is fixed when a
mailing begins, so that a second try is the same bytes (RFC 5322, 2045, 2369, 8058, 2919).
"""

import hashlib
import hmac
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Final, Literal

from biweekly import quoted, verp
from biweekly.dkim import DkimSigner, Seal, body_digest, fields_in
from biweekly.errors import RenderError
from biweekly.model.issue import Edition, Variant, VariantName
from biweekly.model.mailing import Letter, MailingId, MailingKind, Place

_MAILBOX: Final = re.compile(r"<(?P<bracketed>[^<>\s]+@[^<>\s]+)>\s*\Z|\A\s*(?P<bare>\S+@\S+)\s*\Z")
_LINE_LIMIT: Final = 998

WordName = Literal["unsubscribe_url", "reader_name", "reader_address"]
WORDS: Final[tuple[WordName, ...]] = ("unsubscribe_url", "reader_name", "reader_address")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is fixed when a mailing begins and stands in every letter of it.

    `bounce_address` is the envelope sender; with `verp_key` each letter gets its own. `message_key` makes Message-IDs.
    """

    mailing: MailingId
    kind: MailingKind
    at: datetime
    message_key: bytes
    bounce_address: str | None = None
    verp_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Gap:
    """Where a reader's word goes, and whether it must be escaped for HTML."""

    word: WordName
    in_html: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A variant ready to be addressed: constant header fields, and the body as bytes with gaps.

    `seal` signs its letters, where they are signed.
    """

    head: bytes
    body: tuple[bytes | _Gap, ...]
    gaps: frozenset[_Gap]
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class Stationery:
    """The sheets of an edition for one mailing; `address` writes a reader's letter on them."""

    stamp: Stamp
    sheets: Mapping[VariantName, Sheet]
    public_url: str
    domain: str
    mail_from: str

    def address(self, place: Place, *, unsubscribe: str) -> Letter:
        """Write the letter for one place; `unsubscribe` is the reader's signed token.

        Raises RenderError `letter-unfit` where a reader's words would break the message: that reader gets nothing.
        """
        url = f"{self.public_url}/u/{unsubscribe}"
        sheet = self.sheets[place.variant]
        words = {"unsubscribe_url": url, "reader_name": place.name, "reader_address": place.address}
        utf8 = not place.address.isascii()
        fields = self._own_fields(place, url)
        gate_fields(fields, utf8=utf8)
        encoded = {one: quoted.encode_text(one) for one in {_spelt(words[gap.word], gap.in_html) for gap in sheet.gaps}}
        spliced = {gap: encoded[_spelt(words[gap.word], gap.in_html)] for gap in sheet.gaps}
        whole = b"".join([piece if isinstance(piece, bytes) else spliced[piece] for piece in sheet.body])
        if sheet.seal is not None:
            # Last of all: what was signed is what is sent (RFC 6376 section 5.3).
            fields = sheet.seal.sign(fields_in(fields), body_digest(whole), at=self.stamp.at) + fields
        return Letter(
            spot=place.spot, mail_from=self._mail_from(place), rcpt_to=place.address,
            content=(fields, sheet.head, whole), needs_smtputf8=utf8, clean=not utf8,
        )  # fmt: skip

    @property
    def signed(self) -> bool:
        """Whether its letters are signed."""
        return any(sheet.seal is not None for sheet in self.sheets.values())

    def _own_fields(self, place: Place, url: str) -> bytes:
        return b"".join((
            quoted.fold("To", f"{quoted.encode_phrase(place.name)} <{place.address}>" if place.name else place.address),
            f"Message-ID: <{self.message_id(place)}>\r\n".encode(),
            # Written raw: an address folded or made into encoded words is no address (RFC 2369 section 2).
            f"List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode(),
        ))  # fmt: skip

    def message_id(self, place: Place) -> str:
        """Return the letter's Message-ID without brackets: the same on every try, and no two alike."""
        told = f"{self.stamp.mailing}/{place.subscriber}".encode()
        return f"{hmac.digest(self.stamp.message_key, told, hashlib.sha256)[:16].hex()}@{self.domain}"

    def _mail_from(self, place: Place) -> str:
        if self.stamp.bounce_address and self.stamp.verp_key:
            return verp.sign(
                self.stamp.bounce_address, mailing=self.stamp.mailing, subscriber=place.subscriber,
                key=self.stamp.verp_key,
            )  # fmt: skip
        return self.mail_from


def prepare(edition: Edition, stamp: Stamp, *, mark: str = "", signer: DkimSigner | None = None) -> Stationery:
    """Encode an edition's variants once. `mark` goes before the subject of a test copy; `signer` signs every letter.

    Raises RenderError `letter-unfit` where the finished bytes would not pass the gate.
    """
    sender = address_of(edition.sender)
    domain = sender.rpartition("@")[2]
    head = b"".join((
        quoted.fold("From", edition.sender),
        quoted.fold("Reply-To", edition.reply_to),
        quoted.fold("Subject", quoted.encode_words(f"{mark}{edition.subject}")),
        f"Date: {format_datetime(stamp.at)}\r\n".encode(),
        quoted.fold("List-Id", edition.list_id),
        f"Feedback-ID: {edition.issue}:{stamp.kind}:biweekly:{_sender_id(domain)}\r\n".encode(),
        b"Precedence: bulk\r\nMIME-Version: 1.0\r\n",
    ))  # fmt: skip
    sheets = {variant.name: _sheet(edition, variant, head) for variant in edition.variants}
    if signer is not None:
        sheets = {name: replace(one, seal=signer.over(fields_in(one.head))) for name, one in sheets.items()}
    made = Stationery(stamp, sheets, edition.public_url, domain, stamp.bounce_address or sender)
    for sheet in sheets.values():
        gate(b"".join((sheet.head, *(piece if isinstance(piece, bytes) else b"w" for piece in sheet.body))))
    return made


def _sheet(edition: Edition, variant: Variant, head: bytes) -> Sheet:
    text = _encode(variant.text, edition.nonce, in_html=False)
    if variant.html is None:
        return _made(head + _part_head("plain") + b"\r\n", text)
    # The boundary cannot occur in the parts: quoted-printable never writes "=_".
    boundary = f"=_{edition.sha256[:32]}"
    return _made(
        head + f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'.encode(),
        (
            f"--{boundary}\r\n".encode() + _part_head("plain") + b"\r\n", *text,
            f"\r\n--{boundary}\r\n".encode() + _part_head("html") + b"\r\n",
            *_encode(variant.html, edition.nonce, in_html=True), f"\r\n--{boundary}--\r\n".encode(),
        ),
    )  # fmt: skip


def _made(head: bytes, body: tuple[bytes | _Gap, ...]) -> Sheet:
    return Sheet(head, body, frozenset(piece for piece in body if isinstance(piece, _Gap)))


def _part_head(kind: str) -> bytes:
    return f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n".encode()


def _encode(text: str, nonce: str, *, in_html: bool) -> tuple[bytes | _Gap, ...]:
    """Encode the constant text between placeholders; each gap stands between two soft line breaks.

    So a constant segment is the same bytes however long a reader's words are.
    """
    pieces = re.split(rf"bwph_([a-z_]+)_{re.escape(nonce)}", text)
    out: list[bytes | _Gap] = []
    for number, piece in enumerate(pieces):
        if number % 2:
            name = next((word for word in WORDS if word == piece), None)
            if name is None:
                raise RenderError(
                    f"no reader has a word called {piece}", code="unknown-placeholder", template="issue.mjml.j2",
                    hint=f"ph() knows {', '.join(WORDS)}",
                )  # fmt: skip
            out.append(_Gap(name, in_html))
        else:
            out.append(_fit(quoted.encode_text(piece), first=number == 0, last=number == len(pieces) - 1))
    if "bwph_" in "".join(pieces[::2]):
        raise RenderError("a placeholder was damaged on the way", code="damaged-placeholder", template="issue.mjml.j2")
    return tuple(out)


def _fit(encoded: bytes, *, first: bool, last: bool) -> bytes:
    # A gap that starts a line of its own already needs no break before it.
    whole = last or encoded.endswith(b"\r\n")
    return (b"" if first else quoted.SOFT_BREAK) + encoded + (b"" if whole else quoted.SOFT_BREAK)


def _spelt(value: str, in_html: bool) -> str:
    return html.escape(value, quote=True) if in_html else value


def address_of(field: str) -> str:
    """Return the address of a header field that holds one mailbox, `Name <address>` or the address alone."""
    found = _MAILBOX.search(field)
    if found is None:
        raise RenderError(
            f"{field!r} is no mailbox", code="letter-unfit", template="config.toml",
            hint='publication.from is an address, or "Name <address>"',
        )  # fmt: skip
    return found["bracketed"] or found["bare"]


def _sender_id(domain: str) -> str:
    """Return a stable name of 5 to 15 characters for feedback loops, the same for every reader."""
    return re.sub(r"[^a-z0-9]", "", domain.lower())[-15:].rjust(5, "x")


def gate(content: bytes) -> None:
    """Let only a well-formed message pass (RFC 5321 section 2.3.8, RFC 5322 section 2.1.1).

    CRLF line ends only, no line over 998 octets, 7-bit, no control characters, no placeholder left, no line that
    begins with a dot. Raises RenderError `letter-unfit`.
    """
    for pattern, what in _FAULTS:
        found = pattern.search(content)
        if found:
            raise _unfit(what, content, found.start())
    if max(map(len, content.split(b"\r\n"))) > _LINE_LIMIT:
        raise RenderError("a line is over 998 octets", code="letter-unfit", template="letter")


def gate_fields(fields: bytes, *, utf8: bool) -> None:
    """Let only well-formed header fields of a reader pass; non-ASCII only where SMTPUTF8 is asked for (RFC 6532)."""
    if _GOOD_FIELDS.fullmatch(fields) and b"bwph_" not in fields and b"bwslot_" not in fields:
        return
    for pattern, what in _FIELD_FAULTS if utf8 else _FAULTS:
        found = pattern.search(fields)
        if found:
            raise _unfit(what, fields, found.start())


def _unfit(what: str, content: bytes, at: int) -> RenderError:
    near = content[max(0, at - 20) : at + 20]
    return RenderError(f"{what}, near {near!r}", code="letter-unfit", template="letter")


# What nearly every reader's fields are, at one look; what is not gets its fault named.
_GOOD_FIELDS: Final = re.compile(rb"(?:[A-Z][A-Za-z-]*+: [ -~]*+\r\n(?: [ -~]*+\r\n)*+)++")
_FIELD_FAULTS: Final = (
    (re.compile(rb"[^\r]\n|^\n|\r(?!\n)"), "a bare line end"),
    (re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"), "a control character"),
    (re.compile(rb"\r\n\r\n."), "an empty line among the header fields"),
    (re.compile(rb"bwph_|bwslot_"), "a placeholder was not filled in"),
    (re.compile(rb"\r\n(?![A-Z][A-Za-z-]*: | |\Z)"), "something that is no header field"),
)
_FAULTS: Final = (
    (re.compile(rb"[^\r]\n|^\n|\r(?!\n)"), "a bare line end"),
    (re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"), "a control character"),
    (re.compile(rb"[\x80-\xff]"), "an octet over 127"),
    (re.compile(rb"bwph_|bwslot_"), "a placeholder was not filled in"),
    (re.compile(rb"(?:^|\n)\."), "a line that begins with a dot"),
)
