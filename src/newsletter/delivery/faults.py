"""Keeps what goes wrong with one thing to that thing: one edition, campaign, mailbox or letter.

Periodic work goes through many things. An unexpected exception in one of them is a fault of the
program; it holds that one, with an alert that names it and a trace in the log, and the others go
on. The held one is tried again after a pause that doubles.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from newsletter.clock import Clock
from newsletter.delivery.alert_words import held_by_a_fault, kept_waiting
from newsletter.delivery.alerts import raise_alert
from newsletter.delivery.pauses import Pauses
from newsletter.errors import NewsletterError
from newsletter.logs import get_logger, place_of, trace_of
from newsletter.storage.database import Database

log = get_logger("faults")

REST_SECONDS = (60.0, 600.0)
"""The shortest and the longest pause before a held thing is tried again."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What is worked on: its `kind` and `number` or name, and how an operator knows it.

    `campaign` when it is one, or belongs to one. Of a quiet thing no alert is raised: of an alert,
    for example, which would be told by the way that just failed.
    """

    kind: str
    name: str
    label: str
    campaign: int | None = None
    quiet: bool = False

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.kind} {self.name}"


class Faults:
    """Holds things of one process; safe to use from several threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._pauses = Pauses()

    def is_held(self, thing: Thing) -> bool:
        """Return whether a fault holds a thing just now."""
        return not self._pauses.over(thing.key)

    @contextmanager
    def holding(self, thing: Thing) -> Iterator[None]:
        """Work on one thing; an unexpected exception ends the block and no more.

        Our own errors pass: who works knows what they mean.
        """
        try:
            yield
        except NewsletterError:
            raise
        except Exception as error:  # noqa: BLE001 - it holds this thing alone, and is told
            self.hold(thing, error)
        else:
            self._pauses.end(thing.key)

    def tell(self, thing: Thing, error: NewsletterError) -> None:
        """Tell the operator that one of our own errors keeps a thing waiting; never raises.

        It is no fault of the program, so the thing may be tried again at once.
        """
        words = f"{error}. Fix: {error.fix}" if error.fix else str(error)
        self._raise(thing, words, self._clock.now(), fault=False)

    def hold(self, thing: Thing, error: Exception) -> None:
        """Hold a thing by an exception that was caught elsewhere; never raises."""
        self._pauses.begin(thing.key, *REST_SECONDS)
        problem, place = type(error).__name__, place_of(error)
        log.error(
            "held_by_a_fault",
            kind=thing.kind,
            name=thing.name,
            campaign=thing.campaign,
            problem=problem,
            at=place,
            trace=trace_of(error),
        )
        if not thing.quiet:
            self._raise(thing, f"{problem} at {place}", self._clock.now(), fault=True)

    def _raise(self, thing: Thing, problem: str, now: datetime, *, fault: bool) -> None:
        words = held_by_a_fault if fault else kept_waiting
        alert = words(thing.key, thing.label, problem=problem, campaign=thing.campaign, at=now)
        # A database that cannot be written is told by whoever works with it.
        with suppress(NewsletterError), self._database.write() as connection:
            raise_alert(connection, alert, now)


def campaign_thing(campaign: int) -> Thing:
    """Return a campaign as a thing to work on."""
    return Thing("campaign", str(campaign), f"campaign {campaign}", campaign=campaign)
