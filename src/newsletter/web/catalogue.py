"""The words of the pages by language: `texts/LANGUAGE.toml`, English where a key is missing.

Words hold placeholders such as `{list}`; what fills them is escaped by the template that shows
them. A table of `one` and `other` is a plural, chosen by the placeholder `{count}`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from newsletter.rendering.theme import direction_of

TEXTS = Path(__file__).resolve().parent / "texts"
FALLBACK = "en"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_ACCEPTED = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,30})?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?"
)
_LONGEST_HEADER = 200


def _is_one(count: int) -> bool:
    return count == 1


# Where one is said of other numbers than 1 (Unicode CLDR, plural rules).
_ONE: Mapping[str, Callable[[int], bool]] = {
    "fr": lambda count: count in (0, 1),
    "ja": lambda _count: False,
    "ko": lambda _count: False,
    "zh": lambda _count: False,
}

Text = str | Mapping[str, str]


@dataclass(frozen=True)
class Words:
    """The words of one language; called with a key and the values of its placeholders."""

    language: str
    texts: Mapping[str, Text]
    fallback: Mapping[str, Text]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a key; raises `KeyError` for one that English lacks too."""
        text = self.texts.get(key) or self.fallback[key]
        if not isinstance(text, str):
            count = int(str(values["count"]))
            one = _ONE.get(self.language, _is_one)
            text = text["one"] if one(count) and "one" in text else text["other"]
        # One pass: a value that looks like a placeholder comes out as it is.
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)

    def has(self, key: str) -> bool:
        """Return whether there is a text."""
        return key in self.texts or key in self.fallback

    @property
    def direction(self) -> str:
        """Return `ltr` or `rtl`."""
        return direction_of(self.language)


class Catalogue:
    """All languages there are texts of."""

    def __init__(self, folder: Path = TEXTS) -> None:
        self._folder = folder

    @cached_property
    def languages(self) -> Mapping[str, Mapping[str, Text]]:
        """The flattened texts of each language: `page.key` to text."""
        return {path.stem: read_texts(path) for path in sorted(self._folder.glob("*.toml"))}

    def words(self, wanted: Sequence[str | None]) -> Words:
        """Return the words of the first language that there are any of; else English."""
        for tag in wanted:
            language = (tag or "").lower().partition("-")[0]
            if language in self.languages:
                return Words(language, self.languages[language], self.languages[FALLBACK])
        return Words(FALLBACK, self.languages[FALLBACK], self.languages[FALLBACK])


def read_texts(path: Path) -> dict[str, Text]:
    """Read one file: its tables are pages, their keys are texts."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return {f"{page}.{key}": text for page, texts in tables.items() for key, text in texts.items()}


def placeholders(text: Text) -> set[str]:
    """Return the names of the placeholders of a text."""
    parts = [text] if isinstance(text, str) else list(text.values())
    return {name for part in parts for name in _PLACEHOLDER.findall(part)}


def accepted_languages(header: str) -> list[str]:
    """Return the languages of an Accept-Language header, the best liked first (RFC 9110 §12.5.4).

    What is odd in it is left out; of a long one only the beginning is read.
    """
    found: list[tuple[float, str]] = []
    for part in header[:_LONGEST_HEADER].split(","):
        match = _ACCEPTED.fullmatch(part)
        if match and float(match[2] or 1) > 0:
            found.append((float(match[2] or 1), match[1]))
    return [language for _, language in sorted(found, key=lambda pair: -pair[0])]
