"""Pure. Issue -> Edition: laid out, filled into the templates, compiled, styled, with every placeholder in its place.

What the issue says reaches the compiler only as escaped text. Rich text waits outside behind a slot's token and is put
in after the compiler, which would refuse or spoil it; the reader's words are placeholders until a letter is addressed.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from email.header import Header
from email.utils import parseaddr
from typing import Final

from markupsafe import Markup

from biweekly.config import PublicationConfig
from biweekly.contracts import Compiler, Templates
from biweekly.errors import RenderError
from biweekly.frozen import canonical, seal
from biweekly.model.issue import Edition, Issue, Picture, Report, ReportId, Variant, VariantName
from biweekly.render.dialect import find_fault
from biweekly.render.environment import TemplateRoom
from biweekly.render.layout import NO_PLATES, Page, Plate, lay_out
from biweekly.render.plaintext import write_text
from biweekly.render.rich import fragment
from biweekly.render.words import words_for

TEMPLATE: Final = "issue.mjml.j2"
STYLESHEET: Final = "editorial.css"
PLACEHOLDERS: Final = ("unsubscribe_url", "reader_name", "reader_address")
AUDIENCE: Final = "active"

Inliner = Callable[[str, str], str]


def render_edition(
    issue: Issue,
    reports: Mapping[ReportId, Report],
    *,
    publication: PublicationConfig,
    templates: Templates,
    compile_mjml: Compiler,
    inline: Inliner,
    pictures: Mapping[tuple[ReportId, str], Picture],
    key: bytes,
) -> Edition:
    """Render an issue once, in all its variants; the same input gives the same bytes.

    `reports` holds at least those the issue names, `pictures` what of their images is in the store (an image that is
    not there is not shown). `key` is the publication's own for this purpose: tokens in the result cannot be guessed
    or forged by who writes a report. Raises RenderError with the template and the line.
    """
    page = lay_out(issue, reports, publication=publication, pictures=pictures)
    nonce = hmac.new(key, canonical(asdict(page)), hashlib.sha256).hexdigest()[:8]
    desk = _Desk(page, publication.public_url, nonce, templates, compile_mjml, inline)
    html = desk.write(web=False)
    web = desk.write(web=True)
    text = write_text(
        page,
        web_url=desk.web_url,
        unsubscribe_url=desk.placeholder("unsubscribe_url"),
        reader_address=desk.placeholder("reader_address"),
    )
    shown = {one.sha256: one for one in pictures.values() if f"/m/{one.sha256}" in html}
    draft = Edition(
        sha256="",
        issue=issue.id,
        subject=page.subject,
        preheader=page.preheader,
        sender=_mailbox(publication.sender),
        reply_to=_mailbox(publication.reply_to),
        list_id=_list_id(publication),
        audience=AUDIENCE,
        public_url=publication.public_url,
        nonce=nonce,
        variants=(Variant(VariantName.HTML, html, text), Variant(VariantName.TEXT, None, text)),
        web_id="",
        web=web,
        pictures=tuple(shown[sha256] for sha256 in sorted(shown)),
        reports=tuple(issue.entries),
    )
    return seal(_with_web_address(draft, key, desk.web_token))


def _with_web_address(draft: Edition, key: bytes, token: str) -> Edition:
    """Give the web version its address: an HMAC over all the rest, so that two editions never share one."""
    made = hmac.digest(key, b"web" + canonical(asdict(draft)), hashlib.sha256)
    web_id = base64.urlsafe_b64encode(made[:18]).decode("ascii")
    return replace(
        draft,
        web_id=web_id,
        web=draft.web.replace(token, web_id),
        variants=tuple(
            replace(one, html=one.html and one.html.replace(token, web_id), text=one.text.replace(token, web_id))
            for one in draft.variants
        ),
    )


class _Desk:
    """One issue on its way through the templates."""

    def __init__(
        self, page: Page, public_url: str, nonce: str, templates: Templates, compile_mjml: Compiler, inline: Inliner
    ) -> None:
        self._page, self._nonce = page, nonce
        self._compile, self._inline = compile_mjml, inline
        self._css, self._css_path = templates(STYLESHEET)
        self._slots: dict[str, str] = {}
        self._written: dict[tuple[str, int, int, int, str], str] = {}
        self.web_token = f"bwslot_web_{nonce}"
        self.web_url = f"{public_url}/w/{self.web_token}"
        self._room = TemplateRoom(
            templates,
            {
                "page": page,
                "words": words_for(page.language),
                "web_url": self.web_url,
                "rich": self._rich,
                "ph": self.placeholder,
            },
        )

    def placeholder(self, name: str) -> str:
        """Return the token that a reader's word will stand for."""
        if name not in PLACEHOLDERS:
            raise ValueError(f"there is no placeholder {name}; there are {', '.join(PLACEHOLDERS)}")
        return f"bwph_{name}_{self._nonce}"

    def _rich(
        self,
        markdown: str,
        *,
        heading: int = 4,
        width: int = 576,
        plates: Mapping[str, Plate] = NO_PLATES,
        base: str = "",
    ) -> Markup:
        """Keep a rich text for later and return its slot's token."""
        token = f"bwslot_{len(self._slots)}_{self._nonce}"
        # The same texts stand in the letter and on the web; an item's plates are one object for both.
        text = (markdown, heading, width, id(plates), base)
        if text not in self._written:
            self._written[text] = fragment(markdown, heading=heading, width=width, plates=plates, base=base or None)
        self._slots[token] = self._written[text]
        return Markup(token)  # noqa: S704 - letters, digits and underscores

    def write(self, *, web: bool) -> str:
        """Write the HTML: for a letter with the reader's placeholders, for the web without any."""
        self._slots.clear()
        source = self._room.fill(TEMPLATE, web=web)
        slots = dict(self._slots)
        try:
            compiled = self._compile(source, template=TEMPLATE)
        except RenderError as error:
            raise self._traced(error, source, web=web) from error
        for token in slots:
            if token not in compiled:
                raise RenderError(
                    "a rich text was asked for and not printed where HTML can stand", code="template-slot",
                    template=TEMPLATE, hint="{{ rich(...) }} stands inside <mj-text>, once for each call",
                )  # fmt: skip
        filled = re.sub(rf"bwslot_\d+_{self._nonce}", lambda found: slots[found[0]], compiled)
        try:
            done = self._inline(filled, self._css)
        except RenderError as error:
            if error.template != STYLESHEET:
                raise
            raise RenderError(
                error.message, code=error.code, template=self._css_path, line=error.line, hint=error.hint
            ) from error
        if web and "bwph_" in done:
            raise RenderError(
                "the web version holds a reader's placeholder", code="template-web-placeholder", template=TEMPLATE,
                hint="put it inside {% if not web %} ... {% endif %}",
            )  # fmt: skip
        return done

    def _traced(self, error: RenderError, source: str, *, web: bool) -> RenderError:
        """Put the template's own line in the place of the line in what it was filled to."""
        fault = find_fault(source)
        origin = fault and self._room.trace(TEMPLATE, line=fault.line, column=fault.column, web=web)
        template, line = origin or (error.template, error.line)
        return RenderError(error.message, code=error.code, template=template, line=line, hint=error.hint)


def _mailbox(written: str) -> str:
    """Return a mailbox as a header field holds it: ASCII, the name as an encoded word where it needs it (RFC 2047)."""
    import idna

    name, address = parseaddr(written)
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        domain = idna.encode(domain, uts46=True).decode("ascii")
    address = f"{local}@{domain}" if local else address
    if not name:
        return address
    if name.isascii():
        quoted = (
            name
            if re.fullmatch(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+", name)
            else '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
        )
    else:
        quoted = Header(name, "utf-8", maxlinelen=10_000).encode(linesep=" ")
    return f"{quoted} <{address}>"


def _list_id(publication: PublicationConfig) -> str:
    """Return the List-Id (RFC 2919): the name, and an identifier that a change of the name leaves alone."""
    domain = parseaddr(publication.sender)[1].rpartition("@")[2]
    identifier = f"issues.{domain}"
    return _mailbox(f"{publication.name} <x@{identifier}>").replace("<x@", "<") if domain else identifier
