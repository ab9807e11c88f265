"""Reads days from words, in the languages that the emails speak, and from names of files.

It guesses no day: numbers that could be two days are refused with both readings, and a day
without its year is no day, unless the digest's name settles it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from newsletter.digest.findings import Findings, excerpt

# Months in the order of the year, forms of one month joined by '/', '_' for a space.
_MONTH_NAMES = (
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sep/sept oct nov dec",
    "januar/jänner februar/feber märz/maerz april mai juni/juno juli/julei august september"
    " oktober november dezember",
    "jän/jaen feb/febr mär/mrz apr mai jun jul aug sep okt nov dez",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "janv févr/fév mars avr mai juin juil août/aoû sept oct nov déc",
    "enero febrero marzo abril mayo junio julio agosto septiembre/setiembre octubre noviembre"
    " diciembre",
    "ene feb mar abr may jun jul ago sep/sept/set oct nov dic",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "gen feb mar apr mag giu lug ago set ott nov dic",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "jan fev mar abr mai jun jul ago set out nov dez",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "jan feb mrt apr mei jun jul aug sep/sept okt nov dec",
    "stycznia/styczeń lutego/luty marca/marzec kwietnia/kwiecień maja/maj czerwca/czerwiec"
    " lipca/lipiec sierpnia/sierpień września/wrzesień października/październik"
    " listopada/listopad grudnia/grudzień",
    "sty lut mar kwi maj cze lip sie wrz paź lis gru",
    "يناير فبراير مارس أبريل/ابريل مايو يونيو/يونيه يوليو/يوليه أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
    "كانون_الثاني شباط آذار نيسان أيار حزيران تموز آب أيلول تشرين_الأول تشرين_الثاني كانون_الأول",
    "جانفي فيفري مارس أفريل ماي جوان جويلية أوت سبتمبر أكتوبر نوفمبر ديسمبر",
    "ינואר פברואר מרץ/מרס אפריל מאי יוני יולי אוגוסט ספטמבר אוקטובר נובמבר דצמבר",
    "ינו פבר מרץ אפר מאי יונ יול אוג ספט אוק נוב דצמ",
)
# Weekdays from Monday on, as above.
_WEEKDAY_NAMES = (
    "monday tuesday wednesday thursday friday saturday sunday",
    "mon tue/tues wed/weds thu/thur/thurs fri sat sun",
    "montag dienstag mittwoch donnerstag freitag samstag/sonnabend sonntag",
    "mo di mi do fr sa so",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lun mar mer jeu ven sam dim",
    "lunes martes miércoles jueves viernes sábado domingo",
    "lun mar mié jue vie sáb dom",
    "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "lun mar mer gio ven sab dom",
    "segunda-feira/segunda terça-feira/terça quarta-feira/quarta quinta-feira/quinta"
    " sexta-feira/sexta sábado domingo",
    "seg ter qua qui sex sáb dom",
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "ma di wo do vr za zo",
    "poniedziałek wtorek środa/środę czwartek piątek sobota/sobotę niedziela/niedzielę",
    "pon/pn wt śr czw/czw pt/pt sob/so niedz/ndz/nd",
    "الاثنين/الإثنين الثلاثاء الأربعاء/الاربعاء الخميس الجمعة السبت الأحد/الاحد",
    "יום_שני/שני יום_שלישי/שלישי יום_רביעי/רביעי יום_חמישי/חמישי יום_שישי/שישי שבת/יום_שבת"
    " יום_ראשון/ראשון",
    "יום_ב' יום_ג' יום_ד' יום_ה' יום_ו' שבת יום_א'",
)

_QUOTES = str.maketrans({"’": "'", "׳": "'", "`": "'", "،": ",", "\u200e": "", "\u200f": ""})


def plain(text: str) -> str:
    """Return text in small letters without accents, with ASCII digits and single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_QUOTES).casefold())
    kept = "".join(c for c in decomposed if not unicodedata.combining(c))
    if not kept.isascii():
        kept = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in kept)
    return " ".join(kept.split())


