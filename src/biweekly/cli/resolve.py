"""Shell. `resolve`: settle the places whose fate is uncertain, by a person's word."""

from typing import Annotated

import typer

from biweekly.cli import speak
from biweekly.errors import UsageError

app = typer.Typer(add_completion=False)


@app.command()
def resolve(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="ISSUE", help="A date, `next` or `latest`.")],
    address: Annotated[
        str | None, typer.Argument(metavar="[ADDR]", help="One subscriber; all of them without.")
    ] = None,
    sent: Annotated[bool, typer.Option("--sent", help="They have it: count them as accepted.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send again, byte for byte; some may get it twice.")] = False,
    why: Annotated[str, typer.Option("--why", "-m", metavar="TEXT", help="The reason, kept with the ruling.")] = "",
    mailing: Annotated[
        int | None, typer.Option(metavar="ID", help="One mailing of the issue, by number; else the first that has any.")
    ] = None,
) -> None:
    """Settle the places whose fate is uncertain: the letter left, and the relay's answer never came.

    Nothing settles them by itself. With --again the letter is due once more: biweekly resume sends it.

    Example: biweekly resolve 2026-11-26 nino@example.org --sent
    """
    from biweekly.cli.posting import which_issue, who_asks
    from biweekly.wiring import open_office, open_people, utc_now

    if sent == again:
        raise UsageError("say what happened: --sent or --again, one of them", code="ruling-missing")
    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    with open_office(publication) as office:
        subscribers = None
        if address is not None:
            subscribers = [open_people(publication, office.engine).find(address).id]
        count = office.steering.resolve(
            wanted, subscribers, "sent" if sent else "again", who=who_asks(), why=why, now=utc_now(), mailing=mailing
        )
    places = "1 place" if count == 1 else f"{count:,} places"
    speak.say(f"{places} settled as {'accepted' if sent else 'due again'}.")
    if again:
        speak.say(f"To send: biweekly resume {wanted}")
