"""Pure. The settings of a report's front matter, one by one: what each may be, and what to say where it is not."""

import contextlib
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from enum import StrEnum
from typing import Any, Final, Literal, TypeVar, cast

from biweekly.errors import ReportError
from biweekly.model.issue import Author, Correction, Image, Kind, Report, ReportWarning, Source, Status
from biweekly.reports.byline import read_people
from biweekly.reports.dates import read_day
from biweekly.reports.habits import NOBODY
from biweekly.reports.tidy import UNSEEN

# What other programs call the same thing.
OTHER_NAMES: Final = {
    "author": "authors", "date": "published", "category": "section", "categories": "section", "summary": "lead",
    "description": "lead", "teaser": "lead", "image": "images", "lang": "language", "keywords": "tags",
    "embargo": "embargo_until",
}  # fmt: skip
KNOWN: Final = (
    "id", "title", "authors", "byline_raw", "section", "kind", "status", "published", "published_partial", "issue_date",
    "received", "embargo_until", "expires", "lead", "lead_from", "images", "url", "pdf_url", "tags", "language",
    "weight", "form", "corrections", "source", "outlet", "draft",
)  # fmt: skip
_FORMS: Final = ("full", "lead", "title")
_BAD_ID: Final = re.compile(r"[/\\\x00-\x1f:*?\"<>|]|^\.|^$|[. ]$")
# Files and addresses end somewhere: 255 bytes, and an import puts its endings behind a name.
_LONGEST_ID: Final = 200
_MISSING: Final = object()

Word = TypeVar("Word", bound=StrEnum)


