"""Pure. A relay's replies out of its bytes, bounded and strict (RFC 5321 section 4.2, RFC 2034)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from biweekly.model.mailing import Phase, Reply

MOST_BYTES: Final = 64 * 1024
MOST_LINES: Final = 100
LONGEST_TEXT: Final = 500  # characters kept of a relay's words; the rest is seldom about the letter
_SHOWN: Final = 80  # of what is no reply

# A whole line: code, whether more follow, text. What does not fit it to the last octet is no reply.
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\n]*))?\r\n")
_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


Conceal = Callable[[str], str]


def as_it_is(words: str) -> str:
    """Conceal nothing."""
    return words


class Garbled(Exception):
    """What came is no SMTP reply; the connection cannot be trusted any more."""

    def __init__(self, what: str, line: bytes | None = None) -> None:
        super().__init__(what)
        self._line = line

    def words(self, conceal: Conceal) -> str:
        """Say what came. Secrets are taken out before it is cut: half of one would not be known as such."""
        if self._line is None:
            return clean(conceal(str(self)))
        shown = clean(conceal(self._line.decode("utf-8", "replace")))
        return f"{self}: {shown[:_SHOWN]!r}"


@dataclass(frozen=True, slots=True)
class Said:
    """One complete reply: its code and its lines without code and line end."""

    code: int
    lines: tuple[str, ...]

    def reply(self, phase: Phase, conceal: Conceal = as_it_is) -> Reply:
        """Return it as the answer in a phase: enhanced status and secrets taken out, words cleaned and on one line."""
        found = _ENHANCED.match(self.lines[0])
        status = found[1] if found else None
        words = (conceal(_without(status, line)) for line in self.lines)
        return Reply(self.code, clean(" ".join(word for word in words if word)), phase, status)


class ReplyParser:
    """Takes bytes as they come and gives complete replies one at a time.

    Holds at most one reply's bytes and what came in the same piece. A reply over 64 kB or 100 lines, another code in
    a continuation line, a code outside 200-599, text that is no UTF-8, or a line that does not end in CRLF is Garbled.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0
        self._looked_at = 0
        self._size_bytes = 0
        self._code = 0
        self._lines: list[str] = []

    @property
    def pending(self) -> bool:
        """Whether anything came that was not yet given out."""
        return len(self._buffer) > self._at or bool(self._lines)

    def feed(self, piece: bytes) -> None:
        """Take what came."""
        if self._at:
            self._looked_at = max(0, self._looked_at - self._at)
            self._buffer, self._at = self._buffer[self._at :], 0
        self._buffer = self._buffer + piece if self._buffer else piece

    def next(self) -> Said | None:
        """Return the next complete reply, None where more must come; raises Garbled."""
        while (found := _LINE.match(self._buffer, self._at)) is not None:
            self._at = self._looked_at = found.end()
            code, more, text = found.groups(b"")
            if more != b"-" and not self._lines and len(text) < MOST_BYTES and text.isascii():
                return Said(int(code), (text.decode("ascii"),))
            self._size_bytes += found.end() - found.start()
            if (said := self._take(int(code), more == b"-", text)) is not None:
                return said
        end = self._buffer.find(b"\n", max(self._at, self._looked_at))
        if end >= 0:
            line = self._buffer[self._at : end + 1]
            if not line.endswith(b"\r\n"):
                raise Garbled("a line that does not end in CRLF", line)
            raise Garbled("no reply", line)
        self._looked_at = len(self._buffer)
        if self._size_bytes + len(self._buffer) - self._at > MOST_BYTES:
            raise Garbled(f"a reply longer than {MOST_BYTES} bytes")
        return None

    def _take(self, code: int, more: bool, text: bytes) -> Said | None:
        if self._size_bytes > MOST_BYTES or len(self._lines) >= MOST_LINES:
            raise Garbled(f"a reply longer than {MOST_BYTES} bytes or {MOST_LINES} lines")
        if self._lines and code != self._code:
            raise Garbled(f"a reply that begins with {self._code} and goes on with {code}")
        try:
            self._lines.append(text.decode("utf-8"))
        except UnicodeDecodeError:
            raise Garbled("a reply that is not UTF-8", text) from None
        self._code = code
        if more:
            return None
        said = Said(code, tuple(self._lines))
        self._lines, self._size_bytes = [], 0
        return said


def clean(text: str) -> str:
    """Make a relay's words safe to print, log and store: no control or direction characters, one line, bounded."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _without(status: str | None, line: str) -> str:
    found = _ENHANCED.match(line)
    return line[found.end() :] if found and found[1] == status else line
