"""Conduct. What must hold before a letter leaves this machine, whoever asks for it."""

from biweekly.config import Config
from biweekly.errors import Refused
from biweekly.services.founding import placeholders_in


def warn_or_refuse(config: Config, *, public_url_answers: bool) -> tuple[str, ...]:
    """Say what is questionable about mailing with this configuration; refuse what must not be.

    Raises Refused `placeholder-identity` where example addresses would leave this machine, and `public-url-silent`
    where the links in every letter would lead nowhere. With no relay, nothing leaves and nothing is refused.
    """
    placeholders = placeholders_in(config)
    if placeholders and not all(relay.on_loopback for relay in config.relay):
        raise Refused(
            f"{placeholders[0]} is still an example address; no reader could answer it", code="placeholder-identity",
            place="config.toml", hint=f"put the publication's own address into {placeholders[0]}",
        )  # fmt: skip
    warnings = []
    url = config.publication.public_url
    if not public_url_answers:
        if config.relay and not placeholders:
            raise Refused(
                f"{url} does not answer, so every link in the letters would lead nowhere", code="public-url-silent",
                place="config.toml", hint="biweekly serve, or put the right address into publication.public_url",
            )  # fmt: skip
        warnings.append(f"{url} does not answer yet: the links in these letters need biweekly serve")
    if url.startswith("http://"):
        warnings.append("link-http: the links in these letters are not encrypted")
    return tuple(warnings)
