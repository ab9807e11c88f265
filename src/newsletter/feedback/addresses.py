"""Finds addresses in what others wrote; whether they can receive mail is not asked here."""

from __future__ import annotations

import re

_LOCAL = r"(?:[^\s<>()\[\]{},;:\"'@\\|=&：，；。、（）《》「」【】]|(?<=\S)[=&'](?=\S)){1,64}"
ADDRESS = (
    rf"(?:{_LOCAL}|\"[^\"\s@<>]{{1,62}}\")"
    r"@(?:[^\W_](?:[\w-]{0,62}[^\W_])?\.){1,20}[^\W_][\w-]{0,61}[^\W_]"
)
"""A pattern for one address; linear in the text for its bounds."""

_ADDRESS = re.compile(ADDRESS)
# Scripts that part no words: what stands before an address of Latin letters is a word about it.
_LEAD = re.compile(
    r"[\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff00-\uffef]{1,40}(?=[A-Za-z0-9][ -~]*$)"
)
_LOOSE = re.compile(r"[^\s<>\"(),;]{1,64}@[^\s<>\"(),;]{1,255}")
_TYPED = re.compile(r"(?:smtp|rfc822|mailto)[=:](?=.+@)", re.IGNORECASE)
_UNICODE_ESCAPE = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_SYSTEM = re.compile(
    r"(?:mailer-?daemon|post-?master|poostmaster|double-bounce|mail[._-]?daemon"
    r"|mail[._-]delivery[._-](?:sub)?system|abuse|bounces?|no-?reply|nobody)(?=[@+=-])",
    re.IGNORECASE,
)
_MOST = 1000


def addresses_in(text: str) -> list[str]:
    """Return the addresses of a text in their order, each once."""
    if "@" not in text:
        return []
    found: dict[str, None] = {}
    for number, match in enumerate(_ADDRESS.finditer(text)):
        if number >= _MOST:
            break
        found.setdefault(_LEAD.sub("", _TYPED.sub("", match[0]), count=1).strip(".'"))
    return list(found)


def typed_address(value: str) -> str:
    """Return the address of `rfc822; <a@example.org>` (RFC 3464 §2.3.1), empty where there is none.

    `utf-8; a\\x{E9}@example.org` (RFC 6533 §3) is read too.
    """
    value = value.strip()[:1000]
    kind, semicolon, rest = value.partition(";")
    if semicolon and "@" not in kind:
        if kind.strip().lower() == "utf-8":
            rest = _UNICODE_ESCAPE.sub(_character, rest)
        value = rest.strip()
    found = addresses_in(value)
    if found:
        return found[0]
    loose = _LOOSE.search(value)
    return loose[0].strip("<>.'") if loose else ""


def is_of_a_system(address: str) -> bool:
    """Return whether an address is one that mail systems speak from."""
    return _SYSTEM.match(address) is not None


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""
