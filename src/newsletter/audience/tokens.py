"""Signed tokens in links: bound to a purpose, a subscriber and a list; no address in them (C5)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from itsdangerous import (
    BadData,
    Signer,
    URLSafeSerializer,
    URLSafeTimedSerializer,
)
from itsdangerous.encoding import base64_encode
from itsdangerous.signer import SigningAlgorithm

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


class _Hmac(SigningAlgorithm):
    """HMAC-SHA-256 begun once for the key; the library's own begins anew for each signature."""

    def __init__(self) -> None:
        self._begun: tuple[bytes, hmac.HMAC] | None = None

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        if self._begun is None or self._begun[0] != key:
            self._begun = key, hmac.new(key, digestmod="sha256")
        mac = self._begun[1].copy()
        mac.update(value)
        return mac.digest()


class _QuickSigner(Signer):
    """Derives its key once: a send signs two links for each reader."""

    _derived: bytes | None = None

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        if secret_key is not None:
            return super().derive_key(secret_key)
        if self._derived is None:
            self._derived = super().derive_key()
        return self._derived


class TokenSigner:
    """Signs with the newest key, reads what any key signed.

    What lasts is signed by the quick signer, in the very form that the serializer reads.
    """

    def __init__(self, keys: Keys) -> None:
        signer: dict[str, Any] = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        secret = list(keys.signing)
        self._lasting = {
            purpose: URLSafeSerializer(secret, salt=purpose.value, signer_kwargs=signer)
            for purpose in Purpose
        }
        self._quick = {
            purpose: _QuickSigner(secret, salt=purpose.value, algorithm=_Hmac(), **signer)
            for purpose in Purpose
        }
        self._timed = URLSafeTimedSerializer(
            secret, salt=Purpose.CONFIRM.value, signer_kwargs=signer
        )

    def sign(self, purpose: Purpose, subscriber: int, list_id: int) -> str:
        """Return a token; those that confirm carry their time."""
        if purpose is Purpose.CONFIRM:
            return str(self._timed.dumps([subscriber, list_id]))
        payload = base64_encode(f"[{subscriber},{list_id}]")
        return self._quick[purpose].sign(payload).decode("ascii")

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
