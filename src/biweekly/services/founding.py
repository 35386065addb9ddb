"""Conduct. What a new publication begins with: its configuration in words, its folders, what git should not see.

Who founds it and when is handed in; `cli/init.py` asks the person and writes the files.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from email.utils import parseaddr
from typing import Final

from biweekly.config import Config, parse_config

FOLDERS: Final = ("reports", "issues", "subscribers", "templates")
_THURSDAY: Final = 3
# Kept for documentation (RFC 2606, RFC 6761): mail to them reaches nobody, so they can only be placeholders.
_PLACEHOLDERS: Final = re.compile(r"(?:^|\.)(?:example|test|invalid|localhost|example\.(?:com|net|org))$")

_GITIGNORE: Final = """\
# What the program writes for itself, its database and its secret among it.
/var/
# People's addresses do not belong in a repository.
/subscribers/*
"""

_CONFIG: Final = """\
# The configuration of {name}.
# Only what differs from the defaults needs to stand here; docs/configuration.md has every key.

[publication]
name = {quoted_name}
from = {sender}
reply_to = {reply_to}
language = "en"
postal_address = {postal_address}
public_url = "http://127.0.0.1:8765"    # where readers reach `biweekly serve`; https once it is not this machine
sections = [                            # in printing order; form: "full", "lead" or "title"
    {{ title = "Analytical Articles", form = "lead" }},
    {{ title = "Field Reports", form = "lead" }},
    {{ title = "News Digest", form = "full" }},
    {{ title = "Staff Publications", form = "title" }},
    {{ title = "Upcoming Events", form = "lead" }},
]

[schedule]
anchor = {anchor}             # the date of one issue; the others follow every second week
at = "09:00"
timezone = {timezone}
cutoff = "Tue 12:00"

# Without a relay, mail goes to the built-in mailbox and never leaves this machine.
# [[relay]]
# host = "smtp.your-provider.example"
# port = 465
# tls = "implicit"
# user = "your-user"
# password_file = "smtp-password"       # a file readable by its owner only
"""


@dataclass(frozen=True, slots=True)
class Founding:
    """What a founder is asked. `sender` is an address, `timezone` a place such as Europe/Stockholm."""

    name: str = "The Example Review"
    sender: str = "editors@review.example"
    timezone: str = "UTC"
    postal_address: str = "The Example Review, 1 Example Street, 00000 Example Town"


def write_config(founding: Founding, *, today: date) -> str:
    """Write config.toml in full, with the coming Thursday as the first issue's date.

    The address may be given with or without a name of its own. Raises ConfigError where an answer is no good.
    """
    _, address = parseaddr(founding.sender)
    named = f"{_phrase(founding.name)} <{address}>"
    text = _CONFIG.format(
        name=_flat(founding.name),
        quoted_name=_quoted(founding.name),
        sender=_quoted(named),
        reply_to=_quoted(address),
        postal_address=_quoted(founding.postal_address),
        anchor=coming_thursday(today).isoformat(),
        timezone=_quoted(founding.timezone),
    )
    parse_config(text, environ={})
    return text


def files(founding: Founding, *, today: date) -> Mapping[str, str]:
    """Return every file of a new publication by its name. The configuration comes last: with it, the folder counts."""
    return {".gitignore": _GITIGNORE, "config.toml": write_config(founding, today=today)}


def coming_thursday(today: date) -> date:
    """Return the first Thursday after today."""
    return today + timedelta(days=(_THURSDAY - today.weekday() - 1) % 7 + 1)


def is_placeholder(address: str) -> bool:
    """Whether an address, alone or with a name before it, is in a domain that stands in examples only."""
    domain = parseaddr(address)[1].rpartition("@")[2].lower().rstrip(".")
    return bool(_PLACEHOLDERS.search(domain))


def placeholders_in(config: Config) -> tuple[str, ...]:
    """Return the keys whose addresses are still placeholders; with one, no relay but a loopback one may be used."""
    addresses = {
        "publication.from": config.publication.sender,
        "publication.reply_to": config.publication.reply_to,
        "bounces.address": config.bounces.address,
    }
    return tuple(key for key, address in addresses.items() if address is not None and is_placeholder(address))


def _flat(text: str) -> str:
    """One line of printable characters, words parted by one blank: what may stand in a header field."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _quoted(text: str) -> str:
    return json.dumps(_flat(text), ensure_ascii=False)


def _phrase(name: str) -> str:
    """A name as it may stand before an address: quoted where it holds more than words (RFC 5322 section 3.2.5)."""
    flat = _flat(name)
    if not re.search(r'[()<>\[\]:;@\\,."]', flat):
        return flat
    return '"' + re.sub(r'(["\\])', r"\\\1", flat) + '"'
