"""docs/log.md knows every event of the issue log and every key of its line, and none that there is not."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.cli.paper import Paper, found
from tests.transports.relay import Fault, Relay

from biweekly.delivery.issuelog import EVENTS

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = (ROOT / "docs" / "log.md").read_text("utf-8")
PLACES: Final = "## A place"
OF_EVERY_LINE: Final = {"at", "mailing", "event"}


def keys_of(text: str) -> set[str]:
    return set(re.findall(r"^\| `([a-z_]+)` \|", text, flags=re.MULTILINE))


def chapters(text: str) -> dict[str, str]:
    parts = re.split(r"^### `([a-z -]+)`$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented() -> dict[str, set[str]]:
    """Each event of the page with the keys of its line, those of every line left out."""
    whole, _, places = PAGE.partition(PLACES)
    shared = keys_of(places.partition("\n### ")[0])
    return {event: keys_of(text) for event, text in chapters(whole).items()} | {
        event: shared | keys_of(text) for event, text in chapters(places).items()
    }


def told(text: str) -> Iterator[tuple[str, set[str]]]:
    """Each event that a source tells of a mailing as a whole, by `tell` or a door's `log`, with the keys it gives."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if node.func.attr not in {"tell", "log"} or not words:
            continue
        facts = [one for one in node.args if isinstance(one, ast.Dict)]
        keys = {one.value for fact in facts for one in fact.keys if isinstance(one, ast.Constant)}
        yield words[0], {str(one) for one in keys} | {one.arg for one in node.keywords if one.arg}


def in_the_source() -> dict[str, set[str]]:
    events: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src" / "biweekly").rglob("*.py")):
        for event, keys in told(path.read_text("utf-8")):
            events.setdefault(event, set()).update(keys - OF_EVERY_LINE)
    return events


def test_every_event_of_the_source_has_its_chapter_and_no_other_has() -> None:
    assert sorted(documented()) == sorted({*in_the_source(), *EVENTS.values(), "waiting"})


def test_an_event_about_a_mailing_has_a_row_for_each_key_it_gives() -> None:
    page = documented()
    assert {event: page[event] for event in in_the_source()} == in_the_source()


def test_the_keys_of_every_line_are_said_once_at_the_top() -> None:
    assert keys_of(PAGE.partition("\n## ")[0]) == OF_EVERY_LINE


@pytest.mark.parametrize("event", sorted(documented()))
def test_each_event_has_an_example_that_is_a_line_of_it(event: str) -> None:
    (example,) = re.findall(r"^```json\n(.*)\n```$", chapters(PAGE)[event], flags=re.MULTILINE)
    line = json.loads(example)
    assert line["event"] == event
    optional = {"who"} if event == "paused" else set()
    assert OF_EVERY_LINE | documented()[event] - optional == set(line)


@pytest.mark.parametrize(
    "text",
    ['log.tell("so", mailing=m, at=now, reason=why)', 'doors.log(mailing, "so", {"reason": why})'],
)
def test_an_event_is_found_wherever_it_is_told(text: str) -> None:
    assert [(event, keys - OF_EVERY_LINE) for event, keys in told(text)] == [("so", {"reason"})]


def test_the_lines_of_a_mailing_are_as_the_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper: Paper = found(tmp_path / "paper", capsys)
    faults = [
        Fault(at="rcpt", do="reply", text="550 5.1.1 nobody", to="^anna@"),
        Fault(at="rcpt", do="reply", text="451 4.3.0 later", to="^bek@", times=1),
        Fault(at="dot", do="accept-and-drop", to="^cholpon@"),
    ]
    with Relay(faults=faults) as relay:
        paper.use_relay(relay.port)
        paper.configure('[delivery]\nretry = ["2 min"]')
        issue = paper.compose()
        paper.run(*paper.confirm(issue), expect=1)
        paper.end_waits()
        paper.run("resume", issue, expect=1)
        paper.run("resolve", issue, "--sent")
    text = (paper.root / "var" / "logs" / f"{issue}.jsonl").read_text("utf-8")
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    page = documented()
    assert {line["event"] for line in lines} == {
        "began", "refused", "waiting", "uncertain", "resumed", "accepted", "finished", "ruled",
    }  # fmt: skip
    for line in lines:
        assert set(line) == OF_EVERY_LINE | page[line["event"]], line
