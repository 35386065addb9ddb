"""Shell. `biweekly issue`: compose, plan, list, show and render an issue."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biweekly.cli import speak
from biweekly.errors import UsageError

if TYPE_CHECKING:
    from biweekly.services.editorial import Composed, Newsroom, Standing

app = typer.Typer(help="Compose, plan and render an issue.", no_args_is_help=True, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of words.")]
IssueName = Annotated[str, typer.Argument(metavar="ISSUE", help="An issue's date, `next` or `latest`.")]


def _newsroom(ctx: typer.Context) -> "Newsroom":
    from biweekly.newsroom import open_newsroom

    return open_newsroom(ctx.obj.publication())


def _parsed(day: str | None) -> date | None:
    try:
        return date.fromisoformat(day) if day is not None else None
    except ValueError as error:
        raise UsageError(
            f'"{day}" is no date', code="bad-date", place="--date", hint="write it as 2026-11-26"
        ) from error


@app.command("compose")
def compose_command(
    ctx: typer.Context,
    day: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The issue's date; without it, the next one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Gather the latest ready reports into an issue; composing again keeps what you changed.

    Example: biweekly issue compose --date 2026-11-26
    """
    made = _newsroom(ctx).compose_issue(now=datetime.now(UTC), on=_parsed(day))
    issue = made.issue
    titles = {one.report: one.title for one in made.composition.candidates}
    if as_json:
        rows = [{"id": one.report, "section": one.section, "title": titles.get(one.report)} for one in issue.entries]
        speak.show_json("issue", {"issue": issue.id, "date": issue.date, "reports": rows})
        return
    for section in dict.fromkeys(one.section for one in issue.entries):
        speak.show(section)
        for entry in (one for one in issue.entries if one.section == section):
            mark = "+" if entry.report in made.composition.added and not made.is_new else " "
            speak.show(f"  {mark} {titles.get(entry.report) or entry.report}")
    _say_what_changed(made, titles)


def _say_what_changed(made: "Composed", titles: dict[Any, str | None]) -> None:
    issue, what = made.issue, made.composition
    count = f"{len(issue.entries)} report{'s' * (len(issue.entries) != 1)}"
    if made.is_new:
        speak.say(f'Composed issue {issue.id}, "{issue.subject}", with {count}.')
    elif not made.written:
        speak.say(f"Issue {issue.id} stays as it was: {count}, nothing new.")
    else:
        speak.say(f"Composed issue {issue.id} again: {count}, {len(what.added)} added. Your changes stand.")
        for one in what.added:
            speak.say(f"  added: {titles.get(one) or one}")
    for one, why in (what.taken_out or {}).items():
        speak.say(f"  taken out: {titles.get(one) or one} ({why})")
    for one in what.changed:
        speak.say(f"  changed since: {titles.get(one) or one}")
    out = sum(not one.included for one in what.candidates)
    if out:
        speak.say(f"{out} left out: biweekly issue plan {issue.id}")
    speak.say(f"Next: biweekly preview {issue.id}")


@app.command("plan")
def plan_command(
    ctx: typer.Context,
    issue: Annotated[str | None, typer.Argument(metavar="[ISSUE]", help="An issue's date, `next` or `latest`.")] = None,
    as_json: Json = False,
) -> None:
    """Say for every report whether it is in the issue, and why. Changes nothing.

    Example: biweekly issue plan next
    """
    now = datetime.now(UTC)
    newsroom = _newsroom(ctx)
    chosen = newsroom.resolve(issue, now=now) if issue is not None else None
    candidates = newsroom.plan_issue(chosen, now=now)
    if as_json:
        rows = [
            {"id": one.report, "in": one.included, "why": one.why, "section": one.section, "title": one.title}
            for one in candidates
        ]
        speak.show_json("issue-plan", {"candidates": rows})
        return
    if not candidates:
        speak.say("There are no reports yet: biweekly reports import FILE")
    width = max((len(one.report) for one in candidates), default=0)
    for one in candidates:
        speak.show(f"{'in ' if one.included else 'out'}  {one.report:<{width}}  {one.why}")


@app.command("list")
def list_command(ctx: typer.Context, as_json: Json = False) -> None:
    """List the issues, oldest first.

    Example: biweekly issue list
    """
    issues = _newsroom(ctx).list_issues()
    if as_json:
        speak.show_json("issues", {"issues": [_row(one) for one in issues]})
        return
    if not issues:
        speak.say("There are no issues yet: biweekly issue compose")
    for one in issues:
        row = _row(one)
        number = f"no. {row['number']}" if row["number"] is not None else ""
        said = row["subject"] if one.fault is None else f"{one.fault.code}: {one.fault.place}: {one.fault.message}"
        speak.show(f"{one.id:<12}  {number:<7}  {row['state']:<6}  {said}")


def _row(one: "Standing") -> dict[str, Any]:
    issue = one.issue
    return {
        "id": one.id,
        "date": one.day,
        "number": issue.number if issue else None,
        "subject": issue.subject if issue else None,
        "reports": len(issue.entries) if issue else None,
        "state": "sent" if one.was_sent else "broken" if one.fault else "draft",
    }


@app.command("show")
def show_command(ctx: typer.Context, issue: IssueName, as_json: Json = False) -> None:
    """Show an issue: its words, and its reports in printing order.

    Example: biweekly issue show latest
    """
    now = datetime.now(UTC)
    newsroom = _newsroom(ctx)
    shown = newsroom.show_issue(newsroom.resolve(issue, now=now), now=now)
    found = shown.issue
    if as_json:
        rows = [
            {
                "id": one.report,
                "section": one.section,
                "title": shown.reports[one.report].title if one.report in shown.reports else None,
                "pinned": one.pinned,
                "form": one.form,
            }
            for one in found.entries
        ]
        head = {"issue": found.id, "date": found.date, "number": found.number, "subject": found.subject}
        rest = {"preheader": found.preheader, "note": found.note, "sent": shown.was_sent, "reports": rows}
        speak.show_json("issue", {**head, **rest, "skipped": dict(found.skipped)})
        return
    number = f"no. {found.number}, " if found.number is not None else ""
    speak.show(f"{found.id}   {number}{found.date}, {'sent' if shown.was_sent else 'not sent'}")
    speak.show(f"subject    {found.subject}")
    speak.show(f"preheader  {found.preheader}")
    for section in dict.fromkeys(one.section for one in found.entries):
        speak.show(f"\n{section}")
        for one in (one for one in found.entries if one.section == section):
            report = shown.reports.get(one.report)
            title = report.title or one.report if report is not None else f"{one.report} (not readable)"
            by = f", by {' and '.join(author.name for author in report.authors)}" if report and report.authors else ""
            speak.show(f"  {title}{by}{'  (pinned)' if one.pinned else ''}")


@app.command("render")
def render_command(
    ctx: typer.Context,
    issue: IssueName,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write to; made where needed.")],
    as_json: Json = False,
) -> None:
    """Render an issue: issue.html, issue.txt, issue.eml and edition.json.

    Example: biweekly issue render next --out proof
    """
    now = datetime.now(UTC)
    newsroom = _newsroom(ctx)
    edition = newsroom.render_issue(newsroom.resolve(issue, now=now), now=now)
    names = newsroom.write_rendering(edition, out)
    if as_json:
        speak.show_json("rendering", {"sha256": edition.sha256, "files": list(names)})
        return
    for name in names:
        size = (out / name).stat().st_size
        speak.show(f"{out / name}  {size:,} bytes")
    speak.say(f"Rendered issue {edition.issue}, content {edition.sha256[:8]}.")
