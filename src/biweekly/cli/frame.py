"""Shell. The frame around every command: the options before it, the lazy tree, errors as words and exit codes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from biweekly import __version__
from biweekly.cli import COMMANDS, load, speak
from biweekly.errors import BiweeklyError


class _Tree(TyperGroup):
    """The commands by name; a command's module is imported when it is called, not for the list."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is typer's
        return [name for name, *_ in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the signature is typer's
        row = next((one for one in COMMANDS if one[0] == cmd_name), None)
        return None if row is None else _entry(row[0], row[3])

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the signature is typer's
        for panel in dict.fromkeys(row[2] for row in COMMANDS):
            with formatter.section(panel):
                formatter.write_dl([(name, line) for name, _, under, line in COMMANDS if under == panel])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        if listed is None:
            return name, listed, rest
        module = next(one[1] for one in COMMANDS if one[0] == name)
        command = typer.main.get_command(cast("typer.Typer", load(module)))
        command.name = name
        return name, command, rest


def _entry(name: str, line: str) -> Any:
    stub = typer.Typer(add_completion=False)
    stub.command(name, help=line)(lambda: None)
    return typer.main.get_command(stub)


# Drawn without rich: importing it would take longer than the rest of --help together.
app = typer.Typer(
    cls=_Tree, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"biweekly {__version__}")
        raise typer.Exit


@app.callback()
def frame(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Option("-C", metavar="DIR", help="The publication's folder, instead of the one you are in.")
    ] = None,
    _show_version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Compose a newsletter from field reports, preview it, and mail it once to every subscriber."""
    ctx.obj = speak.Surroundings(directory=directory or _folder_from_environment())


def _folder_from_environment() -> Path | None:
    named = os.environ.get("BIWEEKLY_DIR")
    return Path(named) if named else None


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; what a person can cause is a sentence, never a traceback."""
    try:
        outcome = app(args=list(arguments), prog_name="biweekly", standalone_mode=False)
    except BiweeklyError as error:
        speak.complain(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        speak.say("Stopped.")
        return 5
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:
        code = speak.usage_problem(error)
        if code is None:
            raise
        return code
    return outcome if isinstance(outcome, int) else 0
