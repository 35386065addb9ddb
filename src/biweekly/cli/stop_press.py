"""Shell. `stop-press`: the readers whom a paused mailing has not reached get the issue as it is now."""

from typing import TYPE_CHECKING, Annotated

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.services.steering import StopPress

app = typer.Typer(add_completion=False)


@app.command()
def stop_press(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="ISSUE", help="A date, `next` or `latest`.")],
    live: Annotated[bool, typer.Option("--live", help="Do it. Without it, nothing leaves.")] = False,
    confirm: Annotated[
        str | None, typer.Option(metavar="ISSUE:COUNT", help="What a script says instead of typing the number.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan or the account as JSON.")] = False,
) -> None:
    """End a paused mailing, and send the issue as it is now to exactly those whom it had not reached.

    Correct the issue first. Whose letter is uncertain stays behind: they may have the first edition. Asks for the
    number of subscribers. Exit codes as for send; 4 where the mailing is not paused, or a sender still holds a part.

    Example: biweekly stop-press 2026-11-26 --live
    """
    from biweekly.cli.meter import progress_of
    from biweekly.cli.posting import account_for, confirmed, sending_office, which_issue, who_asks
    from biweekly.services.safety import warn_or_refuse
    from biweekly.wiring import answers, utc_now

    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    with sending_office(publication) as office:
        plan = office.steering.plan_stop_press(wanted)
        url = publication.config.publication.public_url
        warnings = list(warn_or_refuse(publication.config, public_url_answers=answers(url)))
        if plan.unchanged:
            warnings.append("unchanged: the issue is still the edition that was stopped")
        if not live:
            _show_plan(plan, warnings, as_json=as_json)
            return
        for warning in warnings:
            speak.say(f"{speak.paint('!', 'yellow')} {warning}")
        number = confirmed(wanted, plan.subscribers, plan.edition.subject, confirm, command="stop-press")
        with progress_of(office, wanted, anew=True):
            mailing, carried = office.steering.stop_press(wanted, confirmed=number, who=who_asks(), now=utc_now())
        code = account_for(publication, office, wanted, carried, mailing, as_json=as_json)
    raise typer.Exit(code)


def _show_plan(plan: "StopPress", warnings: list[str], *, as_json: bool) -> None:
    stopped, tally, edition = plan.stopped, plan.tally, plan.edition
    if as_json:
        speak.show_json("stop-press-plan", {
            "issue": stopped.issue, "stopped": stopped.id, "subscribers": plan.subscribers,
            "subject": edition.subject, "edition": edition.sha256, "stopped_edition": stopped.edition,
            "accepted": tally.accepted, "failed": tally.failed, "uncertain": tally.uncertain,
            "skipped": tally.skipped, "warnings": warnings,
        })  # fmt: skip
        return
    speak.show("Plan (nothing has been sent)")
    speak.show(f"  Issue        {stopped.issue} “{edition.subject}”   edition {edition.sha256[:12]}")
    speak.show(f"  Stopped      mailing {stopped.id}, edition {stopped.edition[:12]}: {tally.accepted:,} accepted"
               f" · {tally.failed:,} failed · {tally.uncertain:,} uncertain")  # fmt: skip
    speak.show(f"  Subscribers  {plan.subscribers:,} have no outcome, and would get the new edition")
    for warning in warnings:
        speak.show(f"  {speak.paint('!', 'yellow')} {warning}")
    if plan.subscribers:
        speak.say(f"To send: biweekly stop-press {stopped.issue} --live")
    else:
        speak.say(f"Nobody is left whom the mailing has not reached: biweekly resume {stopped.issue}")
