"""Pure. Quoted-printable (RFC 2045 section 6.7) and encoded words (RFC 2047), written so that nothing needs repair.

The text that comes out has CRLF line ends, lines of at most 76 octets, no leading dot (so SMTP has nothing to stuff),
no line that begins "From ", no blank at a line's end and no two blanks in a row (so that both of DKIM's body forms are
the same bytes).
"""

import base64
import re
from typing import Final

_LIMIT: Final = 73  # a last blank becomes "=20", and the soft break takes one more: 76
_PLAIN: Final = frozenset(range(33, 127)) - {ord("=")}
_STAYS: Final = re.compile("[!-<>-~]+")
_HEX: Final = tuple(f"={number:02X}".encode() for number in range(256))
_WORD_OCTETS: Final = 39  # 52 of base64, 64 with the frame: a whole row even behind "Subject: "
SOFT_BREAK: Final = b"=\r\n"


def encode_text(text: str) -> bytes:
    """Encode text whose lines end with LF or CRLF. The result ends as the text does, with or without a line end."""
    if (short := _unremarkable(text)) is not None:
        return short
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return b"\r\n".join(_encode_line(line.encode()) for line in lines)


def _unremarkable(text: str) -> bytes | None:
    """Cut one line of characters that all stay themselves, such as an address, into rows; None for any other text."""
    if not _STAYS.fullmatch(text):
        return None
    rows = [text[at : at + _LIMIT] for at in range(0, len(text), _LIMIT)]
    if any(row[0] == "." for row in rows):
        return None
    return "=\r\n".join(rows).encode("ascii")


def _encode_line(line: bytes) -> bytes:
    out: list[bytes] = []
    width = 0
    rows: list[bytes] = []
    last = len(line) - 1
    for at, number in enumerate(line):
        if number == 32:  # noqa: PLR2004 - a blank stays itself only between two other characters
            alone = 0 < at < last and line[at - 1] != 32 and line[at + 1] not in (32, 9)  # noqa: PLR2004
            piece = b" " if alone else b"=20"
        else:
            piece = bytes((number,)) if number in _PLAIN else _HEX[number]
        if width + len(piece) > _LIMIT:
            rows.append(b"".join(out))
            out, width = [], 0
        if width == 0:
            piece = _guard_start(piece, line[at : at + 5])
        out.append(piece)
        width += len(piece)
    rows.append(b"".join(out))
    return SOFT_BREAK.join(_guard_end(row) for row in rows)


def _guard_start(piece: bytes, ahead: bytes) -> bytes:
    """A row must not start with a dot (RFC 5321 section 4.5.2), nor read "From ", nor open with a blank."""
    if piece in {b".", b" "} or (piece == b"F" and ahead == b"From "):
        return _HEX[piece[0]]
    return piece


def _guard_end(row: bytes) -> bytes:
    return row[:-1] + b"=20" if row.endswith(b" ") else row


def encode_phrase(text: str) -> str:
    """Write a display name for a header field: an atom or quoted string where ASCII will do, else encoded words.

    Each encoded word is at most 75 characters (RFC 2047 section 2) and ends between characters.
    """
    text = " ".join(text.split())
    if text.isascii():
        if text and all(char.isalnum() or char in " !#$%&'*+-/=?^_`{|}~" for char in text) and "=?" not in text:
            return text
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return encode_words(text)


def encode_words(text: str) -> str:
    """Write text as encoded words with blanks between them; ASCII text without oddities stays as it is."""
    if text.isascii() and "=?" not in text:
        return text
    words: list[str] = []
    chunk = b""
    for char in text:
        encoded = char.encode()
        if len(chunk) + len(encoded) > _WORD_OCTETS:
            words.append(_word(chunk))
            chunk = b""
        chunk += encoded
    words.append(_word(chunk))
    return " ".join(words)


def _word(chunk: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(chunk).decode('ascii')}?="


def fold(name: str, value: str, *, width: int = 76) -> bytes:
    """Write a header field, folded at its blanks (RFC 5322 section 2.2.3); a value without blanks stays whole."""
    rows = [f"{name}:"]
    for word in value.split(" "):
        if len(rows[-1]) + 1 + len(word) > width and rows[-1] != f"{name}:":
            rows.append("")
        rows[-1] += f" {word}"
    return "\r\n".join(rows).encode() + b"\r\n"
