"""Commands of one noun, as they are typed, in an empty publication."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from biweekly.cli.frame import run


class Typed:
    """What a command came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


Type = Callable[..., Typed]


def found_empty(root: Path, talk: pytest.CaptureFixture[str]) -> Path:
    """Found a publication without a word, and return its folder."""
    assert run(["init", str(root), "--no-input"]) == 0
    talk.readouterr()
    return root


def typist(home: Path, noun: str, talk: pytest.CaptureFixture[str]) -> Type:
    """Return what types a command of this noun."""

    def type_it(*words: object) -> Typed:
        code = run(["-C", str(home), noun, *map(str, words)])
        out, err = talk.readouterr()
        return Typed(code, out, err)

    return type_it
