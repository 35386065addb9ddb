"""`biweekly init`, as it is typed."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from biweekly.cli.frame import run
from biweekly.publication import open_publication

BIWEEKLY: Final = [sys.executable, "-c", "from biweekly.cli import main; main()"]


def test_a_new_folder_becomes_a_publication_without_reports_issues_or_people(tmp_path: Path) -> None:
    home = tmp_path / "news" / "review"
    assert run(["init", str(home), "--no-input"]) == 0
    assert open_publication(home, environ={}).config.publication.name == "The Example Review"
    assert sorted(one.name for one in home.iterdir()) == [
        ".gitignore", "config.toml", "issues", "reports", "subscribers", "templates",
    ]  # fmt: skip
    assert [one for folder in home.iterdir() if folder.is_dir() for one in folder.iterdir()] == []


def test_the_folder_one_is_in_is_taken_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--no-input"]) == 0
    assert (tmp_path / "config.toml").is_file()


def test_the_folder_before_the_command_counts_too(tmp_path: Path) -> None:
    assert run(["-C", str(tmp_path), "init", "review", "--no-input"]) == 0
    assert (tmp_path / "review" / "config.toml").is_file()


def test_a_publication_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.toml").write_text("mine")
    assert run(["init", str(tmp_path), "--no-input"]) == 4
    assert (tmp_path / "config.toml").read_text() == "mine"
    assert "publication-exists" in capsys.readouterr().err


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.docx").write_text("")
    assert run(["init", str(tmp_path), "--no-input"]) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.docx"]
    assert "thesis.docx" in capsys.readouterr().err


def test_hidden_files_and_what_an_interrupted_init_left_are_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "reports").mkdir()
    (tmp_path / ".gitignore").write_text("/var/\n*.log")
    assert run(["init", str(tmp_path), "--no-input"]) == 0
    ignored = (tmp_path / ".gitignore").read_text().splitlines()
    assert ignored.count("/var/") == 1
    assert {"*.log", "/subscribers/*"} <= set(ignored)


def test_a_reports_folder_with_a_report_in_it_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "mine.md").write_text("")
    assert run(["init", str(tmp_path), "--no-input"]) == 2


def test_a_file_in_the_place_of_the_folder_is_an_error_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(["init", str(tmp_path / "file" / "review"), "--no-input"]) == 3
    assert "folder-unwritable" in capsys.readouterr().err


def test_answers_can_be_given_as_flags(tmp_path: Path) -> None:
    flags = ["--name", "Taiga Post", "--from", "post@taiga.example", "--timezone", "Asia/Tashkent"]
    assert run(["init", str(tmp_path), "--no-input", *flags]) == 0
    config = open_publication(tmp_path, environ={}).config
    assert config.publication.sender == "Taiga Post <post@taiga.example>"
    assert config.schedule is not None
    assert config.schedule.timezone == "Asia/Tashkent"


@pytest.mark.parametrize("flags", [["--from", "nobody"], ["--from", "a@b@c"], ["--timezone", "Mars/Hellas"]])
def test_a_flag_that_is_no_good_writes_nothing(tmp_path: Path, flags: list[str]) -> None:
    home = tmp_path / "review"
    assert run(["init", str(home), "--no-input", *flags]) in {1, 3}
    assert not home.exists()


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    asked = subprocess.run(
        [*BIWEEKLY, "init", tmp_path], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (asked.returncode, asked.stdout) == (0, "")
    assert "What comes next" in asked.stderr


def test_on_a_terminal_four_questions_are_asked_and_a_bad_answer_is_asked_again(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    os.write(master, b"Taiga Post\nnobody\npost@taiga.example\nMars\nAsia/Tashkent\n\n")
    asked = subprocess.run([*BIWEEKLY, "init", tmp_path], stdin=terminal, capture_output=True, text=True, check=False)
    os.close(terminal)
    os.close(master)
    assert asked.returncode == 0, asked.stderr
    assert "error address-invalid: nobody" in asked.stderr
    assert "error bad-value" in asked.stderr
    publication = open_publication(tmp_path, environ={}).config.publication
    assert publication.sender == "Taiga Post <post@taiga.example>"
    assert publication.postal_address.startswith("The Example Review")


def test_leaving_a_question_writes_nothing(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    os.write(master, b"Taiga Post\n\x04")
    asked = subprocess.run(
        [*BIWEEKLY, "init", tmp_path / "review"], stdin=terminal, capture_output=True, text=True, check=False
    )
    os.close(terminal)
    os.close(master)
    assert asked.returncode == 5
    assert "Traceback" not in asked.stderr
    assert not (tmp_path / "review").exists()
