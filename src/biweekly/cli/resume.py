"""Shell. `resume`: go on with a mailing that was paused or interrupted, or has places waiting."""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def resume(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="[ISSUE]", help="A date, `next` or `latest`.")] = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON when it ends.")] = False,
) -> None:
    """Go on with a mailing that stopped part-way. Nobody who was mailed is mailed again.

    What may have arrived when it stopped is uncertain, is named in the report, and is left to `resolve`.

    Example: biweekly resume 2026-11-26
    """
    from biweekly.cli.meter import progress_of
    from biweekly.cli.posting import account_for, sending_office, which_issue
    from biweekly.services.safety import warn_or_refuse

    publication = ctx.obj.publication()
    # The relay may be another one than when it began. That the pages answer was asked then.
    warn_or_refuse(publication.config, public_url_answers=True)
    wanted = which_issue(publication, issue)
    with sending_office(publication) as office:
        with progress_of(office, wanted, anew=False):
            mailing, carried = office.mailings.resume(wanted)
        code = account_for(publication, office, wanted, carried, mailing, as_json=as_json)
    raise typer.Exit(code)
