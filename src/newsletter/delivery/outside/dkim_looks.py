"""Judges DKIM: whether DNS publishes the key that signs, ours or SendGrid's (A13, A14)."""

from __future__ import annotations

from newsletter.delivery.outside.dkim_records import DkimRecord, is_dkim, read_dkim
from newsletter.delivery.outside.dns_asking import Asker
from newsletter.delivery.outside.dns_health import DnsHealth, advice, record, unknown, well, wrong
from newsletter.delivery.outside.sender_setup import DkimSetup, SenderSetup
from newsletter.providers.dkim_keys import ADVISED_RSA, SMALLEST_RSA

SENDGRID_ALIASES = ("s1", "s2")
"""Selectors that SendGrid keeps by itself; each is a CNAME to a name of theirs."""
SENDGRID_TEXT = "m1"
"""The selector of a domain that SendGrid does not keep by itself."""

_WHY = "receivers cannot verify the signature; bulk mail without a valid one is refused or hidden"


def look_at_dkim(asker: Asker, setup: SenderSetup) -> DnsHealth:
    """Judge the record of the key that we sign with over SMTP; raises `CouldNotAsk`."""
    dkim = setup.dkim
    if dkim is None:
        domain = setup.from_domains[0]
        return unknown(
            "DKIM",
            domain,
            f"the relay signs, so nobody here knows its selector for {domain}",
            fix="send yourself a 'newsletter test' and look for dkim=pass with "
            f"header.d={domain} in its Authentication-Results",
        )
    publish = f"publish {record(dkim.name, 'TXT', dkim.published or 'v=DKIM1; k=rsa; p=…')}"
    texts = [text for text in asker.texts(dkim.name) if is_dkim(text)]
    if not texts:
        return wrong("DKIM", dkim.domain, f"{dkim.name} holds no key", why=_WHY, fix=publish)
    if len(texts) > 1:
        return wrong(
            "DKIM",
            dkim.domain,
            f"{dkim.name} holds {len(texts)} keys",
            why="receivers take any of them, often the wrong one",
            fix=f"leave one record: {record(dkim.name, 'TXT', dkim.published or texts[0])}",
        )
    return _look_at_key(dkim, read_dkim(texts[0]), publish)


def _look_at_key(dkim: DkimSetup, found: DkimRecord, publish: str) -> DnsHealth:
    name = dkim.name
    if found.problem is not None:
        problem = f"the key at {name} cannot be used: {found.problem}"
        return wrong("DKIM", dkim.domain, problem, why=_WHY, fix=publish)
    if dkim.published is not None and read_dkim(dkim.published).key != found.key:
        return wrong(
            "DKIM",
            dkim.domain,
            f"the key at {name} is not the one that signs",
            why="every signature fails",
            fix=publish,
        )
    if found.kind == "rsa" and found.bits < SMALLEST_RSA:
        return wrong(
            "DKIM",
            dkim.domain,
            f"the key at {name} has {found.bits} bit, fewer than {SMALLEST_RSA}",
            why=_WHY,
            fix="make a larger one, publish it under a new selector, then sign with it",
        )
    if dkim.published is None:
        return unknown(
            "DKIM",
            dkim.domain,
            f"{name} holds a key; whether it is ours cannot be told: {dkim.problem}",
        )
    size = f"{found.kind}, {found.bits} bit"
    if found.kind == "rsa" and found.bits < ADVISED_RSA:
        return advice(
            "DKIM",
            dkim.domain,
            f"{name} holds the key that signs ({size})",
            why=f"keys below {ADVISED_RSA} bit are accepted for now only (RFC 8301)",
            fix="make a key of 2048 bit, publish it under a new selector, then sign with it",
        )
    if found.testing:
        return advice(
            "DKIM",
            dkim.domain,
            f"{name} holds the key that signs ({size}), marked as a test",
            why="receivers treat mail with a test key as if it were unsigned",
            fix="take t=y out of the record",
        )
    return well("DKIM", dkim.domain, f"{name} holds the key that signs ({size})")


def sendgrid_domain(asker: Asker, from_domain: str, organisation: str) -> str | None:
    """Return the domain that SendGrid signs for, as its records tell; raises `CouldNotAsk`.

    The From domain itself or one above it, up to its organisation.
    """
    name = from_domain
    while True:
        if any(_sendgrid_alias(asker, s, name) for s in SENDGRID_ALIASES) or _sendgrid_text(
            asker, name
        ):
            return name
        if name == organisation or "." not in name.partition(".")[2]:
            return None
        name = name.partition(".")[2]


def look_at_sendgrid(asker: Asker, from_domain: str, signs_for: str | None) -> DnsHealth:
    """Judge the records by which SendGrid signs for a domain; raises `CouldNotAsk`."""
    if signs_for is None:
        return wrong(
            "DKIM",
            from_domain,
            f"{from_domain} is not authenticated at SendGrid: no s1._domainkey, no s2._domainkey",
            why="SendGrid then signs for itself and not for you: DMARC fails",
            fix="in SendGrid, Settings, Sender Authentication, authenticate the domain; publish "
            f"the records it shows: {record(f's1._domainkey.{from_domain}', 'CNAME', _shown(1))}, "
            f"the same for s2, and emNUMBER.{from_domain} CNAME uNUMBER.wlNUMBER.sendgrid.net",
        )
    if _sendgrid_text(asker, signs_for):
        return well("DKIM", signs_for, f"{SENDGRID_TEXT}._domainkey.{signs_for} holds a key")
    missing = [s for s in SENDGRID_ALIASES if not _sendgrid_alias(asker, s, signs_for)]
    if missing:
        name = f"{missing[0]}._domainkey.{signs_for}"
        return wrong(
            "DKIM",
            signs_for,
            f"{name} is no CNAME to SendGrid",
            why="SendGrid changes from one key to the other: then every signature fails",
            fix=f"publish {record(name, 'CNAME', _shown(int(missing[0][1])))} as SendGrid shows it",
        )
    for selector in SENDGRID_ALIASES:
        name = f"{selector}._domainkey.{signs_for}"
        texts = [text for text in asker.texts(name) if is_dkim(text)]
        problem = read_dkim(texts[0]).problem if texts else "it holds no key"
        # The second key may stay empty until SendGrid turns to it.
        if problem is not None and selector == SENDGRID_ALIASES[0]:
            return wrong(
                "DKIM",
                signs_for,
                f"{name} leads to SendGrid, and there {problem}",
                why=_WHY,
                fix="compare the CNAME with the one SendGrid shows, then press Verify there",
            )
    return well("DKIM", signs_for, f"SendGrid signs for {signs_for} with s1 and s2")


def _sendgrid_alias(asker: Asker, selector: str, domain: str) -> bool:
    target = asker.alias(f"{selector}._domainkey.{domain}")
    return target is not None and target.endswith(".sendgrid.net")


def _sendgrid_text(asker: Asker, domain: str) -> bool:
    texts = asker.texts(f"{SENDGRID_TEXT}._domainkey.{domain}")
    return any(is_dkim(text) and read_dkim(text).problem is None for text in texts)


def _shown(number: int) -> str:
    return f"s{number}.domainkey.uNUMBER.wlNUMBER.sendgrid.net"
