"""What the preferences page offers and reads: zones, languages, dates; no database here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import available_timezones

from newsletter.audience.consent import MembershipStatus
from newsletter.audience.preferences import LONGEST_NAME, Choice, Details, Preferences
from newsletter.clock import is_zone, zone_of
from newsletter.logs import mask_address
from newsletter.one_line import has_controls
from newsletter.rendering.theme import format_date
from newsletter.web.catalogue import Catalogue, Words
from newsletter.web.forms import Form

LONGEST_ZONE = 64
"""Characters; no zone of the database has more."""
LONGEST_PAUSE = timedelta(days=5 * 365)
_REGIONS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia"),
    *("Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)


@lru_cache(maxsize=1)
def zones_by_region() -> dict[str, list[tuple[str, str]]]:
    """Return the zones people live in: by region, `(Europe/Paris, Paris)`."""
    found: dict[str, list[tuple[str, str]]] = {region: [] for region in _REGIONS}
    for zone in sorted(available_timezones()):
        region, _, place = zone.partition("/")
        if place and region in found:
            found[region].append((zone, place.replace("_", " ").replace("/", ", ")))
    return found


@dataclass(frozen=True)
class PreferencesView:
    """What the template shows: what is stored, or what was typed and refused.

    `whole`: all of it, for who came by a fresh link; else the lists and the pause alone.
    """

    stored: Preferences
    catalogue: Catalogue
    default_zone: str
    now: datetime
    language: str
    filled: Form | None
    whole: bool

    def _typed(self, act: str, name: str, stored: str | None) -> str:
        if self.filled is not None and self.filled.text("act") == act:
            return self.filled.text(name)
        return stored or ""

    @property
    def address(self) -> str:
        """The address as its owner recognises it: links are forwarded along with a mail."""
        return mask_address(self.stored.address)

    @property
    def name(self) -> str:
        """What stands in the field."""
        return self._typed("save", "name", self.stored.name)

    @property
    def zone(self) -> str:
        """The chosen zone, empty for the newsletter's."""
        return self._typed("save", "timezone", self.stored.timezone)

    @property
    def zones(self) -> dict[str, list[tuple[str, str]]]:
        """The zones to choose from."""
        return zones_by_region()

    @property
    def unlisted_zone(self) -> str | None:
        """A zone that is stored and not among those offered."""
        offered = {zone for zones in self.zones.values() for zone, _ in zones}
        stored = self.stored.timezone
        return stored if stored and stored not in offered else None

    @property
    def chosen_language(self) -> str:
        """The chosen language, empty for the newsletter's."""
        return self._typed("save", "language", self.stored.language)

    @cached_property
    def languages(self) -> list[tuple[str, str]]:
        """The languages there are texts of, and the stored one: tag and name."""
        names = {
            tag: str(texts.get("language.name", tag))
            for tag, texts in self.catalogue.languages.items()
        }
        if self.stored.language:
            names.setdefault(self.stored.language, self.stored.language)
        return list(names.items())

    def ticked(self, choice: Choice) -> bool:
        """Return whether a list's box is ticked."""
        if self.filled is not None and self.filled.text("act") == "save":
            return str(choice.list_id) in self.filled.all("list")
        return choice.chosen

    def pause_end(self, choice: Choice) -> date | None:
        """Return the day on which a list's mail comes again."""
        if choice.paused_until is None:
            return None
        return choice.paused_until.astimezone(zone_of(self._zone)).date()

    @property
    def paused(self) -> bool:
        """Whether any list is paused now."""
        return any(
            choice.status is MembershipStatus.PAUSED
            and (choice.paused_until is None or choice.paused_until > self.now)
            for choice in self.stored.choices
        )

    @property
    def on_any_list(self) -> bool:
        """Whether there is anything to pause."""
        return any(choice.chosen for choice in self.stored.choices)

    @property
    def until(self) -> str:
        """What stands in the field of the date."""
        return self._typed("pause", "until", None)

    @property
    def tomorrow(self) -> str:
        """The first day a pause may end on."""
        return tomorrow(self._zone, self.now)

    @property
    def new_address(self) -> str:
        """What stands in the field of the new address."""
        return self._typed("address", "email", None)

    @property
    def _zone(self) -> str:
        return self.stored.timezone or self.default_zone


def tomorrow(zone: str, now: datetime) -> str:
    """Return the first day that a pause may end on, as a date field takes it."""
    return str(now.astimezone(zone_of(zone)).date() + timedelta(days=1))


def read_details(filled: Form, words: Words) -> tuple[Details, dict[str, str]]:
    """Return name, zone and language as typed, and what is wrong with them by field."""
    errors: dict[str, str] = {}
    name, zone, language = (filled.text(field) for field in ("name", "timezone", "language"))
    if len(name) > LONGEST_NAME or has_controls(name):
        errors["name"] = words("field.name_wrong")
    if zone and not (len(zone) <= LONGEST_ZONE and is_zone(zone)):
        errors["timezone"] = words("field.timezone_wrong")
    if language and not (language.replace("-", "").isalnum() and _is_tag(language)):
        errors["language"] = words("field.language_wrong")
    return Details(name, zone, language), errors


def _is_tag(language: str) -> bool:
    primary, *rest = language.split("-")
    return (
        language.isascii()
        and primary.isalpha()
        and 2 <= len(primary) <= 3
        and len(rest) <= 3
        and all(2 <= len(part) <= 8 for part in rest)
    )


def read_until(
    filled: Form, words: Words, zone: str, now: datetime
) -> tuple[datetime | None, str | None]:
    """Return the instant at which a day begins in the reader's zone, or what is wrong with it."""
    example = format_date((now + timedelta(days=14)).date(), words.language)
    try:
        day = date.fromisoformat(filled.text("until"))
    except ValueError:
        return None, words("field.date_wrong", example=example)
    if day > (now + LONGEST_PAUSE).date():
        return None, words("field.date_far")
    if day <= now.astimezone(zone_of(zone)).date():
        return None, words("field.date_wrong", example=example)
    return datetime(day.year, day.month, day.day, tzinfo=zone_of(zone)).astimezone(UTC), None
