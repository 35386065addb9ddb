"""Shell. `db`: the database."""

from typing import Annotated

import typer

from biweekly.cli import speak

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look the database over, and bring it up to date."
)  # fmt: skip


@app.callback()
def db() -> None:
    """Look the database over, and bring it up to date."""


@app.command()
def check(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Prove that every planned place of every mailing is in exactly one state. Changes nothing.

    Exit 1 where something is wrong; each thing is named by its mailing, lane and place.

    Example: biweekly db check
    """
    from biweekly.store.inspection import inspect
    from biweekly.wiring import open_store

    publication = ctx.obj.publication()
    engine = open_store(publication)
    try:
        found = inspect(engine)
    finally:
        engine.dispose()
    if as_json:
        speak.show_json("db-check", {
            "mailings": found.mailings, "places": found.places,
            "problems": [
                {"mailing": one.mailing, "issue": one.issue, "check": one.check, "message": one.message}
                for one in found.problems
            ],
        })  # fmt: skip
    else:
        for one in found.problems:
            where = f"mailing {one.mailing} ({one.issue}), " if one.mailing is not None else ""
            speak.show(f"{where}{one.check}: {one.message}")
        mailings = "1 mailing" if found.mailings == 1 else f"{found.mailings:,} mailings"
        places = "1 place" if found.places == 1 else f"{found.places:,} places"
        if found.problems:
            speak.say(f"Looked at {mailings} with {places}. Please keep var/ as it is and report this.")
        else:
            speak.show(f"{mailings} with {places}: every one is in exactly one state")
    if found.problems:
        raise typer.Exit(1)


@app.command()
def upgrade(ctx: typer.Context) -> None:
    """Bring the database to this release's shape. Every command does so by itself; this one only says it.

    Example: biweekly db upgrade
    """
    from biweekly.store import migrations, open_database

    publication = ctx.obj.publication()
    engine = open_database(publication.database_url)
    changed = migrations.upgrade(engine)
    engine.dispose()
    speak.say(f"The database {'was brought to' if changed else 'is at'} revision {migrations.HEAD}.")
