"""Conduct. Walk a domain's SPF record as a receiver would (RFC 7208), asking what it is handed.

Whether a relay's address passes is not asked: letters seldom leave a provider from the address that takes them.
"""

import ipaddress
import re
from typing import Final

from biweekly.model.look import Standing
from biweekly.sender.answer import Answer, Ask, Judgement, Outcome

MOST_LOOKUPS: Final = 10  # section 4.6.4
MOST_VOIDS: Final = 2  # the same
_MECHANISM: Final = re.compile(
    r"(?P<qualifier>[+\-~?]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)(?::(?P<target>[^/]+|.+))?(?P<cidr>(?:/.*)?)",
    re.IGNORECASE,
)
_MODIFIER: Final = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>.*)", re.IGNORECASE)


def judge(domain: str, ask: Ask) -> Judgement:
    """Judge the SPF record of the envelope's domain: one record, well-formed, within the limits, closed at its end."""
    walk = _Walk(ask)
    try:
        record = walk.record(domain)
        if record is None:
            if walk.unknown:
                return Judgement(Standing.UNKNOWN, walk.unknown[0])
            return Judgement(Standing.MISSING, f"{domain} has no SPF record")
        walk.follow(domain, record, top=True)
    except _Broken as error:
        return Judgement(Standing.WRONG, str(error))
    if walk.unknown:
        return Judgement(Standing.UNKNOWN, walk.unknown[0])
    count = "1 look-up" if walk.lookups == 1 else f"{walk.lookups or 'no'} look-ups"
    return Judgement(Standing.EXISTS, f"{record} ({count})", tuple(walk.remarks))


class _Broken(Exception):
    """A receiver would stop here and call it a permanent error."""


class _Walk:
    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.lookups = 0
        self.voids = 0
        self.unknown: list[str] = []
        self.remarks: list[str] = []
        self.path: list[str] = []

    def record(self, domain: str) -> str | None:
        """Return a domain's record; None where it has none, or where that could not be found out."""
        answer = self.ask(domain, "TXT")
        if not answer.known:
            self._could_not(domain, "TXT", answer)
            return None
        found = [one.strip() for one in answer.records if re.match(r"v=spf1(?: |$)", one, re.IGNORECASE)]
        if len(found) > 1:
            raise _Broken(f"{domain} has {len(found)} SPF records, and receivers take that for none")
        return found[0] if found else None

    def follow(self, domain: str, record: str, *, top: bool) -> None:
        """Go through a record's terms, and through those it leads to."""
        self.path.append(domain)
        redirect, closed = None, False
        for term in record.split()[1:]:
            mechanism, modifier = _MECHANISM.fullmatch(term), _MODIFIER.fullmatch(term)
            if mechanism is not None:
                if not closed:
                    closed = self._mechanism(domain, term, mechanism, top=top)
            elif modifier is None:
                raise _Broken(f"{domain}: {term!r} is no SPF term")
            elif modifier["name"].lower() == "redirect":
                redirect = modifier["value"]
        if redirect is not None and not closed:
            self._spend(domain)
            self._lead(domain, redirect, f"redirect={redirect}", top=top)
        elif top and not closed:
            self.remarks.append('the record has no end; "-all" or "~all" says that nobody else sends for the domain')
        self.path.pop()

    def _mechanism(self, domain: str, term: str, found: re.Match[str], *, top: bool) -> bool:
        name, target = found["name"].lower(), found["target"]
        match name:
            case "all":
                if target or found["cidr"]:
                    raise _Broken(f"{domain}: {term!r} is no SPF term")
                if top:
                    self._end(found["qualifier"])
                return True
            case "ip4" | "ip6":
                self._address(domain, term, name)
            case "include":
                self._spend(domain)
                if not target:
                    raise _Broken(f"{domain}: {term!r} names no domain")
                self._lead(domain, target, term, top=False)
            case "ptr":
                self._spend(domain)
                self.remarks.append(f"{domain} uses ptr, which is slow and must not be used (RFC 7208 section 5.5)")
            case _:
                self._spend(domain)
                if name == "exists" and not target:
                    raise _Broken(f"{domain}: {term!r} names no domain")
                self._look_up(target or domain, {"mx": ("MX",), "exists": ("A",)}.get(name, ("A", "AAAA")))
        return False

    def _end(self, qualifier: str) -> None:
        if qualifier in {"", "+"}:
            raise _Broken('the record ends in "+all", which lets the whole world send for the domain')
        if qualifier == "?":
            self.remarks.append('the record ends in "?all", which says nothing; write "~all" or "-all"')

    def _address(self, domain: str, term: str, name: str) -> None:
        try:
            network = ipaddress.ip_network(term.partition(":")[2], strict=False)
        except ValueError:
            network = None
        if network is None or f"ip{network.version}" != name:
            raise _Broken(f"{domain}: {term!r} names no address")

    def _lead(self, domain: str, target: str, term: str, *, top: bool) -> None:
        """Follow an include or a redirect; one that leads to no record is a permanent error (section 5.2, 6.1)."""
        target = target.removesuffix(".").lower()
        if "%" in target:
            self.unknown.append(f"could not be found out: {term} depends on the letter, and cannot be followed here")
            return
        if target in self.path:
            raise _Broken(f"{domain}: {term} leads round in a circle")
        asked = len(self.unknown)
        record = self.record(target)
        if record is not None:
            self.follow(target, record, top=top)
        elif len(self.unknown) == asked:
            raise _Broken(f"{domain}: {term} leads to a domain without an SPF record")

    def _look_up(self, target: str, kinds: tuple[str, ...]) -> None:
        if "%" in target:
            return
        answers = [(kind, self.ask(target.removesuffix(".").lower(), kind)) for kind in kinds]
        if any(answer.outcome is Outcome.FOUND for _, answer in answers):
            return
        for kind, answer in answers:
            if not answer.known:
                self._could_not(target, kind, answer)
                return
        self.voids += 1
        if self.voids > MOST_VOIDS:
            raise _Broken(f"more than {MOST_VOIDS} of its look-ups find nothing, the last of them {target}")

    def _spend(self, domain: str) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Broken(f"it takes more than {MOST_LOOKUPS} look-ups (at {domain}), and receivers give up there")

    def _could_not(self, name: str, kind: str, answer: Answer) -> None:
        self.unknown.append(f"could not be found out: {answer.why} ({kind} of {name})")
