"""The network that a request comes from: what limits count by, and what a consent keeps (C12)."""

from __future__ import annotations

import hashlib
import ipaddress

from newsletter.settings import NetworkPolicy

IPV4_PREFIX, IPV6_PREFIX = 24, 48


def shorten_ip(ip: str | None) -> str | None:
    """Return the network of an address as `203.0.113.0/24`; None for what is no IP address."""
    try:
        address = ipaddress.ip_address((ip or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    prefix = IPV4_PREFIX if address.version == 4 else IPV6_PREFIX
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


def network_of(ip: str | None, policy: NetworkPolicy, key: bytes) -> str | None:
    """Return what may be kept of an address: its network, a keyed hash of that, or nothing.

    `key`: a secret that is kept outside the database; without it there are few enough networks to
    try them all.
    """
    network = shorten_ip(ip)
    if network is None or policy is NetworkPolicy.NONE:
        return None
    if policy is NetworkPolicy.SHORTENED:
        return network
    mac = hashlib.blake2b(network.encode(), key=key, person=b"consent network", digest_size=16)
    return f"hash:{mac.hexdigest()}"
