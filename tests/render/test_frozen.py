import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from biweekly.errors import RenderError
from biweekly.frozen import from_json, seal, to_json

if TYPE_CHECKING:
    from tests.render.conftest import Press


def test_an_edition_comes_back_as_it_was_kept(press: "Press") -> None:
    edition = press.render()
    assert from_json(to_json(edition)) == edition


def test_every_field_is_under_the_hash(press: "Press") -> None:
    edition = press.render()
    assert seal(edition) == edition
    html, text = edition.variants
    changed = [
        replace(edition, subject="x"),
        replace(edition, preheader="x"),
        replace(edition, sender="x <x@x.example>"),
        replace(edition, audience="x"),
        replace(edition, web="x"),
        replace(edition, variants=(replace(html, html="x"), text)),
        replace(edition, variants=(html, replace(text, text="x"))),
        replace(edition, pictures=()),
        replace(edition, reports=()),
    ]
    assert len({edition.sha256, *(seal(one).sha256 for one in changed)}) == len(changed) + 1


@pytest.mark.parametrize("spoil", ["{", "[]", "{}", '{"schema":"biweekly/edition/2"}'])
def test_bytes_that_are_no_edition_are_an_error(spoil: str) -> None:
    with pytest.raises(RenderError) as caught:
        from_json(spoil.encode())
    assert caught.value.code == "edition-broken"


def test_an_edition_that_was_tampered_with_is_an_error(press: "Press") -> None:
    tree = json.loads(to_json(press.render()))
    tree["subject"] = "another"
    with pytest.raises(RenderError, match="not the one its hash was made of"):
        from_json(json.dumps(tree).encode())
