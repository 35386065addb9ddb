"""Shell. `unschedule`: take a scheduled issue back."""

from typing import Annotated

import typer

from biweekly.cli import speak

app = typer.Typer(add_completion=False)


@app.command()
def unschedule(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="[ISSUE]", help="A date, `next` or `latest`.")] = "next",
) -> None:
    """Take a scheduled issue back, as long as its first letter has not left. It can be edited and scheduled again.

    Example: biweekly unschedule 2026-11-26
    """
    from biweekly.cli.posting import which_issue
    from biweekly.wiring import open_office

    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    with open_office(publication) as office:
        office.mailings.unschedule(wanted)
    speak.say(f"{wanted} is no longer scheduled. Nothing was sent.")
