"""Signed tokens in links: bound to a purpose, a subscriber and a list; no address in them (C5)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

from newsletter.audience.keys import Keys

CONFIRM_LIFE = timedelta(days=7)


class Purpose(StrEnum):
    """What a token may be used for, and for nothing else."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    CONFIRM = "confirm"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Whom a token speaks of."""

    subscriber: int
    list_id: int


class _QuickSigner:
    """Signs as the serializer of a purpose would, with its key derived and its MAC begun once.

    A send signs two links for each reader; the library begins anew for each.
    """

    def __init__(self, key: bytes) -> None:
        self._begun = hmac.new(key, digestmod="sha256")

    def sign(self, payload: bytes) -> str:
        """Return the token of a payload that is encoded already."""
        mac = self._begun.copy()
        mac.update(payload)
        return f"{payload.decode('ascii')}.{_encode(mac.digest()).decode('ascii')}"


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class TokenSigner:
    """Signs with the newest key, reads what any key signed.

    What lasts is signed by the quick signer, in the very form that the serializer reads.
    """

    def __init__(self, keys: Keys) -> None:
        signer = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        secret = list(keys.signing)
        self._lasting = {
            purpose: URLSafeSerializer(secret, salt=purpose.value, signer_kwargs=signer)
            for purpose in Purpose
        }
        self._quick = {
            purpose: _QuickSigner(serializer.make_signer().derive_key())
            for purpose, serializer in self._lasting.items()
        }
        self._timed = URLSafeTimedSerializer(
            secret, salt=Purpose.CONFIRM.value, signer_kwargs=signer
        )

    def sign(self, purpose: Purpose, subscriber: int, list_id: int) -> str:
        """Return a token; those that confirm carry their time."""
        if purpose is Purpose.CONFIRM:
            return str(self._timed.dumps([subscriber, list_id]))
        payload = _encode(b"[%d,%d]" % (subscriber, list_id))
        return self._quick[purpose].sign(payload)

    def sign_links(self, subscriber: int, list_id: int) -> tuple[str, str]:
        """Return the tokens that each message carries: to unsubscribe, and for preferences."""
        payload = _encode(b"[%d,%d]" % (subscriber, list_id))
        return (
            self._quick[Purpose.UNSUBSCRIBE].sign(payload),
            self._quick[Purpose.PREFERENCES].sign(payload),
        )

    def read(self, purpose: Purpose, token: str) -> TokenClaims | None:
        """Return whom a token speaks of; None when forged, cut, too old or for another use."""
        try:
            if purpose is Purpose.CONFIRM:
                data = self._timed.loads(token, max_age=int(CONFIRM_LIFE.total_seconds()))
            else:
                data = self._lasting[purpose].loads(token)
            subscriber, list_id = data
        except (BadData, TypeError, ValueError):
            return None
        if isinstance(subscriber, int) and isinstance(list_id, int):
            return TokenClaims(subscriber, list_id)
        return None
