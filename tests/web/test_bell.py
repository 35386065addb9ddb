import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from biweekly.web import bell as bells
from biweekly.web.bell import Bell

PATIENCE = 60.0


async def next_event(stream: AsyncIterator[str]) -> str:
    """The next thing said that is not a comment or a setting."""
    async for words in stream:
        if not words.startswith((":", "retry")):
            return words
    return "the end"


async def heard(bell: Bell, act: Callable[[int], object]) -> None:
    """Do something again and again until the bell rings: a watch needs a moment before it sees."""
    before, times = bell.count, 0
    async with asyncio.timeout(PATIENCE):
        while bell.count == before:
            act(times)
            times += 1
            await asyncio.sleep(0.01)


def run(story: Callable[[], object]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def test_whoever_waits_is_told_of_a_save() -> None:
    async def story() -> None:
        bell = Bell()
        stream = bell.stream(bell.count)
        assert await anext(stream) == "retry: 500\n\n"
        waiting = asyncio.ensure_future(next_event(stream))
        await asyncio.sleep(0)
        bell.ring()
        assert await waiting == "id: 1\nevent: changed\ndata: 1\n\n"

    run(story)


def test_whoever_missed_a_save_is_told_at_once_and_once() -> None:
    async def story() -> None:
        bell = Bell()
        for _ in range(3):
            bell.ring()
        stream = bell.stream(1)
        assert await next_event(stream) == "id: 3\nevent: changed\ndata: 3\n\n"
        bell.close()
        assert await next_event(stream) == "the end"

    run(story)


def test_closing_ends_every_stream() -> None:
    async def story() -> None:
        bell = Bell()
        streams = [asyncio.ensure_future(next_event(bell.stream(0))) for _ in range(3)]
        await asyncio.sleep(0)
        bell.close()
        assert await asyncio.gather(*streams) == ["the end"] * 3

    run(story)


def test_a_quiet_line_is_kept_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bells, "KEEP_ALIVE_SECONDS", 0)

    async def story() -> None:
        stream = Bell().stream(0)
        await anext(stream)
        assert await anext(stream) == ": still here\n\n"

    run(story)


def test_a_save_in_a_folder_or_of_a_setting_rings(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()

    async def story() -> None:
        bell = Bell()
        watch = asyncio.ensure_future(bell.watch(tmp_path, ["reports", "templates"]))
        await heard(bell, lambda n: (tmp_path / "reports" / "a.md").write_text(str(n)))
        await heard(bell, lambda n: (tmp_path / "config.toml").write_text(str(n)))
        watch.cancel()

    run(story)


def test_a_folder_that_comes_to_be_is_watched_from_then_on(tmp_path: Path) -> None:
    async def story() -> None:
        bell = Bell()
        watch = asyncio.ensure_future(bell.watch(tmp_path, ["templates"]))
        await heard(bell, lambda n: (tmp_path / "config.toml").write_text(str(n)))
        await heard(bell, lambda _: (tmp_path / "templates").mkdir(exist_ok=True))
        await heard(bell, lambda n: (tmp_path / "templates" / "issue.mjml.j2").write_text(str(n)))
        watch.cancel()

    run(story)


def test_a_publication_that_is_moved_away_and_back_is_watched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "_ABSENT_SECONDS", 0.01)
    root = tmp_path / "pub"
    (root / "reports").mkdir(parents=True)

    async def story() -> None:
        bell = Bell()
        watch = asyncio.ensure_future(bell.watch(root, ["reports"]))
        await heard(bell, lambda n: (root / "reports" / "a.md").write_text(str(n)))
        shutil.move(root, tmp_path / "elsewhere")
        await asyncio.sleep(0)
        shutil.move(tmp_path / "elsewhere", root)
        await heard(bell, lambda n: (root / "reports" / "a.md").write_text(str(n)))
        assert not watch.done()
        watch.cancel()

    run(story)
