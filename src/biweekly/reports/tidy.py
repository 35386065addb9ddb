"""Pure. Pasted words put in order: encodings, blanks, broken quotes, wrapped lines, and plain text as Markdown."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from biweekly.model.issue import ReportWarning
from biweekly.reports.habits import RUN_IN

# Control characters that are no blanks, and halves of characters: nobody sees them and a terminal may obey them.
UNSEEN: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
_BLANK: Final = re.compile(r"[^\S\n]+")
_NOTHING: Final = dict.fromkeys([0xAD, 0x200B, 0x2060, 0xFEFF, *range(9), *range(14, 32), *range(0x7F, 0xA0)])
_BREAKS: Final = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_BACKSLASHED: Final = re.compile(r"\\([\"'])")
# A closing quotation mark of which only its first byte was left: an opening one stands before it in the sentence.
_DAGGER: Final = re.compile(r"(“[^“”†\n]{1,400})†(?=(\w)|[\s.,;:!?)]|$)", re.MULTILINE)
_MOJIBAKE: Final = re.compile(r"â€|Ã[\x80-\xbf\w©®¼½¾¡¢£¤¥¦§¨ª«¬¯°±²³´µ¶·¸¹º»¿]|Â[\xa0-\xbf]")
_ENDS: Final = re.compile(r"[.!?…:;][\"'”’»)\]]*$")
_SPECIAL: Final = re.compile(r"[\\`*\[\]<]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|~(?=~)|!(?=\[)")
_AT_START: Final = re.compile(r"(?:[#>+=|~-]|(?P<number>\d{1,9})(?=[.)](?:\s|$)))")
_NARROW, _SHARE, _FEWEST = 100, 0.6, 3


@dataclass(slots=True)
class Tidied:
    """Text in order: its lines, from 1 in the source, and what was repaired."""

    lines: list[str]
    warnings: list[ReportWarning] = field(default_factory=list)


def decode(raw: bytes) -> tuple[str, str | None]:
    """Decode as browsers do: byte order mark, then UTF-8, then windows-1252. Says which it took, if not UTF-8."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            return raw.decode(encoding, "replace").lstrip("\ufeff"), None
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        # Five bytes mean nothing in windows-1252; browsers take them for control characters.
        return raw.decode("cp1252", "replace"), "windows-1252"


def tidy(text: str) -> Tidied:
    """Put pasted text in order and keep its lines apart. Wrapped lines are joined, so that a line is a paragraph.

    A joined paragraph stands where its first line stood and empty lines take the others' places, so that a line's
    number is that of the source.
    """
    warnings: list[ReportWarning] = []
    text = unicodedata.normalize("NFC", _BREAKS.sub("\n", text))
    if "\\" in text:
        text, count = _BACKSLASHED.subn(r"\1", text)
        if count:
            warnings.append(ReportWarning("backslash_quotes", f"{count} quotation marks had a backslash before them"))
    lines = [_mended(line) for line in text.split("\n")]
    text, count = _DAGGER.subn(lambda m: f"{m[1]}”{' ' if m[2] else ''}", "\n".join(line for line, _ in lines))
    if count or any(mended for _, mended in lines):
        warnings.append(ReportWarning("mojibake", "damaged quotation marks or letters were repaired; compare them"))
    text = _BLANK.sub(" ", text).translate(_NOTHING)
    lines_out = [line.strip() for line in text.split("\n")]
    if _is_wrapped(lines_out):
        lines_out, hyphens = _unwrap(lines_out)
        if hyphens:
            warnings.append(
                ReportWarning("linebreak_hyphen", f"{hyphens} words were divided at a line's end; the hyphens stayed")
            )
    return Tidied(lines_out, warnings)


def ends_sentence(text: str) -> bool:
    """Whether a text ends as a sentence does."""
    return bool(_ENDS.search(text))


def markdown(paragraph: str) -> str:
    """Write plain text as a Markdown paragraph (CommonMark): what would be markup is escaped; a run-in head is bold."""
    bold = ""
    if head := RUN_IN.match(paragraph):
        colon = ":" if head[2] else ""
        bold, paragraph = f"**{head[1]}{colon}**", paragraph[head.end() :]
        if not paragraph:
            return bold
        bold += " "
    escaped = _SPECIAL.sub(lambda m: f"\\{m[0]}", paragraph)
    if not bold and (start := _AT_START.match(escaped)):
        escaped = f"{start[0]}\\{escaped[start.end() :]}" if start["number"] else f"\\{escaped}"
    return bold + escaped


