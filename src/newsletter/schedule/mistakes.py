"""What may be wrong in the words of a schedule, told with what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from zoneinfo import available_timezones

from newsletter.errors import DeliveryError


class ScheduleError(DeliveryError):
    """A schedule that does not exist, cannot be read, or may not be changed like this."""


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return the one of `known` that somebody may have meant, whatever its capitals; or None."""
    spelled = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), spelled, n=1)
    return spelled[close[0]] if close else None


def unknown_zone(name: str) -> ScheduleError:
    """Return the error of a zone that is none, with the nearest that there is."""
    meant = nearest(name, available_timezones())
    fix = f"did you mean '{meant}'?" if meant else "use an IANA name like Europe/Paris"
    return ScheduleError(f"unknown time zone '{name}'", fix=fix)
