"""Draws the line of the floor plan: what a module says it is, and what that allows it to import."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).parent.parent / "src" / "biweekly"
MODULES: Final = sorted(SOURCE.rglob("*.py"))

MAY_IMPORT: Final = {
    "Pure": {"Pure"},
    "Edge": {"Pure", "Edge"},
    "Conduct": {"Pure", "Conduct"},
    "Wiring": {"Pure", "Edge", "Conduct", "Wiring"},
    "Shell": {"Pure", "Edge", "Conduct", "Wiring", "Shell"},
}
# Modules with a clock, a disk, a network, chance or another process behind them.
WORLD: Final = {
    "asyncio", "concurrent", "fcntl", "ftplib", "getpass", "glob", "http.client", "http.server", "httpx", "imaplib",
    "locale", "mailbox", "multiprocessing", "os", "platform", "random", "requests", "secrets", "select", "selectors",
    "shutil", "signal", "smtplib", "socket", "socketserver", "sqlalchemy", "sqlite3", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib.request", "uuid", "watchfiles",
}  # fmt: skip
# Calls that ask the world although their module is innocent.
ASKS: Final = {
    "open", "input", "print", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "Path.cwd",
    "Path.home", "breakpoint",
}  # fmt: skip
TOUCHES: Final = {
    "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "iterdir", "rglob", "is_file", "is_dir",
    "exists", "touch", "stat",
}  # fmt: skip
BANISHED: Final = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)$")
MOST_LINES: Final = 400
# The house's own door holds its version, the command tree's its table; neither imports a leaf on the way in.
OPEN_DOORS: Final = {"biweekly", "biweekly.cli"}


def name_of(path: Path) -> str:
    """A module's dotted name."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def kind_of(text: str) -> str | None:
    """The word that opens a module's docstring, where it is a kind."""
    opening = re.match(r"(\w+)(\.|:\s)", ast.get_docstring(ast.parse(text)) or "")
    return opening[1] if opening and opening[1] in MAY_IMPORT else None


def imports_of(text: str, name: str, *, package: bool = False) -> Iterator[tuple[int, str]]:
    """Every module that a text imports, with its line; names imported from a module count as modules too.

    Imports for the type checker alone count as well: an annotation is a dependency of thought.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield node.lineno, one.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                home = name.split(".") if package else name.split(".")[:-1]
                above = home[: len(home) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for one in node.names:
                yield node.lineno, f"{base}.{one.name}"


def owner_of(imported: str, known: dict[str, str | None]) -> str | None:
    """The module of ours that an import reaches: the longest known name it begins with."""
    parts = imported.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((one for one in names if one in known), None)


def faults_of(text: str, name: str, known: dict[str, str | None], *, package: bool = False) -> list[str]:
    """Everything that a module does against the floor plan, one sentence each."""
    kind = kind_of(text)
    if kind is None:
        return [f"{name}: its docstring opens with none of {', '.join(MAY_IMPORT)}"]
    faults = []
    for line, imported in imports_of(text, name, package=package):
        owner = owner_of(imported, known)
        if owner is None:
            if kind == "Pure" and any(imported == one or imported.startswith(f"{one}.") for one in WORLD):
                faults.append(f"{name}:{line}: Pure, and imports {imported}, which touches the world")
        elif owner != name:
            theirs = known[owner]
            if theirs is not None and theirs not in MAY_IMPORT[kind]:
                faults.append(f"{name}:{line}: {kind}, and imports {owner}, which is {theirs}")
            if not package and owner == name.rpartition(".")[0] and owner not in OPEN_DOORS:
                faults.append(f"{name}:{line}: a leaf that imports its own door")
    if kind == "Pure":
        faults += [f"{name}:{line}: Pure, and calls {what}" for line, what in questions_in(text)]
    return faults


def questions_in(text: str) -> Iterator[tuple[int, str]]:
    """Calls that ask the clock, the disk or the person."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        asks = called in ASKS or any(called.endswith(f".{one}") for one in ASKS if "." in one)
        if asks or (isinstance(node.func, ast.Attribute) and node.func.attr in TOUCHES):
            yield node.lineno, called


