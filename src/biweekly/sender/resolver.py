"""Edge: DNS. Asks a name server, and tells what it said from what could not be found out.

A domain that does not exist, a record that does not exist, a server that failed and silence are four answers: only the
first two say anything about the domain.
"""

import contextlib
import ipaddress
import re
import time
from typing import Any, Final

import dns.exception
import dns.name
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

from biweekly.errors import UsageError
from biweekly.sender.answer import Answer, Outcome

_PATIENCE_S: Final = 3.0  # for one question, all tries together
_IN_ALL_S: Final = 20.0  # for all questions; what is asked later has no answer
_DEAF_AFTER: Final = 2  # questions in a row that nothing came back for, before anything ever did
_LARGEST_UDP: Final = 1232  # octets; what passes nearly every network whole
_PORT: Final = 53
_LAST_PORT: Final = 65_535
_SERVER: Final = re.compile(r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<plain>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?")


class Resolver:
    """Asks one name server, or those of this system. Remembers answers for as long as it lives."""

    def __init__(
        self, server: tuple[str, int] | None = None, *, patience_s: float = _PATIENCE_S, in_all_s: float = _IN_ALL_S
    ) -> None:
        self._patience_s = patience_s
        self._until = time.monotonic() + in_all_s
        self._known: dict[tuple[str, str], Answer] = {}
        self._heard = False
        self._unheard = 0
        self._resolver: dns.resolver.Resolver | None = None
        try:
            made = dns.resolver.Resolver(configure=server is None)
        except (dns.exception.DNSException, OSError):
            return  # no resolv.conf, or an empty one: nobody can be asked
        if server is not None:
            made.nameservers, made.port = [server[0]], server[1]
        made.use_edns(0, 0, _LARGEST_UDP)
        made.timeout = patience_s / 2  # twice, because a datagram may be lost
        self._resolver = made

    def __call__(self, name: str, kind: str) -> Answer:
        """Ask for the records of a name. Never raises; a name that cannot be asked for does not exist."""
        if (name, kind) not in self._known:
            answer = self._known[name, kind] = self._ask(name, kind)
            self._heard = self._heard or answer.outcome is not Outcome.NO_ANSWER
            self._unheard += answer.outcome is Outcome.NO_ANSWER
        return self._known[name, kind]

    def _ask(self, name: str, kind: str) -> Answer:
        if self._resolver is None:
            return Answer(Outcome.NO_ANSWER, words="this machine knows no name server")
        left = min(self._patience_s, self._until - time.monotonic())
        if left <= 0 or (not self._heard and self._unheard >= _DEAF_AFTER):
            return Answer(Outcome.NO_ANSWER, words="the name server did not answer what was asked before")
        try:
            asked = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return Answer(Outcome.NO_SUCH_NAME)
        try:
            found = self._resolver.resolve(asked, kind, search=False, raise_on_no_answer=False, lifetime=left)
        except (dns.exception.DNSException, OSError) as error:
            return _without_records(error)
        if found.rrset is None:
            return Answer(Outcome.NO_SUCH_RECORD)
        return Answer(Outcome.FOUND, tuple(_text(one) for one in found.rrset))


def _without_records(error: Exception) -> Answer:
    match error:
        case dns.resolver.NXDOMAIN():
            return Answer(Outcome.NO_SUCH_NAME)
        case dns.exception.Timeout():
            return Answer(Outcome.NO_ANSWER, words="the name server did not answer in time")
        case dns.resolver.NoNameservers():
            # With a response somebody answered, and failed; without one nobody could be reached.
            failures = [failure for *_, failure, response in error.kwargs.get("errors", ()) if response is not None]
            if not failures:
                return Answer(Outcome.NO_ANSWER, words="no name server could be reached")
            return Answer(Outcome.SERVER_FAILED, words=f"the name server answered {failures[-1]}")
    return Answer(Outcome.SERVER_FAILED, words="the name server's answer made no sense")


def parse_server(text: str) -> tuple[str, int]:
    """Read `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::53]:53`; UsageError `resolver-form` for anything else."""
    found = _SERVER.fullmatch(text)
    if found is not None and 0 < int(found["port"] or _PORT) <= _LAST_PORT:
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(found["bracketed"] or found["plain"])
            return str(address), int(found["port"] or _PORT)
    raise UsageError(
        f"{text} is no address of a name server",
        code="resolver-form",
        hint="--resolver 192.0.2.53:53, or [2001:db8::53]:53",
    )


def _text(rdata: Any) -> str:
    if isinstance(rdata, TXT):
        return b"".join(rdata.strings).decode("utf-8", "replace")
    return str(rdata.to_text())
