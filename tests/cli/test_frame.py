"""The frame around every command: the list, wrong calls, errors in words, colour, speed."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from biweekly import __version__
from biweekly.cli import COMMANDS, speak
from biweekly.cli.frame import run
from biweekly.errors import ConfigError, RelayUnavailable

PROGRAM: Final = [sys.executable, "-c", "from biweekly.cli import main; main()"]
Talk = pytest.CaptureFixture[str]


def test_help_lists_every_command_with_its_line(capsys: Talk) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, _, panel, line in COMMANDS:
        assert f"  {name} " in shown
        assert line in shown
        assert f"{panel}:" in shown


def test_the_short_form_of_help_is_the_same(capsys: Talk) -> None:
    assert run(["-h"]) == 0
    short = capsys.readouterr().out
    assert run(["--help"]) == 0
    assert capsys.readouterr().out == short


def test_the_version_is_the_packages(capsys: Talk) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"biweekly {__version__}\n"


@pytest.mark.parametrize("arguments", [["frobnicate"], ["--frobnicate"], ["init", "--frobnicate"], ["init", "a", "b"]])
def test_a_wrong_call_is_exit_code_2_and_says_what_was_wrong(arguments: list[str], capsys: Talk) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Error: " in shown.err


def test_no_command_at_all_shows_the_list() -> None:
    asked = subprocess.run(PROGRAM, capture_output=True, text=True, check=False)
    assert asked.returncode == 2
    assert "Start here:" in asked.stdout + asked.stderr
    assert "Traceback" not in asked.stderr


def test_an_error_says_its_code_place_cause_and_cure(capsys: Talk) -> None:
    speak.complain(
        ConfigError("unknown key web.prot", code="unknown-key", place="config.toml:4", hint="did you mean port?")
    )
    assert capsys.readouterr().err == (
        "error unknown-key: config.toml:4: unknown key web.prot\n  help: did you mean port?\n"
    )
    speak.complain(RelayUnavailable("421 come back later", code="relay-unavailable"))
    assert capsys.readouterr().err == "error relay-unavailable: 421 come back later\n"


@pytest.mark.parametrize("name", [row[0] for row in COMMANDS if row[0] not in {"demo", "init"}])
def test_a_command_outside_any_publication_says_so_in_words(name: str, tmp_path: Path) -> None:
    asked = subprocess.run([*PROGRAM, name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert asked.returncode in {2, 3}
    assert "Traceback" not in asked.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_command_is_its_exit_code(tmp_path: Path) -> None:
    asked = subprocess.run([*PROGRAM, "status"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert asked.returncode == 3
    assert asked.stderr.startswith("error no-publication: ")
    assert "help: biweekly init" in asked.stderr


def test_the_folder_can_be_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Talk) -> None:
    assert run(["init", str(tmp_path / "pub"), "--no-input"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("BIWEEKLY_DIR", str(tmp_path / "pub"))
    assert run(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "biweekly/doctor/1"


def test_json_is_one_document_alone_on_stdout(capsys: Talk) -> None:
    speak.show_json("thing", {"name": "Жан", "at": Path("x")})
    shown = capsys.readouterr()
    assert shown.err == ""
    assert next(iter(json.loads(shown.out).items())) == ("schema", "biweekly/thing/1")
    assert "Жан" in shown.out


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_colour_is_for_terminals_that_want_it(
    setting: dict[str, str], capsys: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: bool(setting))
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    speak.complain(ConfigError("no", code="x"))
    assert "\033" not in capsys.readouterr().err


def test_colour_marks_the_word_and_not_the_meaning(capsys: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    speak.complain(ConfigError("no", code="x"))
    assert capsys.readouterr().err == "\033[31merror\033[0m x: no\n"


def test_a_reader_that_closes_early_is_no_error() -> None:
    with subprocess.Popen([*PROGRAM, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
        assert asked.stdout is not None
        assert asked.stderr is not None
        asked.stdout.close()
        assert b"Traceback" not in asked.stderr.read()


def test_help_imports_nothing_heavy() -> None:
    heavy = "pydantic sqlalchemy rich.markdown premailer lxml mjml starlette apscheduler PIL jinja2 email_validator"
    ask = (
        "import sys, io; from biweekly.cli.frame import run; real = sys.stdout; sys.stdout = io.StringIO();"
        "run(['--help']); sys.stdout = real; print(*(one for one in sys.argv[1:] if one in sys.modules))"
    )
    asked = subprocess.run([sys.executable, "-c", ask, *heavy.split()], capture_output=True, text=True, check=True)
    assert asked.stdout.split() == []


def test_help_answers_within_three_tenths_of_a_second() -> None:
    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*PROGRAM, "--help"], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Seconds of the processor's, and the best of several: what the neighbours of a shared machine cost is not ours.
    assert min(once() for _ in range(3)) < 0.3
