"""Pure. An edition as bytes: canonical JSON, and the hash that approval and the ledger name it by."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from biweekly.errors import RenderError
from biweekly.model.issue import Edition, Entry, Form, IssueId, Picture, ReportId, Variant, VariantName

SCHEMA: Final = "biweekly/edition/1"


def canonical(tree: object) -> bytes:
    """Write JSON in the one form there is for it: sorted keys, no blanks, UTF-8."""
    return json.dumps(tree, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("utf-8")


def seal(edition: Edition) -> Edition:
    """Return the edition under its own hash: SHA-256 over everything else in it."""
    return replace(edition, sha256=_digest(edition))


def to_json(edition: Edition) -> bytes:
    """Return a sealed edition as it is kept."""
    return canonical({"schema": SCHEMA, **asdict(edition)})


def from_json(body: bytes) -> Edition:
    """Return an edition as it was kept.

    Raises RenderError `edition-broken` where the bytes are no edition, or are not those its hash was made of.
    """
    try:
        edition = _read(json.loads(body))
    except (ValueError, KeyError, TypeError) as error:
        raise RenderError(
            f"not a kept edition: {error!r}", code="edition-broken", template="edition",
            hint="biweekly db check",
        ) from error  # fmt: skip
    if edition.sha256 != _digest(edition):
        raise RenderError(
            "the kept edition is not the one its hash was made of", code="edition-broken",
            template=f"edition {edition.sha256[:12]}", hint="biweekly db check",
        )  # fmt: skip
    return edition


def _digest(edition: Edition) -> str:
    tree = asdict(edition)
    del tree["sha256"]
    return hashlib.sha256(canonical({"schema": SCHEMA, **tree})).hexdigest()


def _read(tree: Mapping[str, Any]) -> Edition:
    if tree["schema"] != SCHEMA:
        raise ValueError(f"of kind {tree['schema']}")
    plain = {name: value for name, value in tree.items() if name not in {"schema", *_NESTED}}
    nested = {name: tuple(read(one) for one in tree[name]) for name, read in _NESTED.items()}
    return Edition(**{**plain, **nested, "issue": IssueId(tree["issue"])})


def _variant(tree: Mapping[str, Any]) -> Variant:
    return Variant(**{**tree, "name": VariantName(tree["name"])})


def _entry(tree: Mapping[str, Any]) -> Entry:
    form = Form(tree["form"]) if tree["form"] is not None else None
    return Entry(**{**tree, "report": ReportId(tree["report"]), "form": form})


_NESTED: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "variants": _variant,
    "pictures": lambda tree: Picture(**tree),
    "reports": _entry,
}
