"""Conduct. Find a domain's DMARC policy by walking up the tree (RFC 9989), and what it asks of a sender."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from biweekly.model.domain import is_within
from biweekly.model.look import Standing
from biweekly.sender.answer import Ask, Judgement, unknown
from biweekly.sender.dkim_record import read_tags

_DEEPEST: Final = 8  # labels; above that, the walk jumps (section 4.10)
_POLICIES: Final = frozenset({"none", "quarantine", "reject"})
_GONE: Final = ("pct", "rf", "ri")  # tags of RFC 7489 that RFC 9989 took away


@dataclass(frozen=True, slots=True)
class Policy:
    """What was found: how the record stands, and whose organization the domain belongs to (None: not found out)."""

    judgement: Judgement
    organization: str | None
    tags: Mapping[str, str] = field(default_factory=dict)

    def aligned(self, domain: str, author: str, *, mode: str) -> bool:
        """Whether a domain counts for the author's: the same (`mode` tag `s`), or of the same organization."""
        if self.tags.get(mode, "r") == "s":
            return domain == author
        if self.organization is not None:
            return is_within(domain, self.organization)
        return is_within(domain, author) or is_within(author, domain)


def find(domain: str, ask: Ask) -> Policy:
    """Find and judge the policy that holds for an author's domain."""
    found: list[tuple[str, Mapping[str, str]]] = []
    organization: str | None = None
    for name in _names(domain):
        answer = ask(f"_dmarc.{name}", "TXT")
        if not answer.known:
            if not found:
                return Policy(unknown(f"_dmarc.{name}", "TXT", answer), None)
            return _settled(domain, found[0], None)
        records = [one for one in answer.records if re.match(r"v\s*=\s*DMARC1\s*(?:;|$)", one)]
        if len(records) > 1 and name == domain:
            what = f"{len(records)} records at _dmarc.{name}, and receivers take that for none"
            return Policy(Judgement(Standing.WRONG, what), None)
        tags = read_tags(records[0]) if len(records) == 1 else None
        if records and tags is None and name == domain:
            return Policy(Judgement(Standing.WRONG, f"the record at _dmarc.{name} is no list of tags"), None)
        if tags is None:
            continue
        found.append((name, tags))
        if tags.get("psd") == "n":
            organization = name
            break
        if tags.get("psd") == "y" and name != domain:
            labels = domain.split(".")
            organization = ".".join(labels[-len(name.split(".")) - 1 :])
            break
    if not found:
        return Policy(Judgement(Standing.MISSING, f"neither _dmarc.{domain} nor a name above has a record"), None)
    organization = organization or found[-1][0]
    holding = next((one for one in found if one[0] in {domain, organization}), found[-1])
    return _settled(domain, holding, organization)


def _names(domain: str) -> Iterator[str]:
    """The domain and what is above it: the whole name, then at most seven labels, then one fewer each time."""
    labels = domain.split(".")
    yield domain
    for length in range(min(len(labels) - 1, _DEEPEST - 1), 0, -1):
        yield ".".join(labels[-length:])


def _settled(domain: str, holding: tuple[str, Mapping[str, str]], organization: str | None) -> Policy:
    name, tags = holding
    asked = "p" if name == domain or "sp" not in tags else "sp"
    policy = tags.get(asked, "none").lower()
    if policy not in _POLICIES:
        what = f"the record at _dmarc.{name} is wrong: {asked}={tags[asked]} is none of none, quarantine and reject"
        return Policy(Judgement(Standing.WRONG, what), organization, tags)
    remarks = []
    if "p" not in tags:
        remarks.append("p= is not there; older receivers need it (write p=none)")
    gone = [one for one in _GONE if one in tags]
    if gone:
        remarks.append(f"{', '.join(gone)}: receivers no longer look at it (RFC 9989)")
    reports = "reports go to " + tags["rua"] if tags.get("rua") else "no reports are asked for"
    message = f"{asked}={policy} at _dmarc.{name}; {reports}"
    return Policy(Judgement(Standing.EXISTS, message, tuple(remarks)), organization, tags)
