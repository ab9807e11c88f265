"""Asks DNS within a time limit, and tells "there is none" from "could not ask".

What the answers mean is no matter of this module.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeAlias

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
import dns.reversename

from newsletter.rendering.headers import a_label
from newsletter.settings.check_part import split_resolver

Address: TypeAlias = IPv4Address | IPv6Address

ONE_QUESTION = 3.0
"""Seconds that one question may take."""
PATIENCE = 2
"""After so many questions in a row without any answer nothing more is asked."""
_DATAGRAM = 1232


class CouldNotAsk(Exception):  # noqa: N818 - it says what is known: nothing
    """DNS gave no answer: the resolver is away, or the servers of the domain are broken."""


def make_resolver(addresses: Sequence[str]) -> dns.resolver.Resolver:
    """Return a resolver that asks these servers, or without any those of this machine.

    Raises `CouldNotAsk` when the machine has none.
    """
    try:
        resolver = dns.resolver.Resolver(configure=not addresses)
    except (dns.exception.DNSException, OSError):
        raise CouldNotAsk("this machine has no resolver configured") from None
    if addresses:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(*split_resolver(address)) for address in addresses
        ]
    # Keys and long records fit into one datagram then (RFC 6891).
    resolver.use_edns(0, 0, _DATAGRAM)
    return resolver


class Asker:
    """Asks one resolver, each question once, and all of them within so many seconds.

    Every method returns nothing where there is no such record, and raises `CouldNotAsk` where
    that could not be found out. For one thread.
    """

    def __init__(self, resolver: dns.resolver.Resolver, *, seconds: float) -> None:
        self._resolver = resolver
        self._end = time.monotonic() + seconds
        self._silences = 0
        self._known: dict[tuple[str, str], tuple[Any, ...] | CouldNotAsk] = {}

    def reaches_the_world(self, domain: str) -> bool:
        """Return whether the resolver knows the top level of a domain at all.

        One that does not (a network cut off) says of every name that it does not exist.
        """
        top = domain.rpartition(".")[2]
        try:
            self._resolver.resolve(f"{top}.", "SOA", lifetime=self._time_for_one(), search=False)
        except dns.resolver.NXDOMAIN:
            return False
        except (dns.exception.Timeout, OSError):
            self._silences += 1
        except dns.exception.DNSException:
            # What the answer is worth the questions that matter will show.
            return True
        return True

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, sorted, each put together from its strings.

        RFC 7208 §3.3.
        """
        found = self._ask(name, "TXT")
        return tuple(sorted(b"".join(one.strings).decode("utf-8", "replace") for one in found))

    def addresses(self, name: str) -> tuple[Address, ...]:
        """Return the IPv4 and IPv6 addresses of a name; of an address itself that one."""
        try:
            return (ip_address(name.strip("[]")),)
        except ValueError:
            found = (*self._ask(name, "A"), *self._ask(name, "AAAA"))
        return tuple(ip_address(one.address) for one in found)

    def mail_hosts(self, name: str) -> tuple[str, ...]:
        """Return the hosts that take mail for a domain, preferred ones first; "" for a null MX."""
        found = sorted(self._ask(name, "MX"), key=lambda one: int(one.preference))
        return tuple(_plain(one.exchange) for one in found)

    def alias(self, name: str) -> str | None:
        """Return what a name is a CNAME of."""
        found = self._ask(name, "CNAME")
        return _plain(found[0].target) if found else None

    def names_of(self, address: Address) -> tuple[str, ...]:
        """Return the names that the reverse zone gives an address."""
        reverse = dns.reversename.from_address(str(address)).to_text(omit_final_dot=True)
        return tuple(_plain(one.target) for one in self._ask(reverse, "PTR"))

    def is_apex(self, name: str) -> bool:
        """Return whether a zone begins at this name."""
        return bool(self._ask(name, "SOA"))

    def _ask(self, name: str, kind: str) -> tuple[Any, ...]:
        key = (name.strip().rstrip(".").lower(), kind)
        known = self._known.get(key)
        if known is None:
            try:
                known = self._ask_anew(*key)
            except CouldNotAsk as problem:
                known = problem
            self._known[key] = known
        if isinstance(known, CouldNotAsk):
            raise known
        return known

    def _time_for_one(self) -> float:
        return max(0.1, min(ONE_QUESTION, self._end - time.monotonic()))

    def _ask_anew(self, name: str, kind: str) -> tuple[Any, ...]:
        if self._silences >= PATIENCE or time.monotonic() >= self._end:
            raise CouldNotAsk("DNS does not answer in time")
        try:
            absolute = dns.name.from_text(f"{name if name.isascii() else a_label(name)}.")
        except (dns.exception.DNSException, ValueError):
            # What is no name has no records.
            return ()
        try:
            answer = self._resolver.resolve(
                absolute, kind, lifetime=self._time_for_one(), search=False
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            self._silences = 0
            return ()
        except dns.resolver.NoNameservers:
            self._silences = 0
            raise CouldNotAsk(f"the resolver has no answer about {name} (SERVFAIL?)") from None
        except (dns.exception.DNSException, OSError):
            self._silences += 1
            raise CouldNotAsk(f"no answer about {name} in time") from None
        self._silences = 0
        return tuple(answer)


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower().rstrip(".")
