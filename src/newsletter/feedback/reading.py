"""Reads a mail into bounded pieces: headers, words for people, report parts, what was returned.

It never raises (D9). What the pieces mean is no matter of this module.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from newsletter.feedback.returned_text import split_returned, strip_markup

LONGEST_MAIL = 512 * 1024
"""Bytes of a mail that are looked at: reports stand before what they return."""
LONGEST_PART = 64 * 1024
LONGEST_VALUE = 2000
_MOST_LINES = 20_000
_MOST_MARKS = 1000
"""Lines that may be boundaries: each makes a part."""
_MOST_SEPARATORS = 20
_MOST_DEPTH = 10
_MOST_PARTS = 100
_MOST_HEADERS = 400

# The standard library reads parameters in a time that grows with the square of their length.
_CONTENT_FIELD = re.compile(rb"(?im)^content-[a-z-]{1,40}[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*")
_GIVEN_UP = (
    *(RecursionError, ValueError, LookupError, AttributeError, TypeError, AssertionError),
    MessageError,
)
"""What the library is known to raise over mail that is no mail."""
_BOUNDARY = re.compile(rb"(?i)boundary[ \t]*=")
# No charsets: they transform, or take long.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
_JAPANESE = (b"\x1b$B", b"\x1b$@", b"\x1b(J")

_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_RETURNED_TYPES = ("message/rfc822", "message/global", "text/rfc822-headers")
_RETURNED_HEADERS_TYPES = ("text/rfc822-headers", "message/global-headers")


@dataclass(frozen=True)
class Headers:
    """Header fields by lower-case name, decoded, each value cut to `LONGEST_VALUE`."""

    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return self.fields.get(name, ())

    def first(self, name: str) -> str:
        """Return the first value of a field, or nothing."""
        return next(iter(self.all(name)), "")


@dataclass(frozen=True)
class Mail:
    """The pieces of a mail.

    `notice` is the text for people without what was returned, `statuses` and `feedback` the raw
    fields of report parts, `returned` the headers of the returned message as text.
    """

    headers: Headers
    notice: str
    statuses: tuple[str, ...]
    feedback: tuple[str, ...]
    returned: str
    types: tuple[str, ...]
    truncated: bool


def read_mail(data: bytes) -> Mail:
    """Take a mail apart, whatever it is; what is longer than `LONGEST_MAIL` is cut."""
    start, truncated = _bounded(data)
    try:
        message = BytesParser(policy=compat32).parsebytes(start)
        parts = list(_parts(message, 0))[:_MOST_PARTS]
    except _GIVEN_UP:
        # The library gave up on a structure; headers and flat text still tell something.
        head, _, body = start.partition(b"\n\n")
        message = Message(policy=compat32)
        for line in head.split(b"\n")[:_MOST_HEADERS]:
            name, colon, value = line.partition(b":")
            if colon and re.fullmatch(rb"[!-9;-~]{1,80}", name):
                message[name.decode("ascii")] = value.decode("latin-1").strip()
        parts = [("text/plain", _text(body, ""))]
    return _mail(_headers(message), parts, truncated=truncated)


def _mail(headers: Headers, parts: list[tuple[str, str]], *, truncated: bool) -> Mail:
    plain = [text for kind, text in parts if kind == "text/plain"]
    markup = [strip_markup(text) for kind, text in parts if kind == "text/html"]
    words = [text for text in plain if text.strip()] or markup
    returned = [text for kind, text in parts if kind in _RETURNED_TYPES]
    notice, quoted = split_returned("\n".join(words)[:LONGEST_PART])
    if not returned and quoted:
        returned = [quoted]
    return Mail(
        headers=headers,
        notice=notice,
        statuses=tuple(text for kind, text in parts if kind == _STATUS_TYPES[0]),
        feedback=tuple(text for kind, text in parts if kind == "message/feedback-report"),
        returned="\n".join(returned)[:LONGEST_PART],
        types=tuple(kind for kind, _ in parts),
        truncated=truncated,
    )


def _bounded(data: bytes) -> tuple[bytes, bool]:
    """Cut a mail to what the library reads in a short time, whoever made it."""
    start = data[:LONGEST_MAIL].replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b"")
    start = start.lstrip(b"\n")
    truncated = len(data) > LONGEST_MAIL
    for mark, most in ((b"\n", _MOST_LINES), (b"\n--", _MOST_MARKS)):
        if start.count(mark) > most:
            start = mark.join(start.split(mark, most)[:most]) + b"\n"
            truncated = True
    start = _CONTENT_FIELD.sub(lambda found: _short_field(found[0]), start)
    boundaries = [found.start() for found in _BOUNDARY.finditer(start)]
    if len(boundaries) > _MOST_DEPTH * 4:
        start = start[: boundaries[_MOST_DEPTH * 4]]
        truncated = True
    return start, truncated


def _short_field(content_field: bytes) -> bytes:
    pieces = content_field[:LONGEST_VALUE].split(b";")
    return b";".join(pieces[:_MOST_SEPARATORS])


def _parts(message: Message, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the leaves of a mail with their types, the returned message as its headers."""
    kind = message.get_content_type().lower()
    if depth > _MOST_DEPTH:
        return
    if kind in _STATUS_TYPES:
        yield _STATUS_TYPES[0], _flat(message)
    elif kind in _RETURNED_TYPES and depth:
        yield "message/rfc822", _returned(message)
    elif kind in _RETURNED_HEADERS_TYPES:
        yield "message/rfc822", _payload(message)
    elif kind == "message/feedback-report":
        yield kind, _flat(message)
    elif depth and _stands_open(message):
        yield "message/rfc822", _recode(_lines_of(message))
    elif message.is_multipart():
        payload = message.get_payload()
        preamble = str(message.preamble or "")
        parts = [part for part in payload if isinstance(part, Message)]
        # A multipart without a single part, or broken: what stands before counts as text.
        if not parts or len(preamble) > 200:
            yield "text/plain", _recode(preamble)
        for part in parts[:_MOST_PARTS]:
            yield from _parts(part, depth + 1)
    elif kind.startswith("multipart/"):
        yield "text/plain", _payload(message)
    else:
        is_file = message.get("content-disposition", "").__str__().lower().startswith("attachment")
        text = _payload(message) if kind.startswith("text/") and not (is_file and depth) else ""
        yield ("text/html" if kind == "text/html" else kind), text


