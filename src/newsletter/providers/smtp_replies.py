"""SMTP replies: read in bounded time and size, and judged; knows no thread and no session.

What a reply means for one message is decided here, by the phase in which it came (G10, G11).
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from enum import Enum

from newsletter.providers.base import DeliveryId, Outcome, OutcomeKind

LONGEST_LINE = 16_384
"""Bytes of one reply line; RFC 5321 §4.5.3.1.5 says 512, servers are known to say more."""
MOST_LINES = 200
DETAIL = 300
"""Characters of a reply that are kept."""

_LINE = re.compile(rb"([2-5][0-9]{2})([ -])(.*)", re.DOTALL)
_BARE_CODE = re.compile(rb"([2-5][0-9]{2})")
_STATUS = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")
_QUEUE_ID = re.compile(
    r"(?:queued (?:mail )?(?:as|for delivery as|with id)|\bqueue-?id:?|\bid[=: ]|message accepted:?)"
    r"\s*<?([A-Za-z0-9][A-Za-z0-9_.@\-]{3,119})",
    re.IGNORECASE,
)


class ConnectionBroken(Exception):  # noqa: N818 - it is a state of the line
    """The line cannot be spoken on any more: closed, too slow, or talking nonsense."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply: its code and the words of all its lines, joined by spaces."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        """Whether the command was done (2yz)."""
        return 200 <= self.code <= 299

    @property
    def refusal(self) -> bool:
        """Whether the command was refused, for now (4yz) or for good (5yz)."""
        return self.code >= 400

    @property
    def status(self) -> str | None:
        """The enhanced status code, where it agrees with the reply's code (RFC 2034 §4)."""
        match = _STATUS.match(self.text)
        return match[0] if match and match[1] == str(self.code)[0] else None

    @property
    def queue_id(self) -> str | None:
        """The name the server gave the message in its queue, where it is said in a usual form."""
        match = _QUEUE_ID.search(self.text)
        return match[1].rstrip(".") if match else None

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


class Phase(Enum):
    """The command that a reply answers."""

    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "the final dot"


def outcome_of(delivery: DeliveryId, phase: Phase, reply: Reply) -> Outcome:
    """Judge one message by a reply that was read whole (G10, G11).

    A refusal, or any reply to the final dot; anything but a refusal or a 2yz says nothing and
    leaves the message unknown.
    """
    if reply.positive and phase is Phase.DOT:
        kind = OutcomeKind.ACCEPTED
    elif 400 <= reply.code <= 499:
        kind = OutcomeKind.DEFERRED
    elif reply.code >= 500:
        kind = _permanent(phase, reply.status)
    else:
        kind = OutcomeKind.UNKNOWN
    return Outcome(
        delivery,
        kind,
        code=reply.code,
        status=reply.status,
        detail=reply.text[:DETAIL],
        provider_id=reply.queue_id if kind is OutcomeKind.ACCEPTED else None,
    )


def _permanent(phase: Phase, status: str | None) -> OutcomeKind:
    if phase is Phase.RCPT:
        return OutcomeKind.REJECTED_RECIPIENT
    if phase is Phase.DOT and status is not None:
        # Some servers look at the recipient only now; 5.1.7 and 5.1.8 are about the sender.
        _, subject, detail = status.split(".")
        if (subject == "1" and detail not in ("7", "8")) or subject == "2":
            return OutcomeKind.REJECTED_RECIPIENT
    return OutcomeKind.REJECTED_MESSAGE


class ReplyReader:
    """Reads replies from a socket; what came behind one reply waits for the next."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether bytes came that nobody has read yet."""
        return bool(self._buffer)

    def read(self, sock: socket.socket, timeout: float) -> Reply:
        """Read one reply within `timeout` seconds in all, however slowly its bytes come.

        Raises `ConnectionBroken` when it does not come whole or is no SMTP reply.
        """
        deadline = time.monotonic() + timeout
        code: bytes | None = None
        texts: list[str] = []
        for _ in range(MOST_LINES):
            this, more, text = _split(self._line(sock, deadline))
            if code is not None and this != code:
                raise ConnectionBroken("the server's reply contradicts itself")
            code = this
            texts.append(_printable(text))
            if not more:
                return Reply(int(code), _joined(texts))
        raise ConnectionBroken(f"the server's reply has more than {MOST_LINES} lines")

    def peek(self, sock: socket.socket) -> bool:
        """Tell without waiting whether the server has said something.

        Raises `ConnectionBroken` when it has closed the line.
        """
        if self._buffer:
            return True
        sock.settimeout(0)
        try:
            data = sock.recv(4096)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError as error:
            # A TLS record that is not complete yet is no news either.
            if _wants_more(error):
                return False
            raise _broken(error) from None
        if not data:
            raise ConnectionBroken("the server closed the connection")
        self._buffer += data
        return True

    def _line(self, sock: socket.socket, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LONGEST_LINE:
                raise ConnectionBroken("the server's reply line is endless")
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise ConnectionBroken("the server did not reply in time")
            sock.settimeout(remaining)
            try:
                data = sock.recv(65_536)
            except OSError as error:
                raise _broken(error) from None
            if not data:
                raise ConnectionBroken("the server closed the connection")
            self._buffer += data
        if end > LONGEST_LINE:
            raise ConnectionBroken("the server's reply line is endless")
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line


def _split(line: bytes) -> tuple[bytes, bool, bytes]:
    match = _LINE.fullmatch(line)
    if match:
        return match[1], match[2] == b"-", match[3]
    if _BARE_CODE.fullmatch(line):
        return line, False, b""
    raise ConnectionBroken(f"the server's answer is no SMTP reply: {_printable(line[:80])!r}")


def _printable(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)


def _joined(texts: list[str]) -> str:
    """Join the lines of a reply, saying an enhanced code that each repeats only once."""
    first = _STATUS.match(texts[0])
    rest = [text.removeprefix(first[0]).strip() if first else text.strip() for text in texts[1:]]
    return " ".join([texts[0].strip(), *(text for text in rest if text)]).strip()


def _wants_more(error: OSError) -> bool:
    import ssl

    return isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError)


def _broken(error: OSError) -> ConnectionBroken:
    if isinstance(error, TimeoutError):
        return ConnectionBroken("the server did not reply in time")
    return ConnectionBroken(f"the connection broke: {error.strerror or error}")
