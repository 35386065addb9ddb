"""Shell. `db`: the database."""

import typer

from biweekly.cli import speak

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Bring the database up to date.")


@app.callback()
def db() -> None:
    """Bring the database up to date."""


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
