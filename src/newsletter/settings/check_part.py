"""`[check]`: what the pre-flight of a digest looks at outside of the digest itself."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from newsletter.settings.parts import Duration, Part


def _resolver(value: str) -> str:
    try:
        split_resolver(value)
    except ValueError:
        raise ValueError("expected an IP address, with a port if need be: 192.0.2.53:53") from None
    return value


def split_resolver(value: str) -> tuple[str, int]:
    """Return address and port of `192.0.2.53`, `192.0.2.53:5353` or `[2001:db8::1]:53`."""
    bare = value.strip()
    try:
        return str(ip_address(bare)), 53
    except ValueError:
        parts = urlsplit(f"//{bare}")
        return str(ip_address(parts.hostname or "")), parts.port or 53


Resolver = Annotated[str, AfterValidator(_resolver)]


class CheckPart(Part):
    """`[check]`: the pre-flight."""

    spam_limit: float = Field(
        1.0, gt=0, description="SpamAssassin's score from which `check` warns, where it is there."
    )
    link_seconds: Duration = Field(
        timedelta(seconds=10), description="How long `check --links` waits for one link,"
    )
    links_seconds: Duration = Field(
        timedelta(seconds=60), description="and for all of them together."
    )
    links_at_most: int = Field(
        100, ge=1, le=1000, description="Links that `check --links` fetches; the rest is counted."
    )
    dns_seconds: Duration = Field(
        timedelta(seconds=10), description="How long `doctor` and `check --dns` ask DNS in all."
    )
    dns_resolvers: tuple[Resolver, ...] = Field(
        (), description="Addresses of the resolvers they ask; none: those of this machine."
    )
