"""Shell. `send`: the plan of a mailing; with --live, the mailing itself."""

from typing import TYPE_CHECKING, Annotated

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.publication import Publication
    from biweekly.services.mailings import SendingPlan

app = typer.Typer(add_completion=False)


@app.command()
def send(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="[ISSUE]", help="A date, `next` or `latest`.")] = "next",
    live: Annotated[bool, typer.Option("--live", help="Send. Without it, nothing leaves.")] = False,
    confirm: Annotated[
        str | None, typer.Option(metavar="ISSUE:COUNT", help="What a script says instead of typing the number.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON when it ends.")] = False,
) -> None:
    """Show the plan of a mailing; with --live, send it to every subscriber once.

    Ends when every place is final or waits more than a minute. Exit 0: all accepted. 1: some failed, wait or are
    uncertain. 4: refused by a safety rule. 5: stopped part-way. 75: no relay answered.

    Example: biweekly send 2026-11-26 --live
    """
    from biweekly.cli.meter import progress_of
    from biweekly.cli.posting import account_for, confirmed, sending_office, which_issue
    from biweekly.services.safety import warn_or_refuse
    from biweekly.wiring import answers, utc_now

    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    with sending_office(publication) as office:
        plan = office.mailings.plan(wanted)
        url = publication.config.publication.public_url
        warnings = warn_or_refuse(publication.config, public_url_answers=answers(url))
        if not live:
            _show_plan(publication, plan, warnings, as_json=as_json)
            return
        for warning in warnings:
            speak.say(f"{speak.paint('!', 'yellow')} {warning}")
        number = confirmed(wanted, plan.subscribers, plan.edition.subject, confirm, command="send")
        with progress_of(office, wanted, anew=True):
            mailing, carried = office.mailings.send(wanted, confirmed=number, now=utc_now(), plan=plan)
        code = account_for(publication, office, wanted, carried, mailing, as_json=as_json)
    raise typer.Exit(code)


def _show_plan(publication: "Publication", plan: "SendingPlan", warnings: tuple[str, ...], *, as_json: bool) -> None:
    relays = [f"{one.name} ({one.tls})" for one in publication.config.relay]
    to = ", ".join(relays) or "the built-in mailbox; nothing leaves this machine"
    if as_json:
        speak.show_json("send-plan", {
            "issue": plan.issue, "kind": plan.kind, "subject": plan.edition.subject, "edition": plan.edition.sha256,
            "subscribers": plan.subscribers, "variants": dict(plan.readers), "not_mailed": dict(plan.not_mailed),
            "relay": to, "warnings": list(warnings),
        })  # fmt: skip
        return
    variants = " · ".join(f"{name} {count:,}" for name, count in sorted(plan.readers.items()))
    others = " · ".join(f"{count:,} {reason}" for reason, count in sorted(plan.not_mailed.items()))
    speak.show("Plan (nothing has been sent)")
    speak.show(f"  Issue        {plan.issue} “{plan.edition.subject}”   edition {plan.edition.sha256[:12]}")
    speak.show(f"  From         {plan.edition.sender}")
    speak.show(f"  Subscribers  {plan.subscribers:,}{f'   {variants}' if variants else ''}")
    if others:
        speak.show(f"  Not mailed   {others}")
    speak.show(f"  Through      {to}")
    for warning in warnings:
        speak.show(f"  {speak.paint('!', 'yellow')} {warning}")
    if plan.subscribers:
        speak.say(f"To send: biweekly send {plan.issue} --live")
    else:
        speak.say("There is nobody to send to: biweekly subscribers import FILE")
