"""A DNS server on loopback that knows the zones a test gives it, and can fail as real ones do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset


@dataclass
class DnsServer:
    """Answers from `records`; names in `broken` get SERVFAIL, those in `silent` no answer.

    `silent = {"*"}` answers nothing at all. `asked` is every question so far.
    """

    port: int
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """What `check.dns_resolvers` names it by."""
        return f"127.0.0.1:{self.port}"

    def resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks this server alone."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver("127.0.0.1", self.port)]
        return resolver

    def publish(self, name: str, kind: str, *values: str) -> None:
        """Put records of one name and kind in place of those that are there; none: take away."""
        if not values:
            self.records.pop((name, kind), None)
            return
        self.records[name, kind] = list(values)

    def publish_text(self, name: str, *values: str) -> None:
        """Put TXT records in place, each cut into strings of 255 characters."""
        self.publish(name, "TXT", *(" ".join(f'"{p}"' for p in _pieces(v)) for v in values))

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        """Return the answer to one question; None for silence."""
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name in self.silent or "*" in self.silent:
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        if name in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer
        alias = self.records.get((name, "CNAME"))
        if alias and kind != "CNAME":
            answer.answer.append(self._set(name, "CNAME"))
            name = alias[0].rstrip(".")
        if (name, kind) in self.records:
            answer.answer.append(self._set(name, kind))
        elif not any(n == name or n.endswith(f".{name}") for n, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def _set(self, name: str, kind: str) -> dns.rrset.RRset:
        return dns.rrset.from_text(f"{name}.", 60, "IN", kind, *self.records[name, kind])


def _pieces(value: str) -> Iterable[str]:
    return (value[at : at + 255] for at in range(0, len(value), 255))


@contextmanager
def running_dns() -> Generator[DnsServer]:
    """Run a server on a free port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        server = DnsServer(wire.getsockname()[1])

        def serve() -> None:
            while True:
                data, client = wire.recvfrom(4096)
                if data == b"stop":
                    return
                answer = server.answer(dns.message.from_wire(data))
                if answer is not None:
                    wire.sendto(answer.to_wire(max_size=4096), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"stop", ("127.0.0.1", server.port))
            thread.join(timeout=10)
