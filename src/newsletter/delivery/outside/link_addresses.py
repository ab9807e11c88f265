"""Decides which addresses may be asked for what a digest names: public ones alone (E7)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Lookup: TypeAlias = Callable[[str, int], Sequence[Address]]
"""Finds the addresses of a host for a port; raises `OSError` (`socket.gaierror`)."""

_TRANSLATED = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


def look_up(host: str, port: int) -> tuple[Address, ...]:
    """Return the addresses that this machine would connect to, in its own order.

    What looks like a number (`2130706433`, `0177.1`) becomes the address it stands for, as
    everywhere on this machine.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A scope (fe80::1%eth0) belongs to this machine's own links: without it the rest is judged.
    return tuple(dict.fromkeys(ip_address(str(one[4][0]).partition("%")[0]) for one in found))


def is_public(address: Address) -> bool:
    """Return whether an address belongs to the public internet, whatever form it hides in.

    An IPv6 address that carries an IPv4 one (mapped, compatible, 6to4, Teredo, NAT64) is judged
    by both.
    """
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv4Address):
        return True
    return not address.is_site_local and all(is_public(inner) for inner in _carried(address))


def _carried(address: IPv6Address) -> list[IPv4Address]:
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _TRANSLATED or address in _COMPATIBLE:
        carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in carried if inner is not None]
