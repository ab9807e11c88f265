"""One RFC 5322 message for each recipient, from content that is encoded once (A1–A6, A12).

Static pieces are quoted-printable bytes from the start; for each reader only the slots' values are
encoded and the pieces joined. A soft line break before and after each slot lets its value be
encoded alone (RFC 2045 §6.7 (5): a reader never sees it). No line starts with a dot and every line
ends in CRLF, so that a message goes out over SMTP as it is.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache

from newsletter.one_line import one_line
from newsletter.rendering.content import (
    UNSUBSCRIBE_URL,
    EmailContent,
    ListIdentity,
    Slot,
)
from newsletter.rendering.headers import (
    LINE,
    a_label,
    encode_address,
    encode_date,
    encode_list_id,
    encode_list_unsubscribe,
    encode_text,
)
from newsletter.rendering.merge import Pieces, clean_value, cut, slot_value

_SOFT_BREAK = b"=\r\n"
_HEX = re.compile(rb"=[0-9A-F]{0,1}$")
_LONGEST_LINE = 76
_UNSAFE_LINE = re.compile(rb"\r(?!\n)|(?<!\r)\n|^\.|\n\.")
"""A bare line end, or a dot at the start of a line."""

_LINK = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_PLAIN_NAME = re.compile(r"(?:[A-Za-z0-9]+(?: [A-Za-z0-9]+)*)?")
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_PLAIN_NAME_LENGTH = 60
_REMEMBERED_SUBJECTS = 1024


class _Body:
    """The bytes between header and end, cut at the slots; equal slots are encoded once."""

    def __init__(self, pieces: tuple[bytes, ...], slots: tuple[Slot, ...]) -> None:
        if any(_UNSAFE_LINE.search(piece) for piece in pieces):
            raise ValueError("a piece of the body is not fit for the wire")
        kinds = [(slot.field, slot.default, slot.context) for slot in slots]
        self._different = tuple(dict(zip(kinds, slots, strict=True)).values())
        different = [(slot.field, slot.default, slot.context) for slot in self._different]
        self._order = tuple(different.index(kind) for kind in kinds)
        self._layout: list[bytes] = [b"", pieces[0]]
        for piece in pieces[1:]:
            self._layout += (b"", piece)

    def fill(self, head: bytes, values: Mapping[str, str]) -> bytes:
        """Return head and body in one piece."""
        # The same link stands in the text and, with nothing to escape in it, in the HTML.
        known: dict[str, bytes] = {}
        encoded = []
        for slot in self._different:
            value = slot_value(slot, values)
            if (data := known.get(value)) is None:
                data = known[value] = encode_quoted_printable(value)
            encoded.append(data)
        parts = self._layout.copy()
        parts[0] = head
        at = 2
        for number in self._order:
            parts[at] = encoded[number]
            at += 2
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
        domain = a_label(identity.from_email.rpartition("@")[2])
        self._message_id_end = f".{campaign}.{salt}@{domain}>"
        self._fixed_personal = {
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": _value(self._list_id()),
            "Feedback-ID": self._feedback,
        }
        subject = cut(content.subject, content.slots)
        # First names repeat, and so do the subjects made of them.
        self._subject = lru_cache(_REMEMBERED_SUBJECTS)(_encode_subject)
        self._subject_of: Callable[[Mapping[str, str]], str] = subject.fill
        if not subject.slots:
            fixed = subject.texts[0]
            self._subject_of = lambda _values: fixed
        text = _encode_part(cut(content.text, content.slots))
        markup = _encode_part(cut(content.html, content.slots))
        boundary = self._boundary(*text[0], *markup[0])
        self._fixed_headers = self._encode_fixed_headers(boundary)
        if _UNSAFE_LINE.search(self._fixed_headers.encode("ascii")):
            raise ValueError("a header field is not fit for the wire")
        self._body = _join_parts(text, markup, boundary)

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
        """Return the whole message for one recipient, fit for the wire: see the module.

        Raises `NeedsSmtputf8` for an address that only such a server takes, and `ValueError` for
        one that is none.
        """
        head = (
            f"{self._fixed_headers}\r\n{_to(name, address, smtputf8=smtputf8)}\r\n"
            f"{self._subject(self._subject_of(values))}\r\n{encode_date(at)}\r\n"
            f"Message-ID: <{subscriber}{self._message_id_end}\r\n"
        )
        if self._list_mail:
            head += (
                f"{self._list_unsubscribe(values)}\r\n"
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
            )
        data = f"{head}\r\n".encode("utf-8" if smtputf8 else "ascii")
        return self._body.fill(data, values)

    def message_id(self, subscriber: int) -> str:
        """Return the Message-ID of a delivery: the same on every try of it (A2)."""
        return f"<{subscriber}{self._message_id_end}"

    @property
    def fixed_headers(self) -> dict[str, str]:
        """The fields for providers that build the message themselves, the same for all (F2).

        No Message-ID: such providers set their own. `unsubscribe_value` gives the personal one.
        """
        return self._fixed_personal

    def unsubscribe_value(self, values: Mapping[str, str]) -> str:
        """Return the value of List-Unsubscribe on one line; raises `ValueError` for a bad link."""
        url = values[UNSUBSCRIBE_URL]
        if not self._identity.unsubscribe_mailto and _LINK.fullmatch(url):
            return f"<{url}>"
        return _value(self._list_unsubscribe(values))

    def _list_unsubscribe(self, values: Mapping[str, str]) -> str:
        url = values[UNSUBSCRIBE_URL]
        if not self._identity.unsubscribe_mailto:
            return encode_list_unsubscribe(url)
        token = url.rpartition("/")[2]
        mailto = f"mailto:{self._identity.unsubscribe_mailto}?subject={token}"
        return encode_list_unsubscribe(url, mailto)

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
            lines.append(f"List-Help: <mailto:{one_line(identity.contact)}>")
        return "\r\n".join(lines)

    def _boundary(self, *pieces: bytes) -> str:
        """Return a boundary that no piece holds: quoted-printable never has `_` after `=`."""
        seed = f"{self._campaign}/{self._salt}".encode()
        mark = hashlib.sha256(seed).hexdigest()[:24]
        boundary = f"=_{mark}"
        if any(boundary.encode() in piece for piece in pieces):
            raise ValueError("the boundary occurs in the body")
        return boundary


def _to(name: str, address: str, *, smtputf8: bool) -> str:
    """Return the To field, at once for a plain name and address that fit on its line."""
    if (
        len(name) <= _PLAIN_NAME_LENGTH
        and _PLAIN_NAME.fullmatch(name)
        and _PLAIN_ADDRESS.fullmatch(address)
    ):
        line = f"To: {name} <{address}>" if name else f"To: <{address}>"
        if len(line) <= LINE:
            return line
    return encode_address("To", clean_value(name), address, smtputf8=smtputf8)


def _encode_subject(subject: str) -> str:
    return encode_text("Subject", subject)


def _value(field: str) -> str:
    """Return a field's value on one line."""
    return field.partition(": ")[2].replace("\r\n", "")


