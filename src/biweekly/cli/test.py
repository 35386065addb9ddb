"""Shell. `test`: a marked copy of an issue, never counted."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from biweekly.cli import speak

if TYPE_CHECKING:
    from biweekly.model.mailing import Letter, Reply
    from biweekly.wiring import Office

app = typer.Typer(add_completion=False)


@app.command()
def test(
    ctx: typer.Context,
    issue: Annotated[str, typer.Argument(metavar="[ISSUE]", help="A date, `next` or `latest`.")] = "next",
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="ADDR|FILE", help="May be given several times.")
    ] = None,
) -> None:
    """Send a marked copy to an address, or to every address in a roster. It never counts as a mailing.

    The subject begins with [Test], and the unsubscribe link in it changes nothing.

    Example: biweekly test next --to editor@example.org
    """
    from biweekly.audience.validate import Invalid, validate
    from biweekly.cli.posting import which_issue
    from biweekly.errors import AddressError, UsageError
    from biweekly.services.safety import warn_or_refuse
    from biweekly.wiring import answers, open_office

    if not to:
        raise UsageError("say to whom", code="no-address", hint=f"biweekly test {issue} --to editor@example.org")
    publication = ctx.obj.publication()
    wanted = which_issue(publication, issue)
    # Example addresses stay on this machine in a test as well; that the pages are silent matters to readers only.
    warn_or_refuse(publication.config, public_url_answers=True)
    url = publication.config.publication.public_url
    if not answers(url):
        speak.say(f"{url} does not answer: the links in this copy need biweekly serve")
    if not publication.config.relay:
        speak.say("No relay is configured, so this goes to the built-in mailbox in var/mailbox.")
    addresses = []
    for written in _spelt_out(to):
        judged = validate(written)
        if isinstance(judged, Invalid):
            raise AddressError(f"{written}: {judged.reason}", code="address-invalid", place="--to")
        addresses.append(judged)
    with open_office(publication) as office:
        letters = office.test_letters(wanted, addresses)
        worst = asyncio.run(_hand_over(office, letters))
    raise typer.Exit(worst)


def _spelt_out(to: list[str]) -> list[str]:
    """Put the addresses of a roster in place of its name."""
    from pathlib import Path

    from biweekly.audience.roster import read_roster
    from biweekly.audience.row import Row

    found = []
    for one in to:
        if "@" not in one and Path(one).is_file():
            for row in read_roster(Path(one)):
                if isinstance(row, Row):
                    found.append(row.address)
                else:
                    speak.say(f"{one}:{row.line}: left out, {row.reason}")
        else:
            found.append(one)
    return found


async def _hand_over(office: "Office", letters: "list[Letter]") -> int:
    """Hand the copies over one after another and say each answer; 0 where all were accepted."""
    courier = office.postroom.courier()
    worst = 0
    try:
        for letter in letters:
            reply: Reply = await courier.send(letter)
            taken = 200 <= reply.code < 300  # noqa: PLR2004 - 2yz
            sign = speak.paint("accepted", "green") if taken else speak.paint("refused", "red")
            speak.show(f"{sign}  {letter.rcpt_to}   {reply}")
            worst = worst if taken else 1
    finally:
        await courier.close()
    return worst
