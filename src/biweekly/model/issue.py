"""Pure. What an issue is made of: reports, sections, the issue itself, its rendered edition, findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, NewType

ReportId = NewType("ReportId", str)
IssueId = NewType("IssueId", str)


class Kind(StrEnum):
    """What a manuscript is. Only reports and digests reach an issue by themselves."""

    REPORT = "report"
    DIGEST = "digest"
    NOTICE = "notice"
    EVENT = "event"


class Status(StrEnum):
    """Where a report stands with its editor."""

    DRAFT = "draft"
    READY = "ready"
    HOLD = "hold"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Author:
    """One person of a byline."""

    name: str
    affiliation: str | None = None
    place: str | None = None
    bio: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a report; `path` is relative to the folder that holds the report's file."""

    path: str
    alt: str = ""
    caption: str = ""
    credit: str = ""
    role: Literal["lead", "inline"] = "lead"


@dataclass(frozen=True, slots=True)
class Correction:
    """What was put right after a report had been sent, and when."""

    date: date
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where an imported report came from. `raw_sha256` names the kept original in reports/sources/.

    `filed_sha256` is the hash of the file as the import wrote it: where it no longer fits, an editor has been at work.
    """

    kind: str = "file"
    url: str | None = None
    external_id: str | None = None
    feed: str | None = None
    fetched: datetime | None = None
    raw_sha256: str | None = None
    importer: str | None = None
    filed_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ReportWarning:
    """Something an editor should look at; the report stays usable. `line` counts from 1 in its source."""

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A manuscript, read and understood (notes on each field: docs/reports.md).

    `section` is a section's title as configured, or empty where the source names none. `lead` is plain text and
    `body` is Markdown without raw HTML that holds the lead as its opening. `received` is set once, by the tool, and is
    None only before the report has been filed. `extra` keeps unknown front matter, so that saving loses nothing.
    """

    id: ReportId
    title: str | None
    body: str
    kind: Kind = Kind.REPORT
    status: Status = Status.READY
    authors: tuple[Author, ...] = ()
    byline_raw: str | None = None
    section: str = ""
    published: date | datetime | None = None
    published_partial: str | None = None
    issue_date: date | None = None
    received: datetime | None = None
    embargo_until: datetime | None = None
    expires: date | None = None
    lead: str = ""
    lead_from: Literal["given", "teaser", "first_paragraph"] = "first_paragraph"
    images: tuple[Image, ...] = ()
    url: str | None = None
    pdf_url: str | None = None
    tags: tuple[str, ...] = ()
    language: str = "en"
    weight: int = 0
    form: Literal["full", "lead", "title"] | None = None
    corrections: tuple[Correction, ...] = ()
    source: Source = field(default_factory=Source)
    warnings: tuple[ReportWarning, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A source that could not be read as a report: nothing is lost, the others go on."""

    source: str
    code: str
    message: str
    line: int | None = None
    cure: str | None = None


class Form(StrEnum):
    """How a report is printed in its section."""

    FULL = "full"
    LEAD = "lead"
    TITLE = "title"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the publication, in its configured place."""

    title: str
    form: Form = Form.LEAD
    required: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A report's place in an issue: which report, in which words (by content hash), in which section and form."""

    report: ReportId
    section: str
    sha256: str
    form: Form | None = None
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Composed:
    """What `compose` last wrote into an issue: how it tells its own words from the editor's.

    `reports` maps every report it put in to its content hash then; one that is here and no entry was taken out by hand.
    """

    reports: Mapping[ReportId, str]
    subject: str
    preheader: str


@dataclass(frozen=True, slots=True)
class Issue:
    """One number of the newsletter, as its issue.toml says. Entries stand in printing order."""

    id: IssueId
    date: date
    number: int | None
    subject: str
    preheader: str
    note: str
    entries: tuple[Entry, ...]
    skipped: Mapping[ReportId, str] = field(default_factory=dict)
    composed: Composed | None = None


class VariantName(StrEnum):
    """The renderings an edition has. Room for 24."""

    HTML = "html"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Variant:
    """One rendering; `html` is None in the text-only variant.

    Both hold placeholder tokens `bwph_<name>_<nonce>`, which `letter.py` replaces for each reader.
    """

    name: VariantName
    html: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture an edition shows, by the hash of its bytes in the content-addressed store."""

    sha256: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Edition:
    """The frozen renderings of an issue: what is approved and what is sent, byte for byte.

    `web` is the page at `<public_url>/w/<web_id>`: the HTML without any reader's words, at an address nobody can guess
    (an HMAC, like the placeholders' `nonce`). `sender` and `reply_to` are header fields as
    they will be written. `sha256` is over everything else here (`render/edition.py` computes it).
    """

    sha256: str
    issue: IssueId
    subject: str
    preheader: str
    sender: str
    reply_to: str
    list_id: str
    audience: str
    public_url: str
    nonce: str
    variants: tuple[Variant, ...]
    web_id: str
    web: str
    pictures: tuple[Picture, ...]
    reports: tuple[Entry, ...]


Frozen = tuple[str, str, bytes]
"""A frozen edition as it is kept: its hash, the address of its web version, its bytes."""


class Level(StrEnum):
    """How much a finding matters."""

    BLOCK = "block"
    WARN = "warn"
    INFO = "info"


class Result(StrEnum):
    """What a check came to; `not_run` and `unknown` are results of their own, never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, not a secret
    FAIL = "fail"
    NOT_RUN = "not_run"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check has to say."""

    id: str
    level: Level
    result: Result
    place: str
    message: str
