"""Edge: the picture decoder. Runs alone in a child process: bytes in, a picture fit for mail out.

`python -m biweekly.pictures.press` reads an image from stdin and writes one line of JSON and the new bytes to stdout.
On a picture that cannot be used it writes the reason and ends with 1. Decoders are C code, files may be hostile: here
they have limits of time and memory, and nothing to steal.
"""

import contextlib
import io
import json
import sys
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image

WIDEST: Final = 1200
HEAVIEST: Final = 300_000
_MOST_PIXELS: Final = 50_000_000
_SECONDS: Final = 20
_BYTES: Final = 1_500_000_000
_QUALITIES: Final = (86, 80, 74, 68, 60, 50)
_READ: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
# Fewer colours than this are a drawing, which JPEG would smear.
_DRAWING: Final = 256


def press(body: bytes) -> tuple[bytes, str, int, int]:
    """Return bytes, media type, width and height of a picture fit for mail; ValueError says why there is none.

    At most 1200 px wide and 300 kB; JPEG, or PNG for drawings and what is transparent; upright, in sRGB, the first
    frame, without EXIF or anything else that came along.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(body), formats=_READ) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise ValueError(f"{opened.width} x {opened.height} pixels are too many")
            image = ImageOps.exif_transpose(_srgb(opened))
    except UnidentifiedImageError as error:
        raise ValueError("not a JPEG, PNG, GIF, WebP, BMP or TIFF picture") from error
    except (OSError, SyntaxError, MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"the picture is broken: {error}") from error
    if image.width > WIDEST:
        image = image.resize((WIDEST, max(1, round(image.height * WIDEST / image.width))), Image.Resampling.LANCZOS)
    return _encoded(image)


def _srgb(opened: "Image") -> "Image":
    """Decode the first frame as RGB or RGBA, by its own colour profile where it has one that can be read."""
    from PIL import ImageCms

    clear = opened.mode in {"RGBA", "LA", "PA"} or "transparency" in opened.info
    profile = opened.info.get("icc_profile")
    if profile and opened.mode in {"RGB", "CMYK"}:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            made = ImageCms.profileToProfile(opened, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if made is not None:
                made.info = {}
                return made
    made = opened.convert("RGBA" if clear else "RGB")
    exif = opened.getexif()
    made.info = {"exif": exif.tobytes()} if exif else {}
    return made


def _encoded(image: "Image") -> tuple[bytes, str, int, int]:
    clear = image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
    if clear or image.getcolors(_DRAWING) is not None:
        for candidate in (image, image.quantize(256)):
            done = _saved(candidate, "PNG", optimize=True)
            if len(done) <= HEAVIEST:
                return done, "image/png", image.width, image.height
    flat = _on_white(image)
    while True:
        for quality in _QUALITIES:
            done = _saved(flat, "JPEG", quality=quality, optimize=True)
            if len(done) <= HEAVIEST:
                return done, "image/jpeg", flat.width, flat.height
        flat = flat.reduce(2)


def _on_white(image: "Image") -> "Image":
    from PIL import Image

    if image.mode != "RGBA":
        return image.convert("RGB")
    paper = Image.new("RGB", image.size, (255, 255, 255))
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _saved(image: "Image", kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    bare = image.copy()
    bare.info = {}
    bare.save(out, kind, **options)
    return out.getvalue()


def _limited() -> None:
    """Take away time and memory; where there are no such limits (Windows), the parent's clock remains."""
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Press what stands on stdin."""
    _limited()
    try:
        body, kind, width, height = press(sys.stdin.buffer.read())
    except (ValueError, MemoryError) as error:
        sys.stderr.write(f"{error or 'the picture needs too much memory'}")
        return 1
    sys.stdout.buffer.write(json.dumps({"media_type": kind, "width": width, "height": height}).encode() + b"\n" + body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
