"""Pure. Writes a report as its file: TOML front matter in a fixed order, then Markdown. Reading it gives it back."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Final

from biweekly.model.issue import Kind, Report
from biweekly.reports.tidy import opening

_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_WIDE = 100


def write(report: Report) -> str:
    """Write a report's file. Unknown settings that reading kept are written again, in their own places."""
    extra = dict(report.extra)
    # What reading would find by itself is not written twice: the body is the editor's to change.
    lead_stands = bool(report.lead) and (report.lead_from != "first_paragraph" or report.lead != opening(report.body))
    simple: dict[str, object] = {
        "id": report.id,
        "title": report.title,
        "authors": _authors(report, extra),
        "byline_raw": report.byline_raw,
        "section": report.section or None,
        "kind": report.kind.value if report.kind is not Kind.REPORT else None,
        "status": report.status.value,
        "published": report.published,
        "published_partial": report.published_partial,
        "issue_date": report.issue_date,
        "received": report.received,
        "embargo_until": report.embargo_until,
        "expires": report.expires,
        "lead": report.lead if lead_stands else None,
        "lead_from": report.lead_from if lead_stands and report.lead_from != "given" else None,
        "url": report.url,
        "pdf_url": report.pdf_url,
        "tags": list(report.tags) or None,
        "language": report.language if report.language != "en" else None,
        "weight": report.weight or None,
        "form": report.form,
    }
    tables: list[tuple[str, Mapping[str, object]]] = [
        ("[[images]]", {**_given(path=one.path, alt=one.alt, caption=one.caption, credit=one.credit),
                        **({"role": "inline"} if one.role == "inline" else {}), **_taken(extra, f"images.{at}.")})
        for at, one in enumerate(report.images)
    ]  # fmt: skip
    tables += [
        ("[[corrections]]", {"date": one.date, "text": one.text, **_taken(extra, f"corrections.{at}.")})
        for at, one in enumerate(report.corrections)
    ]
    origin = report.source
    source = _given(
        kind=origin.kind if origin.kind != "file" else None, url=origin.url, external_id=origin.external_id,
        feed=origin.feed, fetched=origin.fetched, raw_sha256=origin.raw_sha256, importer=origin.importer,
        filed_sha256=origin.filed_sha256,
    )  # fmt: skip
    source |= _taken(extra, "source.")
    if source:
        tables.append(("[source]", source))
    rest = {key: value for key, value in extra.items() if simple.get(key) is None}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in {**simple, **rest}.items() if value is not None]
    for heading, table in tables:
        lines += ["", heading, *(f"{_key(key)} = {_value(value)}" for key, value in table.items())]
    return "\n".join(["+++", *lines, "+++", "", report.body.strip("\n"), ""])


def quote(words: str) -> str:
    """Write words as a TOML basic string."""
    return (
        '"'
        + "".join(_ESCAPES.get(one) or (one if one.isprintable() or one == " " else _escape(one)) for one in words)
        + '"'
    )


def stamp(moment: datetime) -> str:
    """Write an instant as TOML and YAML both read it, in UTC to the second where it has no fraction."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # in the first or last hours of the calendar it keeps its own zone
        return moment.isoformat()
    return moment.isoformat().replace("+00:00", "Z")


def _authors(report: Report, extra: dict[str, object]) -> object:
    people: list[object] = []
    for at, one in enumerate(report.authors):
        table = _given(name=one.name, affiliation=one.affiliation, place=one.place, bio=one.bio)
        table |= _taken(extra, f"authors.{at}.")
        people.append(one.name if len(table) == 1 else table)
    return people or None


def _given(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value not in (None, "")}


def _taken(extra: dict[str, object], prefix: str) -> dict[str, object]:
    return {key.removeprefix(prefix): extra.pop(key) for key in list(extra) if key.startswith(prefix)}


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else quote(key)


def _value(value: object) -> str:  # noqa: PLR0911 - a line for each kind of value reads best
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return stamp(value) if value.tzinfo else value.isoformat()
        case date() | time():
            return value.isoformat()
        case int() | float():
            return repr(value)
        case Mapping():
            inside = ", ".join(f"{_key(str(key))} = {_value(one)}" for key, one in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list() | tuple():
            return _array(value)
        case _:
            return quote(str(value))


def _array(values: Iterable[object]) -> str:
    written = [_value(one) for one in values]
    line = f"[{', '.join(written)}]"
    if len(line) <= _WIDE:
        return line
    return "[\n" + "".join(f"    {one},\n" for one in written) + "]"


def _escape(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04X}" if number <= 0xFFFF else f"\\U{number:08X}"  # noqa: PLR2004 - TOML's two forms
