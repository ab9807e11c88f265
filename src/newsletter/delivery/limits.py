"""Everything that slows a send down on purpose, brought together for the sender (G15, D6, D7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from newsletter.clock import zone_of
from newsletter.delivery.bounce_classes import BUILT_IN, BounceTable, bounce_table
from newsletter.delivery.domains import DomainGate, DomainWatch, held_domains
from newsletter.delivery.pacing import Pace, Unpaced, open_pace
from newsletter.delivery.statements import OPEN_ATTEMPTS
from newsletter.delivery.warm_up import allowance, count_today, describe
from newsletter.settings import BrakesPart, Settings, WarmUpPart
from newsletter.storage.database import Database

SECONDS_A_BATCH = 10.0
"""A paced batch is no larger than this many seconds' worth: a pause takes effect at its end."""

QUOTA_LOCK = 0x6E6C7175
"""Number of the advisory lock under which workers claim while a warm-up plan is in force."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The account's rate, the warm-up plan, the share of each domain, and the brakes.

    `timezone` is the zone whose midnight begins a new day of the warm-up; `table` tells the
    classes of refusals, which the brakes count by (D3).
    """

    pace: Pace = field(default_factory=Unpaced)
    rate: float | None = None
    gate: DomainGate = field(default_factory=lambda: DomainGate(0))
    watch: DomainWatch = field(default_factory=lambda: DomainWatch(BrakesPart().blocked_rate))
    warm_up: WarmUpPart = field(default_factory=WarmUpPart)
    brakes: BrakesPart = field(default_factory=BrakesPart)
    timezone: str = "UTC"
    table: BounceTable = BUILT_IN

    def day(self, now: datetime) -> str:
        """Return the day that an instant belongs to, as the warm-up counts."""
        return self._date(now).isoformat()

    def _date(self, now: datetime) -> date:
        return now.astimezone(zone_of(self.timezone)).date()

    def room(self, connection: Connection, provider: str, now: datetime) -> int | None:
        """Return how many more may be claimed today by the warm-up plan; None: no limit."""
        today = self._date(now)
        most = allowance(self.warm_up, today)
        if most is None:
            return None
        if connection.dialect.name == "postgresql":
            # Until the claim is committed: what others claim meanwhile would not be counted.
            connection.execute(select(func.pg_advisory_xact_lock(QUOTA_LOCK)))
        under_way = connection.execute(OPEN_ATTEMPTS).scalar_one()
        return max(0, most - count_today(connection, provider, today.isoformat()) - int(under_way))

    def batch(self, most: int, lanes: int) -> int:
        """Return how large a batch may be so that a paced one does not take too long."""
        if self.rate is None:
            return most
        return max(1, min(most, int(self.rate * SECONDS_A_BATCH / lanes)))

    def describe(self, connection: Connection, provider: str, now: datetime) -> list[str]:
        """Say every limit that is in force, in a few words each (G15)."""
        words = [self.pace.describe()]
        today = self._date(now)
        used = count_today(connection, provider, today.isoformat())
        words.append(describe(self.warm_up, today, used))
        words.append(self.gate.describe())
        words += [
            f"{domain} held until {hold.until:%H:%M} UTC"
            for domain, hold in held_domains(connection, now).items()
        ]
        return [text for text in words if text]


def open_limits(settings: Settings, database: Database) -> Limits:
    """Build the limits that the settings ask for, shared by all lanes of this process."""
    delivery = settings.delivery
    return Limits(
        pace=open_pace(delivery, database),
        rate=delivery.rate_per_second,
        gate=DomainGate(delivery.per_domain if delivery.provider == "smtp" else 0),
        watch=DomainWatch(settings.brakes.blocked_rate),
        warm_up=delivery.warm_up,
        brakes=settings.brakes,
        timezone=settings.newsletter.timezone,
        table=bounce_table(settings.feedback.rules),
    )
