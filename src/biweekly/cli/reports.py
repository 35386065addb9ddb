"""Shell. `biweekly reports`: take in, list, show and check the manuscripts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biweekly.cli import speak
from biweekly.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from biweekly.model.issue import Report, ReportWarning, SetAside
    from biweekly.publication import Publication
    from biweekly.reports import Shelf
    from biweekly.services.manuscripts import Intake

app = typer.Typer(help="Take in, list and check the manuscripts.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of words.")]


@app.command("import")
def import_command(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pasted text (.txt) or Markdown (.md).")],
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="The page that the one FILE was.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and say what would come in; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Read files as reports and file them in reports/; what cannot be read is set aside and the rest go on.

    Example: biweekly reports import page.txt --url https://review.example/item/12-dam.html --dry-run
    """
    if url is not None and len(files) > 1:
        raise UsageError(
            "--url is the address of one page, and there are several files", code="url-for-many",
            hint="import each page with its own --url",
        )  # fmt: skip
    publication: Publication = ctx.obj.publication()
    intake = _take_in(publication, [str(path) for path in files], url=url, dry_run=dry_run)
    if as_json:
        speak.show_json("reports-import", {
            "dry_run": dry_run,
            "reports": [
                {**_as_json(one.report, source=one.source), "file": one.file, "outcome": one.deed}
                for one in intake.taken
            ],
            "set_aside": [asdict(one) for one in intake.set_aside],
        })  # fmt: skip
    else:
        _tell_import(intake, dry_run=dry_run)
    if intake.set_aside:
        raise typer.Exit(1)


@app.command("list")
def list_command(ctx: typer.Context, as_json: Json = False) -> None:
    """List the reports of this publication, the newest last.

    Example: biweekly reports list
    """
    shelf = _shelf(ctx.obj.publication())
    if as_json:
        speak.show_json("reports-list", {
            "reports": [_as_json(one) for one in shelf.reports], "set_aside": [asdict(one) for one in shelf.set_aside],
        })  # fmt: skip
    else:
        _show_table(shelf.reports)
        speak.say(f"{_count(len(shelf.reports), 'report')}; biweekly reports show ID prints one.")
        _tell_aside(shelf.set_aside)
    if shelf.set_aside:
        raise typer.Exit(1)


@app.command("show")
def show_command(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="A report's id, or the beginning of one.")],
    as_json: Json = False,
) -> None:
    """Show one report: what is known of it, what to look at, its text.

    Example: biweekly reports show 2026-11-19-the-quarry-road
    """
    report = _named(name, _shelf(ctx.obj.publication()))
    if as_json:
        speak.show_json("reports-show", {"report": _as_json(report, whole=True)})
        return
    for label, value in _facts(report):
        speak.show(f"{label:<10} {value}")
    speak.show()
    speak.show(report.body.rstrip("\n"))
    _tell_warnings(report.warnings)


@app.command("check")
def check_command(ctx: typer.Context, as_json: Json = False) -> None:
    """Read every report again and say what to look at; exit 1 where one had to be set aside.

    Example: biweekly reports check
    """
    shelf = _shelf(ctx.obj.publication())
    warnings = sum(len(one.warnings) for one in shelf.reports)
    if as_json:
        speak.show_json("reports-check", {
            "reports": [{"id": one.id, "warnings": _warnings_json(one.warnings)} for one in shelf.reports],
            "set_aside": [asdict(one) for one in shelf.set_aside], "warnings": warnings,
        })  # fmt: skip
    else:
        for report in (one for one in shelf.reports if one.warnings):
            speak.show(f"reports/{report.id}.md")
            for one in report.warnings:
                speak.show(f"  {_place(one)}{one.code}: {one.message}")
        read = _count(len(shelf.reports), "report")
        speak.show(f"{read} read, {_count(warnings, 'warning')}, {len(shelf.set_aside)} set aside")
        _tell_aside(shelf.set_aside)
    if shelf.set_aside:
        raise typer.Exit(1)


def _take_in(publication: "Publication", files: Sequence[str], *, url: str | None, dry_run: bool) -> "Intake":
    """Hand the service the world: how to open, how to read, where to file."""
    from biweekly.reports import file_report, read_as, read_source
    from biweekly.services.manuscripts import take_in

    sections = [one.title for one in publication.config.publication.sections]
    now = datetime.now(UTC).replace(microsecond=0)
    zone = _zone(publication)
    today = now.astimezone(zone).date()

    def file(report: "Report", raw: bytes, *, source: str) -> str:
        path = file_report(publication.reports, report, raw, now=now, origin=Path(source).parent)
        return f"reports/{path.name}"

    return take_in(
        files,
        open_source=lambda source: read_source(Path(source), name=source),
        read=lambda name, raw: read_as(name, raw, url=url, sections=sections, today=today, zone=zone),
        file=None if dry_run else file,
    )


def _zone(publication: "Publication") -> tzinfo:
    schedule = publication.config.schedule
    return schedule.zone if schedule is not None else UTC


def _shelf(publication: "Publication") -> "Shelf":
    from biweekly.reports import read_folder

    sections = [one.title for one in publication.config.publication.sections]
    return read_folder(publication.reports, sections=sections, now=datetime.now(UTC), zone=_zone(publication))


