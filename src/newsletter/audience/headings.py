"""Headings and words of other programs in one spelling: `EmailAddress` is `email address`."""

from __future__ import annotations

import re
from functools import lru_cache

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def plain_words(text: str) -> str:
    """Return a heading or a word in small letters with single spaces, without any signs."""
    return _NO_WORD.sub(" ", _HUMP.sub(" ", text)).strip().lower()
