"""Proves that a post came from SendGrid: its signature over time and raw body (E1).

It reads no event; a body is to be looked into only after it was proven here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from newsletter.errors import ConfigurationError, Place

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"
OLDEST = timedelta(hours=26)
"""SendGrid tries for 24 hours."""
AHEAD = timedelta(minutes=5)
"""How far its clock may be before ours."""

_LONGEST_SIGNATURE = 200
_SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----(.*?)-----END PUBLIC KEY-----", re.DOTALL)
_HASHED = ec.ECDSA(Prehashed(SHA256()))


class Refusal(StrEnum):
    """Why a post is not believed: for the log, never for who posted it."""

    NO_SIGNATURE = "no_signature"
    NO_TIMESTAMP = "no_timestamp"
    TOO_OLD = "too_old"
    FROM_THE_FUTURE = "from_the_future"
    WRONG_SIGNATURE = "wrong_signature"


@dataclass(frozen=True, slots=True)
class EventVerifier:
    """The keys that a post may be signed with; safe to use from several threads."""

    keys: Sequence[ec.EllipticCurvePublicKey]

    def refusal(
        self, signature: str | None, timestamp: str | None, body: bytes, now: datetime
    ) -> Refusal | None:
        """Return why a post is not believed, None where it is proven.

        `signature` and `timestamp` are the values of their header fields: base64 of a DER
        signature, and Unix seconds. What is signed is the timestamp's bytes and then the body's.
        """
        if not signature:
            return Refusal.NO_SIGNATURE
        if timestamp is None or not _SECONDS.fullmatch(timestamp):
            return Refusal.NO_TIMESTAMP
        age = now.astimezone(UTC).timestamp() - int(timestamp)
        if age > OLDEST.total_seconds():
            return Refusal.TOO_OLD
        if age < -AHEAD.total_seconds():
            return Refusal.FROM_THE_FUTURE
        if len(signature) > _LONGEST_SIGNATURE:
            return Refusal.WRONG_SIGNATURE
        try:
            signed = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return Refusal.WRONG_SIGNATURE
        digest = hashlib.sha256(timestamp.encode("ascii"))
        digest.update(body)
        if any(_signed_by(key, signed, digest.digest()) for key in self.keys):
            return None
        return Refusal.WRONG_SIGNATURE


def read_verifier(text: str, *, file: Path | None = None) -> EventVerifier:
    """Read the setting: one key as SendGrid shows it or as PEM, or several with space between.

    Several serve while a key is renewed. Raises `ConfigurationError`; `file` holds the setting.
    """
    plain = _PEM.sub(lambda match: f" {''.join(match[1].split())} ", text)
    keys = [_read_key(word) for word in plain.split()]
    if not keys or None in keys:
        raise ConfigurationError(
            "'delivery.sendgrid.webhook_public_key' is not a verification key (ECDSA P-256)",
            where=Place(file),
            fix="copy it from SendGrid: Settings, Mail Settings, Event Webhook, signature "
            "verification; several are separated by a space",
        )
    return EventVerifier(tuple(key for key in keys if key is not None))


def _read_key(word: str) -> ec.EllipticCurvePublicKey | None:
    try:
        key = load_der_public_key(base64.b64decode(word, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    return None


def _signed_by(key: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes) -> bool:
    try:
        key.verify(signature, digest, _HASHED)
    except InvalidSignature:
        return False
    return True