def _numbered(rows: tuple[str, ...], first: int) -> dict[str, int]:
    return {
        plain(form.replace("_", " ")): number
        for row in rows
        for number, forms in enumerate(row.split(), start=first)
        for form in forms.split("/")
    }


def _any_of(names: dict[str, int]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


MONTHS: dict[str, int] = _numbered(_MONTH_NAMES, 1)
"""Month names as `plain` writes them to their numbers."""
WEEKDAYS: dict[str, int] = _numbered(_WEEKDAY_NAMES, 0)
"""Weekday names as `plain` writes them; some short ones are those of two languages."""

# 'mar' is Tuesday in three languages, 'so' Sunday in one and Saturday in another: a short form
# says no more than that a weekday stands there, so only whole names are held to the date.
_SURE_WEEKDAYS = {name for name in WEEKDAYS if len(name) > 3 and name not in ("dom.", "niedz")}

_MONTH = rf"(?P<month>{_any_of(MONTHS)})(?:[.']|(?!\w))"
_DAY = r"(?P<day>[0-9]{1,2})"
_YEAR = r"(?P<year>[0-9]{4})(?:\s?(?:r\.?|roku|г\.?))?"
_GAP = r"[\s,./-]{1,3}"
_ORDINAL = r"(?:\s?(?:st|nd|rd|th|er|ere|eme|e|de|o|a)(?!\w)|\s?[°º.])?"
_LINK = r"(?:(?:de|del|do|di|of|van|d'|den|ב|من)\s?)?"
_WEEKDAY = re.compile(
    rf"(?:on |am |le |el |em |il |op |w |we |ב)?(?P<weekday>{_any_of(WEEKDAYS)})(?!\w)"
    r"[.,]{0,2}\s?(?:the |den |dem |le |el |il |dia |de |,)?\s?(?=\S)"
)
_WEEKDAY_BEHIND = re.compile(
    rf"[\s,]*[(\[]?\b(?P<weekday>{_any_of(WEEKDAYS)})\.?[)\]]?$|\s?\([月火水木金土日](?:曜日?)?\)$"
)
_ORDINAL_WORDS = r"(?:the |den |le |el |il |dia )?"
_DATES = (
    re.compile(rf"{_ORDINAL_WORDS}{_DAY}{_ORDINAL}[\s-]*{_LINK}{_MONTH}[\s,.-]*{_LINK}{_YEAR}"),
    re.compile(rf"{_MONTH}[\s-]*(?:the )?{_DAY}{_ORDINAL}{_GAP}{_LINK}{_YEAR}"),
    re.compile(rf"{_YEAR}{_GAP}{_MONTH}{_GAP}{_DAY}{_ORDINAL}"),
    re.compile(r"(?P<year>[0-9]{4})\s?年\s?(?P<month>[0-9]{1,2})\s?月\s?(?P<day>[0-9]{1,2})\s?日"),
    re.compile(
        r"(?P<year>[0-9]{4})(?P<sep>[-/.])\s?(?P<month>[0-9]{1,2})(?P=sep)\s?(?P<day>[0-9]{1,2})\.?"
    ),
    re.compile(rf"{_DAY}/{_MONTH}/{_YEAR}"),
)
_WITHOUT_YEAR = (
    re.compile(rf"{_ORDINAL_WORDS}{_DAY}{_ORDINAL}[\s-]*{_LINK}{_MONTH}"),
    re.compile(rf"{_MONTH}[\s-]*(?:the )?{_DAY}{_ORDINAL}"),
    re.compile(r"(?P<month>[0-9]{1,2})\s?月\s?(?P<day>[0-9]{1,2})\s?日"),
)
_NUMBERS = re.compile(r"([0-9]{1,2})\.?\s?[-/. ]\s?([0-9]{1,2})\.?\s?[-/. ]\s?([0-9]{4})")
_SHORT_YEAR = re.compile(r"[0-9]{1,2}([-/.])[0-9]{1,2}\1'?[0-9]{2}")

CLOCK = (
    r"[0-9]{1,2}\s?[:.h][0-9]{2}(?:[:.][0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:\s?(?:a\.?m\.?|p\.?m\.?|uhr|uur|h|godz\.?))?(?=\W|z|$)|"
    r"[0-9]{1,2}\s?(?:a\.?m\.?|p\.?m\.?|uhr|uur|h|o'clock)(?!\w)|[0-9]{1,2}時(?:[0-9]{1,2}分)?"
)
"""A time of day as `plain` writes it."""
ZONE = (
    r"(?:utc|gmt|z|cet|cest|mez|mesz|wet|west|eet|eest|msk|bst|ist|est|edt|et|cst|cdt|ct|mst|mdt|mt"
    r"|pst|pdt|pt|akst|hst|brt|jst|kst|sgt|hkt|aest|aedt|awst|acst|nzst|nzdt|sast|ast|nst)(?!\w)"
    r"(?:\s?[+-−][0-9]{1,2}(?::?[0-9]{2})?)?|[+-−][0-9]{2}:?[0-9]{2}(?![0-9])"
    r"|(?:africa|america|antarctica|asia|atlantic|australia|europe|indian|pacific)/[a-z_/-]+"
)
"""A time zone as `plain` writes it."""
_TIME = (
    rf"(?:(?:at|um|a las|alle(?: ore)?|as|om|o|a|à|godz\.?|t)\s?)?(?:{CLOCK})\s?"
    rf"(?:\(?(?:{ZONE})\)?)?"
)
_TIME_BEHIND = re.compile(rf"(?:[\s,]+|(?<=[0-9])t){_TIME}$")
_TIME_BEFORE = re.compile(rf"^{_TIME}[\s,]+")

_REIWA = re.compile(r"令和\s?([0-9]{1,2}|元)\s?年")
"""The era since 2019, by which Japan counts its years."""
_JAPANESE = re.compile(
    r"(?:令和\s?(?:[0-9０-９]{1,2}|元)|[0-9０-９]{4})\s?年.{1,5}月.{1,5}日(?:\s?[(（][^)）]{1,3}[)）])?"
)
_OPENING = {"(": ")", "[": "]"}
_LONGEST = 80
_HOW_TO_WRITE = "write the day as 2026-05-07 or May 7, 2026"
_IN_NAME = re.compile(r"(?<![0-9])([0-9]{4})([-_.]?)([0-9]{2})\2([0-9]{2})(?![0-9])")


@dataclass(frozen=True, slots=True)
class DateReading:
    """What a text says as a date: a `day`, or the finding that says why it is none.

    `candidates` are the days that it may mean, as month and day where the year is missing.
    """

    day: date | None
    code: str = ""
    problem: str = ""
    weekday_differs: bool = False
    candidates: tuple[date | tuple[int, int], ...] = ()

    def settled(self, named: date | None) -> DateReading:
        """Return this reading, its day taken from the digest's name where it is one it may mean."""
        if named is None or self.day is not None:
            return self
        meant = named in self.candidates or (named.month, named.day) in self.candidates
        return DateReading(named) if meant else self


def read_date(text: str) -> DateReading | None:
    """Read a text that is wholly a date; None when it does not look like one at all.

    Year first, or the month in words, with or without a weekday and a time of day. Days that do
    not exist, ambiguous numbers and days without a year are readings without a day.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    words = plain(text).strip(" ,")
    if words[:1] in _OPENING and words[-1:] == _OPENING.get(words[:1]):
        words = words[1:-1].strip(" ,")
    words = _REIWA.sub(lambda era: f"{2018 + int(era[1].replace('元', '1'))}年", words)
    if not any(c.isdigit() for c in words):
        return None
    words = _TIME_BEFORE.sub("", _TIME_BEHIND.sub("", words)).strip(" ,")
    # Some months are short like weekdays ('mar'), so a date is looked for with it first.
    if (reading := _day(words, text)) is not None:
        return reading
    if match := _WEEKDAY.match(words):
        reading = _day(words[match.end() :].strip(), text)
    elif match := _WEEKDAY_BEHIND.search(words):
        reading = _day(words[: match.start()].strip(), text)
    if reading is None or reading.day is None or match is None:
        return reading
    weekday = _weekday(match["weekday"] or "")
    differs = weekday is not None and reading.day.weekday() != weekday
    return DateReading(reading.day, weekday_differs=differs)


def _weekday(name: str) -> int | None:
    return WEEKDAYS[name] if name in _SURE_WEEKDAYS or name in _ENGLISH_SHORT else None


_ENGLISH_SHORT = frozenset({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})


def _day(words: str, shown: str) -> DateReading | None:
    for pattern in _DATES:
        if match := pattern.fullmatch(words):
            month = match["month"]
            number = MONTHS[month] if month in MONTHS else int(month)
            return _checked(int(match["year"]), number, int(match["day"]), shown)
    if match := _NUMBERS.fullmatch(words):
        return _from_numbers(int(match[1]), int(match[2]), int(match[3]), shown)
    if _SHORT_YEAR.fullmatch(words):
        problem = f"'{excerpt(shown)}' does not write its year in four digits"
        return DateReading(None, "ambiguous-date", problem)
    for pattern in _WITHOUT_YEAR:
        if match := pattern.fullmatch(words):
            month = match["month"]
            found = MONTHS[month] if month in MONTHS else int(month), int(match["day"])
            problem = f"'{excerpt(shown)}' names no year"
            return DateReading(None, "unreadable-date", problem, candidates=(found,))
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
        problem = f"'{excerpt(shown)}' could be {days[0]} or {days[1]}"
        return DateReading(None, "ambiguous-date", problem, candidates=tuple(days))
    if not days:
        return _checked(year, 13, 1, shown)
    return DateReading(days[0])


def find_date(text: str) -> tuple[DateReading, str, str] | None:
    """Find a date among other words: the reading, what stands before it and behind it.

    The longest one counts, a whole one before one without its year; the latter only by itself.
    """
    text = text.strip()
    if not any(c.isdigit() for c in text) or len(text) > 4 * _LONGEST:
        return None
    if (match := _JAPANESE.search(text)) and (reading := read_date(match[0])) is not None:
        return reading, text[: match.start()], text[match.end() :]
    words = text.split()
    for size in range(min(len(words), 9), 0, -1):
        for start in range(len(words) - size + 1):
            reading = read_date(" ".join(words[start : start + size]).rstrip(";:"))
            # A day without its year is one only where nothing else is said.
            if reading is None or (reading.code == "unreadable-date" and reading.candidates):
                continue
            return reading, " ".join(words[:start]), " ".join(words[start + size :])
    reading = read_date(text.rstrip(";:"))
    return (reading, "", "") if reading is not None else None


def tell_date(reading: DateReading, findings: Findings, line: int | None) -> None:
    """Add what is wrong with a date to the findings."""
    if reading.day is None:
        findings.add(reading.code, reading.problem, _HOW_TO_WRITE, line)
    elif reading.weekday_differs:
        name = _WEEKDAY_NAMES[0].split()[reading.day.weekday()].title()
        findings.add(
            "weekday-mismatch",
            f"{reading.day} is a {name}, not the weekday named beside it",
            "correct the weekday or the date",
            line,
        )


def day_in_name(name: str) -> date | None:
    """Return the day that a digest's name says, at its start or else anywhere, as 2026-05-07."""
    for match in _IN_NAME.finditer(name):
        try:
            return date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue
    return None
