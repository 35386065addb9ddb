"""Shell. `cancel`: end a paused mailing; whom it has not reached gets nothing."""

from typing import TYPE_CHECKING, Annotated

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.model.mailing import Mailing, Tally

app = typer.Typer(add_completion=False)


@app.command()
def cancel(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="ISSUE", help="A date, `next` or `latest`.")],
    live: Annotated[bool, typer.Option("--live", help="End it. Without it, nothing is changed.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the plan, or with --live the account, as JSON.")
    ] = False,
) -> None:
    """End a paused mailing for good: every place without an outcome is skipped. A plan, until --live.

    What is uncertain stays so. An issue is mailed once, so this one is not mailed again. Exit 4 where the mailing is
    not paused, or a sender still holds a part of it.

    Example: biweekly cancel 2026-11-26 --live
    """
    from biweekly.cli.posting import document, tell, which_issue, who_asks
    from biweekly.wiring import open_office, utc_now

    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    with open_office(publication) as office:
        if not live:
            _show_plan(*office.steering.plan_cancel(wanted), as_json=as_json)
            return
        mailing, _ = office.steering.cancel(wanted, who=who_asks(), now=utc_now())
        tally, others = office.mailings.account(mailing)
    if as_json:
        speak.show_json("report", document(mailing, tally, others))
    else:
        tell(publication, mailing, tally, others)
    if tally.uncertain:
        speak.say(f"What is uncertain stays so: biweekly resolve {wanted} --sent")


def _show_plan(mailing: "Mailing", tally: "Tally", *, as_json: bool) -> None:
    left = tally.to_go + tally.waiting
    if as_json:
        speak.show_json("cancel-plan", {
            "issue": mailing.issue, "mailing": mailing.id, "planned": tally.planned, "skipped_by_this": left,
            "accepted": tally.accepted, "failed": tally.failed, "uncertain": tally.uncertain,
            "skipped": tally.skipped,
        })  # fmt: skip
        return
    speak.show("Plan (nothing has been changed)")
    speak.show(
        f"  Issue    {mailing.issue}   mailing {mailing.id}, paused{f': {mailing.reason}' if mailing.reason else ''}"
    )
    speak.show(f"  Skipped  {left:,}   have no outcome, and would get nothing")
    speak.show(f"  Stay     {tally.accepted:,} accepted · {tally.failed:,} failed · {tally.uncertain:,} uncertain")
    speak.say(f"To end it: biweekly cancel {mailing.issue} --live. To go on instead: biweekly resume {mailing.issue}")