KNOWN: Final = {name_of(path): kind_of(path.read_text("utf-8")) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_keeps_to_its_kind(path: Path) -> None:
    assert faults_of(path.read_text("utf-8"), name_of(path), KNOWN, package=path.name == "__init__.py") == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short_and_named_after_the_trade(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES
    assert not any(BANISHED.search(part) for part in name_of(path).split("."))


def test_every_folder_of_the_source_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert [str(one) for one in sorted(folders) if not (one / "__init__.py").is_file()] == []


def test_only_shells_import_what_draws_on_the_terminal() -> None:
    offenders = [
        f"{name_of(path)}:{line} imports {imported}"
        for path in MODULES
        for line, imported in imports_of(path.read_text("utf-8"), name_of(path))
        if imported.split(".")[0] in {"typer", "rich", "click"} and KNOWN[name_of(path)] != "Shell"
    ]
    assert offenders == []


def test_the_source_speaks_of_nothing_but_itself() -> None:
    machine = re.compile(r"/work/|/tmp/bash|pypi\.org|pythonhosted", re.IGNORECASE)
    assert [name_of(path) for path in MODULES if machine.search(path.read_text("utf-8"))] == []


# --- the line can be crossed: what the tests above would find ----------------------------------------------------

SKETCH: Final[dict[str, str | None]] = {
    "biweekly": "Pure",
    "biweekly.letter": "Pure",
    "biweekly.store": "Edge",
    "biweekly.store.ledger": "Edge",
    "biweekly.services": "Conduct",
    "biweekly.services.mailings": "Conduct",
    "biweekly.wiring": "Wiring",
    "biweekly.cli": "Shell",
    "biweekly.cli.send": "Shell",
}


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("biweekly.letter", '"""Pure. A."""\nfrom biweekly.store import ledger\n', "which is Edge"),
        ("biweekly.letter", '"""Pure. A."""\nimport biweekly.store.ledger as books\n', "which is Edge"),
        ("biweekly.letter", '"""Pure. A."""\ndef f():\n    from biweekly import store\n', "which is Edge"),
        ("biweekly.letter", '"""Pure. A."""\nfrom .store import ledger\n', "which is Edge"),
        ("biweekly.letter", '"""Pure. A."""\nimport os.path\n', "touches the world"),
        ("biweekly.letter", '"""Pure. A."""\nfrom time import time\n', "touches the world"),
        ("biweekly.letter", '"""Pure. A."""\nimport datetime\nx = datetime.datetime.now()\n', "calls"),
        ("biweekly.letter", '"""Pure. A."""\nfrom datetime import date\nx = date.today()\n', "calls"),
        ("biweekly.letter", '"""Pure. A."""\nx = open("x")\n', "calls open"),
        ("biweekly.letter", '"""Pure. A."""\ndef f(p):\n    return p.read_text()\n', "calls p.read_text"),
        ("biweekly.letter", '"""A letter."""\n', "opens with none"),
        ("biweekly.letter", "x = 1\n", "opens with none"),
        ("biweekly.store.ledger", '"""Edge: database. A."""\nfrom biweekly.store import open\n', "its own door"),
        ("biweekly.store.ledger", '"""Edge: database. A."""\nfrom biweekly.wiring import x\n', "which is Wiring"),
        ("biweekly.services.mailings", '"""Conduct. A."""\nfrom biweekly.store import ledger\n', "which is Edge"),
        ("biweekly.wiring", '"""Wiring. A."""\nfrom biweekly.cli import send\n', "which is Shell"),
    ],
)
def test_a_module_out_of_line_is_found(name: str, text: str, fault: str) -> None:
    found = faults_of(text, name, SKETCH)
    assert len(found) == 1
    assert fault in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("biweekly.letter", '"""Pure. A."""\nfrom datetime import datetime, time\nfrom urllib.parse import quote\n'),
        ("biweekly.store.ledger", '"""Edge: database. A."""\nimport os\nfrom biweekly import letter\n'),
        ("biweekly.wiring", '"""Wiring. A."""\nfrom biweekly.services import mailings\n'),
        ("biweekly.cli.send", '"""Shell. A."""\nfrom biweekly.wiring import x\nfrom biweekly.cli import speak\n'),
    ],
)
def test_a_module_in_line_is_left_alone(name: str, text: str) -> None:
    assert faults_of(text, name, SKETCH) == []


def test_the_list_of_worldly_modules_names_modules() -> None:
    bought = {"httpx", "requests", "sqlalchemy", "watchfiles"}
    assert {one.split(".")[0] for one in WORLD} - bought <= sys.stdlib_module_names
