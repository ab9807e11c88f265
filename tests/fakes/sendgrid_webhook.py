"""SendGrid's side of the event webhook: keys, signatures, and posts as it makes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from newsletter.feedback.sendgrid_signature import SIGNATURE_HEADER, TIMESTAMP_HEADER

Event = dict[str, Any]


@dataclass(frozen=True)
class Signer:
    """One private key of an account."""

    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def shown(self) -> str:
        """The verification key as SendGrid shows it: base64 of DER."""
        der = self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(der).decode("ascii")

    @property
    def pem(self) -> str:
        """The same as PEM."""
        pem = self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return pem.decode("ascii")

    def headers(self, body: bytes, at: datetime | int) -> dict[str, str]:
        """Return the header fields of a post that is signed at a moment."""
        seconds = at if isinstance(at, int) else int(at.timestamp())
        signature = self.private.sign(str(seconds).encode() + body, ec.ECDSA(SHA256()))
        return {
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
            SIGNATURE_HEADER: base64.b64encode(signature).decode("ascii"),
            TIMESTAMP_HEADER: str(seconds),
        }


def body_of(events: Sequence[Event]) -> bytes:
    """Return a post as SendGrid writes it: JSON, one event a line, `<` and `>` escaped."""
    lines = ",\r\n".join(json.dumps(event, separators=(",", ":")) for event in events)
    return f"[{lines}]\r\n".replace("<", "\\u003c").replace(">", "\\u003e").encode("ascii")


_BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
_UNKNOWN = "550 5.1.1 The email account that you tried to reach does not exist. Please try again"
KINDS: Mapping[str, Event] = {
    "processed": {"event": "processed"},
    "delivered": {"event": "delivered", "response": "250 2.0.0 OK  1763971200 a1b2", "tls": 1},
    "deferred": {
        "event": "deferred",
        "response": "451 4.7.1 Greylisted, try again later",
        "attempt": "3",
    },
    "hard": {
        "event": "bounce",
        "type": "bounce",
        "status": "5.1.1",
        "reason": _UNKNOWN,
        "bounce_classification": "Invalid Address",
        "tls": 1,
    },
    "full": {
        "event": "bounce",
        "type": "bounce",
        "status": "5.2.2",
        "reason": "552 5.2.2 The recipient's mailbox is over quota",
        "bounce_classification": "Mailbox Unavailable",
    },
    "policy": {
        "event": "bounce",
        "type": "bounce",
        "status": "5.7.1",
        "reason": "550 5.7.1 Message rejected due to our policy",
        "bounce_classification": "Content",
    },
    "blocked": {
        "event": "bounce",
        "type": "blocked",
        "status": "5.0.0",
        "reason": "554 Client host [192.0.2.1] blocked using dnsbl.example.net",
        "bounce_classification": "Reputation",
    },
    "dropped_bounced": {"event": "dropped", "status": "5.0.0", "reason": "Bounced Address"},
    "dropped_invalid": {"event": "dropped", "status": "5.0.0", "reason": "Invalid"},
    "dropped_complaint": {"event": "dropped", "reason": "Spam Reporting Address"},
    "dropped_unsubscribed": {"event": "dropped", "reason": "Unsubscribed Address"},
    "dropped_content": {"event": "dropped", "reason": "Spam Content"},
    "dropped_header": {"event": "dropped", "reason": "Invalid SMTPAPI header"},
    "spamreport": {"event": "spamreport"},
    "unsubscribe": {"event": "unsubscribe"},
    "group_unsubscribe": {"event": "group_unsubscribe", "asm_group_id": 10},
    "group_resubscribe": {"event": "group_resubscribe", "asm_group_id": 10},
    "open": {"event": "open", "useragent": _BROWSER, "ip": "192.0.2.7", "sg_machine_open": False},
    "machine_open": {"event": "open", "useragent": "Mozilla/5.0", "sg_machine_open": True},
    "click": {
        "event": "click",
        "url": "https://news.example.org/archive/daily/2026-11-24",
        "url_offset": {"index": 0, "type": "html"},
        "useragent": _BROWSER,
        "ip": "192.0.2.7",
    },
}
"""What is particular to each kind of event; `an_event` adds what all have."""

# In hundredths, as a day of a healthy newsletter looks: two events for each message, and the rest.
_USUAL = (
    *["processed"] * 45,
    *["delivered"] * 43,
    *["open"] * 4,
    *["machine_open"] * 2,
    *["deferred"] * 2,
    *["click", "hard", "full", "blocked"],
)


def an_event(
    kind: str = "delivered",
    *,
    at: datetime | int = 1_795_500_000,
    delivery: str | None = "7-1",
    number: int = 1,
    **other: Any,
) -> Event:
    """Return one event of a kind; `number` makes it another one, `other` adds or replaces fields.

    A field given as None is left out.
    """
    seconds = at if isinstance(at, int) else int(at.timestamp())
    campaign = delivery.partition("-")[0] if delivery else None
    subscriber = delivery.partition("-")[2] if delivery else str(number)
    token = base64.urlsafe_b64encode(f"{kind}-{number:012d}".encode()).decode().rstrip("=")
    event = {
        "email": f"reader{subscriber}@example.org",
        "timestamp": seconds,
        "smtp-id": f"<14c5d75ce93.dfd.{number:06x}@geopod-ismtpd-5>",
        **KINDS.get(kind, {"event": kind}),
        "delivery": delivery,
        "campaign": campaign,
        "salt": "salt0salt0" if delivery else None,
        "sg_event_id": token,
        "sg_message_id": f"14c5d75ce93.dfd.{number:06x}.filter0001.16648.5515E0B88.0",
    }
    return {name: value for name, value in (event | other).items() if value is not None}


def usual_events(count: int, *, seed: int, at: datetime | int, first: int = 1) -> list[Event]:
    """Return so many events of a usual mix, one message each, numbered from `first`."""
    random = Random(seed)
    return [
        an_event(random.choice(_USUAL), at=at, delivery=f"7-{number}", number=number)
        for number in range(first, first + count)
    ]