def _named(name: str, shelf: "Shelf") -> "Report":
    found = [one for one in shelf.reports if one.id == name] or [
        one for one in shelf.reports if one.id.startswith(name)
    ]
    if len(found) == 1:
        return found[0]
    for aside in shelf.set_aside:
        if aside.source.removeprefix("reports/").removesuffix(".md") == name:
            raise NothingToDo(
                f"it was set aside: {aside.message}", code=aside.code,
                place=f"{aside.source}:{aside.line}" if aside.line else aside.source, hint=aside.cure,
            )  # fmt: skip
    several = ", ".join(one.id for one in found[:3])
    cause = f"several reports begin like that: {several}" if found else "there is no such report"
    raise NothingToDo(cause, code="no-such-report", place=name, hint="biweekly reports list")


def _as_json(report: "Report", *, source: str | None = None, whole: bool = False) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": report.id,
        "source": source or f"reports/{report.id}.md",
        "kind": report.kind,
        "status": report.status,
        "title": report.title,
        "authors": [{key: value for key, value in asdict(one).items() if value} for one in report.authors],
        "section": report.section,
        "published": report.published.isoformat() if report.published else None,
        "published_partial": report.published_partial,
        "issue_date": report.issue_date.isoformat() if report.issue_date else None,
        "lead": report.lead,
        "body": report.body,
        "url": report.url,
        "warnings": _warnings_json(report.warnings),
    }
    if whole:
        document |= {
            "received": report.received.isoformat() if report.received else None,
            "embargo_until": report.embargo_until.isoformat() if report.embargo_until else None,
            "expires": report.expires.isoformat() if report.expires else None,
            "images": [asdict(one) for one in report.images],
            "tags": list(report.tags),
            "language": report.language,
            "weight": report.weight,
            "form": report.form,
            "corrections": [asdict(one) for one in report.corrections],
            "import": asdict(report.source),
        }
    return document


def _warnings_json(warnings: Sequence["ReportWarning"]) -> list[dict[str, Any]]:
    return [asdict(one) for one in warnings]


def _show_table(reports: Sequence["Report"]) -> None:
    """Print one line a report: date, status, section, title, and a sign where there is something to look at."""
    rows = [(_day(one), str(one.status), one.section or "-", one) for one in reports]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(3)]  # type: ignore[arg-type]
    for day, status, section, report in sorted(rows, key=lambda row: (row[0], row[3].id)):
        sign = f"  ({_count(len(report.warnings), 'warning')})" if report.warnings else ""
        speak.show(
            f"{day:<{widths[0]}}  {status:<{widths[1]}}  {section:<{widths[2]}}  {report.title or '(no title)'}{sign}"
        )
        speak.show(f"{'':<{widths[0]}}  {report.id}")


def _facts(report: "Report") -> list[tuple[str, str]]:
    embargo = f", embargo until {report.embargo_until:%Y-%m-%d %H:%M} UTC" if report.embargo_until else ""
    facts = [
        ("id", report.id),
        ("title", report.title or "(none: it stays a draft)"),
        ("by", ", ".join(one.name for one in report.authors) or "-"),
        ("section", report.section or "-"),
        ("status", f"{report.status}{embargo}"),
        ("published", _day(report)),
        ("received", f"{report.received:%Y-%m-%d %H:%M} UTC" if report.received else "-"),
    ]
    if report.images:
        facts.append(("pictures", ", ".join(one.path for one in report.images)))
    if report.url:
        facts.append(("page", report.url))
    return [*facts, ("lead", report.lead)]


def _tell_import(intake: "Intake", *, dry_run: bool) -> None:
    from biweekly.services.manuscripts import Deed

    for one in intake.taken:
        by = ", ".join(author.name for author in one.report.authors)
        speak.show(f"{one.file or one.report.id}")
        speak.show(f"  {one.report.title or '(no title)'}{f', by {by}' if by else ''}")
        where = one.report.section or "no section"
        speak.show(f"  {where}, {_day(one.report)}, {len(one.report.body.split())} words, {one.report.status}")
        for warning in one.report.warnings:
            speak.show(f"  {_place(warning)}{warning.code}: {warning.message}")
        if one.deed is Deed.BESIDE:
            speak.show("  your own file was changed since its import and stays; compare the two and delete this one")
    _tell_aside(intake.set_aside)
    read, aside = _count(len(intake.taken), "report"), len(intake.set_aside)
    if dry_run:
        speak.say(f"{read} read, {aside} set aside; nothing was written. Leave out --dry-run to file them.")
    else:
        speak.say(f"{read} filed, {aside} set aside. Next: biweekly issue compose")


def _tell_aside(set_aside: Sequence["SetAside"]) -> None:
    for one in set_aside:
        place = f"{one.source}:{one.line}" if one.line else one.source
        speak.say(f"{speak.paint('set aside', 'yellow')} {one.code}: {place}: {one.message}")
        if one.cure:
            speak.say(f"  help: {one.cure}")


def _tell_warnings(warnings: Sequence["ReportWarning"]) -> None:
    for one in warnings:
        speak.say(f"{speak.paint('look at', 'yellow')} {one.code}: {_place(one)}{one.message}")


def _place(warning: "ReportWarning") -> str:
    return f"line {warning.line}: " if warning.line else ""


def _day(report: "Report") -> str:
    day = report.published or report.issue_date
    return day.isoformat()[:10] if day else report.published_partial or "-"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
