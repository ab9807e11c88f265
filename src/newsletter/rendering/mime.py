"""One RFC 5322 message for each recipient, from content that is encoded once (A1–A6, A12).

Static pieces are quoted-printable bytes from the start; for each reader only the slots' values are
encoded and the pieces joined. A soft line break before and after each slot lets its value be
encoded alone (RFC 2045 §6.7 (5): a reader never sees it).
"""

from __future__ import annotations

import hashlib
import quopri
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from newsletter.rendering.content import (
    UNSUBSCRIBE_URL,
    EmailContent,
    ListIdentity,
    Slot,
)
from newsletter.rendering.headers import (
    a_label,
    clean_header,
    encode_address,
    encode_date,
    encode_list_id,
    encode_list_unsubscribe,
    encode_text,
)
from newsletter.rendering.merge import Pieces, clean_value, cut, slot_value

_SOFT_BREAK = b"=\r\n"
_HEX = re.compile(rb"=[0-9A-F]{0,1}$")


@dataclass(frozen=True, slots=True)
class _EncodedPart:
    """A body part as bytes, cut at its slots."""

    pieces: tuple[bytes, ...]
    slots: tuple[Slot, ...]

    def fill(self, values: Mapping[str, str]) -> bytes:
        parts = [self.pieces[0]]
        for slot, piece in zip(self.slots, self.pieces[1:], strict=True):
            parts += (encode_quoted_printable(slot_value(slot, values)), piece)
        return b"".join(parts)


