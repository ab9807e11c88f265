"""Words that stand on one line for somebody else's: names, titles, subjects, header values.

A stranger chooses some of them. Controls could end a header field or a line of a log; invisible
signs that turn the reading direction could reorder what stands beside them ("Trojan Source",
CVE-2021-42574; Unicode Standard Annex 9, section 2).
"""

from __future__ import annotations

import unicodedata

# Embeddings, overrides, isolates and their ends; the deprecated ones of U+206A to U+206F; the
# marks of annotations, and Mongolian's vowel separator, which shows nothing. The marks that say a
# direction without changing that of others (U+200E, U+200F, U+061C) and the joiners stay: names
# in Arabic, Hebrew, Persian and Indic scripts, and emoji, are spelled with them.
_TURNING = frozenset(
    map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x2070), *range(0xFFF9, 0xFFFC), 0x180E))
)
_BREAKS = frozenset("\u2028\u2029")


def one_line(text: str) -> str:
    """Return a text on one line: spaces folded, no controls, nothing that turns what follows.

    Signs that Unicode has not given out yet stay: they may be next year's emoji.
    """
    if text.isascii() and text.isprintable():
        kept = text
    else:
        kept = "".join(" " if _is_unfit(c) else c for c in text if c not in _TURNING)
    return " ".join(kept.split())


def has_controls(text: str) -> bool:
    """Return whether a text holds what could end a line or a header field."""
    return any(unicodedata.category(c) in ("Cc", "Cs") or c in _BREAKS for c in text)


def _is_unfit(character: str) -> bool:
    kind = unicodedata.category(character)
    if kind == "Cn":
        number = ord(character)
        return number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF  # never characters
    return kind in ("Cc", "Cs", "Co") or character in _BREAKS
