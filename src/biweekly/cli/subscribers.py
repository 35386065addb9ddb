"""Shell. `subscribers`: import, export, add, list, show, suppress and erase the people on the list."""

import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from biweekly.cli import speak
from biweekly.model.issue import VariantName
from biweekly.model.subscriber import Standing, Subscriber

if TYPE_CHECKING:
    from biweekly.audience.row import BadRow, Row
    from biweekly.publication import Publication
    from biweekly.services.subscriptions import Admission, Subscriptions
    from biweekly.store.people import People

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Import, list, suppress and erase subscribers.")

_BY_HAND: Final = "by hand"
_SAY_EVERY: Final = 30.0  # seconds between two lines of progress
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this, it is a plan.")]
_Address = Annotated[str, typer.Argument(metavar="ADDR", help="The subscriber's address, in any spelling.")]


@app.command("import", no_args_is_help=True)
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="F", help="A CSV file: commas, semicolons or tabs.")],
    consent: Annotated[
        str | None, typer.Option("--consent", metavar="TEXT", help="The words these people agreed to, kept with each.")
    ] = None,
    apply: _Apply = False,
    as_json: _Json = False,
) -> None:
    """Show what importing a list would do; with --apply, do it.

    Every line that is refused is named with its number and the reason; the others become active subscribers. Nobody
    who left, was suppressed or was erased is ever brought back, and nobody known is changed.

    Example: biweekly subscribers import subscribers/sample.csv --apply
    """
    from biweekly.audience.roster import Roster
    from biweekly.services.subscriptions import Basis

    publication, subscriptions, _ = _open(ctx)
    roster = Roster(file)
    rows = _watched(roster)
    if apply:
        basis = Basis(source=f"import of {file.name}", wording=consent or "", at=_now())
        result = subscriptions.import_all(rows, basis=basis)
    else:
        result = subscriptions.plan_import(rows)
    command = _command(ctx, "import", str(file), *(["--consent", consent] if consent else []), "--apply")
    if as_json:
        document = {"file": str(file), "applied": apply, **asdict(result)}
        speak.show_json("subscribers-import", document | ({} if apply else {"command": command}))
    else:
        _print_import(result, file=file, unused=roster.columns.unused, applied=apply)
        if apply:
            speak.say(f"The list of {publication.config.publication.name} is up to date.")
        else:
            speak.show(command)
    if result.invalid:
        raise typer.Exit(1)


@app.command()
def export(
    ctx: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="F", help="A new file, not the screen.")] = None,
    standing: Annotated[Standing, typer.Option("--standing", help="Who is exported.")] = Standing.ACTIVE,
) -> None:
    """Write the list as CSV, every cell quoted and nothing that a spreadsheet would run as a formula.

    Example: biweekly subscribers export -o readers.csv
    """
    from biweekly.audience.roster import write_roster
    from biweekly.errors import RosterError

    _, subscriptions, _ = _open(ctx)
    rows = subscriptions.export(standing=standing)
    if out is None:
        count = write_roster(sys.stdout, rows) - 1
    else:
        try:
            descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise RosterError(
                f"cannot be written: {error.strerror}", code="roster-unwritable", place=str(out),
                hint="name a file that does not exist yet",
            ) from error  # fmt: skip
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            count = write_roster(file, rows) - 1
    speak.say(_count(count, standing.value))


@app.command(no_args_is_help=True)
def add(
    ctx: typer.Context,
    address: _Address,
    name: Annotated[str, typer.Option("--name", help="The name as it stands in the To field.")] = "",
    text: Annotated[bool, typer.Option("--text", help="Send this person plain text only.")] = False,
    consent: Annotated[str, typer.Option("--consent", metavar="TEXT", help="The words the person agreed to.")] = "",
) -> None:
    """Let in one person, at once. Who left or was suppressed stays out.

    Example: biweekly subscribers add nino@example.org --name "Nino Beridze"
    """
    from biweekly.services.subscriptions import Basis

    _, subscriptions, _ = _open(ctx)
    person, new = subscriptions.add(
        address, name=name, variant=VariantName.TEXT if text else VariantName.HTML,
        basis=Basis(source="added by hand", wording=consent, at=_now()),
    )  # fmt: skip
    speak.show(f"{_line(person)}{'' if new else ', known already and left as it was'}")


