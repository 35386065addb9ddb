"""Pure. Variables of the environment over the configuration's file: `BIWEEKLY_RELAY__0__HOST` wins over `host`."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from biweekly.errors import ConfigError

ENV_PREFIX: Final = "BIWEEKLY_"
_NOT_SETTINGS: Final = frozenset({"BIWEEKLY_TEST_PG", "BIWEEKLY_DIR"})
_DEEPEST: Final = 8


def lay_over(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Lay `BIWEEKLY_SECTION__KEY` variables over the file and say which variable set which key."""
    laid = {}
    for name, raw in sorted(environ.items()):
        if not name.startswith(ENV_PREFIX) or "__" not in name or name in _NOT_SETTINGS:
            continue
        path = tuple(name.removeprefix(ENV_PREFIX).lower().split("__"))
        if any("\ud800" <= character <= "\udfff" for character in raw):
            raise ConfigError(
                "the variable is not text in UTF-8", code="bad-value", key=".".join(path), place=name,
                hint="set it again in a UTF-8 locale",
            )  # fmt: skip
        if len(path) > _DEEPEST or not _lay(tree, path, _value_of(raw)):
            raise ConfigError(
                f"the variable {name} names no key", code="unknown-key", key=".".join(path), place=name,
                hint="write it like BIWEEKLY_WEB__PORT or BIWEEKLY_RELAY__0__HOST",
            )  # fmt: skip
        laid[path] = name
    return laid


def _lay(spot: Any, path: tuple[str, ...], value: Any) -> bool:
    """Set the value at a path, making tables and one-longer lists on the way; False where the path leads nowhere."""
    step, rest = path[0], path[1:]
    below: Any = [] if rest and rest[0].isdecimal() else {}
    if isinstance(spot, dict):
        if not rest:
            spot[step] = value
            return True
        return _lay(spot.setdefault(step, below), rest, value)
    if not isinstance(spot, list) or not re.fullmatch("[0-9]{1,3}", step) or int(step) > len(spot):
        return False
    if int(step) == len(spot):
        spot.append(below if rest else value)
    elif not rest:
        spot[int(step)] = value
    return not rest or _lay(spot[int(step)], rest, value)


def _value_of(raw: str) -> Any:
    """A variable's text; lists, tables and quoted strings are read as TOML, the rest as the key demands."""
    if raw.lstrip()[:1] in {"[", "{", '"', "'"}:
        try:
            read = tomllib.loads(f"v = {raw}")
        except (ValueError, RecursionError):
            return raw
        if list(read) == ["v"]:
            return read["v"]
    return raw
