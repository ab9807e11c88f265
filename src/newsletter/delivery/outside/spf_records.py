"""Reads SPF records as a receiver would (RFC 7208): one tree of records, their cost, whom they let.

Only the records are judged here; which hosts ought to be let is for `sender_looks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias

from newsletter.delivery.outside.dns_asking import Address, Asker

MOST_LOOKUPS = 10
"""Terms that ask DNS, all included records together (RFC 7208 §4.6.4)."""
MOST_VOID = 2
"""Such terms that find nothing (RFC 7208 §4.6.4)."""
GIVE_UP = 30
"""Terms after which nothing more of a tree is read."""

Network: TypeAlias = IPv4Network | IPv6Network

_QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_TERM = re.compile(r"([-+~?]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/])(\S*))?", re.IGNORECASE)
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)=(\S*)")
_MASKS = re.compile(r"(.*?)(?:/([0-9]{1,2}))?(?://([0-9]{1,3}))?")
_ASKING = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})


@dataclass(frozen=True, slots=True)
class SpfTerm:
    """One word of a record: what it lets in, as far as it can be told without a message."""

    text: str
    kind: str
    result: str
    networks: tuple[Network, ...] = ()
    inner: SpfRecord | None = None
    open_end: bool = False
    """Whether it depends on the message itself (macros, `exists`, `ptr`)."""


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A record with all that it includes; `problems` make a receiver ignore it altogether."""

    domain: str
    text: str
    terms: tuple[SpfTerm, ...]
    problems: tuple[str, ...]
    void: int = 0

    @property
    def lookups(self) -> int:
        """Return how many terms ask DNS, in this record and in those it includes."""
        return sum(1 for term in self._all_terms() if term.kind in _ASKING)

    @property
    def includes(self) -> frozenset[str]:
        """Return every domain whose record is included or redirected to."""
        return frozenset(t.inner.domain for t in self._all_terms() if t.inner is not None)

    @property
    def lets_everybody(self) -> bool:
        """Return whether it says yes to any sender at all."""
        return any(term.kind == "all" and term.result == "pass" for term in self.terms)

    def result_for(self, address: Address) -> str | None:
        """Return pass, fail, softfail or neutral; None where only a real message would tell."""
        unsure = False
        for term in self.terms:
            match = self._matches(term, address)
            if match:
                return None if unsure else term.result
            unsure = unsure or match is None
        redirect = next((t.inner for t in self.terms if t.kind == "redirect"), None)
        if redirect is not None and not any(t.kind == "all" for t in self.terms):
            result = redirect.result_for(address)
            return None if unsure else result
        return None if unsure else "neutral"

    @staticmethod
    def _matches(term: SpfTerm, address: Address) -> bool | None:
        if term.kind == "all":
            return True
        if term.kind == "include" and term.inner is not None:
            inner = term.inner.result_for(address)
            return None if inner is None else inner == "pass"
        if term.open_end:
            return None
        return any(address.version == n.version and address in n for n in term.networks)

    def _all_terms(self) -> Iterator[SpfTerm]:
        for term in self.terms:
            yield term
            if term.inner is not None:
                yield from term.inner._all_terms()


def spf_texts(asker: Asker, domain: str) -> tuple[str, ...]:
    """Return the TXT records of a domain that are SPF; raises `CouldNotAsk`."""
    return tuple(
        text for text in asker.texts(domain) if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE)
    )


def read_spf(asker: Asker, domain: str, text: str) -> SpfRecord:
    """Read a record and what it includes; raises `CouldNotAsk`."""
    return _Reader(asker).read(domain, text, ())


class _Reader:
    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._count = 0
        self._void = 0

    def read(self, domain: str, text: str, above: tuple[str, ...]) -> SpfRecord:
        problems: list[str] = []
        terms = [
            term
            for word in text.split()[1:]
            if (term := self._term(word, domain, above, problems)) is not None
        ]
        return SpfRecord(domain, text, tuple(terms), tuple(problems), self._void)

    def _term(
        self, word: str, domain: str, above: tuple[str, ...], problems: list[str]
    ) -> SpfTerm | None:
        here = (*above, domain)
        if modifier := _MODIFIER.fullmatch(word):
            if modifier[1].lower() != "redirect":
                return None
            return self._branch(SpfTerm(word, "redirect", "pass"), modifier[2], here, problems)
        match = _TERM.fullmatch(word)
        if match is None:
            problems.append(f"'{word[:60]}' in the record of {domain} is no SPF")
            return None
        colon, rest = match[3], match[4] or ""
        bare = SpfTerm(word, match[2].lower(), _QUALIFIERS[match[1] or "+"])
        if bare.kind == "all":
            return bare
        if bare.kind in ("ip4", "ip6"):
            return _literal(bare, rest, problems)
        if bare.kind == "include":
            return self._branch(bare, rest, here, problems)
        self._count += 1
        argument = rest if colon == ":" else f"/{rest}" if colon == "/" else ""
        if bare.kind in ("ptr", "exists") or "%" in argument:
            return replace(bare, open_end=True)
        return replace(bare, networks=self._hosts(bare.kind, argument, domain))

    def _branch(
        self, bare: SpfTerm, target: str, above: tuple[str, ...], problems: list[str]
    ) -> SpfTerm:
        self._count += 1
        name = target.rstrip(".").lower()
        if "%" in name or self._count > GIVE_UP:
            return replace(bare, open_end=True)
        if not name or name in above:
            trouble = "leads back to itself" if name else "names no domain"
            problems.append(f"'{bare.text[:60]}' {trouble}")
            return bare
        texts = spf_texts(self._asker, name)
        if len(texts) != 1:
            self._void += not self._asker.texts(name)
            problems.append(f"'{bare.text[:60]}' leads to {len(texts)} SPF records instead of one")
            return bare
        inner = self.read(name, texts[0], above)
        problems += inner.problems
        return replace(bare, inner=inner)

    def _hosts(self, kind: str, argument: str, domain: str) -> tuple[Network, ...]:
        match = _MASKS.fullmatch(argument)
        name, four, six = (match[1], match[2], match[3]) if match else (argument, None, None)
        name = name.rstrip(".") or domain
        if self._count > GIVE_UP:
            return ()
        hosts = (name,) if kind == "a" else self._asker.mail_hosts(name)[:10]
        addresses = [a for host in hosts if host for a in self._asker.addresses(host)]
        self._void += not addresses
        return tuple(
            ip_network((address, _mask(address, four, six)), strict=False) for address in addresses
        )


def _literal(bare: SpfTerm, rest: str, problems: list[str]) -> SpfTerm | None:
    try:
        network = ip_network(rest, strict=False)
    except ValueError:
        network = None
    if network is None or f"ip{network.version}" != bare.kind:
        problems.append(f"'{bare.text[:60]}' holds no IPv{bare.kind[-1]} address")
        return None
    return replace(bare, networks=(network,))


def _mask(address: Address, four: str | None, six: str | None) -> int:
    given = four if address.version == 4 else six
    return min(int(given), address.max_prefixlen) if given else address.max_prefixlen
