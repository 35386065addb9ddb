"""What every test may ask for: databases of both kinds, a browser, and an account of what was skipped.

The PostgreSQL that tests run against is, in this order: the server that BIWEEKLY_TEST_PG names (a URL whose user may
create databases), an installed one, the one that comes as a Python package. It is started by the first test that needs
it, shared by all workers, and gone with the run.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import hypothesis
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from biweekly.store import open_database
from biweekly.store.migrations import upgrade

if TYPE_CHECKING:
    from playwright.sync_api import Page

_KEEPER: Final = Path(__file__).parent / "support" / "keep_postgres.py"
_OURS: Final = frozenset({"BIWEEKLY_TEST_PG", "BIWEEKLY_NO_SKIPS"})
_CHROMIUM_ARGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

# A deadline for one example says more about the neighbours of a shared machine than about the code.
hypothesis.settings.register_profile(
    "steady", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")


# --- the run: its folder, its skips ------------------------------------------------------------------------------


class _Run:
    """The folder that all workers share, and the lock that says the run is alive."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="biweekly-tests-"))
        self._alive = (self.folder / "alive.lock").open("w")
        with contextlib.suppress(ImportError):  # where there are no such locks there is no PostgreSQL either
            import fcntl

            fcntl.flock(self._alive, fcntl.LOCK_EX)

    def end(self) -> None:
        """Let go, and wait until the server has stopped."""
        self._alive.close()
        with contextlib.suppress(ImportError, FileNotFoundError):
            import fcntl

            with (self.folder / "keeper.lock").open("r") as keeper:
                fcntl.flock(keeper, fcntl.LOCK_EX)
        shutil.rmtree(self.folder, ignore_errors=True)


_RUN = pytest.StashKey[_Run]()


def pytest_configure(config: pytest.Config) -> None:
    """Shut out the settings of whoever runs the tests, and open the run's folder."""
    for name in [name for name in os.environ if name.startswith("BIWEEKLY_") and name not in _OURS]:
        del os.environ[name]
    if not hasattr(config, "workerinput"):
        config.stash[_RUN] = _Run()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the run's folder is."""
    node.workerinput["biweekly_folder"] = str(node.config.stash[_RUN].folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what the run started."""
    run = config.stash.get(_RUN, None)
    if run is not None:
        run.end()


def _skipped(config: pytest.Config) -> Counter[str]:
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return Counter(one.longrepr[2].removeprefix("Skipped: ") for one in reports if isinstance(one.longrepr, tuple))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where nothing may be skipped, a skip is a failure."""
    if os.environ.get("BIWEEKLY_NO_SKIPS") == "1" and session.exitstatus == 0 and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Count the skips loudly, by what is missing."""
    skipped = _skipped(config)
    if not skipped:
        return
    strict = os.environ.get("BIWEEKLY_NO_SKIPS") == "1"
    terminalreporter.section("NOT EVERYTHING WAS TESTED", sep="!", red=strict, yellow=not strict, bold=True)
    for reason, count in skipped.most_common():
        terminalreporter.line(f"{count} {'test' if count == 1 else 'tests'} skipped: {reason}")
    if strict:
        terminalreporter.line("BIWEEKLY_NO_SKIPS=1: a skip is a failure here", red=True)


# --- databases ---------------------------------------------------------------------------------------------------


def _started_server(folder: Path) -> str:
    """Return the URL of the run's own server, or `! reason`; the first to ask starts it."""
    try:
        import fcntl
    except ImportError:
        return "! PostgreSQL is tested on POSIX systems only"
    told = folder / "url"
    with (folder / "start.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not told.exists():
            asked = subprocess.run([sys.executable, _KEEPER, folder], capture_output=True, text=True, check=False)
            told.write_text(asked.stdout or f"! {asked.stderr.strip()}")
        return told.read_text()


@pytest.fixture(scope="session")
def run_folder(request: pytest.FixtureRequest) -> Path:
    """The folder that all workers of this run share."""
    worker: dict[str, str] | None = getattr(request.config, "workerinput", None)
    return Path(worker["biweekly_folder"]) if worker else request.config.stash[_RUN].folder


@pytest.fixture(scope="session")
def postgresql_server(run_folder: Path) -> str:
    """The URL of a PostgreSQL server on which databases may be created; skips by name where there is none."""
    url = os.environ.get("BIWEEKLY_TEST_PG") or _started_server(run_folder)
    if url.startswith("!"):
        pytest.skip(f"PostgreSQL is missing ({url.removeprefix('! ')})")
    return url


def _on_server(server: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        for one in statements:
            connection.execute(one.encode())


def _url_of(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server: str) -> Iterator[str]:
    """A database with all tables and no rows, copied for each test."""
    name = f"biweekly_template_{secrets.token_hex(6)}"
    _on_server(postgresql_server, f'CREATE DATABASE "{name}"')
    made = open_database(_url_of(postgresql_server, name))
    try:
        upgrade(made)
    finally:
        made.dispose()
    yield name
    _on_server(postgresql_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def bare_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A PostgreSQL database without any table."""
    yield from _one_database(postgresql_server, "template0")


@pytest.fixture
def postgresql_url(postgresql_server: str, _postgresql_template: str) -> Iterator[str]:
    """A PostgreSQL database of this test's own, with all tables and no rows."""
    yield from _one_database(postgresql_server, _postgresql_template)


def _one_database(server: str, template: str) -> Iterator[str]:
    name = f"biweekly_test_{secrets.token_hex(6)}"
    _on_server(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield _url_of(server, name)
    _on_server(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "biweekly.db"
    made = open_database(f"sqlite:///{path}")
    upgrade(made)
    made.dispose()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """A SQLite database of this test's own, with all tables and no rows."""
    path = tmp_path / "database" / "biweekly.db"
    path.parent.mkdir()
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of this test's own, with all tables and no rows: the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def bare_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table, for tests of the migrations: once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bare.db'}"
    url: str = request.getfixturevalue("bare_postgresql_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on `database_url`."""
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    """An engine on SQLite, for what does not depend on the kind of database."""
    opened = open_database(sqlite_url)
    yield opened
    opened.dispose()


# --- a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is; skips by name where it is not."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("Chromium is missing")
    return found


@pytest.fixture
def browser_page(chromium: str) -> Iterator["Page"]:
    """An empty page of a browser of this test's own.

    Playwright keeps an event loop running in this thread until the test ends: a server that the test needs runs in
    another thread or process, and `asyncio.run` does not work in the test itself.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_CHROMIUM_ARGS))
        try:
            yield browser.new_page()
        finally:
            browser.close()