def _mended(line: str) -> tuple[str, bool]:
    """Undo UTF-8 that was read as windows-1252, where the whole line undoes without a remainder."""
    if _MOJIBAKE.search(line):
        try:
            return line.encode("cp1252").decode("utf-8"), True
        except UnicodeError:
            pass
    return line, False


def _is_wrapped(lines: Sequence[str]) -> bool:
    """Whether paragraphs were broken into lines of one width, as mail programs and typewriters do."""
    width = max(map(len, lines), default=0)
    if not 40 <= width <= _NARROW:  # noqa: PLR2004 - narrower is verse, wider is a screen
        return False
    full = short = 0
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line and following:
            full, short = (full + 1, short) if len(line) >= width * _SHARE else (full, short + 1)
    return full >= _FEWEST and full > 2 * short


def _unwrap(lines: Sequence[str]) -> tuple[list[str], int]:
    width = max(map(len, lines))
    joined: list[str] = []
    paragraph = hyphens = 0
    going_on = False
    for number, line in enumerate(lines):
        if going_on and line and not re.match(r"(?:By|BY|Published in) ", line):
            cut = joined[paragraph].endswith("-") and line[:1].islower()
            hyphens += cut
            joined[paragraph] += line if cut else f" {line}"
            joined.append("")
        else:
            paragraph = number
            joined.append(line)
        going_on = len(line) >= width * _SHARE
    return joined, hyphens


# One pair of brackets inside another at most: a form that scanned on to any closing one would take minutes over a page
# of opening ones.
_WORDS: Final = r"(?<!\\)\[((?:\\.|[^\[\]\\]|\[[^\[\]]*\])*)\]"
_TARGET: Final = r"\((?:[^()]|\([^()]*\))*\)"
_LINKS: Final = (
    (re.compile(rf"(?<!\\)!{_WORDS}{_TARGET}"), ""),
    (re.compile(rf"{_WORDS}{_TARGET}"), r"\1"),
    (re.compile(rf"{_WORDS}\[[^\[\]]*\]|<((?:https?|mailto):[^<>\s]+)>"), r"\1\2"),
)
_STRESS: Final = (
    (re.compile(r"(?<!\\)(\*{1,3}|~~)(?=\S)(.{1,2000}?)(?<=\S)(?<!\\)\1"), r"\2"),
    (re.compile(r"(?<![\\\w])(_{1,3})(?=\S)(.{1,2000}?)(?<=\S)(?<!\\)\1(?!\w)"), r"\2"),
)
_CODE: Final = ((re.compile(r"(?<!\\)`([^`]*)`"), r"\1"),)
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_NO_PARAGRAPH: Final = re.compile(r"#{1,6}\s|!\[[^\]]*\]\([^)]*\)$|[-*_ ]{3,}$|\[\^?[^\]]+\]:|```|<|\|")
_HEADING: Final = re.compile(r"#\s+(?P<title>\S.*?)\s*#*\s*(?:\n|$)")


def plain(paragraph: str) -> str:
    """Take the markup off a Markdown paragraph, for a lead or a list; not for what is printed as HTML."""
    text = " ".join(paragraph.split())
    # Stress twice: one may stand inside the other.
    for form, instead in (*_LINKS, *_STRESS, *_STRESS, *_CODE):
        text = form.sub(instead, text)
    return _ESCAPED.sub(r"\1", text).strip()


def opening(body: str) -> str:
    """Return the first paragraph of a Markdown text as plain text, without its run-in head; empty if there is none."""
    start = 0
    while start < len(body):
        end = body.find("\n\n", start)
        end = len(body) if end < 0 else end
        paragraph = body[start:end].strip()
        start = end + 2
        if paragraph and not _NO_PARAGRAPH.match(paragraph):
            text = plain(paragraph)
            head = RUN_IN.match(text)
            if rest := (text[head.end() :] if head else text).strip():
                return rest
    return ""


def heading_apart(body: str) -> tuple[str | None, str]:
    """Take a first-level heading off the top of a Markdown text: the heading, and the rest."""
    found = _HEADING.match(body)
    title = plain(found["title"]) if found else ""
    return (title, body[found.end() :].lstrip("\n")) if found and title else (None, body)
