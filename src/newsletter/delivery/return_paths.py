"""Return paths that name their delivery and prove it, so that bounces find home (A15, D8).

Only the address is made and read here; what a bounce says is no matter of this module.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable

from newsletter.audience.keys import Keys
from newsletter.providers.base import DeliveryId

_PURPOSE = b"newsletter return path"
MAC_DIGITS = 20
"""Hexadecimal digits of the MAC, 80 bits. With two 18-digit numbers a local part has 60 of the 64
octets that RFC 5321 §4.5.3.1.1 allows."""

_ADDRESS = re.compile(r"b\+([0-9]{1,18}-[0-9]{1,18})-([0-9a-f]{20})@([a-z0-9.-]{1,255})")

_Seal = Callable[[str, str], str]
"""Makes the MAC of a delivery's name and a domain."""


class ReturnPaths:
    """Makes `b+7-1234-<mac>@bounces.example.org`, and reads what comes back to it.

    The MAC is of digits and lower-case letters, for local parts get folded on their way. It
    covers the domain too: an address stays good after `sender.bounce_domain` has changed. The
    newest signing key seals, every key reads (C5).
    """

    def __init__(self, keys: Keys, domain: str | None) -> None:
        self._domain = domain.lower() if domain else None
        self._seals = [_seal_with(key) for key in reversed(keys.signing)]

    def of(self, delivery: DeliveryId) -> str:
        """Return the return path of a delivery; empty where no domain is set up for bounces."""
        if self._domain is None:
            return ""
        name = f"{delivery.campaign}-{delivery.subscriber}"
        return f"b+{name}-{self._seals[0](name, self._domain)}@{self._domain}"

    def read(self, address: str) -> DeliveryId | None:
        """Return the delivery that an address names; None when we did not make it just so.

        Capitals, angle brackets and white space around it do no harm. The time it takes tells
        nothing of the MAC.
        """
        # Beyond ASCII a letter may fold onto one of ours.
        if len(address) > 400 or not address.isascii():
            return None
        text = address.strip(" \t\r\n")
        if text.startswith("<") and text.endswith(">"):
            text = text[1:-1].strip(" \t\r\n")
        match = _ADDRESS.fullmatch(text.lower())
        if match is None:
            return None
        name, mac, domain = match.groups()
        good = False
        for seal in self._seals:
            good |= hmac.compare_digest(seal(name, domain), mac)
        return DeliveryId.parse(name) if good else None


def _seal_with(signing_key: str) -> _Seal:
    """Prepare HMAC-SHA-256 (RFC 2104) with a key derived for this purpose alone.

    Both paddings are hashed once: a send seals each message, and the library's call sets up its
    keys anew each time.
    """
    key = hmac.digest(signing_key.encode(), _PURPOSE, "sha256").ljust(64, b"\0")
    inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in key))
    outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in key))

    def seal(name: str, domain: str) -> str:
        first, second = inner.copy(), outer.copy()
        first.update(f"{name}@{domain}".encode())
        second.update(first.digest())
        return second.hexdigest()[:MAC_DIGITS]

    return seal
