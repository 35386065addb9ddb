"""Shell. `pause`: let a mailing under way rest until a person resumes it."""

from typing import Annotated

import typer

from biweekly.cli import speak

app = typer.Typer(add_completion=False)


@app.command()
def pause(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="[ISSUE]", help="A date, `next` or `latest`.")] = "latest",
    why: Annotated[str, typer.Option("--why", "-m", metavar="TEXT", help="The reason, shown until it goes on.")] = "",
) -> None:
    """Let a mailing under way rest until a person resumes it, whoever is sending it.

    The sender claims nothing more. Letters in flight finish first, and what was claimed and not handed over is given
    back. Exit 4 where no mailing is under way.

    Example: biweekly pause 2026-11-26 --why "a wrong name in the second report"
    """
    from biweekly.cli.posting import which_issue, who_asks
    from biweekly.wiring import open_office, utc_now

    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    with open_office(publication) as office:
        paused = office.steering.pause(wanted, who=who_asks(), why=why, now=utc_now())
        tally, _ = office.mailings.account(paused.mailing)
    before = "was paused already" if paused.before else "is paused"
    speak.show(f"{wanted} {before}: {paused.mailing.reason}")
    if paused.in_flight:
        places = "1 place is" if paused.in_flight == 1 else f"{paused.in_flight:,} places are"
        speak.show(f"  {places} claimed by a sender and not settled: letters in flight finish, the rest is given back")
    speak.show(str(tally))
    speak.say(f"To go on: biweekly resume {wanted}. With another edition: biweekly stop-press {wanted}")
