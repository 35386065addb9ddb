"""Shell. `doctor dns`: ask for the records that carry the sender's letters, and hold them against the configuration."""

from collections.abc import Iterator

from biweekly.config import Config
from biweekly.errors import BiweeklyError
from biweekly.model.domain import domain_of
from biweekly.model.issue import Finding, Level, Result
from biweekly.model.look import Look, look
from biweekly.publication import Publication


def examine_dns(publication: Publication, *, resolver: str | None) -> Iterator[Look]:
    """Look at the DNS of the sender's domains. `resolver` is a name server's address; None asks the system's.

    Example domains are not asked about. Raises UsageError `resolver-form`.
    """
    from biweekly.sender.domains import Sender, examine
    from biweekly.sender.resolver import Resolver, parse_server
    from biweekly.services.founding import placeholders_in
    from biweekly.signing_keys import key_files, read_key

    server = parse_server(resolver) if resolver is not None else None
    config = publication.config
    placeholders = placeholders_in(config)
    if placeholders:
        said = f"{placeholders[0]} is still a placeholder, so nothing was asked"
        yield Look(
            Finding("identity", Level.WARN, Result.NOT_RUN, placeholders[0], said), "write addresses of your own"
        )
        return
    domains = _domains(config)
    for place, domain in domains.items():
        if not domain:
            yield look("address", "there is no domain in it", place=place, ok=False, cure="write name@your-domain")
    if not all(domains.values()):
        return
    keys = []
    for file in key_files(config.dkim) if config.dkim is not None else ():
        try:
            keys.append(read_key(file, root=publication.root))
        except BiweeklyError as error:
            yield look("dkim-key", error.message, place=file.path, ok=False, cure=error.hint or "")
    signs = config.dkim.domain if config.dkim is not None else None
    of_from, of_envelope, of_replies = domains.values()
    yield from examine(Sender(of_from, of_envelope, of_replies, signs, keys), Resolver(server))


def _domains(config: Config) -> dict[str, str]:
    """The domains of From, of the envelope and of Reply-To, by the key that sets each; empty where there is none."""
    publication = config.publication
    found = {"publication.from": publication.sender_domain}
    bounces = config.bounces.address
    # Without an address for bounces, the envelope has the sender's.
    found["bounces.address"] = found["publication.from"] if bounces is None else domain_of(bounces)
    found["publication.reply_to"] = domain_of(publication.reply_to)
    return found
