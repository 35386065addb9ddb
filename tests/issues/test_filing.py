from pathlib import Path

import pytest

from biweekly.errors import IssueError
from biweekly.issues.filing import write_atomically


def test_a_file_is_put_in_its_place_with_the_folders_it_needs(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "issue.toml", b"new")
    assert (tmp_path / "a" / "b" / "issue.toml").read_bytes() == b"new"


def test_an_old_file_is_replaced_as_a_whole_and_nothing_is_left_over(tmp_path: Path) -> None:
    path = tmp_path / "issue.toml"
    path.write_bytes(b"old and longer")
    write_atomically(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("issue.toml", b"new")]


def test_what_cannot_be_written_is_an_error_in_words_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "issue.toml").mkdir()
    with pytest.raises(IssueError) as caught:
        write_atomically(tmp_path / "issue.toml", b"new")
    assert (caught.value.code, caught.value.place) == ("issue-unwritable", str(tmp_path / "issue.toml"))
    assert [one.name for one in tmp_path.iterdir()] == ["issue.toml"]


def test_a_file_where_a_folder_should_be_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "issues").write_bytes(b"")
    with pytest.raises(IssueError) as caught:
        write_atomically(tmp_path / "issues" / "issue.toml", b"new")
    assert caught.value.code == "issue-unwritable"
