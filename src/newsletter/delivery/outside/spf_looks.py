"""Judges SPF: whether the domain of the return path lets the server that sends (A14).

How a record reads is in `spf_records`; nothing is asked here but through the asker.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from newsletter.delivery.outside.dns_asking import Address, Asker
from newsletter.delivery.outside.dns_health import DnsHealth, advice, record, unknown, well, wrong
from newsletter.delivery.outside.sender_setup import SenderSetup
from newsletter.delivery.outside.spf_records import (
    MOST_LOOKUPS,
    MOST_VOID,
    SpfRecord,
    read_spf,
    spf_texts,
)

_END = re.compile(r"[-+~?]?all|redirect=.*", re.IGNORECASE)
_WHY = "mailbox providers refuse or hide bulk mail whose sender SPF does not vouch for"
_VOID = "receivers then act as if there were no SPF at all"


def look_at_spf(asker: Asker, setup: SenderSetup) -> DnsHealth:
    """Judge SPF of the domain that bounces go to; raises `CouldNotAsk`."""
    domain = setup.envelope
    if domain is None:
        raise ValueError("only a sender with a return path of its own has SPF to look at")
    texts = spf_texts(asker, domain)
    if not texts:
        value = f"v=spf1 {_mechanism(setup) or 'ip4:ADDRESS-THAT-SENDS'} -all"
        return wrong(
            "SPF",
            domain,
            f"{domain} has no SPF record",
            why=_WHY,
            fix=f"publish {record(domain, 'TXT', value)}",
        )
    if len(texts) > 1:
        return wrong(
            "SPF",
            domain,
            f"{domain} has {len(texts)} SPF records",
            why=_VOID,
            fix=f"publish one: {record(domain, 'TXT', _joined(texts))}",
        )
    spf = read_spf(asker, domain, texts[0])
    return _look_at_record(spf) or _look_at_relay(asker, setup, spf)


def _look_at_record(spf: SpfRecord) -> DnsHealth | None:
    if spf.problems:
        more = f" (and {len(spf.problems) - 1} more)" if len(spf.problems) > 1 else ""
        return wrong(
            "SPF",
            spf.domain,
            f"{spf.problems[0]}{more}",
            why=_VOID,
            fix=f"correct the TXT record of {spf.domain}, now {spf.text[:200]!r}",
        )
    if spf.lookups > MOST_LOOKUPS:
        return wrong(
            "SPF",
            spf.domain,
            f"the record of {spf.domain} takes {spf.lookups} lookups, more than {MOST_LOOKUPS}",
            why=_VOID,
            fix="take out what no longer sends, or name networks with ip4: and ip6: "
            f"instead of include: in {spf.text[:200]!r}",
        )
    if spf.void > MOST_VOID:
        return wrong(
            "SPF",
            spf.domain,
            f"{spf.void} names in the record of {spf.domain} lead nowhere",
            why=_VOID,
            fix=f"take them out of {spf.text[:200]!r}",
        )
    if spf.lets_everybody:
        return wrong(
            "SPF",
            spf.domain,
            f"the record of {spf.domain} lets everybody in with +all",
            why="anybody may send in your name, and receivers trust it accordingly",
            fix="end it with -all",
        )
    return None


def _look_at_relay(asker: Asker, setup: SenderSetup, spf: SpfRecord) -> DnsHealth:
    include = setup.relay_include
    if include is not None:
        if include in spf.includes:
            return _fine(spf, f"includes {include}")
        return wrong(
            "SPF",
            spf.domain,
            f"the record of {spf.domain} does not include {include}, by which {setup.relay} sends",
            why=_WHY,
            fix=f"publish {record(spf.domain, 'TXT', _with(spf, f'include:{include}'))}",
        )
    host, addresses = sending_addresses(asker, setup)
    if not addresses:
        return unknown(
            "SPF",
            spf.domain,
            f"the record of {spf.domain} is in order; by which public address {setup.relay} "
            "sends cannot be told from here",
            fix="set delivery.smtp.local_hostname to the public name of the server that sends",
        )
    results = [spf.result_for(address) for address in addresses]
    shown = f"{host} ({', '.join(map(str, addresses[:4]))})"
    if all(result == "pass" for result in results):
        return _fine(spf, f"lets {shown}")
    if any(result is None for result in results):
        return unknown(
            "SPF",
            spf.domain,
            f"whether the record of {spf.domain} lets {shown} depends on the message",
        )
    finding = wrong if same_sender(host, setup) else advice
    left = [a for a, result in zip(addresses, results, strict=True) if result != "pass"]
    return finding(
        "SPF",
        spf.domain,
        f"the record of {spf.domain} does not let {host} ({', '.join(map(str, left[:4]))})",
        why=_WHY,
        fix=f"if it sends by this address, publish "
        f"{record(spf.domain, 'TXT', _with(spf, f'a:{host}'))}; "
        "else include what the relay's own instructions name",
    )


def sending_addresses(asker: Asker, setup: SenderSetup) -> tuple[str, tuple[Address, ...]]:
    """Return the host that most likely speaks to receivers, and its public addresses.

    Empty where it is only known by a private name. Raises `CouldNotAsk`.
    """
    for host in (setup.greeting, setup.relay):
        if host is None or host == "localhost":
            continue
        addresses = tuple(a for a in asker.addresses(host) if a.is_global)
        if addresses:
            return host, addresses
    return setup.greeting or setup.relay or "", ()


def same_sender(host: str, setup: SenderSetup) -> bool:
    """Return whether a host bears the name of a domain we send for, so that it is our own."""
    return any(host == d or host.endswith(f".{d}") for d in setup.from_domains)


def _fine(spf: SpfRecord, what: str) -> DnsHealth:
    cost = f"{spf.lookups} of {MOST_LOOKUPS} lookups"
    return well("SPF", spf.domain, f"the record of {spf.domain} {what}; {cost}")


def _mechanism(setup: SenderSetup) -> str | None:
    if setup.relay_include is not None:
        return f"include:{setup.relay_include}"
    host = setup.greeting or setup.relay or "localhost"
    try:
        address = ip_address(host)
    except ValueError:
        return f"a:{host}" if "." in host else None
    return f"ip{address.version}:{address}" if address.is_global else None


def _with(spf: SpfRecord, mechanism: str) -> str:
    """Return the record with one more mechanism, before whatever ends it."""
    words = spf.text.split()
    at = next((n for n, word in enumerate(words) if _END.fullmatch(word)), len(words))
    return " ".join([*words[:at], mechanism, *words[at:]])


def _joined(texts: tuple[str, ...]) -> str:
    words = [word for text in texts for word in text.split()[1:]]
    ends = [word for word in words if _END.fullmatch(word)]
    middle = dict.fromkeys(word for word in words if word not in ends)
    return " ".join(["v=spf1", *middle, ends[-1] if ends else "-all"])