def _flat(part: Message) -> str:
    """Return the fields of a report part, which the library may have read as messages, as text."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return _payload(part)
    blocks: list[str] = []
    for block in payload[:_MOST_PARTS]:
        if isinstance(block, Message):
            lines = [f"{name}: {value}" for name, value in block.raw_items()]
            rest = block.get_payload()
            blocks.append("\n".join(lines) + (f"\n{rest}" if isinstance(rest, str) else ""))
    text = "\n\n".join(blocks)
    return _text(_undo(text.encode("ascii", "surrogateescape"), _transfer(part)), "")


def _returned(part: Message) -> str:
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if not isinstance(inner, Message):
        return _payload(part)
    if not inner.keys():
        rest = inner.get_payload()
        raw = rest.encode("ascii", "surrogateescape") if isinstance(rest, str) else b""
        return _text(_undo(raw, _transfer(part)), "")
    return _recode(_lines_of(inner))


def _stands_open(part: Message) -> bool:
    """Return whether a part is the returned message itself, put there without a type of its own."""
    return "received" in part or ("from" in part and "subject" in part)


def _lines_of(message: Message) -> str:
    items = list(message.raw_items())[:_MOST_HEADERS]
    return "\n".join(f"{name}: {value}" for name, value in items)


def _payload(part: Message) -> str:
    payload = part.get_payload()
    if not isinstance(payload, str):
        return ""
    raw = payload.encode("utf-8", "surrogateescape")[: LONGEST_PART * 2]
    return _text(_undo(raw, _transfer(part)), _charset(part))


def _transfer(part: Message) -> str:
    return str(part.get("content-transfer-encoding", "")).strip().lower()


def _charset(part: Message) -> str:
    try:
        return str(part.get_param("charset") or "")
    except (ValueError, LookupError, TypeError):
        return ""


def _undo(raw: bytes, transfer: str) -> bytes:
    if transfer == "quoted-printable":
        return quopri.decodestring(raw)
    if transfer == "base64":
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
        try:
            return base64.b64decode(letters[: len(letters) // 4 * 4])
        except binascii.Error:
            return raw
    return raw


def _recode(text: str) -> str:
    return _text(text.encode("utf-8", "surrogateescape"), "")


def _text(raw: bytes, charset: str) -> str:
    """Decode by the charset that is named, else by what it looks like; nothing is refused."""
    raw = raw[:LONGEST_PART]
    names = [charset] if charset else []
    if any(mark in raw for mark in _JAPANESE):
        names = ["iso2022_jp_2", *names]
    for name in (*names, "utf-8"):
        try:
            if codecs.lookup(name).name.replace("-", "_") in _NO_CHARSETS:
                continue
            return raw.decode(name)
        except (LookupError, ValueError, TypeError):
            continue
    return raw.decode(names[0], "replace") if names[:1] == ["iso2022_jp_2"] else _last(raw)


def _last(raw: bytes) -> str:
    # Cut in the middle of a character, or no charset at all: latin-1 reads every byte.
    text = raw.decode("utf-8", "replace")
    return text if text.count("\ufffd") <= 2 else raw.decode("latin-1")


def _headers(message: Message) -> Headers:
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in list(message.raw_items())[:_MOST_HEADERS]:
        key = name.lower()[:100]
        fields[key] = (*fields.get(key, ()), decoded(str(value)))
    return Headers(fields)


def decoded(value: str) -> str:
    """Return a header's value in one line, its encoded words (RFC 2047) read where they can be."""
    value = " ".join(_recode(value[:LONGEST_VALUE]).split())
    if "=?" not in value:
        return value
    try:
        pieces = decode_header(value)
    except (ValueError, LookupError, MessageError):
        return value
    return "".join(
        piece if isinstance(piece, str) else _text(piece, charset or "")
        for piece, charset in pieces
    )


def text_headers(text: str) -> Headers:
    """Read header fields out of a text, as the returned message has them."""
    fields: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in text.split("\n")[:_MOST_HEADERS]:
        found = re.match(r"([!-9;-~]{1,80}):[ \t]?(.*)", line)
        if line[:1] in (" ", "\t") and last is not None:
            last[-1] = f"{last[-1]} {line.strip()}"[:LONGEST_VALUE]
        elif found:
            last = fields.setdefault(found[1].lower(), [])
            last.append(found[2][:LONGEST_VALUE])
    return Headers({name: tuple(map(decoded, values)) for name, values in fields.items()})
