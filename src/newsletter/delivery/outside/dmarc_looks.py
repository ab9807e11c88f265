"""Judges DMARC: that there is a policy, and that what passes speaks for the From domain (A14)."""

from __future__ import annotations

from newsletter.delivery.outside.dmarc_records import DmarcWalk, walk_up
from newsletter.delivery.outside.dns_asking import Asker
from newsletter.delivery.outside.dns_health import DnsHealth, record, unknown, well, wrong

_WHY = "Gmail, Yahoo and others refuse bulk mail of a domain without DMARC"


def look_at_dmarc(asker: Asker, walk: DmarcWalk) -> DnsHealth:
    """Judge the policy that stands for a From domain; raises `CouldNotAsk`."""
    if walk.record is not None:
        place = f"_dmarc.{walk.record.domain}"
        reports = "" if walk.record.reported else ", nobody gets reports (rua=)"
        return well("DMARC", walk.domain, f"{place} says p={walk.policy}{reports}")
    for broken in walk.broken:
        return wrong(
            "DMARC",
            walk.domain,
            f"the record at _dmarc.{broken.domain} does not count: {broken.problem}",
            why=_WHY,
            fix=f"leave one record: {_policy(broken.domain)}",
        )
    return wrong(
        "DMARC",
        walk.domain,
        f"there is no DMARC record for {walk.domain}",
        why=_WHY,
        fix=f"publish {_policy(_zone(asker, walk.domain))}, later p=quarantine",
    )


def look_at_alignment(
    asker: Asker, walk: DmarcWalk, *, envelope: str | None, signs_for: str | None
) -> DnsHealth:
    """Judge whether SPF's or DKIM's domain stands for the From domain (RFC 9989 §4.4).

    `envelope` and `signs_for` are None where they are not known. Raises `CouldNotAsk`.
    """
    strict = walk.record
    by_spf = envelope is not None and _aligned(
        asker, walk, envelope, strict=strict is not None and strict.strict_spf
    )
    by_dkim = signs_for is not None and _aligned(
        asker, walk, signs_for, strict=strict is not None and strict.strict_dkim
    )
    ways = [f"SPF by {envelope}"] * by_spf + [f"DKIM by {signs_for}"] * by_dkim
    if ways:
        only = ", SPF's domain is another" if envelope is not None and not by_spf else ""
        return well("alignment", walk.domain, f"{' and '.join(ways)} for {walk.domain}{only}")
    if signs_for is None:
        return unknown(
            "alignment",
            walk.domain,
            f"whether the relay's signature speaks for {walk.domain} cannot be told from here"
            + (f"; SPF does not: its domain is {envelope}" if envelope is not None else ""),
        )
    return wrong(
        "alignment",
        walk.domain,
        f"neither SPF ({envelope or 'unknown'}) nor DKIM ({signs_for}) speaks for {walk.domain}",
        why="DMARC fails for every message, however right each record is",
        fix=f"sign for {walk.domain} (delivery.smtp.dkim_domain), "
        f"or let bounces come to {walk.domain} or below it (sender.bounce_domain)",
    )


def _aligned(asker: Asker, walk: DmarcWalk, domain: str, *, strict: bool) -> bool:
    if domain == walk.domain:
        return True
    if strict:
        return False
    other = walk_up(asker, domain)
    if walk.record is None and other.record is None:
        # Nothing says yet where the organisation begins: one below the other will do.
        one, two = sorted((domain, walk.domain), key=len)
        return two.endswith(f".{one}") or _zone(asker, one) == _zone(asker, two)
    return other.organisation == walk.organisation


def _policy(domain: str) -> str:
    return record(f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}")


def _zone(asker: Asker, domain: str) -> str:
    """Return the zone that a domain is in, which its owner can change; else the domain itself."""
    name = domain
    while "." in name:
        if asker.is_apex(name):
            return name
        name = name.partition(".")[2]
    return domain
