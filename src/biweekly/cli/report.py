"""Shell. `report`: the account of a mailing, adding up to the last subscriber."""

import csv
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.model.mailing import Mailing
    from biweekly.wiring import Office

app = typer.Typer(add_completion=False)


@app.command()
def report(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="[ISSUE]", help="A date, `next` or `latest`.")] = "latest",
    mailing: Annotated[int | None, typer.Option(metavar="ID", help="One mailing of the issue, by number.")] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="One row a subscriber in the plan, with what became of it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Give the account of a mailing. Its numbers add up to the last subscriber in the plan.

    Example: biweekly report 2026-11-26 --csv > report.csv
    """
    from biweekly.cli.posting import document, tell, which_issue
    from biweekly.wiring import open_office

    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    with open_office(publication) as office:
        chosen = office.mailings.of_issue(wanted, mailing=mailing)
        if as_csv:
            _write_csv(office, chosen)
            return
        tally, others = office.mailings.account(chosen)
    if as_json:
        speak.show_json("report", document(chosen, tally, others))
    else:
        tell(publication, chosen, tally, others)


def _write_csv(office: "Office", mailing: "Mailing") -> None:
    """Write one row a place, those to go included; cells that a spreadsheet would run are kept from running."""
    from biweekly.audience.row import protect

    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("address", "variant", "lane", "state", "attempts", "code", "at"))
    for line in office.books.lines(mailing.id):
        at = "" if line.at is None else line.at.isoformat(timespec="seconds").replace("+00:00", "Z")
        out.writerow((protect(line.address), line.variant, line.lane, line.state, line.attempts, line.code or "", at))
