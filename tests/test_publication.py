"""A publication is a folder: where it is found, what wins in it, and its secret."""

import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from biweekly.errors import ConfigError, RenderError
from biweekly.publication import Publication, data_root, find_root, open_publication

CONFIG: Final = """\
[publication]
name = "Review"
from = "editors@review.example"
reply_to = "editors@review.example"
sections = ["Articles"]
postal_address = "1 Example Street"
public_url = "http://127.0.0.1:8765"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "pub"
    home.mkdir()
    (home / "config.toml").write_text(CONFIG)
    return home


@pytest.fixture
def publication(folder: Path) -> Publication:
    return open_publication(folder, environ={})


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_publication_is_found_from_any_folder_inside_it(folder: Path) -> None:
    below = folder / "reports" / "2026"
    below.mkdir(parents=True)
    assert find_root(below) == find_root(folder) == folder


def test_a_publication_inside_another_is_its_own(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    (inner / "config.toml").write_text(CONFIG)
    assert find_root(inner) == inner


def test_a_folder_outside_any_publication_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_root(tmp_path)
    assert (caught.value.code, caught.value.hint) == ("no-publication", "biweekly init")


def test_a_named_folder_is_taken_at_its_word(folder: Path) -> None:
    below = folder / "reports"
    below.mkdir()
    with pytest.raises(ConfigError) as caught:
        open_publication(below, environ={})
    assert caught.value.code == "no-publication"


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"\xe9"])
def test_a_configuration_that_is_not_utf_8_is_said_to_be_unreadable(folder: Path, raw: bytes) -> None:
    (folder / "config.toml").write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        open_publication(folder, environ={})
    assert caught.value.code == "config-unreadable"
    assert caught.value.place is not None
    assert caught.value.place.endswith("config.toml")


def test_a_byte_order_mark_before_the_configuration_does_no_harm(folder: Path) -> None:
    (folder / "config.toml").write_bytes(b"\xef\xbb\xbf" + CONFIG.encode())
    assert open_publication(folder, environ={}).config.publication.name == "Review"


def test_what_the_program_writes_is_closed_to_others(publication: Publication) -> None:
    for made in (publication.var, publication.logs, publication.journal, publication.media, publication.mailbox):
        assert made.is_dir()
        assert mode_of(made) == 0o700
    assert len(publication.secret) == 32
    assert mode_of(publication.var / "secret") == 0o600


def test_a_file_in_the_place_of_var_is_an_error_in_words(publication: Publication, folder: Path) -> None:
    (folder / "var").write_text("")
    with pytest.raises(ConfigError) as caught:
        _ = publication.logs
    assert caught.value.code == "folder-unwritable"
    assert caught.value.place == str(folder / "var")


def test_the_secret_stays_the_same(publication: Publication, folder: Path) -> None:
    assert publication.secret == open_publication(folder, environ={}).secret
    assert [one.name for one in publication.var.iterdir()] == ["secret"]


@pytest.mark.parametrize("text", ["", "zz" * 32, "ab" * 31, "ab" * 33])
def test_a_damaged_secret_is_not_replaced_in_silence(publication: Publication, text: str) -> None:
    (publication.var / "secret").write_text(text)
    with pytest.raises(ConfigError) as caught:
        _ = publication.secret
    assert caught.value.code == "secret-broken"
    assert (publication.var / "secret").read_text() == text


def test_many_processes_that_need_the_secret_at_once_agree_on_it(folder: Path) -> None:
    ask = (
        "import sys; from pathlib import Path; from biweekly.publication import open_publication;"
        "one = open_publication(Path(sys.argv[1]), environ={}); print('ready', flush=True);"
        "sys.stdin.read(); print(one.secret.hex())"
    )
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ask, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(4)
        ]
        lines = [(one.stdin, one.stdout) for one in racers if one.stdin and one.stdout]
        assert [heard.readline() for _, heard in lines] == ["ready\n"] * 4
        for start, _ in lines:
            start.close()
        answers = {heard.read().strip() for _, heard in lines}
    assert len(answers) == 1
    assert len(bytes.fromhex(answers.pop())) == 32
    assert [one.name for one in (folder / "var").iterdir()] == ["secret"]


def test_each_purpose_has_a_key_of_its_own(publication: Publication) -> None:
    assert publication.key("tokens") == publication.key("tokens")
    assert (
        len({publication.key("tokens"), publication.key("tokens "), publication.key("nonce"), publication.secret}) == 4
    )


def test_a_template_of_ones_own_wins_over_the_built_in_one(publication: Publication, folder: Path) -> None:
    own = folder / "templates" / "mail" / "note.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert publication.template("mail/note.txt") == ("mine", "templates/mail/note.txt")


def test_a_template_that_is_nowhere_is_named(publication: Publication) -> None:
    with pytest.raises(RenderError) as caught:
        publication.template("no-such.mjml")
    assert (caught.value.code, caught.value.place) == ("template-missing", "templates/no-such.mjml")


def test_the_built_in_data_are_those_of_the_installation() -> None:
    assert (data_root() / "config.example.toml").is_file()


def test_the_database_is_in_var_unless_a_url_says_otherwise(publication: Publication, folder: Path) -> None:
    assert publication.database_url == f"sqlite:///{folder / 'var' / 'biweekly.db'}"
    elsewhere = open_publication(folder, environ={"BIWEEKLY_DATABASE__URL": "postgresql://localhost/x"})
    assert elsewhere.database_url == "postgresql://localhost/x"
