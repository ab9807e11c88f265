"""What a look at DNS says: a line of `doctor` that also knows why, and whether it could look.

Only the words' shape is here; what is right and wrong is decided beside each kind of record.
"""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.providers.base import Health


@dataclass(frozen=True, slots=True)
class DnsHealth(Health):
    """A line about DNS.

    `looked` is false where DNS could not be asked or cannot tell: then nothing is known, and `ok`
    is true, for nothing is known to be wrong. A `fix` of a line that is `ok` is advice. `domain`
    is whose DNS it is about, `why` what comes of it when nobody mends it.
    """

    domain: str = ""
    looked: bool = True
    why: str = ""


def well(name: str, domain: str, detail: str) -> DnsHealth:
    """Return a line about what is as it should be."""
    return DnsHealth(name, ok=True, detail=detail, domain=domain)


def wrong(name: str, domain: str, detail: str, *, why: str, fix: str) -> DnsHealth:
    """Return a line about what is to be mended."""
    return DnsHealth(name, ok=False, detail=detail, fix=fix, domain=domain, why=why)


def advice(name: str, domain: str, detail: str, *, why: str, fix: str) -> DnsHealth:
    """Return a line about what works and could be better."""
    return DnsHealth(name, ok=True, detail=detail, fix=fix, domain=domain, why=why)


def unknown(name: str, domain: str, detail: str, *, fix: str | None = None) -> DnsHealth:
    """Return a line about what could not be looked at."""
    return DnsHealth(name, ok=True, detail=detail, fix=fix, domain=domain, looked=False)


def record(name: str, kind: str, value: str) -> str:
    """Return a record as it is to be published; a TXT value is in quotation marks, unsplit."""
    return f'{name} {kind} "{value}"' if kind == "TXT" else f"{name} {kind} {value}"
