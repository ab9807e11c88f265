"""The fixed words of an email by language, its dates and plurals; the words are in `words.toml`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

_FILE = Path(__file__).with_name("words.toml")
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


@dataclass(frozen=True, slots=True)
class Words:
    """The fixed words of an email in one language; `date` is a pattern for `format_date`.

    `first` is how the first day of a month is written where it is not a plain 1. `spaced` says
    whether labels may be letter-spaced: never where letters join or fill a square.
    """

    language: str
    by: str
    why: str
    sources: str
    source: str
    contents: str
    preferences: str
    unsubscribe: str
    read_online: str
    subscribed: str
    date: str
    days: tuple[str, ...]
    months: tuple[str, ...]
    first: str = "1"
    spaced: bool = True
    minute_forms: Mapping[str, str] = field(default_factory=dict, hash=False)
    story_forms: Mapping[str, str] = field(default_factory=dict, hash=False)

    def minutes(self, count: int) -> str:
        """Return how long reading takes: `6 min read`."""
        return self._counted(self.minute_forms, count)

    def stories(self, count: int) -> str:
        """Return how many stories there are: `9 stories`."""
        return self._counted(self.story_forms, count)

    def reason(self, title: str) -> str:
        """Return why a reader gets the mail of a list that gives no reason of its own."""
        return self.subscribed.replace("{list}", title)

    @property
    def archive(self) -> str:
        """Return the words of the link to the public page, as templates have long called it."""
        return self.read_online

    def _counted(self, forms: Mapping[str, str], count: int) -> str:
        form = plural_form(self.language, count)
        return forms.get(form, forms["other"]).replace("{n}", str(count))


def words_of(language: str) -> Words:
    """Return the fixed words of a language; English where we do not speak it."""
    known = _known()
    return known.get(_primary(language), known["en"])


def languages() -> tuple[str, ...]:
    """Return the languages whose words we have, as primary tags."""
    return tuple(_known())


def direction_of(language: str) -> str:
    """Return `rtl` for languages that are written from right to left."""
    return "rtl" if _primary(language) in _RIGHT_TO_LEFT else "ltr"


def format_date(day: date, language: str) -> str:
    """Return a date as readers of a language write it; ISO 8601 where we do not know."""
    words = _known().get(_primary(language))
    if words is None:
        return day.isoformat()
    return words.date.format(
        weekday=words.days[day.weekday()],
        day=words.first if day.day == 1 else day.day,
        month=words.months[day.month - 1],
        year=day.year,
    )


def plural_form(language: str, count: int) -> str:
    """Return which form of a noun a whole number takes, by the names and rules of CLDR."""
    return _PLURALS.get(_primary(language), _one_or_other)(count)


def _one_or_other(count: int) -> str:
    return "one" if count == 1 else "other"


def _french(count: int) -> str:
    return "one" if count in (0, 1) else "other"


def _polish(count: int) -> str:
    if count == 1:
        return "one"
    few = count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14)
    return "few" if few else "many"


def _arabic(count: int) -> str:
    if count <= 2:
        return ("zero", "one", "two")[count]
    rest = count % 100
    if 3 <= rest <= 10:
        return "few"
    return "many" if rest >= 11 else "other"


def _hebrew(count: int) -> str:
    return {1: "one", 2: "two"}.get(count, "other")


def _japanese(_count: int) -> str:
    return "other"


_PLURALS: Mapping[str, Callable[[int], str]] = {
    "fr": _french,
    "pt": _french,
    "pl": _polish,
    "ar": _arabic,
    "he": _hebrew,
    "ja": _japanese,
}


@functools.cache
def _known() -> Mapping[str, Words]:
    tables = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        language: Words(
            language=language,
            days=tuple(table.pop("days")),
            months=tuple(table.pop("months")),
            minute_forms=table.pop("minutes"),
            story_forms=table.pop("stories"),
            **table,
        )
        for language, table in tables.items()
    }


def _primary(language: str) -> str:
    return language.lower().partition("-")[0]
