"""Shell. `dkim`: the keys that sign letters."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from biweekly.cli import speak
from biweekly.errors import UsageError
from biweekly.model.domain import ascii_domain, is_within
from biweekly.publication import Publication

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make the keys that sign letters.")


@app.callback()
def dkim() -> None:
    """Make the keys that sign letters."""


@app.command()
def keygen(
    ctx: typer.Context,
    ed25519: Annotated[bool, typer.Option("--ed25519", help="A key for the second signature, not the first.")] = False,
    selector: Annotated[
        str | None, typer.Option("--selector", metavar="S", help="Its name in the DNS; by default after the month.")
    ] = None,
    domain: Annotated[
        str | None, typer.Option("--domain", metavar="D", help="The domain that signs; by default the sender's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="A new file; by default in var/.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make a new key in a file of its own, and print the DNS record for its public half.

    The record goes to stdout as a line of a zone file, the lines for config.toml to stderr. Publish the record first,
    and put the lines into config.toml when it can be seen. A file that exists is never written over.

    Example: biweekly dkim keygen
    """
    from biweekly.dkim import Algorithm, dns_record, record_name, zone_line
    from biweekly.signing_keys import make_key, write_key

    publication = ctx.obj.publication()
    signs = _domain(publication, domain)
    named = _selector(selector, ed25519=ed25519)
    path = out if out is not None else publication.var / f"dkim-{named}.pem"
    algorithm = Algorithm.ED25519 if ed25519 else Algorithm.RSA
    key = make_key(algorithm)
    write_key(path, key)
    record = dns_record(key)
    line = zone_line(record_name(named, signs), record)
    lines = _config_lines(signs, named, _as_configured(path, publication.root), ed25519=ed25519)
    if as_json:
        speak.show_json("dkim-keygen", {
            "domain": signs, "selector": named, "algorithm": algorithm, "key_file": str(path),
            "record": {"name": record_name(named, signs), "type": "TXT", "text": record}, "zone": line, "config": lines,
        })  # fmt: skip
        return
    speak.say(f"The key is in {path}; keep a copy where nobody else can read it. The record to publish:")
    speak.show(line)
    speak.say(f"Then, in config.toml:\n\n{lines}")
    if ed25519 and publication.config.dkim is None:
        speak.say("Most receivers know only RSA: make that key too, with biweekly dkim keygen.")
    speak.say("biweekly doctor dns says whether the record can be seen and fits.")


def _domain(publication: Publication, asked: str | None) -> str:
    config = publication.config
    sender = config.publication.sender_domain
    if asked is None:
        return config.dkim.domain if config.dkim is not None else sender
    made = ascii_domain(asked)
    if "." not in made or not is_within(sender, made):
        raise UsageError(
            f"{asked} is neither the domain of publication.from ({sender or 'none'}) nor above it", code="dkim-domain",
            hint="leave --domain out, or correct publication.from",
        )  # fmt: skip
    return made


def _selector(asked: str | None, *, ed25519: bool) -> str:
    if asked is None:
        return f"bw{datetime.now(UTC):%Y%m}{'e' if ed25519 else ''}"
    if not asked or ascii_domain(asked) != asked.lower():
        raise UsageError(
            f"{asked!r} is no selector: it is letters, digits and hyphens", code="dkim-selector",
            hint="biweekly dkim keygen --selector bw202611",
        )  # fmt: skip
    return asked


def _as_configured(path: Path, root: Path) -> str:
    """Write a path as `key_file` understands it: relative to the publication where it is inside."""
    real = path.resolve()
    return str(real.relative_to(root)) if real.is_relative_to(root) else str(real)


def _config_lines(domain: str, selector: str, path: str, *, ed25519: bool) -> str:
    if ed25519:
        settings = {"ed25519_selector": selector, "ed25519_key_file": path}
    else:
        settings = {"domain": domain, "selector": selector, "key_file": path}
    return "\n".join(["[dkim]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items()), ""])
