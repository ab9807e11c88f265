"""Reads who and when from a byline, and days from words in several languages.

It guesses no day: a date of numbers only that could be two days is refused with both readings.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from newsletter.digest.findings import Findings, excerpt
from newsletter.digest.model import Byline, Emphasis, Inline, Strong, Text, plain_text

_MONTHS_BY_LANGUAGE = {
    "en": "january february march april may june july august september october november december",
    "de": "januar februar marz april mai juni juli august september oktober november dezember",
    "fr": "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre"
    " diciembre",
    "pt": "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro"
    " dezembro",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre"
    " dicembre",
}
_ABBREVIATIONS = {
    1: "jan janv jaen janner ene gen",
    2: "feb febr fev fevr",
    3: "mar mrz maerz",
    4: "apr avr abr",
    5: "mag mai",
    6: "jun giu",
    7: "jul juil lug",
    8: "aug ago",
    9: "sep sept set setiembre",
    10: "oct okt out ott",
    11: "nov",
    12: "dec dez dic",
}
_WEEKDAYS_BY_LANGUAGE = {
    "en": "monday tuesday wednesday thursday friday saturday sunday",
    "en short": "mon tue wed thu fri sat sun",
    "en shorter": "mon tues weds thur fri sat sun",
    "en other": "mon tue wed thurs fri sat sun",
    "de": "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "de short": "mo di mi do fr sa so",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "es": "lunes martes miercoles jueves viernes sabado domingo",
    "pt": "segunda-feira terca-feira quarta-feira quinta-feira sexta-feira sabado domingo",
    "it": "lunedi martedi mercoledi giovedi venerdi sabato domenica",
}
MONTHS: dict[str, int] = {
    name: number
    for names in _MONTHS_BY_LANGUAGE.values()
    for number, name in enumerate(names.split(), start=1)
} | {name: number for number, names in _ABBREVIATIONS.items() for name in names.split()}
"""Month names without accents, in small letters, to their numbers."""
WEEKDAYS: dict[str, int] = {
    name: number
    for names in _WEEKDAYS_BY_LANGUAGE.values()
    for number, name in enumerate(names.split())
}
"""Weekday names to their numbers, Monday being 0."""

_WORD = r"[^\W\d_]+"
_WEEKDAY = re.compile(rf"(?P<weekday>{_WORD}(?:-feira)?)\.?,?\s+(?:the\s+|den\s+|le\s+)?(?=\S)")
_YEAR_FIRST = re.compile(
    r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[t ][0-9]{1,2}:[0-9:.]+\s*(?:z|[+-][0-9:]+)?)?"
)
_NUMBERS = re.compile(r"([0-9]{1,2})\.?\s?[-/. ]\s?([0-9]{1,2})\.?\s?[-/. ]\s?([0-9]{4})")
_DAY_FIRST = re.compile(
    r"([0-9]{1,2})\s?(?:st|nd|rd|th|er|o|a|°|\.)?[\s-]+(?:(?:de|of)\s+|d['’])?"
    rf"({_WORD})\.?,?[\s-]+(?:(?:de|del|do)\s+)?([0-9]{{4}})"
)
_MONTH_FIRST = re.compile(rf"({_WORD})\.?\s+([0-9]{{1,2}})(?:st|nd|rd|th|\.)?,?\s+([0-9]{{4}})")
_YEAR_MONTH_DAY = re.compile(rf"([0-9]{{4}})[,\s-]+({_WORD})\.?[\s-]+([0-9]{{1,2}})")

_LONGEST_DATE = 60
_LONGEST_BYLINE = 200
_BY = re.compile(r"(?:by|von|par|por|di)\s*:?\s+(?=\S)", re.IGNORECASE)
_BREAKS = re.compile(r"\s*[•·|∙‧●]\s*|\s*[—–]\s*|\s+-\s+")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)]*$")
_HOW_TO_WRITE = "write the day as 2026-05-07 or May 7, 2026"


@dataclass(frozen=True, slots=True)
class DateReading:
    """What a text says as a date: a `day`, or the finding that says why it is none."""

    day: date | None
    code: str = ""
    problem: str = ""
    weekday_differs: bool = False


def read_date(text: str) -> DateReading | None:
    """Read a text that is wholly a date; None when it does not look like one at all.

    Year first, or the month in words (English, German, French, Spanish, Portuguese, Italian),
    with or without a weekday. Days that do not exist and ambiguous numbers are readings
    without a day.
    """
    text = text.strip()
    if len(text) > _LONGEST_DATE or not any(c.isdigit() for c in text):
        return None
    plain = _plain(text)
    weekday: int | None = None
    if (match := _WEEKDAY.match(plain)) and match["weekday"] in WEEKDAYS:
        weekday = WEEKDAYS[match["weekday"]]
        plain = plain[match.end() :]
    reading = _day(plain, text)
    if reading is None or reading.day is None or weekday is None:
        return reading
    return DateReading(reading.day, weekday_differs=reading.day.weekday() != weekday)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def _day(plain: str, shown: str) -> DateReading | None:
    if match := _YEAR_FIRST.fullmatch(plain):
        return _checked(int(match[1]), int(match[3]), int(match[4]), shown)
    if match := _NUMBERS.fullmatch(plain):
        return _from_numbers(int(match[1]), int(match[2]), int(match[3]), shown)
    if (match := _DAY_FIRST.fullmatch(plain)) and match[2] in MONTHS:
        return _checked(int(match[3]), MONTHS[match[2]], int(match[1]), shown)
    if (match := _MONTH_FIRST.fullmatch(plain)) and match[1] in MONTHS:
        return _checked(int(match[3]), MONTHS[match[1]], int(match[2]), shown)
    if (match := _YEAR_MONTH_DAY.fullmatch(plain)) and match[2] in MONTHS:
        return _checked(int(match[1]), MONTHS[match[2]], int(match[3]), shown)
    return None


def _checked(year: int, month: int, day: int, shown: str) -> DateReading:
    try:
        return DateReading(date(year, month, day))
    except ValueError:
        return DateReading(None, "unreadable-date", f"'{excerpt(shown)}' is no day of the calendar")


def _from_numbers(first: int, second: int, year: int, shown: str) -> DateReading:
    readings = {_checked(year, second, first, shown).day, _checked(year, first, second, shown).day}
    days = sorted(day for day in readings if day is not None)
    if len(days) == 2:
        return DateReading(
            None,
            "ambiguous-date",
            f"'{excerpt(shown)}' could be {days[0]} or {days[1]}",
        )
    if not days:
        return _checked(year, 13, 1, shown)
    return DateReading(days[0])


def tell_date(reading: DateReading, findings: Findings, line: int | None) -> None:
    """Add what is wrong with a date to the findings."""
    if reading.day is None:
        findings.add(reading.code, reading.problem, _HOW_TO_WRITE, line)
    elif reading.weekday_differs:
        findings.add(
            "weekday-mismatch",
            f"{reading.day} is a {_english_weekday(reading.day)}, not the weekday named beside it",
            "correct the weekday or the date",
            line,
        )


def _english_weekday(day: date) -> str:
    return _WEEKDAYS_BY_LANGUAGE["en"].split()[day.weekday()].title()


# ---------------------------------------------------------------- the byline


@dataclass(frozen=True, slots=True)
class _Parts:
    author: str | None
    date: DateReading | None
    by: bool
    apart: bool
    """The date stands by itself, or apart from the author by a mark."""


def read_byline(inlines: tuple[Inline, ...], line: int, findings: Findings) -> Byline | None:
    """Read the paragraph below the title as a byline; None when it is ordinary text.

    A byline is short, and wholly emphasised, or starts with "By", or is a date by itself or
    apart from a name by a dash, a bullet, a bar or a comma.
    """
    text = " ".join(plain_text(inlines).split())
    if not text or len(text) > _LONGEST_BYLINE:
        return None
    parts = _split(text)
    if not _is_byline(text, parts, emphasised=_wholly_emphasised(inlines)):
        return None
    day = None
    if parts.date is not None:
        tell_date(parts.date, findings, line)
        day = parts.date.day
    return Byline(parts.author, day, text, line)


def _is_byline(text: str, parts: _Parts, *, emphasised: bool) -> bool:
    ends = _SENTENCE_END.search(text) is not None
    if emphasised:
        return parts.date is not None or parts.by or not ends
    if parts.date is not None:
        words = len((parts.author or "").split())
        return (parts.apart or parts.by) and words <= 8
    return parts.by and not ends and len(text.split()) <= 8


def _wholly_emphasised(inlines: tuple[Inline, ...]) -> bool:
    marked = False
    for node in inlines:
        if isinstance(node, Emphasis | Strong):
            marked = True
        elif not (isinstance(node, Text) and not node.text.strip()):
            return False
    return marked


def _split(text: str) -> _Parts:
    match = _BY.match(text)
    rest = text[match.end() :] if match else text
    pieces = [piece for piece in _BREAKS.split(rest) if piece]
    for index, piece in enumerate(pieces):
        found = _date_in(piece)
        if found is None:
            continue
        reading, name, apart = found
        others = [name, *pieces[:index], *pieces[index + 1 :]]
        author = next((other for other in others if other), None)
        return _Parts(_name(author), reading, match is not None, apart or len(pieces) > 1)
    author = pieces[0] if pieces and match else None
    return _Parts(_name(author), None, match is not None, apart=False)


def _name(author: str | None) -> str | None:
    if author is None:
        return None
    return _BY.sub("", author, count=1).strip(" ,;:") or None


def _date_in(piece: str) -> tuple[DateReading, str, bool] | None:
    """Find a date that is the piece, ends it or starts it: (date, other words, apart)."""
    if (reading := read_date(piece)) is not None:
        return reading, "", True
    words = piece.split()
    for cut in range(1, len(words)):
        before, after = " ".join(words[:cut]), " ".join(words[cut:])
        if (reading := read_date(after)) is not None:
            name = re.sub(r"(?:^|\s+)(?:on|am|le|el|em|il|on the)$", "", before.rstrip(" ,;:"))
            return reading, name, before[-1] in ",;:"
    for cut in range(len(words) - 1, 0, -1):
        before, after = " ".join(words[:cut]), " ".join(words[cut:])
        if (reading := read_date(before.rstrip(",;:"))) is not None:
            return reading, after, before[-1] in ",;:" or _BY.match(after) is not None
    return None
