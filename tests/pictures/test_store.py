import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biweekly.model.issue import Picture
from biweekly.pictures.store import PictureStore


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "media")


def put(store: PictureStore, body: bytes = b"picture") -> Picture:
    return store.put(body, media_type="image/png", width=3, height=2)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_bytes_are_found_again_by_their_hash(store: PictureStore, body: bytes) -> None:
    picture = put(store, body)
    path = store.path_of(picture.sha256)
    assert picture.sha256 == hashlib.sha256(body).hexdigest()
    assert path is not None
    assert path.read_bytes() == body
    assert put(store, body) == picture


def test_the_same_picture_is_kept_once_and_nothing_is_left_over(store: PictureStore) -> None:
    put(store)
    put(store)
    assert len([one for one in store.folder.rglob("*") if one.is_file()]) == 1


@pytest.mark.parametrize("name", ["", "ab", "../secret", "A" * 64, "a" * 63, "a" * 65, "a" * 63 + "/", "a" * 64 + "\n"])
def test_what_is_no_hash_names_no_picture(store: PictureStore, name: str) -> None:
    put(store)
    assert store.path_of(name) is None


def test_a_hash_that_was_never_kept_names_no_picture(store: PictureStore) -> None:
    assert store.path_of("a" * 64) is None


def test_what_was_made_of_an_original_is_remembered(store: PictureStore) -> None:
    picture = put(store)
    assert store.taken(b"original") is None
    store.note(b"original", picture)
    assert store.taken(b"original") == picture
    assert store.taken(b"another") is None


def test_what_was_made_of_an_original_counts_only_while_it_is_there(store: PictureStore) -> None:
    picture = put(store)
    store.note(b"original", picture)
    path = store.path_of(picture.sha256)
    assert path is not None
    path.unlink()
    assert store.taken(b"original") is None


@pytest.mark.parametrize(
    "note",
    [b"", b"[]", b"{}", b'{"sha256": "x"}', b"\xff", b'{"sha256": "../x", "media_type": "a", "width": 1, "height": 1}'],
)
def test_a_damaged_note_is_no_note(store: PictureStore, note: bytes) -> None:
    store.note(b"original", put(store))
    (path,) = (store.folder / "taken").iterdir()
    path.write_bytes(note)
    assert store.taken(b"original") is None
