"""Finds and reads DMARC records, and tells which domains stand for one another (RFC 9989).

The organisational domain is found by walking up the tree of names (§4.10), so that no list of
public suffixes is needed, which would be stale the day after it was shipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from newsletter.delivery.outside.dkim_records import read_tags
from newsletter.delivery.outside.dns_asking import Asker

LONGEST_WALK = 8
"""Names that are asked at most (RFC 9989 §4.10)."""

_POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One domain's record; `problem` makes a receiver ignore it."""

    domain: str
    text: str
    policy: str = "none"
    subdomain_policy: str | None = None
    strict_spf: bool = False
    strict_dkim: bool = False
    public_suffix: str = "u"
    reported: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class DmarcWalk:
    """What stands on the way from a domain up: its `organisation`, and the record that rules it."""

    domain: str
    organisation: str
    record: DmarcRecord | None
    broken: tuple[DmarcRecord, ...] = ()

    @property
    def policy(self) -> str | None:
        """Return what a receiver is asked to do with mail of this domain that fails."""
        if self.record is None:
            return None
        if self.record.domain != self.domain and self.record.subdomain_policy is not None:
            return self.record.subdomain_policy
        return self.record.policy


def walk_up(asker: Asker, domain: str) -> DmarcWalk:
    """Look for DMARC at a domain and above it; raises `CouldNotAsk`."""
    domain = domain.rstrip(".").lower()
    good: list[DmarcRecord] = []
    broken: list[DmarcRecord] = []
    for name in _names(domain):
        found = _record_of(asker, name)
        if found is None:
            continue
        if found.problem is not None:
            broken.append(found)
            continue
        good.append(found)
        if found.public_suffix == "n" or (found.public_suffix == "y" and name != domain):
            break
    organisation = _organisation(domain, good)
    # Its own, else its organisation's, else that of the public suffix above (§4.10.1).
    by_name = {found.domain: found for found in good}
    suffix = next((found for found in good if found.public_suffix == "y"), None)
    ruling = by_name.get(domain) or by_name.get(organisation) or suffix
    return DmarcWalk(domain, organisation, ruling, tuple(broken))


def read_dmarc(domain: str, text: str) -> DmarcRecord:
    """Read one record (RFC 9989 §4.7); unknown tags and bad optional values are passed over."""
    tags = read_tags(text)
    if tags is None:
        return DmarcRecord(domain, text, problem="it is not of the form 'v=DMARC1; p=none'")
    policy = tags.get("p", "").lower()
    if policy not in _POLICIES:
        said = f"p={tags['p'][:20]}" if "p" in tags else "no p="
        return DmarcRecord(
            domain, text, problem=f"it has {said} instead of p=none, quarantine or reject"
        )
    subdomain = tags.get("sp", "").lower()
    return DmarcRecord(
        domain,
        text,
        policy,
        subdomain if subdomain in _POLICIES else None,
        strict_spf=tags.get("aspf", "r").lower() == "s",
        strict_dkim=tags.get("adkim", "r").lower() == "s",
        public_suffix=tags.get("psd", "u").lower(),
        reported=bool(tags.get("rua")),
    )


def _record_of(asker: Asker, name: str) -> DmarcRecord | None:
    texts = [
        text
        for text in asker.texts(f"_dmarc.{name}")
        if re.match(r"\s*v\s*=\s*DMARC1\s*(?:;|$)", text)
    ]
    if not texts:
        return None
    if len(texts) > 1:
        return DmarcRecord(name, texts[0], problem=f"there are {len(texts)} of them")
    return read_dmarc(name, texts[0])


def _names(domain: str) -> list[str]:
    labels = domain.split(".")
    names = [domain]
    rest = labels[1:] if len(labels) <= LONGEST_WALK else labels[-(LONGEST_WALK - 1) :]
    while rest:
        names.append(".".join(rest))
        rest = rest[1:]
    return names


def _organisation(domain: str, good: list[DmarcRecord]) -> str:
    """Return the domain that all names below it belong to (RFC 9989 §4.10.2)."""
    for found in good:
        if found.public_suffix == "n":
            return found.domain
        if found.public_suffix == "y" and found.domain != domain:
            below = domain.removesuffix(f".{found.domain}").rpartition(".")[2]
            return f"{below}.{found.domain}"
    return min((r.domain for r in good), key=lambda name: name.count("."), default=domain)
