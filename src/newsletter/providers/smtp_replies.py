"""What an SMTP reply means at each phase of one message, as a table and without a connection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind

_STATUS = re.compile(r"\A([245]\.\d{1,3}\.\d{1,3})\b")
_QUEUE_ID = re.compile(r"queued(?: mail for delivery)?(?: as)? ?[:=]?\s*<?([\w.+-]{4,80})", re.I)
LONGEST_DETAIL = 300


class Phase(StrEnum):
    """How far one message has come."""

    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "final dot"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code and its text on one line."""

    code: int
    text: str

    @property
    def status(self) -> str | None:
        """Return the enhanced status code (RFC 3463), where it is given and fits the reply."""
        match = _STATUS.match(self.text)
        return match[1] if match and match[1][0] == str(self.code)[0] else None

    @property
    def sound(self) -> bool:
        """Return whether this is a reply at all: a code from 200 to 599 (RFC 5321 §4.2)."""
        return 200 <= self.code <= 599

    def __str__(self) -> str:
        return f"{self.code} {self.text}"[:LONGEST_DETAIL]


def outcome_of(delivery: DeliveryId, phase: Phase, reply: Reply) -> Outcome:
    """Say what a reply that was read means for the message (G10, G11)."""
    if reply.code // 100 == 2 and phase is Phase.DOT:
        kind = OutcomeKind.ACCEPTED
    elif reply.code // 100 == 5:
        kind = _permanent(phase, reply)
    elif not reply.sound and phase is Phase.DOT:
        # Garbage behind the dot says nothing about what the server did.
        kind = OutcomeKind.UNKNOWN
    else:
        kind = OutcomeKind.DEFERRED
    queue_id = _QUEUE_ID.search(reply.text) if kind is OutcomeKind.ACCEPTED else None
    return Outcome(
        delivery,
        kind,
        code=reply.code if reply.sound else None,
        status=reply.status,
        detail=_STATUS.sub("", reply.text).strip()[:LONGEST_DETAIL],
        provider_id=queue_id[1] if queue_id else None,
    )


def _permanent(phase: Phase, reply: Reply) -> OutcomeKind:
    """A no to RCPT is about the address; to anything else about the message or us, unless its
    status says that it is about the mailbox (X.1.x, X.2.x) after all."""
    about_mailbox = reply.status is not None and reply.status[2:4] in ("1.", "2.")
    if phase is Phase.RCPT or (phase is Phase.DOT and about_mailbox):
        return OutcomeKind.REJECTED_RECIPIENT
    return OutcomeKind.REJECTED_MESSAGE
