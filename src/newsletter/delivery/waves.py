"""Local-time waves: one campaign that each reader gets at a wall time of their own zone (H6).

The freeze decides when each delivery is due, and nothing afterwards changes it: whoever moves to
another zone is still one row with one time. Sending knows of waves only that rows wait.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, select

from newsletter.audience.eligibility import freeze_selection
from newsletter.audience.segment_model import Segment
from newsletter.audience.segment_sql import segment_filter
from newsletter.clock import first_instant, is_zone, zone_of
from newsletter.delivery.freeze_request import Waves
from newsletter.delivery.statements import WaveTimes
from newsletter.delivery.states import DeliveryState
from newsletter.storage.tables import deliveries, subscribers

_D = deliveries.c


@dataclass(frozen=True, slots=True)
class Wave:
    """Readers who are due at the same instant; `at` is None for those who are due at once."""

    at: datetime | None
    readers: int


@dataclass(frozen=True, slots=True)
class WavesAhead:
    """What of a campaign waits for its readers' own time and was never tried."""

    readers: int
    waves: int
    first: datetime
    last: datetime


def instant_of(waves: Waves, zone: str | None) -> datetime:
    """Return when a reader's wave is due, in UTC.

    Without a zone, or with a name that is none, the reader takes that of the waves.
    """
    known = zone if zone and is_zone(zone) else waves.timezone
    return first_instant(datetime.combine(waves.day, waves.time), zone_of(known)).at


def wave_times(
    connection: Connection, audience: Select[tuple[int]], waves: Waves, start: datetime
) -> WaveTimes:
    """Work out when each zone among the subscribers of a selection is due.

    What is due by `start` goes at once. It costs one walk through the audience, and no row of it
    reaches this process.
    """
    named = {zone for zone in _zones_among(connection, audience) if zone and is_zone(zone)}
    return WaveTimes(
        _unless_past(instant_of(waves, None), start),
        {zone: _unless_past(instant_of(waves, zone), start) for zone in named},
    )


def count_waves(
    connection: Connection, audience: Select[tuple[int]], waves: Waves, start: datetime
) -> tuple[Wave, ...]:
    """Return the waves that a freeze would make, in the order they are due."""
    chosen = audience.order_by(None).subquery()
    rows = connection.execute(
        select(subscribers.c.timezone, func.count())
        .join(chosen, chosen.c.subscriber_id == subscribers.c.id)
        .group_by(subscribers.c.timezone)
    )
    counts: Counter[datetime | None] = Counter()
    for zone, readers in rows:
        counts[_unless_past(instant_of(waves, zone), start)] += readers
    ordered = sorted(counts.items(), key=lambda wave: (wave[0] is not None, wave[0] or start))
    return tuple(Wave(at, readers) for at, readers in ordered)


def earliest_wave(
    connection: Connection, list_id: int, waves: Waves, segment: Segment | None, now: datetime
) -> datetime:
    """Return the first instant at which a reader of a list, or of a segment of it, is due.

    That of the waves' own zone where there is nobody. One walk through the list's readers.
    """
    condition = None
    if segment is not None:
        zone = waves.timezone
        condition = segment_filter(connection, segment.condition, list_id, now, zone=zone)
    zones = _zones_among(connection, freeze_selection(list_id, now, condition)) or [None]
    return min(instant_of(waves, zone) for zone in zones)


def _zones_among(connection: Connection, audience: Select[tuple[int]]) -> list[str | None]:
    chosen = audience.order_by(None).subquery()
    rows = connection.execute(
        select(subscribers.c.timezone)
        .join(chosen, chosen.c.subscriber_id == subscribers.c.id)
        .distinct()
    )
    return list(rows.scalars())


def _unless_past(at: datetime, start: datetime) -> datetime | None:
    return at if at > start else None


def waves_ahead(connection: Connection, campaign: int) -> WavesAhead | None:
    """Return what waits for its wave; None where nothing does, as in a campaign without waves."""
    # Only a wave gives a time to what was never tried.
    row = connection.execute(
        select(
            func.count(),
            func.count(_D.not_before.distinct()),
            func.min(_D.not_before),
            func.max(_D.not_before),
        ).where(
            _D.campaign_id == campaign,
            _D.state == DeliveryState.PENDING,
            _D.not_before.is_not(None),
        )
    ).one()
    return WavesAhead(*row) if row[0] else None
