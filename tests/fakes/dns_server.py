"""A DNS server on loopback that knows the zones a test gives it, and can fail as real ones do.

What does not fit into a datagram of the size that the question allows is cut short and must be
asked for again by TCP (RFC 1035 section 4.2.1, RFC 6891 section 6.2.5). A name with an alias has
nothing else (RFC 1034 section 3.6.2).
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset


@dataclass
class DnsServer:
    """Answers from `records`; names in `broken` get SERVFAIL, those in `silent` no answer.

    `silent = {"*"}` answers nothing at all. `asked` is every question so far,
    `by_tcp` how many came again by TCP.
    """

    port: int
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    by_tcp: int = 0

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
        others = {k for n, k in self.records if n == name and k != kind}
        if others and ("CNAME" in others or kind == "CNAME"):
            raise ValueError(
                f"{name} has an alias, or gets one, and other records: no zone loads so"
            )
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
def _one_port() -> Generator[tuple[socket.socket, socket.socket]]:
    """Open a port that is free for datagrams and for streams."""
    while True:
        streams = socket.create_server(("127.0.0.1", 0))
        wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            wire.bind(streams.getsockname())
            break
        except OSError:  # somebody has it for datagrams
            wire.close()
            streams.close()
    with wire, streams:
        yield wire, streams
        with contextlib.suppress(OSError):
            streams.shutdown(socket.SHUT_RDWR)


@contextmanager
def running_dns() -> Generator[DnsServer]:
    """Run a server on a free port of loopback."""
    with _one_port() as (wire, streams):
        server = DnsServer(wire.getsockname()[1])

        def serve() -> None:
            while True:
                data, client = wire.recvfrom(4096)
                if data == b"stop":
                    return
                query = dns.message.from_wire(data)
                answer = server.answer(query)
                if answer is None:
                    continue
                most = max(512, query.payload) if query.edns >= 0 else 512
                try:
                    wire.sendto(answer.to_wire(max_size=most), client)
                except dns.exception.TooBig:
                    short = dns.message.make_response(query)
                    short.flags |= dns.flags.TC
                    wire.sendto(short.to_wire(), client)

        def serve_tcp() -> None:
            while True:
                try:
                    line, _ = streams.accept()
                except OSError:
                    return
                with line, contextlib.suppress(OSError, EOFError):
                    line.settimeout(5)
                    query, _ = dns.query.receive_tcp(line)
                    server.by_tcp += 1
                    answer = server.answer(query)
                    if answer is not None:
                        dns.query.send_tcp(line, answer)

        threading.Thread(target=serve_tcp, daemon=True).start()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"stop", ("127.0.0.1", server.port))
            thread.join(timeout=10)