@app.command("list")
def list_(
    ctx: typer.Context,
    standing: Annotated[Standing | None, typer.Option("--standing", help="Only those who stand so.")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Only those at this domain.")] = None,
    as_json: _Json = False,
) -> None:
    """List the people, one a line, and count them by standing.

    Example: biweekly subscribers list --standing active --domain example.org
    """
    _, _, people = _open(ctx)
    found = people.walk(standing=standing, domain=_ascii_domain(domain))
    if as_json:
        listed = [_document(person) for person in found]
        by_word = {one.value: count for one, count in people.count().items()}
        speak.show_json("subscribers-list", {"subscribers": listed, "counts": by_word})
        return
    listed_count = 0
    for person in found:
        speak.show(_line(person))
        listed_count += 1
    counts = people.count()
    parts = ", ".join(f"{counts[one]:,} {one.value}" for one in Standing if one in counts)
    speak.say(f"{listed_count:,} listed; the whole list: {parts or 'nobody yet'}")


@app.command(no_args_is_help=True)
def show(ctx: typer.Context, address: _Address, as_json: _Json = False) -> None:
    """Show one person: where they stand, and what they agreed to and when.

    Example: biweekly subscribers show nino@example.org
    """
    _, subscriptions, people = _open(ctx)
    person = subscriptions.find(address)
    history = people.history(person.id)
    if as_json:
        events = [
            {"at": _iso(one.at), "event": one.event, "source": one.source, "wording": one.wording} for one in history
        ]
        speak.show_json("subscriber", {**_document(person), "history": events})
        return
    speak.show(_line(person))
    for one in history:
        wording = f': "{one.wording}"' if one.wording else ""
        speak.show(f"  {_iso(one.at)}  {one.event}, {one.source}{wording}")


@app.command(no_args_is_help=True)
def suppress(
    ctx: typer.Context,
    address: _Address,
    reason: Annotated[str, typer.Option("--reason", help="Why, in a few words.")] = _BY_HAND,
) -> None:
    """Never mail an address again, whether it is on the list or not. No import brings it back.

    Example: biweekly subscribers suppress nino@example.org --reason "asked by telephone"
    """
    _, subscriptions, _ = _open(ctx)
    new = subscriptions.suppress(address, reason=reason, source=_BY_HAND, at=_now())
    speak.show(f"{address} is suppressed{'' if new else ', and was so already'}.")


@app.command(no_args_is_help=True)
def erase(ctx: typer.Context, address: _Address, apply: _Apply = False, as_json: _Json = False) -> None:
    """Show what erasing a person would empty; with --apply, erase them for good.

    Past mailings still add up. A keyed hash keeps the address from coming back. Files that still hold the address are
    named: they are yours to edit.

    Example: biweekly subscribers erase nino@example.org --apply
    """
    from biweekly.audience.traces import files_holding

    publication, subscriptions, _ = _open(ctx)
    person, addresses = subscriptions.plan_erasure(address)
    if apply:
        addresses = subscriptions.erase(address, source=_BY_HAND, at=_now()).addresses
    folders = (publication.subscribers, publication.mailbox, publication.logs)
    files = [str(path.relative_to(publication.root)) for path in files_holding(addresses, folders)]
    command = _command(ctx, "erase", *(["--"] if address.startswith("-") else []), address, "--apply")
    if as_json:
        document = {"subscriber": person.id, "applied": apply, "addresses": len(addresses), "files": files}
        speak.show_json("subscribers-erase", document | ({} if apply else {"command": command}))
        return
    done = "erased, and kept out by a hash" if apply else "would be erased"
    speak.show(f"Subscriber {person.id}, {_count(len(addresses), 'address', 'addresses')}: {done}.")
    if files:
        speak.show("These files hold the address, and erasing does not change them:")
    for name in files:
        speak.show(f"  {name}")
    if not apply:
        speak.show(command)


def _open(ctx: typer.Context) -> "tuple[Publication, Subscriptions, People]":
    """Open the publication's list."""
    from biweekly.audience.sorting import in_order
    from biweekly.services.subscriptions import Subscriptions
    from biweekly.store.people import KEY_PURPOSE, People
    from biweekly.wiring import open_store

    publication: Publication = ctx.obj.publication()
    people = People(open_store(publication), key=publication.key(KEY_PURPOSE))
    return publication, Subscriptions(people, in_order=in_order), people


def _watched(rows: "Iterable[Row | BadRow]") -> "Iterator[Row | BadRow]":
    """Pass rows on and say now and then how far a long list is."""
    began = said = time.monotonic()
    for number, row in enumerate(rows, 1):
        if number % 10_000 == 0 and (now := time.monotonic()) - said >= _SAY_EVERY:
            speak.say(f"{number:,} rows read, {number / (now - began):,.0f} a second")
            said = now
        yield row


def _print_import(result: "Admission", *, file: Path, unused: Sequence[str], applied: bool) -> None:
    from biweekly.audience.validate import shown

    speak.show(f"{file}: {_count(result.rows, 'row', 'rows')}")
    speak.show(f"  {result.new:>9,}  {'are new and active now' if applied else 'new'}")
    for number, words in (
        (result.known, "known, left as they are"),
        (result.left, "have left and stay out"),
        (result.suppressed, "suppressed and stay out"),
        (result.duplicates, "the same mailbox again in this file"),
        (len(result.invalid), "refused"),
    ):
        if number:
            speak.show(f"  {number:>9,}  {words}")
    for bad in result.invalid:
        speak.show(f"  line {bad.line}: {shown(bad.address) or '(nothing)'}: {bad.reason}")
    if result.recoded:
        speak.show(f"  {_count(result.recoded, 'line is', 'lines are')} no UTF-8 and read as windows-1252")
    if unused:
        speak.show(f"  columns not used: {shown(', '.join(unused))}")


def _command(ctx: typer.Context, *words: str) -> str:
    """Write the command that does it, as it can be pasted."""
    folder = ctx.obj.directory
    return shlex.join(["biweekly", *(["-C", str(folder)] if folder is not None else []), "subscribers", *words])


def _line(person: Subscriber) -> str:
    if person.mailbox is None:
        return f"(erased)\t\t{person.standing.value}\t{person.variant.value}\tsince {person.since:%Y-%m-%d}"
    mailbox = person.mailbox
    return "\t".join(
        (mailbox.address.written, mailbox.name, person.standing.value, person.variant.value,
         f"since {person.since:%Y-%m-%d}")
    )  # fmt: skip


def _document(person: Subscriber) -> dict[str, Any]:
    return {
        "id": person.id,
        "address": person.mailbox.address.written if person.mailbox else None,
        "name": person.mailbox.name if person.mailbox else None,
        "standing": person.standing.value,
        "variant": person.variant.value,
        "since": _iso(person.since),
    }


def _ascii_domain(domain: str | None) -> str | None:
    """Return a domain as it is stored, whichever alphabet it was typed in."""
    if domain is None:
        return None
    from biweekly.audience.validate import require

    return require(f"somebody@{domain}").domain


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one}"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _now() -> datetime:
    return datetime.now(UTC)
