"""What must become of each edition: a second, plain reading of the rules, without any database.

It is told of every look that came to its end, with the time that the looking process saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from tests.simulation.cast import Part
from tests.simulation.truth import Due


class Fate(StrEnum):
    """Where an edition stands, by the rules."""

    WAITING = "waiting"
    FIRED = "fired"
    MISSED = "missed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Expected:
    """One edition, and what must have become of it so far."""

    part: Part
    due: Due
    fate: Fate = Fate.WAITING
    asked: bool = False
    approved: bool = False
    by_hand: bool = False
    seen: bool = False
    """Whether anybody has looked since its time."""

    @property
    def key(self) -> tuple[str, date]:
        """What is unique about it (H1)."""
        return self.part.name, self.due.day

    @property
    def last_moment(self) -> datetime:
        """When it is too late for a digest or a yes (H5, H7)."""
        return self.due.at + self.part.deadline


class Oracle:
    """The expected editions of a span of time."""

    def __init__(self, editions: Iterable[Expected]) -> None:
        self.all: dict[tuple[str, date], Expected] = {one.key: one for one in editions}
        self._coming = sorted(
            self.all.values(), key=lambda one: one.due.at - one.part.lead, reverse=True
        )
        self._open: list[Expected] = []

    def look(self, now: datetime, good: Callable[[date], bool]) -> Iterator[Expected]:
        """Take note of a look at `now`; yields what is due and still waits behind it."""
        while self._coming and self._coming[-1].due.at - self._coming[-1].part.lead <= now:
            self._open.append(self._coming.pop())
        for one in self._open:
            self._step(one, now, good(one.due.day))
        self._open = [one for one in self._open if one.fate is Fate.WAITING]
        yield from (one for one in self._open if one.due.at <= now)

    def decide(self, key: tuple[str, date], now: datetime, *, yes: bool) -> bool:
        """Take note of an operator's word; returns whether it is one that can be said now."""
        one = self.all[key]
        asked = one.fate is Fate.WAITING and one.asked and not one.approved
        if not asked or now >= one.last_moment:
            return False
        if yes:
            one.approved = True
        else:
            one.fate = Fate.CANCELLED
        return True

    def skip(self, one: Expected) -> None:
        """Take note of a skip: nothing is to come of it by itself."""
        one.fate = Fate.SKIPPED

    def pause(self, part: Part, since: datetime, until: datetime) -> bool:
        """Take note of a pause, unless something that was due before has no end yet."""
        mine = [one for one in self.all.values() if one.part is part]
        if any(one.fate is Fate.WAITING and one.due.at <= since for one in mine):
            return False
        for one in mine:
            if since < one.due.at <= until and one.fate is Fate.WAITING:
                one.fate = Fate.SKIPPED
        return True

    def send_by_hand(self, one: Expected, *, good: bool) -> bool:
        """Take note of an operator's `run-now`; returns whether it has to go well."""
        if one.fate is Fate.FIRED or not good:
            return False
        one.fate, one.by_hand = Fate.FIRED, True
        return True

    def next_due(self, now: datetime) -> datetime | None:
        """Return when something is due next that nobody skipped."""
        coming = (one.due.at for one in self.all.values() if one.fate is Fate.WAITING)
        return min((at for at in coming if at > now), default=None)

    def _step(self, one: Expected, now: datetime, good: bool) -> None:
        if one.fate is not Fate.WAITING:
            return
        if one.part.approval and good:
            one.asked = True
        if now < one.due.at:
            return
        first, one.seen = not one.seen, True
        # Who was away goes by the grace, who has been there by the deadline.
        if (now - one.due.at > one.part.grace) if first else (now >= one.last_moment):
            one.fate = Fate.MISSED
        elif good and (one.approved or not one.part.approval):
            one.fate = Fate.FIRED
        elif now >= one.last_moment:
            one.fate = Fate.MISSED


def expected_editions(
    parts: Iterable[tuple[Part, list[Due]]],
) -> Iterator[Expected]:
    """Return what is expected of parts and their true instants, before anything happened."""
    for part, dues in parts:
        for due in dues:
            yield Expected(part, due)
