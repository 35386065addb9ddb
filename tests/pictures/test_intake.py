import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image as Pillow

from biweekly.errors import ReportError
from biweekly.model.issue import Image, Report, ReportId
from biweekly.pictures import PictureStore, take_in
from biweekly.pictures.intake import take_one
from biweekly.pictures.press import HEAVIEST, press


def photograph(width: int, height: int, kind: str = "JPEG", mode: str = "RGB", **options: object) -> bytes:
    """Noise: the hardest thing there is to compress."""
    image = Pillow.effect_noise((width, height), 90).convert(mode)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def drawing(kind: str = "PNG", mode: str = "RGB") -> bytes:
    image = Pillow.new(mode, (300, 200), (200, 30, 30) if mode == "RGB" else (200, 30, 30, 100))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def read(body: bytes) -> Pillow.Image:
    return Pillow.open(io.BytesIO(body))


def a_report(*paths: str) -> Report:
    return Report(ReportId("one"), "One", "text", images=tuple(Image(path) for path in paths))


@pytest.fixture
def store(tmp_path: Path) -> PictureStore:
    return PictureStore(tmp_path / "media")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "reports"
    (made / "one").mkdir(parents=True)
    return made


def test_a_large_photograph_is_made_small_enough_for_mail() -> None:
    body, kind, width, height = press(photograph(2400, 1600))
    assert (kind, len(body) <= HEAVIEST) == ("image/jpeg", True)
    assert read(body).size == (width, height)
    assert width <= 1200
    assert width * 2 == pytest.approx(height * 3, abs=3)


def test_a_small_photograph_keeps_its_size() -> None:
    assert press(photograph(400, 300))[2:] == (400, 300)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_drawing_stays_sharp_and_clear(mode: str) -> None:
    body, kind, *_ = press(drawing(mode=mode))
    assert kind == "image/png"
    assert read(body).convert("RGBA").getpixel((5, 5)) == (200, 30, 30, 255 if mode == "RGB" else 100)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "BMP", "TIFF", "PNG"])
def test_every_usual_kind_becomes_jpeg_or_png(kind: str) -> None:
    assert press(photograph(300, 200, kind))[1] in {"image/jpeg", "image/png"}


def test_a_picture_for_print_becomes_one_for_screens() -> None:
    assert read(press(photograph(300, 200, mode="CMYK"))[0]).mode == "RGB"


def test_what_came_along_is_left_behind_and_the_picture_stands_upright() -> None:
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E] = 6, "where the author lives"
    body, _, width, height = press(photograph(400, 300, exif=exif))
    assert (width, height) == (300, 400)
    assert not read(body).getexif()
    assert b"where the author lives" not in body


def test_the_same_original_gives_the_same_picture() -> None:
    original = photograph(500, 300)
    assert press(original) == press(original)


def a_bomb() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a picture",
        drawing()[:120],
        photograph(300, 200)[:200],
        b"<svg onload='x()'/>",
        b"%!PS-Adobe",
        a_bomb(),
    ],
    ids=["empty", "text", "cut png", "cut jpeg", "svg", "postscript", "bomb"],
)
def test_a_broken_or_hostile_image_is_an_error_with_its_place(store: PictureStore, folder: Path, body: bytes) -> None:
    (folder / "one" / "a.png").write_bytes(body)
    with pytest.raises(ReportError) as caught:
        take_one(a_report("one/a.png"), Image("one/a.png"), folder=folder, store=store)
    assert (caught.value.code, caught.value.place) == ("image-broken", "reports/one/a.png")
    assert "Traceback" not in caught.value.message


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("one/none.png", "image-missing"),
        ("../secret", "image-outside"),
        ("/etc/passwd", "image-outside"),
        ("one/link.png", "image-outside"),
        ("one", "image-missing"),
        ("https://a.example/x.png", "image-missing"),
        ("a\0b", "image-missing"),
    ],
)
def test_only_files_of_the_reports_folder_are_read(store: PictureStore, folder: Path, path: str, code: str) -> None:
    (folder.parent / "secret").write_bytes(drawing())
    (folder / "one" / "link.png").symlink_to(folder.parent / "secret")
    with pytest.raises(ReportError) as caught:
        take_one(a_report(path), Image(path), folder=folder, store=store)
    assert caught.value.code == code


def test_one_bad_image_stops_no_other(store: PictureStore, folder: Path) -> None:
    (folder / "one" / "good.png").write_bytes(drawing())
    (folder / "one" / "bad.png").write_bytes(b"bad")
    taken = take_in([a_report("one/bad.png", "one/good.png")], folder=folder, store=store)
    assert list(taken.pictures) == [("one", "one/good.png")]
    assert [one.place for one in taken.errors] == ["reports/one/bad.png"]


def test_an_original_is_pressed_once(store: PictureStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "one" / "a.png").write_bytes(drawing())
    first = take_in([a_report("one/a.png")], folder=folder, store=store)
    monkeypatch.setattr("subprocess.Popen", None)
    assert take_in([a_report("one/a.png")], folder=folder, store=store) == first


def test_a_picture_is_found_by_its_hash_and_by_nothing_else(store: PictureStore) -> None:
    picture = store.put(b"bytes", media_type="image/png", width=1, height=2)
    assert picture == store.put(b"bytes", media_type="image/png", width=1, height=2)
    path = store.path_of(picture.sha256)
    assert path is not None
    assert path.read_bytes() == b"bytes"
    for name in ("0" * 64, "", "../" * 10 + "etc/passwd", picture.sha256.upper(), f"{picture.sha256}\n"):
        assert store.path_of(name) is None
    assert [one.name for one in store.folder.rglob("*") if one.name.startswith(".draft")] == []


def test_a_picture_lost_from_the_store_is_pressed_again(store: PictureStore, folder: Path) -> None:
    (folder / "one" / "a.png").write_bytes(drawing())
    picture = take_in([a_report("one/a.png")], folder=folder, store=store).pictures[ReportId("one"), "one/a.png"]
    path = store.path_of(picture.sha256)
    assert path is not None
    path.unlink()
    assert take_in([a_report("one/a.png")], folder=folder, store=store).errors == ()
    assert store.path_of(picture.sha256) == path
