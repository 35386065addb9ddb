"""Pure. The words that the program itself puts into an issue, by language: labels, dates, the footer's sentences."""

from dataclasses import dataclass
from datetime import date
from typing import Final

_RIGHT_TO_LEFT: Final = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
NBSP: Final = "\u00a0"


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words. Those with braces are filled by the function that uses them."""

    months: tuple[str, ...]
    day: str
    number: str
    by: str
    in_place: str
    joiner: str
    last_joiner: str
    note: str
    contents: str
    contents_rest: str
    contributors: str
    correction: str
    full_text: str
    full_text_web: str
    pdf: str
    untitled: str
    picture_by: str
    web_version: str
    why: str
    why_web: str
    unsubscribe: str
    write_to_us: str

    def date(self, day: date) -> str:
        """Write a date out: 26 November 2026."""
        return self.day.format(day=day.day, month=self.months[day.month - 1], year=day.year)

    def names(self, names: tuple[str, ...]) -> str:
        """Join names as a sentence does: A, B and C."""
        if len(names) < 2:  # noqa: PLR2004 - two names need a joiner
            return "".join(names)
        return self.joiner.join(names[:-1]) + self.last_joiner + names[-1]


ENGLISH: Final = Words(
    months=(
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    day=f"{{day}}{NBSP}{{month}}{NBSP}{{year}}",
    number=f"No.{NBSP}{{number}}",
    by="By {names}",
    in_place="in {place}",
    joiner=", ",
    last_joiner=" and ",
    note="From the editors",
    contents="In this issue",
    contents_rest="Also in this issue",
    contributors="Contributors",
    correction="Correction, {date}:",
    full_text="Full text at {host}",
    full_text_web=f"Full text on the web, {{minutes}}{NBSP}min",
    pdf="PDF",
    untitled="Untitled",
    picture_by="Picture: {credit}",
    web_version="Read on the web",
    why="This issue was sent to {address} because you subscribed to {name}.",
    why_web="{name} goes by e-mail to those who subscribed to it.",
    unsubscribe="Unsubscribe",
    write_to_us="Write to the editors",
)  # fmt: skip

LANGUAGES: Final = {"en": ENGLISH}


def words_for(language: str) -> Words:
    """Return the words of a language (BCP 47); English where there are none yet."""
    return LANGUAGES.get(language.partition("-")[0].lower(), ENGLISH)


def direction_of(language: str) -> str:
    """`rtl` or `ltr`, by the language's usual script."""
    return "rtl" if language.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"