class MessageTemplate:
    """A campaign's message with everything encoded that is the same for all.

    `campaign` and `salt` make the Message-IDs: the same delivery has the same one on each retry
    (A2). `list_mail` false is for transactional mail: no List fields, marked as generated.
    """

    def __init__(
        self,
        content: EmailContent,
        identity: ListIdentity,
        *,
        campaign: int,
        salt: str,
        list_mail: bool = True,
    ) -> None:
        self._identity = identity
        self._campaign = campaign
        self._salt = salt
        self._list_mail = list_mail
        self._domain = a_label(identity.from_email.rpartition("@")[2])
        self._subject = cut(content.subject, content.slots)
        text = _encode_part(cut(content.text, content.slots))
        markup = _encode_part(cut(content.html, content.slots))
        boundary = self._boundary(text, markup)
        self._fixed_headers = self._encode_fixed_headers(boundary)
        self._body = _join_parts(text, markup, boundary)
        self._fixed_subject = (
            None if self._subject.slots else encode_text("Subject", self._subject.texts[0])
        )

    def build(
        self,
        *,
        subscriber: int,
        address: str,
        name: str,
        values: Mapping[str, str],
        at: datetime,
        smtputf8: bool = False,
    ) -> bytes:
        """Return the whole message for one recipient, with CRLF line ends.

        Raises `NeedsSmtputf8` for an address that only such a server takes, and `ValueError` for
        one that is none.
        """
        subject = self._fixed_subject or encode_text("Subject", self._subject.fill(values))
        lines = [
            self._fixed_headers,
            encode_address("To", clean_value(name), address, smtputf8=smtputf8),
            subject,
            encode_date(at),
            f"Message-ID: {self.message_id(subscriber)}",
            *(self._list_unsubscribe(values) if self._list_mail else ()),
        ]
        head = "\r\n".join(lines).encode("utf-8" if smtputf8 else "ascii")
        return head + b"\r\n\r\n" + self._body.fill(values)

    def message_id(self, subscriber: int) -> str:
        """Return the Message-ID of a delivery: the same on every try of it (A2)."""
        return f"<{subscriber}.{self._campaign}.{self._salt}@{self._domain}>"

    def personal_headers(
        self, *, subscriber: int, address: str, values: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the personal fields for providers that build the message themselves (F2).

        No Message-ID: such providers set their own. `subscriber` and `address` name the delivery
        for fields that may come to need them.
        """
        del subscriber, address
        fields = [
            *self._list_unsubscribe(values),
            self._list_id(),
            f"Feedback-ID: {self._feedback}",
        ]
        pairs = (line.replace("\r\n", "").split(": ", 1) for line in fields)
        return {field[0]: field[1] for field in pairs}

    def _list_unsubscribe(self, values: Mapping[str, str]) -> tuple[str, ...]:
        targets = [values[UNSUBSCRIBE_URL]]
        if self._identity.unsubscribe_mailto:
            token = values[UNSUBSCRIBE_URL].rpartition("/")[2]
            targets.append(f"mailto:{self._identity.unsubscribe_mailto}?subject={token}")
        return (
            encode_list_unsubscribe(*targets),
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        )

    @property
    def _feedback(self) -> str:
        label = re.sub(r"[^A-Za-z0-9.-]", "-", self._identity.list_id)
        return f"{self._campaign}:{label}:campaign:newsletter"

    def _list_id(self) -> str:
        return encode_list_id(self._identity.title, self._identity.list_id)

    def _encode_fixed_headers(self, boundary: str) -> str:
        identity = self._identity
        lines = [
            encode_address("From", identity.from_name, identity.from_email),
            "MIME-Version: 1.0",
            f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"',
        ]
        if identity.reply_to:
            lines.append(encode_address("Reply-To", "", identity.reply_to))
        if not self._list_mail:
            return "\r\n".join([*lines, "Auto-Submitted: auto-generated"])
        lines += [self._list_id(), f"Feedback-ID: {self._feedback}"]
        if identity.contact:
            lines.append(f"List-Help: <mailto:{clean_header(identity.contact)}>")
        return "\r\n".join(lines)

    def _boundary(self, *parts: _EncodedPart) -> str:
        """Return a boundary that no piece holds: quoted-printable never has `_` after `=`."""
        seed = f"{self._campaign}/{self._salt}".encode()
        mark = hashlib.sha256(seed).hexdigest()[:24]
        boundary = f"=_{mark}"
        if any(boundary.encode() in piece for part in parts for piece in part.pieces):
            raise ValueError("the boundary occurs in the body")
        return boundary


def _join_parts(text: _EncodedPart, markup: _EncodedPart, boundary: str) -> _EncodedPart:
    """Put the parts between their boundaries: text first, HTML last (A3, RFC 2046 §5.1.4)."""

    def opening(kind: str) -> bytes:
        return (
            f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        ).encode("ascii")

    pieces = list(text.pieces)
    pieces[0] = opening("plain") + pieces[0]
    pieces[-1] += b"\r\n" + opening("html") + markup.pieces[0]
    pieces += markup.pieces[1:]
    pieces[-1] += f"\r\n--{boundary}--\r\n".encode("ascii")
    return _EncodedPart(tuple(pieces), text.slots + markup.slots)


def _encode_part(pieces: Pieces) -> _EncodedPart:
    last = len(pieces.texts) - 1
    encoded = []
    for number, text in enumerate(pieces.texts):
        data = encode_quoted_printable(text)
        # Each slot stands alone between two soft breaks, whatever its value.
        if number > 0:
            data = _SOFT_BREAK + data
        if number < last:
            data += _SOFT_BREAK
        encoded.append(data)
    return _EncodedPart(tuple(encoded), pieces.slots)


def encode_quoted_printable(text: str) -> bytes:
    """Return a text as quoted-printable with CRLF, lines of at most 76 bytes (RFC 2045 §6.7).

    A space or tab at the end of a line, or of the text, is encoded, so that nothing is lost where
    lines are joined or trimmed; every line end of any kind becomes one CRLF (A12).
    """
    if len(text) <= 60 and text.isascii() and text.isalnum():
        return text.encode("ascii")
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    # istext=True keeps line ends; it also wraps at 76 including the soft break's sign.
    data = quopri.encodestring(unified.encode("utf-8", "replace"))
    if data.endswith((b" ", b"\t")):
        data = data[:-1] + b"=%02X" % data[-1]
    lines = [_within_limit(line) for line in data.split(b"\n")]
    return b"\r\n".join(lines)


def _within_limit(line: bytes) -> bytes:
    """Break a line that its encoded last space made one or two bytes too long."""
    if len(line) <= 76:
        return line
    cut_at = 75
    if match := _HEX.search(line[:cut_at]):
        cut_at = match.start()
    return line[:cut_at] + b"=\r\n" + line[cut_at:]
