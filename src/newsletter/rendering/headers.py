"""Header fields on the wire: encoded, folded, and safe from whoever typed their values.

The email package folds long structured-looking fields into encoded words, which breaks
List-Unsubscribe (A5); so fields are serialised here, as ASCII bytes without line ends inside.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

import idna

from newsletter.one_line import one_line

LINE = 76
"""Longest line we write; RFC 5322 §2.1.1 allows 998 and asks for 78."""
_ENCODED_WORD = 75
"""Longest encoded word (RFC 2047 §2)."""
_PHRASE_WORD = 64
"""The same in a display name, which shares its line with the name of its field."""
_PREFIX, _SUFFIX = "=?utf-8?b?", "?="
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+")

# An address that goes over the wire as it stands; most do.
_QUICK_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9.-]+")

_JOINER = "\u200d"


class NeedsSmtputf8(Exception):  # noqa: N818 - it names the extension (RFC 6531)
    """The address has a non-ASCII local part: only a server with SMTPUTF8 takes it (A6)."""


def encode_text(name: str, value: str) -> str:
    """Return an unstructured field (`Subject`), encoded where needed and folded, without its end.

    Encoded words are split between what a reader sees as characters (RFC 2047 §5 (3)).
    """
    clean = one_line(value)
    if _is_plain(clean):
        return _fold(name, clean.split(" "))
    return _fold(name, list(_encoded_words(clean, room=_ENCODED_WORD - len(name) - 1)))


def encode_phrase(value: str) -> str:
    """Return a display name as it stands in an address: plain, quoted, or encoded words."""
    clean = one_line(value)
    if not clean:
        return ""
    if not clean.isascii() or "=?" in clean:
        return " ".join(_encoded_words(clean, room=_PHRASE_WORD))
    if _ATOM.fullmatch(clean):
        return clean
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encode_address(name: str, display_name: str, address: str, *, smtputf8: bool = False) -> str:
    """Return an address field such as `To: "Ada" <ada@example.org>`, folded, without its end.

    Raises `NeedsSmtputf8` for a non-ASCII local part when the server does not take it.
    """
    spec = f"<{wire_address(address, smtputf8=smtputf8)}>"
    phrase = encode_phrase(display_name)
    words = [*phrase.split(" "), spec] if phrase else [spec]
    if phrase.startswith('"'):
        # A quoted name is one token: folding inside it would change its spaces.
        words = [phrase, spec]
    return _fold(name, words)


def wire_address(address: str, *, smtputf8: bool = False) -> str:
    """Return an address as SMTP takes it: an A-label domain, an ASCII local part (A6).

    Raises `NeedsSmtputf8`, and `ValueError` for what is no address at all.
    """
    if _QUICK_ADDRESS.fullmatch(address):
        return address
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or _unsafe(address):
        raise ValueError("not an address")
    if not local.isascii() and not smtputf8:
        raise NeedsSmtputf8
    return f"{local}@{a_label(domain)}"


def a_label(domain: str) -> str:
    """Return a domain as ASCII; raises `ValueError` when it cannot be one."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError(f"not a domain: {domain!r}") from None


def encode_list_unsubscribe(*targets: str) -> str:
    """Return List-Unsubscribe with each URL whole, folded only between them (RFC 2369 §2).

    Raises `ValueError` for a URL that holds anything but visible ASCII or an angle bracket.
    """
    for target in targets:
        if not re.fullmatch(r"[\x21-\x3b\x3d\x3f-\x7e]+", target):
            raise ValueError("not a URL for a header")
    return "List-Unsubscribe: " + ",\r\n ".join(f"<{target}>" for target in targets)


def encode_list_id(title: str, list_id: str) -> str:
    """Return List-Id with the list's title (RFC 2919 §2)."""
    phrase = encode_phrase(title)
    identifier = f"<{re.sub(r'[^A-Za-z0-9.-]', '-', list_id)}>"
    return _fold("List-Id", [phrase, identifier] if phrase else [identifier])


def encode_date(at: datetime) -> str:
    """Return the Date field, to the second."""
    return _date_of(at.replace(microsecond=0))


@lru_cache(maxsize=8)
def _date_of(at: datetime) -> str:
    return f"Date: {format_datetime(at)}"


def _unsafe(text: str) -> bool:
    return any(unicodedata.category(c) in ("Cc", "Cs", "Zs", "Zl", "Zp") or c in "<>" for c in text)


def _is_plain(value: str) -> bool:
    # A word that looks encoded, or is too long to fold, must be encoded to come out as it is.
    if not value.isascii() or "=?" in value:
        return False
    return len(value) < 900 or all(len(word) < 900 for word in value.split(" "))


def _fold(name: str, words: list[str]) -> str:
    """Put words on lines of at most `LINE` characters; a longer word gets a line of its own."""
    whole = f"{name}: {' '.join(words)}"
    if len(whole) <= LINE and words:
        return whole
    line, lines = f"{name}:", []
    for word in words:
        if len(line) + 1 + len(word) > LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += " " + word
    lines.append(line)
    return "\r\n".join(lines)


def _encoded_words(value: str, *, room: int) -> Iterator[str]:
    """Cut a value into base64 encoded words, never inside a cluster of characters."""
    longest = (room - len(_PREFIX) - len(_SUFFIX)) // 4 * 3
    whole = value.encode("utf-8")
    if len(whole) <= longest:
        yield _word(whole)
        return
    part = b""
    for cluster in _clusters(value):
        data = cluster.encode("utf-8")
        if part and len(part) + len(data) > longest:
            yield _word(part)
            part = b""
        # One monstrous cluster (hundreds of combining marks) is cut between code points.
        while len(data) > longest:
            end = longest
            while data[end] & 0xC0 == 0x80:
                end -= 1
            yield _word(data[:end])
            data = data[end:]
        part += data
    if part:
        yield _word(part)


def _word(data: bytes) -> str:
    return _PREFIX + base64.b64encode(data).decode("ascii") + _SUFFIX


def _clusters(value: str) -> Iterator[str]:
    """Split where a reader sees a new character: marks, joiners and flags stay with their base."""
    cluster = ""
    for character in value:
        if cluster and not _continues(cluster, character):
            yield cluster
            cluster = ""
        cluster += character
    if cluster:
        yield cluster


def _continues(cluster: str, character: str) -> bool:
    if unicodedata.category(character) in ("Mn", "Me", "Mc") or character in (_JOINER, "\ufe0f"):
        return True
    if cluster.endswith(_JOINER) or "\U0001f3fb" <= character <= "\U0001f3ff":
        return True
    # Two regional indicators make one flag.
    return len(cluster) == 1 and all(
        "\U0001f1e6" <= c <= "\U0001f1ff" for c in (cluster, character)
    )
