"""Makes docs/pictures/ anew: the sample issue as it arrives, and the preview. `make docs-shots` runs it.

Needs Chromium. The pictures show what the machine's fonts make of the issue. Where it has neither Georgia nor
Helvetica, a folder of fonts stands in for them (`make docs-shots FONTS=folder`): serif-400, serif-400-italic,
serif-700, sans-400 and sans-700, each with .woff2, .ttf or .otf behind it.
"""  # noqa: INP001 - a script beside the pages it illustrates

import base64
import io
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvicorn
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from biweekly.newsroom import open_newsroom
from biweekly.publication import open_publication
from biweekly.sample import lay_out
from biweekly.web.preview import preview_app

PICTURES: Final = Path(__file__).parent / "pictures"
NOW: Final = datetime(2026, 11, 25, 9, tzinfo=UTC)
LARGEST_BYTES: Final = 250_000
_FAMILIES: Final = {"serif": "Georgia", "sans": "Helvetica Neue"}

# A desktop and a phone on a desk; `{desktop}` and `{phone}` are pictures.
_STAND: Final = """<!doctype html><style>
body {{ margin: 0; width: 1040px; height: 760px; position: relative; overflow: hidden; background: {desk}; }}
figure {{ position: absolute; margin: 0; overflow: hidden; }}
img {{ display: block; width: 100%; }}
.desktop {{ left: 34px; top: 40px; width: 636px; height: 760px; border-radius: 6px 6px 0 0; box-shadow: {shadow}; }}
.phone {{ right: 44px; top: 84px; width: 300px; height: 622px; border-radius: 36px; border: 9px solid #101214;
  box-shadow: {shadow}, 0 0 0 1px #3a3d42; background: #fff; }}
</style><figure class="desktop"><img src="{desktop}"></figure><figure class="phone"><img src="{phone}"></figure>"""


@contextmanager
def preview() -> Iterator[str]:
    """Serve the preview of the sample publication, composed as on a fixed day, and give the issue's address."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as door:
        folder = Path(name)
        lay_out(folder, public_url="https://review.example")
        issue = open_newsroom(open_publication(folder, environ={})).compose_issue(now=NOW).issue.id
        web = preview_app(folder, environ={}, watch=False)
        server = uvicorn.Server(uvicorn.Config(web, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}/i/{issue}"
        finally:
            server.should_exit = True
            web.state.bell.closed = True
            thread.join()


def faces(folder: Path | None) -> str:
    """Return the style rules that put a folder's fonts in the place of those that the machine has not."""
    rules = [":root { --sans: 'Helvetica Neue', Helvetica, Arial, sans-serif; }"]
    for path in sorted(folder.iterdir()) if folder else ():
        family, _, rest = path.stem.partition("-")
        weight, _, style = rest.partition("-")
        if family in _FAMILIES and path.suffix in {".woff2", ".ttf", ".otf"}:
            written = base64.b64encode(path.read_bytes()).decode()
            rules.append(
                f"@font-face {{ font-family: '{_FAMILIES[family]}'; font-weight: {weight};"
                f" font-style: {style or 'normal'}; src: url(data:font/{path.suffix[1:]};base64,{written}) }}"
            )
    return "\n".join(rules)


def opened(context: BrowserContext, address: str, css: str) -> Page:
    """Open a page with these fonts, in its frames too."""
    page = context.new_page()
    page.goto(address, wait_until="load")
    for frame in page.frames:
        # Nothing that waits: in a frame whose scripts are off, it would wait for ever.
        frame.evaluate("css => { document.head.append(document.createElement('style')); "
                       "document.head.lastElementChild.textContent = css; }", css)  # fmt: skip
    page.wait_for_timeout(300)
    return page


def seen(browser: Browser, address: str, css: str, *, width: int, height: int, at: str = "") -> bytes:
    """Take a picture of a mail, from its top or from the heading `at` on."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=2, bypass_csp=True, reduced_motion="reduce"
    )
    page = opened(context, address, css)
    if at:
        page.get_by_role("heading", name=at).first.evaluate("e => scrollTo(0, e.getBoundingClientRect().top - 28)")
    shot = page.screenshot()
    context.close()
    return shot


def composed(browser: Browser, address: str, css: str, *, dark: bool) -> bytes:
    """Stand the desktop and the phone beside each other."""
    mail = f"{address}/mail?dark={int(dark)}"
    desktop = seen(browser, mail, css, width=700, height=840)
    phone = seen(browser, mail, css, width=375, height=778, at="Field Reports")
    context = browser.new_context(viewport={"width": 1040, "height": 760}, device_scale_factor=1.5)
    page = context.new_page()
    page.set_content(
        _STAND.format(
            desk="#0b0d0f" if dark else "#d8d2c5",
            shadow="0 16px 44px rgb(0 0 0 / 45%)" if dark else "0 16px 44px rgb(60 50 30 / 28%)",
            desktop=f"data:image/png;base64,{base64.b64encode(desktop).decode()}",
            phone=f"data:image/png;base64,{base64.b64encode(phone).decode()}",
        ),
        wait_until="load",
    )
    shot = page.screenshot()
    context.close()
    return shot


def previewed(browser: Browser, address: str, css: str) -> bytes:
    """Take a picture of the preview's page."""
    context = browser.new_context(viewport={"width": 1439, "height": 900}, bypass_csp=True, reduced_motion="reduce")
    page = opened(context, address, css)
    page.get_by_text("Live").wait_for()
    # Another width makes the page measure its frames again, now in these fonts.
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_timeout(200)
    shot = page.screenshot()
    context.close()
    return shot


def keep(name: str, shot: bytes) -> None:
    """Write a picture with as few colours as it needs to stay small."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    plain = picture.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1)
    smooth = picture.quantize(palette=plain, dither=Image.Dither.FLOYDSTEINBERG)
    for one in (picture, smooth, plain):
        body = io.BytesIO()
        one.save(body, "PNG", optimize=True)
        if body.tell() <= LARGEST_BYTES:
            break
    (PICTURES / name).write_bytes(body.getvalue())
    sys.stderr.write(f"docs/pictures/{name}  {picture.width} x {picture.height}, {body.tell():,} bytes\n")


def main(fonts: Path | None) -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is missing; on Debian: apt install chromium")
    css = faces(fonts)
    with preview() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        keep("issue.png", composed(browser, address, css, dark=False))
        keep("dark.png", composed(browser, address, css, dark=True))
        keep("phone.png", seen(browser, f"{address}/mail", css, width=375, height=812))
        keep("desktop.png", seen(browser, f"{address}/mail", css, width=700, height=900))
        keep("preview.png", previewed(browser, address, css))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
