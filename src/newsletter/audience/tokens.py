"""Signed tokens in links: bound to a purpose, a subscriber and a list; no address in them (C5)."""

from __future__ import annotations

import hashlib
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


class TokenSigner:
    """Signs with the newest key, reads what any key signed."""

    def __init__(self, keys: Keys) -> None:
        signer = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        secret = list(keys.signing)
        self._lasting = {
            purpose: URLSafeSerializer(secret, salt=purpose.value, signer_kwargs=signer)
            for purpose in Purpose
        }
        self._timed = URLSafeTimedSerializer(
            secret, salt=Purpose.CONFIRM.value, signer_kwargs=signer
        )

    def sign(self, purpose: Purpose, subscriber: int, list_id: int) -> str:
        """Return a token; those that confirm carry their time."""
        serializer = self._timed if purpose is Purpose.CONFIRM else self._lasting[purpose]
        token = serializer.dumps([subscriber, list_id])
        return token if isinstance(token, str) else token.decode("ascii")

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