_Encoded = tuple[tuple[bytes, ...], tuple[Slot, ...]]
"""A body part as bytes, cut at its slots."""


def _join_parts(text: _Encoded, markup: _Encoded, boundary: str) -> _Body:
    """Put the parts between their boundaries: text first, HTML last (A3, RFC 2046 §5.1.4)."""

    def opening(kind: str) -> bytes:
        return (
            f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        ).encode("ascii")

    pieces = list(text[0])
    pieces[0] = opening("plain") + pieces[0]
    pieces[-1] += b"\r\n" + opening("html") + markup[0][0]
    pieces += markup[0][1:]
    pieces[-1] += f"\r\n--{boundary}--\r\n".encode("ascii")
    return _Body(tuple(pieces), text[1] + markup[1])


def _encode_part(pieces: Pieces) -> _Encoded:
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
    return tuple(encoded), pieces.slots


def encode_quoted_printable(text: str) -> bytes:
    """Return a text as quoted-printable with CRLF, lines of at most 76 bytes (RFC 2045 §6.7).

    A space or tab at the end of a line, or of the text, is encoded, so that nothing is lost where
    lines are joined or trimmed; so is a dot at the start of a line, which SMTP would double
    (A12). Every line end of any kind becomes one CRLF.
    """
    if (
        text.isascii()
        and text.isprintable()
        and "=" not in text
        and text[:1] != "."
        and text[-1:] != " "
    ):
        data = text.encode("ascii")
        if len(data) < _LONGEST_LINE:
            return data
        width = _LONGEST_LINE - 1
        lines = [data[at : at + width] for at in range(0, len(data), width)]
        if not any(line.startswith(b".") for line in lines):
            return _SOFT_BREAK.join(lines)
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    # istext=True keeps line ends; it also wraps at 76 including the soft break's sign.
    data = binascii.b2a_qp(unified.encode("utf-8", "replace"), False, True, False)
    if data.endswith((b" ", b"\t")):
        data = data[:-1] + b"=%02X" % data[-1]
    return b"\r\n".join(piece for line in data.split(b"\n") for piece in _fit_lines(line))


def _fit_lines(line: bytes) -> Iterator[bytes]:
    """Hide a dot at the start, and break a line that an encoded dot or space made too long."""
    while True:
        if line.startswith(b"."):
            line = b"=2E" + line[1:]
        if len(line) <= _LONGEST_LINE:
            yield line
            return
        cut_at = _LONGEST_LINE - 1
        if match := _HEX.search(line[:cut_at]):
            cut_at = match.start()
        yield line[:cut_at] + b"="
        line = line[cut_at:]
