"""What an email looks like and says of itself: colours, fonts, fixed words, dates by language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours and font stacks; text on its ground has a contrast of at least 4.5:1."""

    ink: str = "#22262a"
    quiet: str = "#5c6166"
    paper: str = "#fdfcfa"
    ground: str = "#f0ece4"
    tint: str = "#f6efe2"
    accent: str = "#c2761b"
    label: str = "#8a4b08"
    link: str = "#1a5a8a"
    serif: str = "Georgia, 'Times New Roman', serif"
    sans: str = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
    mono: str = "ui-monospace, Menlo, Consolas, monospace"


@dataclass(frozen=True, slots=True)
class Words:
    """The fixed words of an email in one language; `date` is a pattern for `format_date`."""

    by: str
    why: str
    sources: str
    source: str
    preferences: str
    unsubscribe: str
    archive: str
    date: str
    days: tuple[str, ...] = ()
    months: tuple[str, ...] = ()


_ENGLISH = Words(
    by="By",
    why="Why it matters",
    sources="Sources",
    source="Source",
    preferences="Preferences",
    unsubscribe="Unsubscribe",
    archive="Read online",
    date="{weekday}, {day} {month} {year}",
    days=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    months=(
        *("January", "February", "March", "April", "May", "June", "July"),
        *("August", "September", "October", "November", "December"),
    ),
)

_WORDS = {
    "en": _ENGLISH,
    "de": Words(
        by="Von",
        why="Warum es wichtig ist",
        sources="Quellen",
        source="Quelle",
        preferences="Einstellungen",
        unsubscribe="Abmelden",
        archive="Online lesen",
        date="{weekday}, {day}. {month} {year}",
        days=(
            *("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag"),
            *("Samstag", "Sonntag"),
        ),
        months=(
            *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli"),
            *("August", "September", "Oktober", "November", "Dezember"),
        ),
    ),
    "fr": Words(
        by="Par",
        why="Pourquoi c’est important",
        sources="Sources",
        source="Source",
        preferences="Préférences",
        unsubscribe="Se désabonner",
        archive="Lire en ligne",
        date="{weekday} {day} {month} {year}",
        days=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        months=(
            *("janvier", "février", "mars", "avril", "mai", "juin", "juillet"),
            *("août", "septembre", "octobre", "novembre", "décembre"),
        ),
    ),
}

_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


def words_of(language: str) -> Words:
    """Return the fixed words of a language; English where we do not speak it."""
    return _WORDS.get(_primary(language), _ENGLISH)


def direction_of(language: str) -> str:
    """Return `rtl` for languages that are written from right to left."""
    return "rtl" if _primary(language) in _RIGHT_TO_LEFT else "ltr"


def format_date(day: date, language: str) -> str:
    """Return a date as readers of a language write it; ISO 8601 where we do not know."""
    words = _WORDS.get(_primary(language))
    if words is None:
        return day.isoformat()
    return words.date.format(
        weekday=words.days[day.weekday()],
        day=day.day,
        month=words.months[day.month - 1],
        year=day.year,
    )


def _primary(language: str) -> str:
    return language.lower().partition("-")[0]
