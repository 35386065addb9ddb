"""`biweekly subscribers`: as it is typed."""

import csv
import io
import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from biweekly.cli.frame import run

SAMPLE = Path(__file__).parents[2] / "subscribers" / "sample.csv"


class Home:
    """A publication, and what its commands said."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys
        self.roster = root / "subscribers" / "sample.csv"
        assert run(["init", str(root), "--no-input"]) == 0
        self.roster.parent.mkdir(exist_ok=True)
        shutil.copy(SAMPLE, self.roster)
        capsys.readouterr()

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command, expect its exit code, return what it printed."""
        assert run(["-C", str(self.root), "subscribers", *words]) == code
        self.out, self.err = self._capsys.readouterr()
        return self.out

    def forget(self) -> None:
        """Forget what was printed so far."""
        self._capsys.readouterr()

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self(*words, "--json", code=code))
        return document


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    return Home(tmp_path / "pub", capsys)


def test_an_import_is_a_plan_that_ends_with_the_command_that_does_it(home: Home) -> None:
    out = home("import", str(home.roster), "--consent", "I agree", code=1)
    assert "line 13: editor@@example.org: The part after the @-sign contains invalid characters" in out
    assert "line 17: no-domain@: There must be something after the @-sign." in out
    assert "line 22: with space@example.org: " in out
    assert home.json("list")["subscribers"] == []
    command = shlex.split(out.splitlines()[-1])
    assert command[0] == "biweekly"
    assert run(command[1:]) == 1
    home.forget()
    assert len(home.json("list")["subscribers"]) == 22
    assert home.json("show", "hong.nhung@example.org")["history"][0]["wording"] == "I agree"


def test_an_import_as_json_has_the_keys_that_scripts_rely_on(home: Home) -> None:
    plan = home.json("import", str(home.roster), code=1)
    assert next(iter(plan)) == "schema"
    assert {key: plan[key] for key in ("rows", "new", "known", "suppressed", "applied")} == {
        "rows": 25, "new": 22, "known": 0, "suppressed": 0, "applied": False
    }  # fmt: skip
    assert [one["line"] for one in plan["invalid"]] == [13, 17, 22]
    assert plan["invalid"][0]["address"] == "editor@@example.org"
    assert all(one["reason"] for one in plan["invalid"])
    done = home.json("import", str(home.roster), "--apply", code=1)
    assert (done["new"], done["applied"]) == (22, True)
    again = home.json("import", str(home.roster), "--apply", code=1)
    assert (again["new"], again["known"]) == (0, 22)


def test_a_clean_import_is_exit_0(home: Home) -> None:
    home.roster.write_text("email\nnino@example.org\n")
    home("import", str(home.roster), "--apply")
    assert home.json("show", "nino@example.org")["history"][0]["source"] == "import of sample.csv"


def test_a_file_that_is_no_list_is_a_sentence(home: Home) -> None:
    home.roster.write_bytes(b"PK\x03\x04")
    home("import", str(home.roster), "--apply", code=1)
    assert "roster-kind" in home.err
    assert "CSV UTF-8" in home.err
    home("import", str(home.root / "none.csv"), code=1)
    assert "roster-missing" in home.err


def test_people_are_added_listed_and_shown(home: Home) -> None:
    home("add", "Nino@Bücher.example", "--name", "Nino Beridze", "--text", "--consent", "by letter")
    home("add", "levan@example.org")
    assert "known already" in home("add", "nino@bücher.example")
    (person,) = home.json("list", "--domain", "BÜCHER.example")["subscribers"]
    assert (person["address"], person["name"], person["standing"], person["variant"]) == (
        "Nino@bücher.example", "Nino Beridze", "active", "text"
    )  # fmt: skip
    assert len(home("list").splitlines()) == 2
    assert "2 active" in home.err
    assert home("list", "--standing", "left") == ""
    assert "added, added by hand" in home("show", "NINO@bücher.example")
    home("add", "not an address", code=1)
    assert "address-invalid" in home.err
    home("show", "nobody@example.org", code=1)
    assert "no-such-subscriber" in home.err


def test_a_suppressed_address_stays_out(home: Home) -> None:
    assert "is suppressed." in home("suppress", "nino@example.org", "--reason", "asked by telephone")
    assert "was so already" in home("suppress", "NINO@example.org")
    home("add", "nino@example.org", code=4)
    assert "address-suppressed" in home.err
    home.roster.write_text("email\nnino@example.org\n")
    assert home.json("import", str(home.roster), "--apply")["suppressed"] == 1


def test_erasing_is_a_plan_that_names_the_files_left(home: Home) -> None:
    home.roster.write_text("email,name\nNINO@example.org,Nino\n")
    home("import", str(home.roster), "--apply")
    out = home("erase", "nino@example.org")
    assert "would be erased" in out
    assert "subscribers/sample.csv" in out
    assert shlex.split(out.splitlines()[-1])[-3:] == ["erase", "nino@example.org", "--apply"]
    assert home.json("show", "nino@example.org")["standing"] == "active"
    done = home.json("erase", "nino@example.org", "--apply")
    assert (done["applied"], done["addresses"], done["files"]) == (True, 1, ["subscribers/sample.csv"])
    home("erase", "nino@example.org", "--apply", code=1)
    assert "suppressed" in home.err
    assert home.json("import", str(home.roster), "--apply")["suppressed"] == 1
    assert not [one for one in (home.root / "var").iterdir() if one.is_file() and b"NINO@" in one.read_bytes()]


def test_an_export_is_quoted_harmless_and_closed_to_others(home: Home) -> None:
    home("add", "+tag@example.org", "--name", "=cmd")
    home("suppress", "gone@example.org")
    out = home("export")
    header, row = csv.reader(io.StringIO(out))
    assert header == ["email", "name", "variant", "standing", "since"]
    assert row[:4] == ["'+tag@example.org", "'=cmd", "html", "active"]
    path = home.root / "out.csv"
    home("export", "-o", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(csv.reader(path.read_text().splitlines())) == [header, row]
    home("export", "-o", str(path), code=1)
    assert "roster-unwritable" in home.err
    assert home.json("import", str(path))["known"] == 1


@pytest.mark.parametrize("words", [["import"], ["show"], ["add"], ["suppress"], ["erase"], ["list", "--standing", "x"]])
def test_a_command_without_what_it_needs_is_a_usage_error(home: Home, words: Sequence[str]) -> None:
    assert run(["-C", str(home.root), "subscribers", *words]) == 2


@pytest.mark.parametrize("verb", ["import", "export", "add", "list", "show", "suppress", "erase"])
def test_every_help_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["subscribers", verb, "--help"]) == 0
    assert f"Example: biweekly subscribers {verb}" in capsys.readouterr().out
