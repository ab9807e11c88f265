"""Dates and times as other programs write them into files: ISO, RFC 5322, seconds, 7.5.2024."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial

_SECONDS = re.compile(r"(\d{9,10})(?:\.\d+)?|(\d{13})|(\d(?:\.\d+)?[eE]\+?(?:9|09))")
_NUMBERS = re.compile(
    r"(\d{1,4})([./-])(\d{1,2})\2(\d{2,4})\.?"
    r"(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*([ap]\.?m\.?)?)?(?:\s*(?:UTC|GMT|Z))?",
    re.IGNORECASE,
)
_ENDS = re.compile(r"\s*(?:UTC|GMT|Z)$", re.IGNORECASE)
_NAMED = (
    *("%B %d, %Y %I:%M %p", "%B %d, %Y, %I:%M %p", "%B %d, %Y %H:%M", "%B %d, %Y"),
    *("%b %d, %Y %I:%M %p", "%b %d, %Y, %I:%M %p", "%b %d, %Y %H:%M", "%b %d, %Y"),
    *("%d %B %Y %H:%M:%S", "%d %B %Y %H:%M", "%d %B %Y", "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%a %b %d %H:%M:%S %Y", "%Y%m%d", "%Y%m%dT%H%M%S"),
    *("%Y/%m/%d %H:%M:%S", "%B %d, %Y %I:%M:%S %p", "%b %d, %Y %I:%M:%S %p"),
)
"""What `strptime` reads; months are English."""


def instants_in(text: str) -> list[datetime]:
    """Return the instants that a text may mean, the earliest first; none where it is no date.

    There are several only where day and month could change places. Without a zone it is UTC.
    """
    found: set[datetime] = set()
    for at in _readings(text.strip()):
        try:
            found.add(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))
        except OverflowError:
            continue
    return sorted(found)


def _readings(text: str) -> Iterator[datetime]:
    if match := _SECONDS.fullmatch(text):
        seconds = float(text) / (1000 if match[2] else 1)
        yield datetime.fromtimestamp(seconds, UTC)
        return
    if match := _NUMBERS.fullmatch(text):
        yield from _of_numbers(match)
        return
    bare = _ENDS.sub("", text)
    # `2024-05-07 10:00:00 +0000`: ISO has no space before a zone.
    close = re.sub(r" ([+-]\d)", r"\1", bare)
    readers: list[Callable[[], datetime]] = [lambda: datetime.fromisoformat(close)]
    readers += [partial(datetime.strptime, bare, layout) for layout in _NAMED]
    readers += [lambda: parsedate_to_datetime(text)]
    for read in readers:
        with suppress(ValueError, TypeError, IndexError):
            yield read()
            return


def _of_numbers(match: re.Match[str]) -> Iterator[datetime]:
    first, sign, second, third = match[1], match[2], match[3], match[4]
    if len(first) == 4:
        orders = [(first, second, third)]
    elif sign == ".":
        # Dots: the day goes first wherever dates are written so.
        orders = [(third, second, first)]
    else:
        orders = [(third, second, first), (third, first, second)]
    hour, minute, after = int(match[5] or 0), int(match[6] or 0), int(match[7] or 0)
    half = (match[8] or "")[:1].lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    for year, month, day in orders:
        full = int(year) + (2000 if len(year) == 2 else 0)
        try:
            yield datetime(full, int(month), int(day), hour, minute, after, tzinfo=UTC)
        except ValueError:
            continue


def the_later(instants: list[datetime], now: datetime, slack: timedelta) -> datetime | None:
    """Return the latest instant that is not in the future; None where all are, or there is none."""
    past = [at for at in instants if at <= now + slack]
    return min(past[-1], now) if past else None