class Fields:
    """The front matter of one report; reading a setting takes it out, what is left over is unknown."""

    def __init__(
        self,
        tree: Mapping[str, Any],
        text: str,
        first_line: int,
        name: str,
        warnings: list[ReportWarning],
        zone: tzinfo,
    ) -> None:
        self._text, self._first, self._name, self._warnings, self._zone = text, first_line, name, warnings, zone
        self._tree: dict[str, Any] = {}
        self._said_as: dict[str, str] = {}
        self._extra: dict[str, object] = {}
        for key, value in tree.items():
            canonical = OTHER_NAMES.get(key, key)
            # A canonical name wins over another program's.
            if canonical != key and (canonical in tree or canonical in self._tree):
                canonical = key
            self._tree[canonical], self._said_as[canonical] = value, key

    # --- what readers see: where it is not understood, it stays empty and is kept ---

    def words(self, key: str) -> str:
        """A text of one line."""
        value = self._take(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str | int | float | date | time):
            return _one_line(value)
        if value is not _MISSING:
            self._keep(key, value, "bad_value", "is no text")
        return ""

    def identifier(self) -> str:
        """The id, where the file gives one."""
        given = self.words("id")
        if given and (_BAD_ID.search(given) or len(given.encode()) > _LONGEST_ID):
            raise self._wrong("id", f'"{given}" cannot be the name of a file', "write letters, digits and hyphens")
        return given

    def number(self, key: str) -> int:
        """A whole number; 0 where there is none."""
        value = self._take(key)
        try:
            return 0 if value is _MISSING else int(str(value))
        except ValueError:
            self._keep(key, value, "bad_value", "is no whole number")
            return 0

    def listed(self, key: str) -> tuple[str, ...]:
        """Several words: a list, or one line with commas."""
        value = self._take(key)
        if isinstance(value, str):
            value = value.split(",")
        if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
            return tuple(word for one in value if (word := _one_line(one)))
        if value is not _MISSING:
            self._keep(key, value, "bad_value", "is no list of words")
        return ()

    def published(self) -> date | datetime | None:
        """A day, or an instant where the hour has a zone."""
        value = self._take("published")
        if isinstance(value, str) and re.fullmatch(r"--\d\d-\d\d", value.strip()):
            self._tree.setdefault("published_partial", value.strip())
            return None
        if value is _MISSING or value == "":
            return None
        moment = _moment(value)
        if isinstance(moment, datetime):
            moment = _in_utc(moment) if moment.tzinfo else moment.date()
        if moment is None:
            self._keep("published", value, "bad_date", "is no date; write 2026-11-24")
        return moment

    def partial(self) -> str | None:
        """A date without its year, `--11-19`."""
        value = self.words("published_partial")
        if value and not re.fullmatch(r"--\d\d-\d\d", value):
            self._keep("published_partial", value, "bad_date", "is no date without a year; write --11-19")
            return None
        return value or None

    def day(self, key: str) -> date | None:
        """A day."""
        value = self._take(key)
        moment = None if value is _MISSING or value == "" else _moment(value)
        if moment is None and value is not _MISSING and value != "":
            self._keep(key, value, "bad_date", "is no date; write 2026-11-24")
        return moment.date() if isinstance(moment, datetime) else moment

    def authors(self) -> tuple[Author, ...]:
        """People: a name, a list of names, or tables with name, affiliation, place and bio."""
        value = self._take("authors")
        if value is _MISSING or value == "":
            return ()
        if isinstance(value, str):
            people = read_people(value)
            return people if people is not None else (Author(_one_line(value)),)
        found: list[Author] = []
        for at, one in enumerate(value if isinstance(value, list) else [value]):
            table = one if isinstance(one, dict) else {"name": one}
            name = table.get("name")
            if not isinstance(name, str) or not _one_line(name):
                self._keep(f"authors.{at}", one, "bad_value", "is no author; write a name")
            elif _one_line(name).casefold() not in NOBODY:
                parts = self._parts(f"authors.{len(found)}", table, ("name", "affiliation", "place", "bio"))
                found.append(Author(**parts))
        return tuple(found)

    def images(self) -> tuple[Image, ...]:
        """Pictures: a path, or tables with path, alt, caption, credit and role."""
        found: list[Image] = []
        for at, one in enumerate(self._tables("images", bare="path")):
            path = one.get("path")
            if not isinstance(path, str) or not _one_line(path):
                self._keep(f"images.{at}", one, "bad_value", "has no path")
                continue
            parts = self._parts(f"images.{len(found)}", one, ("path", "alt", "caption", "credit", "role"))
            # Blanks in a file's name are its own.
            parts["path"] = UNSEEN.sub("", path).strip()
            role = parts.pop("role", "lead")
            found.append(Image(**parts, role="inline" if role == "inline" else "lead"))
        return tuple(found)

    def corrections(self) -> tuple[Correction, ...]:
        """What was put right: tables with date and text."""
        found: list[Correction] = []
        for at, one in enumerate(self._tables("corrections", bare="text")):
            day = _moment(one.get("date"))
            text = one.get("text")
            if day is None or not isinstance(text, str) or not _one_line(text):
                self._keep(f"corrections.{at}", one, "bad_value", "needs a date and a text")
                continue
            rest = {key: value for key, value in one.items() if key != "date"}
            parts = self._parts(f"corrections.{len(found)}", rest, ("text",))
            found.append(Correction(day.date() if isinstance(day, datetime) else day, parts["text"]))
        return tuple(found)

    def source(self) -> Source:
        """Where an import came from."""
        value = self._take("source")
        if isinstance(value, str) and value:
            return Source(url=value) if re.match(r"https?://", value) else Source(kind=value)
        if not isinstance(value, dict):
            if value not in (_MISSING, ""):
                self._keep("source", value, "bad_value", "is no table")
            return Source()
        names = ("kind", "url", "external_id", "feed", "raw_sha256", "importer", "filed_sha256")
        fetched = _moment(value.get("fetched"))
        aware = _in_utc(fetched) if isinstance(fetched, datetime) and fetched.tzinfo else None
        if aware is None and "fetched" in value:
            self._keep("source.fetched", value["fetched"], "bad_date", "is no time with a zone")
        parts = self._parts("source", {k: v for k, v in value.items() if k != "fetched"}, names)
        return Source(**parts, fetched=aware)

    def form(self) -> Literal["full", "lead", "title"] | None:
        """How it is printed, where that differs from its section."""
        value = self.words("form")
        if value and value not in _FORMS:
            self._keep("form", value, "bad_value", "is none of full, lead, title")
            return None
        return cast("Literal['full', 'lead', 'title'] | None", value or None)

    def lead_from(self) -> Literal["given", "teaser", "first_paragraph"]:
        """Whether a lead in the front matter is an import's, or was written by hand."""
        match self.words("lead_from"):
            case "teaser":
                return "teaser"
            case "first_paragraph":
                return "first_paragraph"
            case _:
                return "given"

    # --- what decides whether and when it is mailed: understood, or an error ---

    def status(self) -> Status:
        """Where it stands; `draft: true` of other programs is understood."""
        if str(self._take("draft")).casefold() in ("true", "yes"):
            self._take("status")
            return Status.DRAFT
        return self._one_of("status", Status, Status.READY)

    def kind(self) -> Kind:
        """What it is."""
        return self._one_of("kind", Kind, Kind.REPORT)

    def decisive_day(self, key: str) -> date | None:
        """A day that decides: unreadable is an error."""
        value = self._take(key)
        if value is _MISSING or value == "":
            return None
        moment = _moment(value)
        if moment is None:
            raise self._wrong(key, f'"{value}" is no date', f"write {key} = 2026-11-24")
        return moment.date() if isinstance(moment, datetime) else moment

    def instant(self, key: str) -> datetime | None:
        """An instant in UTC. Without a zone it is the publication's own wall clock; a day alone is its first moment."""
        value = self._take(key)
        if value is _MISSING or value == "":
            return None
        moment = _moment(value)
        if moment is None:
            raise self._wrong(key, f'"{value}" is no time', f"write {key} = 2026-11-24T09:00:00Z")
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        found = _in_utc(moment)
        if found is None:
            raise self._wrong(key, f'"{value}" is no time', f"write {key} = 2026-11-24T09:00:00Z")
        return found

    # --- the rest ---

    def left_over(self) -> dict[str, object]:
        """Settings that nobody asked for, with a warning each; and those that could not be understood."""
        if outlet := self.words("outlet"):
            self._extra["outlet"] = outlet
        self._tree.pop("lead_from", None)
        for key, value in self._tree.items():
            said = self._said_as.get(key, key)
            near = difflib.get_close_matches(said, KNOWN, n=1, cutoff=0.75)
            hint = f"; did you mean {near[0]}?" if near else "; it is kept"
            self._warn("unknown_key", f"unknown setting {said}{hint}", said)
            self._extra[said] = value
        self._tree = {}
        return self._extra

    def look_over(self, report: Report) -> None:
        """Say what an editor should look at, as far as the file alone tells."""
        if not report.authors and report.kind in (Kind.REPORT, Kind.DIGEST):
            self._warn("no_author", "it names no author", "authors")
        if report.published_partial and report.published is None:
            self._warn("date_without_year", f"its date has no year ({report.published_partial})", "published_partial")
        elif report.published is None and report.issue_date is None and "published" not in report.extra:
            self._warn("no_date", "it names no date", "published")
        for image in report.images:
            if not image.alt.strip():
                self._warn("no_alt", f"the picture {image.path} has no alt text for those who cannot see it", "images")

    def _take(self, key: str) -> Any:
        return self._tree.pop(key, _MISSING)

    def _one_of(self, key: str, words: type[Word], default: Word) -> Word:
        value = self._take(key)
        if value is _MISSING or value == "":
            return default
        try:
            return words(str(value).strip().casefold())
        except ValueError:
            near = difflib.get_close_matches(str(value), [str(word) for word in words], n=1)
            cure = f'write {key} = "{near[0]}"' if near else f"write one of {', '.join(words)}"
            raise self._wrong(key, f'"{value}" is no {key}', cure) from None

    def _tables(self, key: str, *, bare: str) -> Iterable[dict[str, Any]]:
        value = self._take(key)
        if value is _MISSING or value == "":
            return
        for one in value if isinstance(value, list) else [value]:
            yield one if isinstance(one, dict) else {bare: str(one)}

    def _parts(self, path: str, table: Mapping[str, Any], known: Sequence[str]) -> dict[str, str]:
        for key, value in table.items():
            if key not in known:
                self._extra[f"{path}.{key}"] = value
                self._warn("unknown_key", f"unknown setting {key}; it is kept", key)
        return {key: said for key in known if key in table and (said := _one_line(table[key]))}

    def _keep(self, key: str, value: object, code: str, why: str) -> None:
        self._extra[key] = value
        self._warn(code, f"{key} {why}", key.partition(".")[0])

    def _warn(self, code: str, message: str, key: str) -> None:
        self._warnings.append(ReportWarning(code, message, self._line(key)))

    def _wrong(self, key: str, message: str, hint: str) -> ReportError:
        return ReportError(
            f"{key}: {message}", code="bad-front-matter", name=self._name, line=self._line(key), hint=hint
        )

    def _line(self, key: str) -> int:
        said = re.escape(self._said_as.get(key, key).rpartition(".")[2])
        for at, line in enumerate(self._text.split("\n")):
            if re.match(rf"\s*(?:\[+\s*)?[\"']?{said}[\"']?\s*[\]=:]", line):
                return self._first + at
        return self._first


def _one_line(value: object) -> str:
    """Put a value on one line, without what no one can see and a terminal might obey."""
    return " ".join(UNSEEN.sub("", str(value)).split())


def _in_utc(moment: datetime) -> datetime | None:
    """The same instant in UTC, None where the calendar ends before it."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _moment(value: object) -> date | datetime | None:
    """Read a date or time in TOML's or ISO's form, or a date in words."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        return None
    words = value.strip()
    # ISO's basic forms without hyphens are left to nobody's guess.
    for read in (date.fromisoformat, datetime.fromisoformat) if "-" in words else ():
        with contextlib.suppress(ValueError):
            return read(words)
    printed = read_day(words)
    return printed.day if printed else None
