"""Pure. Jinja as house templates meet it: everything escaped, nothing undefined, every error with file and line."""

import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import jinja2
from jinja2.bccache import Bucket
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from biweekly.contracts import Templates
from biweekly.errors import RenderError

if TYPE_CHECKING:
    from jinja2 import Environment

# Control characters, which no text that reaches a template can hold (safe.clean).
_ORIGIN: Final = re.compile("\x02([^\x03]*)\x03")
_SPOILED: Final = {ord("\n"): "&#10;", ord("\t"): "&#9;", ord("\\"): "&#92;"}


def printed(value: object) -> object:
    r"""Escape a value before it is printed, for text and for attributes alike.

    The compiler prints attributes with `\n`, `\t` and `\\` spelled out, so these become character references.
    """
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return Markup(str(escape(value)).translate(_SPOILED))  # noqa: S704 - escaped on this very line
    return value


class _Compiled(jinja2.BytecodeCache):
    """Compiled templates by the hash of their source, for as long as the process lives: a cache and no state."""

    _known: Final[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        found = self._known.get(f"{bucket.key}{bucket.checksum}")
        if found is not None:
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if len(self._known) > 256:  # noqa: PLR2004 - many saves of a live preview
            self._known.clear()
        self._known[f"{bucket.key}{bucket.checksum}"] = bucket.bytecode_to_string()


class _Origins(Extension):
    """Marks each line of a template's own text with where it comes from."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        for token in stream:
            if token.type == "data":
                lines = token.value.split("\n")
                marked = (f"\x02{stream.name}:{token.lineno + n}\x03{line}" for n, line in enumerate(lines))
                yield Token(token.lineno, token.type, "\n".join(marked))
            else:
                yield token


class TemplateRoom:
    """Fills one issue's templates. `names` are what a template may use without being handed it."""

    def __init__(self, templates: Templates, names: Mapping[str, object]) -> None:
        self._templates = templates
        self._names = names
        self._paths: dict[str, str] = {}

    def fill(self, name: str, **values: object) -> str:
        """Return the filled template. Raises RenderError `template-...` with the file and the line."""
        return self._fill(name, values, marked=False)

    def trace(self, name: str, *, line: int, column: int, **values: object) -> tuple[str, int] | None:
        """Find where a place in the filled template comes from: the file and its line, as well as can be told."""
        try:
            marked = self._fill(name, values, marked=True)
        except RenderError:
            return None
        lines = marked.split("\n")
        if not 0 < line <= len(lines):
            return None
        origin, seen = None, 0
        # Markers before the place; one that stands at the very column still opens it.
        before = "\n".join(lines[: line - 1])
        earlier = _ORIGIN.findall(before)
        origin = earlier[-1] if earlier else None
        position = 0
        for found in _ORIGIN.finditer(lines[line - 1]):
            seen += found.start() - position
            position = found.end()
            if seen > column:
                break
            origin = found[1]
        if origin is None:
            return None
        template, _, number = origin.rpartition(":")
        return self._paths.get(template, template), int(number)

    def _fill(self, name: str, values: Mapping[str, object], *, marked: bool) -> str:
        environment = self._environment(marked=marked)
        try:
            return environment.get_template(name).render(**values)
        except RenderError:
            raise
        except jinja2.TemplateSyntaxError as error:
            path = error.filename or self._paths.get(error.name or "", error.name or name)
            raise RenderError(
                error.message or "not a Jinja template", code="template-syntax", template=path, line=error.lineno
            ) from error
        except jinja2.UndefinedError as error:
            raise self._at_fault(
                error, name, "template-undefined", "docs/templates.md lists what a template may use"
            ) from error
        except SecurityError as error:
            raise self._at_fault(error, name, "template-forbidden", None) from error
        except Exception as error:
            raise self._at_fault(error, name, "template-failed", None) from error

    def _environment(self, *, marked: bool) -> "Environment":
        environment = ImmutableSandboxedEnvironment(
            loader=jinja2.FunctionLoader(self._load),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=printed,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=[_Origins] if marked else [],
            bytecode_cache=None if marked else _Compiled(),
        )
        environment.globals.update(self._names)
        return environment

    def _load(self, name: str) -> tuple[str, str, Callable[[], bool]]:
        text, path = self._templates(name)
        self._paths[name] = path
        return text, path, lambda: True

    def _at_fault(self, error: Exception, name: str, code: str, hint: str | None) -> RenderError:
        """Name the template's line: the innermost frame of the traceback that is one of ours."""
        paths = set(self._paths.values())
        place = next(
            ((frame.filename, frame.lineno) for frame in reversed(traceback.extract_tb(error.__traceback__))
             if frame.filename in paths),
            (self._paths.get(name, name), None),
        )  # fmt: skip
        words = str(error) or type(error).__name__
        return RenderError(words, code=code, template=place[0], line=place[1], hint=hint)
