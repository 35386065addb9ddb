"""The documentation knows every key, command, option and code there is, and none that there is not."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from pydantic import BaseModel

from biweekly.cli import COMMANDS, load
from biweekly.config import Config, Cutoff

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
SOURCE: Final = ROOT / "src" / "biweekly"
PAGES: Final = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])


# --- configuration -----------------------------------------------------------------------------------------------


def keys_of(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str]]:
    """Each table of the configuration with each of its keys, as they are written."""
    for name, field in model.model_fields.items():
        inner = [one for one in _leaves(field.annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
        if table == "" and inner:
            yield from keys_of(inner[0], name)
        else:
            yield table, field.alias or name
            if inner and inner[0] is not Cutoff:
                yield from keys_of(inner[0], f"{table}.{name}")


def _leaves(annotation: Any) -> list[Any]:
    args = getattr(annotation, "__args__", ())
    return [annotation, *(leaf for arg in args for leaf in _leaves(arg))]


def documented_keys(page: str) -> Iterator[tuple[str, str]]:
    """Each heading of a table on the page with each of its rows."""
    table = ""
    for line in page.splitlines():
        heading = re.match(r"#+ `\[+([a-z._]+)\]+`", line)
        row = re.match(r"\| `([a-z0-9_]+)` \|", line)
        if heading:
            table = heading[1]
        elif row:
            yield table, row[1]


def test_every_key_of_the_configuration_has_its_row_and_no_other_has() -> None:
    found = sorted(documented_keys((DOCS / "configuration.md").read_text("utf-8")))
    assert found == sorted(keys_of(Config))


# --- commands ----------------------------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    """Every command as it is typed, and the command itself."""
    found = {}
    for name, module, _, _ in COMMANDS:
        app: Any = load(module)
        command: Any = typer.main.get_command(app)
        verbs = getattr(command, "commands", None)
        if verbs is None:
            found[name] = command
        else:
            found |= {f"{name} {verb}": one for verb, one in verbs.items()}
    return found


def chapters(page: str) -> dict[str, str]:
    """The text under each heading that names a command."""
    parts = re.split(r"^#+ `biweekly ([a-z -]+)`$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_has_its_chapter_and_no_other_has() -> None:
    assert sorted(chapters((DOCS / "commands.md").read_text("utf-8"))) == sorted(commands())


def test_a_commands_chapter_names_every_option_and_no_other() -> None:
    page = chapters((DOCS / "commands.md").read_text("utf-8"))
    wrong = []
    for path, command in commands().items():
        shown = [one for one in command.params if not getattr(one, "hidden", False)]
        options = {one for option in shown for one in (*option.opts, *option.secondary_opts)}
        options = {one for one in options if one.startswith("--")} - {"--help"}
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", page.get(path, "")))
        wrong += [f"{path}: {one}" for one in sorted(options ^ named)]
    assert wrong == []


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row[0])
def test_the_help_of_every_command_says_what_it_does_and_ends_with_an_example(row: tuple[str, str, str, str]) -> None:
    app: Any = load(row[1])
    command: Any = typer.main.get_command(app)
    for one in getattr(command, "commands", {row[0]: command}).values():
        text = (one.help or "").strip()
        assert re.search(r"Example: biweekly (-C \S+ )?" + row[0], text.splitlines()[-1])
        assert "!" not in text


# --- codes -------------------------------------------------------------------------------------------------------


def codes_in(texts: dict[str, str]) -> dict[str, set[str]]:
    """Every word that is handed over as a `code`, with the files that do so.

    By name (`code="..."`), or by position to a function or class of ours that calls that place `code`.
    """
    trees = {name: ast.parse(text) for name, text in texts.items()}
    places: dict[str, set[int]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [one.arg for one in node.args.args if one.arg not in {"self", "cls"}]
            elif isinstance(node, ast.ClassDef):
                fields = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
                names = [one.id for one in fields if isinstance(one, ast.Name)]
            else:
                continue
            if "code" in names:
                places.setdefault(node.name, set()).add(names.index("code"))
    found: dict[str, set[str]] = {}
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            given = [one.value for one in node.keywords if one.arg == "code"]
            given += [node.args[place] for place in places.get(called, ()) if place < len(node.args)]
            for word in (word for one in given for word in _words(one)):
                found.setdefault(word, set()).add(name)
    return found


def _words(given: ast.expr) -> Iterator[str]:
    """A constant, or both sides of a choice; what is looked up or computed is no word of the source."""
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        yield given.value
    elif isinstance(given, ast.IfExp):
        yield from (*_words(given.body), *_words(given.orelse))


def source_codes() -> dict[str, set[str]]:
    texts = {str(path.relative_to(SOURCE)): path.read_text("utf-8") for path in SOURCE.rglob("*.py")}
    found = codes_in(texts)
    return {code: names for code, names in found.items() if re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", code)}


def rows(page: Path) -> set[str]:
    """The first column of a page's tables, where it is a word in code."""
    return set(re.findall(r"^\| `([a-z0-9_-]+)` \|", page.read_text("utf-8"), flags=re.MULTILINE))


def test_every_code_of_an_error_is_explained() -> None:
    explained = rows(DOCS / "errors.md")
    in_reports = rows(DOCS / "reports.md")
    missing = [
        f"{code} ({', '.join(sorted(names))})"
        for code, names in sorted(source_codes().items())
        if code not in explained
        and not (code in in_reports and ("_" in code or all(name.startswith("reports") for name in names)))
    ]
    assert missing == []


def test_no_code_is_explained_that_nothing_says() -> None:
    assert sorted(rows(DOCS / "errors.md") - set(source_codes())) == []


@pytest.mark.parametrize(
    "text",
    [
        'raise Refused("no", code="so-it-is")',
        'raise Refused("no", code="so-it-is" if x else "else-ways")',
        'def _fail(self, code, why): ...\nself._fail("so-it-is", "no")',
        'class Warned:\n    code: str\n    message: str\nWarned("so-it-is", "no")',
    ],
)
def test_a_code_is_found_wherever_it_is_handed_over(text: str) -> None:
    assert "so-it-is" in codes_in({"x.py": text})


def test_an_ordinary_word_is_no_code() -> None:
    assert codes_in({"x.py": 'def f(name, code): ...\nf("word")\nf(name="word")\nf("word", 7)'}) == {}


# --- dependencies ------------------------------------------------------------------------------------------------


def test_every_dependency_is_accounted_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    optional = project["project"]["optional-dependencies"].values()
    listed = [*project["project"]["dependencies"], *(one for some in optional for one in some)]
    listed += project["dependency-groups"]["dev"]
    page = (DOCS / "dependencies.md").read_text("utf-8")
    names = {re.split(r"[^\w.-]", one)[0] for one in listed}
    assert sorted(one for one in names if f"`{one}`" not in page) == []


# --- the pages themselves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_between_pages_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"", text)
    local = {one or other for one, other in links if not re.match(r"[a-z]+:", one or other)}
    assert sorted(one for one in local if not (page.parent / one).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_speaks_of_the_project_alone(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.strip() != ""
    assert re.findall(r"/work/|\bpypi\b|pythonhosted|\bprompts?\b|\bagents?\b", text, flags=re.IGNORECASE) == []
    assert not re.search(r"\bdelivered\b", re.sub(r"`[^`]*`", "", text)) or page.name == "running.md"
