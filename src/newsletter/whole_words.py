"""Compiles patterns for ways of speaking so that none is found inside a longer word.

"rate" is no part of "generated" then, and "no user" none of "casino users". A row that is meant for
the beginning of words says so with `\\w*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LETTER = r"0-9A-Za-z_\u00aa\u00ba\u00c0-\u024f\u0370-\u052f"
"""Latin, Greek and Cyrillic: scripts that part words; Chinese and Japanese part none."""

_START = rf"(?:(?<![{_LETTER}])|(?![{_LETTER}]))"
_END = rf"(?:(?![{_LETTER}])|(?<![{_LETTER}]))"


def whole_words(rows: Iterable[str]) -> re.Pattern[str]:
    """Return rows as one pattern, in any case, that begins and ends where words do."""
    alternatives = "|".join(f"(?:{row})" for row in rows)
    return re.compile(f"{_START}(?:{alternatives}){_END}", re.IGNORECASE)
