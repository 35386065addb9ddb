"""Pure. Does a published DKIM record belong to a key of ours (RFC 6376 section 3.6.1, RFC 8463 section 4)."""

import base64
import re
from collections.abc import Iterator, Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from biweekly.dkim import Algorithm, SigningKey, public_octets
from biweekly.model.look import Standing
from biweekly.sender.answer import Answer, Judgement, Outcome, unknown


def judge(name: str, answer: Answer, key: SigningKey) -> Judgement:
    """Judge what was answered for a selector's name. The message says what is wrong, or that it fits."""
    if not answer.known:
        return unknown(name, "TXT", answer)
    if answer.outcome is not Outcome.FOUND:
        return Judgement(Standing.MISSING, f"there is no record at {name} ({answer.why})")
    if len(answer.records) > 1:
        return Judgement(Standing.WRONG, f"{len(answer.records)} records at {name}; there must be one")
    tags = read_tags(answer.records[0])
    fault = "it is no list of tags" if tags is None else next(_faults(tags, key), None)
    if fault:
        return Judgement(Standing.WRONG, f"the record at {name} is wrong: {fault}")
    testing = tags is not None and "y" in _listed(tags.get("t", ""))
    remarks = ("t=y says that the domain is only testing; receivers may act as if there were no signature",)
    return Judgement(Standing.EXISTS, f"the record at {name} belongs to the key", remarks if testing else ())


def read_tags(text: str) -> Mapping[str, str] | None:
    """Read `v=DKIM1; k=rsa; p=...`; None where it is no such list, or a tag stands twice (RFC 6376 section 3.2)."""
    tags: dict[str, str] = {}
    for one in text.strip().removesuffix(";").split(";"):
        name, equals, value = (part.strip() for part in one.partition("="))
        if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in tags:
            return None
        tags[name] = value
    return tags


def _faults(tags: Mapping[str, str], key: SigningKey) -> Iterator[str]:
    kind = "rsa" if key.algorithm is Algorithm.RSA else "ed25519"
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        yield "v= is not DKIM1, or not the first tag"
    published = re.sub(r"\s", "", tags.get("p", ""))
    if "p" not in tags:
        yield "it has no p="
    elif not published:
        yield "p= is empty, which withdraws the key"
    if tags.get("k", "rsa") != kind:
        yield f"k={tags.get('k', 'rsa')}, and the key is {kind}"
    if "h" in tags and "sha256" not in _listed(tags["h"]):
        yield f"h={tags['h']} leaves sha256 out"
    if "s" in tags and not {"*", "email"} & set(_listed(tags["s"])):
        yield f"s={tags['s']} is not for mail"
    try:
        octets = base64.b64decode(published, validate=True)
    except ValueError:
        yield "p= is no base64; perhaps it was cut, or its strings were joined wrongly"
    else:
        if not _same(octets, key):
            yield "p= is of another key, or was cut"


def _listed(value: str) -> list[str]:
    return re.split(r"\s*:\s*", value)


def _same(octets: bytes, key: SigningKey) -> bool:
    public = key.key.public_key()
    if octets == public_octets(public):
        return True
    if not isinstance(public, RSAPublicKey):
        return False
    # Some publish the bare RSAPublicKey; verifiers take both (RFC 6376 erratum 3017).
    try:
        return load_der_public_key(octets) == public
    except (ValueError, UnsupportedAlgorithm):
        return False
