"""What an SMTP reply is, and what it means at each phase of one message; without a connection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind

LONGEST_REPLY = 64 * 1024
"""Bytes of one reply with all its lines; RFC 5321 §4.5.3.1.5 allows 512 a line."""
LONGEST_DETAIL = 300
GARBAGE = -1
"""The code of a line that is no reply."""

_ONE_LINE = re.compile(rb"(\d{3}) ([^\r\n]{0,512})\r\n")
_ENVELOPE_TAKEN = re.compile(
    rb"250 [^\r\n]{0,512}\r\n25[0-2] [^\r\n]{0,512}\r\n354 [^\r\n]{0,512}\r\n"
)
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b\s*")
_QUEUE_ID = re.compile(r"\bqueued(?: mail for delivery)?(?: as)? ?[:=]?\s*<?([\w.+-]{4,80})", re.I)


class Phase(StrEnum):
    """How far one message has come."""

    RSET = "RSET"
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

    @property
    def refuses(self) -> bool:
        """Return whether this is a no, for now or for good."""
        return 400 <= self.code <= 599

    def __str__(self) -> str:
        return f"{self.code} {self.text}"[:LONGEST_DETAIL]


class EndlessReply(Exception):  # noqa: N818
    """A reply grew beyond all measure."""


class ReplyBuffer:
    """Cuts what a server sent into replies, however it was split on its way."""

    def __init__(self) -> None:
        self._data = b""

    def __bool__(self) -> bool:
        return bool(self._data)

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._data = self._data + data if self._data else data

    def take_envelope(self) -> bool:
        """Take the replies to MAIL, RCPT and DATA at once, where all are here and all are good.

        The usual case, and three replies of four; false leaves everything to `take`.
        """
        if match := _ENVELOPE_TAKEN.match(self._data):
            self._data = self._data[match.end() :]
        return match is not None

    def take(self) -> tuple[int, list[bytes]] | None:
        """Return code and lines of the first reply; None while it is not whole.

        The code is `GARBAGE` for a line that is none, and for lines of one reply that disagree.
        Raises `EndlessReply`.
        """
        if match := _ONE_LINE.match(self._data):
            self._data = self._data[match.end() :]
            return int(match[1]), [match[2]]
        data, at, code, lines = self._data, 0, 0, list[bytes]()
        while (end := data.find(b"\n", at)) >= 0 and end <= LONGEST_REPLY:
            line, at = data[at:end], end + 1
            number, mark = line[:3], line[3:4]
            if not (len(number) == 3 and number.isdigit() and mark in (b" ", b"-", b"\r", b"")):
                self._data = data[at:]
                return GARBAGE, [line[:500].strip()]
            lines.append(line[4:].strip())
            code = int(number) if code in (0, int(number)) else GARBAGE
            if mark != b"-":
                self._data = data[at:]
                return code, lines
        if len(data) > LONGEST_REPLY:
            raise EndlessReply("the reply has no end")
        return None


def outcome_of(delivery: DeliveryId, phase: Phase, reply: Reply) -> Outcome:
    """Say what a reply that was read means for the message (G10, G11)."""
    kind, queue_id = OutcomeKind.DEFERRED, None
    if reply.code // 100 == 5:
        kind = _permanent(phase, reply)
    elif phase is Phase.DOT and reply.code // 100 == 2:
        kind, queue_id = OutcomeKind.ACCEPTED, _QUEUE_ID.search(reply.text)
    elif phase is Phase.DOT and reply.code // 100 != 4:
        # Garbage behind the dot says nothing about what the server did.
        kind = OutcomeKind.UNKNOWN
    match = _STATUS.match(reply.text)
    return Outcome(
        delivery,
        kind,
        code=reply.code if reply.sound else None,
        status=match[1] if match and match[1][0] == str(reply.code)[0] else None,
        detail=reply.text[match.end() if match else 0 :].strip()[:LONGEST_DETAIL],
        provider_id=queue_id[1] if queue_id else None,
    )


def _permanent(phase: Phase, reply: Reply) -> OutcomeKind:
    """A no to RCPT is about the address; to anything else about the message or us, unless its
    status says that it is about the mailbox (X.1.x, X.2.x) after all."""
    about_mailbox = reply.status is not None and reply.status[2:4] in ("1.", "2.")
    if phase is Phase.RCPT or (phase is Phase.DOT and about_mailbox):
        return OutcomeKind.REJECTED_RECIPIENT
    return OutcomeKind.REJECTED_MESSAGE
