"""Shell. `resend`: open the places of a mailing that have failed once more, byte for byte."""

from typing import TYPE_CHECKING, Annotated

import typer

from biweekly.cli import speak
from biweekly.errors import UsageError

if TYPE_CHECKING:
    from biweekly.model.mailing import Failed, Mailing

app = typer.Typer(add_completion=False)


@app.command()
def resend(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="ISSUE", help="A date, `next` or `latest`.")],
    failed: Annotated[bool, typer.Option("--failed", help="Those that were refused or given up.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Do it. Without it, nothing is changed.")] = False,
    why: Annotated[str, typer.Option("--why", "-m", metavar="TEXT", help="The reason, kept with the ruling.")] = "",
    mailing: Annotated[
        int | None, typer.Option(metavar="ID", help="One mailing of the issue, by number; else the first that has any.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Open the places that have failed once more: the same bytes are due again. A plan, until --live.

    Sends nothing itself: biweekly resume or serve does. Who has left or was suppressed meanwhile is skipped then.

    Example: biweekly resend 2026-11-26 --failed --live
    """
    from biweekly.cli.posting import which_issue, who_asks
    from biweekly.wiring import open_office, utc_now

    if not failed:
        raise UsageError(
            "say which places: only those that have failed can be sent again", code="resend-what",
            hint=f"biweekly resend {issue} --failed",
        )  # fmt: skip
    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    with open_office(publication) as office:
        if not live:
            _show_plan(*office.steering.plan_resend(wanted, mailing=mailing), as_json=as_json)
            return
        chosen, count = office.steering.resend(wanted, who=who_asks(), why=why, now=utc_now(), mailing=mailing)
    if as_json:
        speak.show_json("resend", {
            "issue": chosen.issue, "mailing": chosen.id, "places": count, "state": chosen.state,
        })  # fmt: skip
    else:
        speak.show(f"{'1 place is' if count == 1 else f'{count:,} places are'} due again")
    speak.say(f"To send: biweekly resume {wanted}")


def _show_plan(mailing: "Mailing", failed: "Failed", *, as_json: bool) -> None:
    if as_json:
        speak.show_json("resend-plan", {
            "issue": mailing.issue, "mailing": mailing.id, "places": failed.places, "refused": failed.refused,
            "expired": failed.expired, "gone": failed.gone,
        })  # fmt: skip
        return
    speak.show("Plan (nothing has been changed)")
    speak.show(f"  Issue      {mailing.issue}   mailing {mailing.id}")
    speak.show(f"  Due again  {failed.places:,}   {failed.refused:,} refused · {failed.expired:,} given up")
    if failed.gone:
        speak.show(f"  Of these   {failed.gone:,} have left or were suppressed, and would be skipped")
    if failed.places:
        speak.say(f"To do it: biweekly resend {mailing.issue} --failed --live")
    else:
        speak.say("No place of this mailing has failed.")
