"""Pure. What tells one report from another: its id, and the hash of what it says."""

import hashlib
import re
import unicodedata
from datetime import date
from typing import Final

from biweekly.model.issue import Report, ReportId

_LONGEST_SLUG: Final = 60
# A file's name has 255 bytes at most, and some letters take four; a date stands before a slug, an ending behind it.
_MOST_BYTES: Final = 180
# Names that a file must not have on some system that an editor may use.
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
_LATIN: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ə": "e"}
)


def content_hash(report: Report) -> str:
    """SHA-256, in hexadecimal, of what readers get to read: title, authors, body, and a lead given by hand.

    Blanks and the composition of accents do not count (Unicode NFC), so that another editor's way of saving a file is
    no change; status, section, dates and pictures do not count either.
    """
    parts = [report.title or "", *(author.name for author in report.authors), "", report.body]
    if report.lead_from == "given":
        parts.append(report.lead)
    said = "\x1f".join(" ".join(unicodedata.normalize("NFC", part).split()) for part in parts)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def slug(text: str, *, longest: int = _LONGEST_SLUG) -> str:
    """Make a name for files and addresses out of words: lower case, hyphens, letters of every alphabet kept.

    Latin letters lose their accents; others (Georgian, Cyrillic, Arabic) stay readable as they are. Empty where the
    words have neither letter nor digit. Cut at a word's end to at most `longest` characters.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_LATIN)
    letters = "".join(_without_accent(one) for one in plain)
    words = re.findall(r"[^\W_]+", re.sub(r"[’'`ʻʼ]", "", letters))
    kept: list[str] = []
    for word in words:
        joined = "-".join([*kept, word])
        if kept and (len(joined) > longest or len(joined.encode()) > _MOST_BYTES):
            break
        kept.append(word[:longest].encode()[:_MOST_BYTES].decode(errors="ignore"))
    return "-".join(kept)


def report_id(day: date | None, words: str) -> ReportId:
    """Choose the id of a report: its date, where it has one, and a slug; `report` where there are no words."""
    name = slug(words) or "report"
    if day is None:
        return ReportId(f"{name}-report" if _DEVICES.fullmatch(name) else name)
    return ReportId(f"{day.isoformat()}-{name}")


def _without_accent(letter: str) -> str:
    """A Latin letter without its accent; letters of other alphabets stay whole, where a mark makes another letter."""
    parts = unicodedata.normalize("NFD", letter)
    return parts[0] if len(parts) > 1 and parts[0].isascii() else letter
