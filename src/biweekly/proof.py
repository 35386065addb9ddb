"""Pure. An edition as one invented reader would get it: for the preview, and as a message to open in a mail program.

Nothing in it leads anywhere: the reader is made up and the link to leave goes to a page that changes nothing.
"""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from biweekly.errors import RenderError
from biweekly.model.issue import Edition, Variant, VariantName

READER_NAME: Final = "Sample Reader"
READER_ADDRESS: Final = "reader@example.org"


def read_as_sample(edition: Edition, variant: Variant) -> tuple[str | None, str]:
    """Return a variant's HTML (None in the text-only one) and text with the sample reader's words in their places."""
    words = {
        "unsubscribe_url": f"{edition.public_url}/u/sample",
        "reader_name": READER_NAME,
        "reader_address": READER_ADDRESS,
    }
    page = _filled(variant.html, edition, words, in_html=True) if variant.html is not None else None
    return page, _filled(variant.text, edition, words, in_html=False)


def write_message(edition: Edition, pictures: Mapping[str, bytes]) -> bytes:
    """Write the edition as one message (RFC 5322) that opens in any mail program, with its pictures inside.

    `pictures` are bytes by hash; one that is missing keeps its public address. The same edition gives the same bytes.
    """
    variant = next(one for one in edition.variants if one.name is VariantName.HTML)
    page, text = read_as_sample(edition, variant)
    domain = edition.sender.rpartition("@")[2].rstrip("> ") or "example.org"
    message = EmailMessage(policy=SMTP.clone(max_line_length=76))
    message["From"] = edition.sender
    message["Reply-To"] = edition.reply_to
    message["To"] = f"{READER_NAME} <{READER_ADDRESS}>"
    message["Subject"] = edition.subject
    message["Date"] = datetime.fromisoformat(edition.issue[:10]).replace(tzinfo=UTC)
    message["Message-ID"] = f"<proof.{edition.sha256[:32]}@{domain}>"
    message["List-Id"] = edition.list_id
    # Mail programs that know it open the file as a draft, not as mail received.
    message["X-Unsent"] = "1"
    message.set_content(text, cte="quoted-printable")
    shown = [one for one in edition.pictures if one.sha256 in pictures]
    for one in shown:
        page = (page or "").replace(f"{edition.public_url}/m/{one.sha256}", f"cid:{one.sha256[:32]}@{domain}")
    message.add_alternative(page or "", subtype="html", cte="quoted-printable")
    alternatives = message.get_payload()
    body = alternatives[-1] if isinstance(alternatives, list) else message
    for one in shown:
        kind, _, subtype = one.media_type.partition("/")
        if isinstance(body, EmailMessage):
            body.add_related(pictures[one.sha256], kind, subtype, cid=f"<{one.sha256[:32]}@{domain}>")
    # The boundaries that the library invents are chance; the edition's hash gives the same file each time.
    for number, part in enumerate(one for one in message.walk() if one.is_multipart()):
        part.set_boundary(f"=_{edition.sha256[:24]}_{number}")
    return message.as_bytes()


def _filled(text: str, edition: Edition, words: Mapping[str, str], *, in_html: bool) -> str:
    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            raise RenderError(
                f"there is no word for the placeholder {found[1]}", code="placeholder-unknown", template="issue.mjml.j2"
            )
        return html.escape(words[found[1]]) if in_html else words[found[1]]

    return re.sub(rf"bwph_(\w+?)_{re.escape(edition.nonce)}", word, text)
