"""Edge: the MJML compiler. Checked source in, HTML out; what the compiler cannot say well is said for it."""

import re
from typing import Final

from biweekly.errors import RenderError
from biweekly.render.dialect import find_fault, numeric_entities

_BLANKS: Final = re.compile(r">[ \t\r\n]+<")


def compile_mjml(source: str, *, template: str) -> str:
    """Compile an MJML document whose values are escaped. Lines in errors are those of `source`.

    Raises RenderError: what `dialect.find_fault` finds, `compiler-refused` with the compiler's words, and
    `compiler-panicked` where it broke.
    """
    fault = find_fault(source)
    if fault is not None:
        quoted = source.split("\n")[fault.line - 1].strip() if fault.line <= source.count("\n") + 1 else ""
        raise RenderError(
            f"{fault.message}\n    {quoted[:160]}" if quoted else fault.message,
            code=fault.code, template=template, line=fault.line, hint=fault.hint,
        )  # fmt: skip
    return run_compiler(source, template=template)


def run_compiler(source: str, *, template: str) -> str:
    """Run the compiler alone, behind a guard: it is native code and panics on some documents.

    Its source is made ASCII first: it prints attribute values in its language's debug format, where a no-break
    space would come out as seven characters, and cuts text between the bytes of one letter. In the head it takes blanks
    between tags for words, unless they begin with a line end.
    """
    from mjml import mjml2html

    plain = numeric_entities(source).encode("ascii", "xmlcharrefreplace").decode("ascii")
    head, body, rest = plain.partition("<mj-body")
    plain = _BLANKS.sub(">\n<", head) + body + rest
    try:
        return mjml2html(plain, disable_comments=True, fonts={})
    except ValueError as error:
        raise RenderError(
            f"the MJML compiler refused the document: {error}", code="compiler-refused", template=template
        ) from error
    except BaseException as error:
        # A panic is no Exception, and its class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise RenderError(
            f"the MJML compiler broke down: {error}", code="compiler-panicked", template=template,
            hint="undo the last change to the template, and report it with the template",
        ) from error  # fmt: skip
