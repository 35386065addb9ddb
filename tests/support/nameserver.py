"""A name server on loopback that answers from a script, over UDP, with everything a real one may do wrong."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

SILENT: Final = "SILENT"
NONSENSE: Final = "NONSENSE"
_LONGEST_CHAIN: Final = 8

Zone = Mapping[str, Mapping[str, Sequence[str]]]
"""Records by name and type, written as in a zone file; names without a last dot."""


@dataclass
class NameServer:
    """Answers from `zone`. `trouble` says of a name (or of every one, as "*") what goes wrong there: SILENT, NONSENSE
    or the name of a response code. `asked` is what came in; the first `lost` of it get no answer.
    """

    zone: dict[str, dict[str, Sequence[str]]] = field(default_factory=dict)
    trouble: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    lost: int = 0
    address: tuple[str, int] = ("127.0.0.1", 0)

    def put(self, name: str, kind: str, *records: str) -> None:
        """Publish records in place of what stood there."""
        self.zone.setdefault(name, {})[kind] = records

    def take(self, name: str) -> None:
        """Take every record of a name away."""
        self.zone.pop(name, None)

    def answer(self, packet: bytes) -> bytes | None:
        """Return the bytes of an answer, or None for silence."""
        question = dns.message.from_wire(packet)
        name = question.question[0].name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.question[0].rdtype)
        self.asked.append((name, kind))
        trouble = self.trouble.get(name, self.trouble.get("*"))
        if trouble == SILENT or len(self.asked) <= self.lost:
            return None
        if trouble == NONSENSE:
            return packet[:2] + b"\xff" * 24
        answer = dns.message.make_response(question, recursion_available=True)
        if trouble is not None:
            answer.set_rcode(dns.rcode.from_text(trouble))
            return answer.to_wire()
        for _ in range(_LONGEST_CHAIN):
            records = self.zone.get(name, {})
            followed = "CNAME" if kind != "CNAME" and "CNAME" in records else kind
            if followed in records:
                answer.answer.append(_rrset(name, followed, records[followed]))
            if followed == kind:
                break
            name = records["CNAME"][0].removesuffix(".")
        if not self._exists(name):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()

    def _exists(self, name: str) -> bool:
        return any(one == name or one.endswith(f".{name}") for one in self.zone)


def _rrset(name: str, kind: str, records: Sequence[str]) -> dns.rrset.RRset:
    made = dns.rrset.from_text_list(dns.name.from_text(name), 300, dns.rdataclass.IN, kind, list(records))
    assert isinstance(made, dns.rrset.RRset)
    return made


def text(written: str) -> str:
    """Write the text of a TXT record as a zone file has it, in strings of at most 255 octets."""
    strings = [written[start : start + 255] for start in range(0, len(written), 255)] or [""]
    return " ".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in strings)


@contextlib.contextmanager
def serving(zone: Zone | None = None) -> Iterator[NameServer]:
    """Run a name server for as long as the block lasts."""
    server = NameServer({name: dict(kinds) for name, kinds in (zone or {}).items()})

    class _Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            packet, endpoint = self.request
            answer = server.answer(packet)
            if answer is not None:
                endpoint.sendto(answer, self.client_address)

    class _Server(socketserver.UDPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the base class has it
            raise  # noqa: PLE0704 - what breaks the script breaks the test

    with _Server(("127.0.0.1", 0), _Handler) as listening:
        server.address = ("127.0.0.1", listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
