"""The end of a wave: what of it has not left in time is not sent any more (G9, H6).

The campaign as a whole lives as long as its last wave.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from newsletter.delivery.campaigns import Campaign
from newsletter.delivery.freeze_request import Waves
from newsletter.delivery.outcomes import RETRY_MARK
from newsletter.delivery.statements import among
from newsletter.delivery.states import READY, DeliveryState, Move, before
from newsletter.delivery.waves import instant_of
from newsletter.storage.tables import campaigns, deliveries, subscribers

_D = deliveries.c


def expire_waves(connection: Connection, campaign: Campaign, now: datetime) -> int:
    """Expire what has not left though the time of its own wave is over; returns how many (G9).

    The campaign as a whole lives as long as its last wave: without this, yesterday's news would be
    tried again for the zones that come first. A row that was tried keeps no memory of its wave, so
    it goes by the reader's zone; that of somebody who changed since the freeze is not known, and
    they have until the end of the campaign. So has what goes out again after its answer was lost:
    it may have arrived, and somebody decided so.
    """
    if campaign.wave_time is None or not (told := _frozen_waves(connection, campaign.id)):
        return 0
    waves, expires_after = told
    # Nobody's time begins before the campaign's.
    if now < max(campaign.created_at, campaign.not_before or campaign.created_at) + expires_after:
        return 0
    without_wave = or_(_D.state == DeliveryState.DEFERRED, _D.not_before.is_(None))
    first_way = func.coalesce(_D.reason, "") != RETRY_MARK
    tried = and_(_D.campaign_id == campaign.id, _D.state.in_(READY), without_wave, first_way)
    reader = and_(
        subscribers.c.id == _D.subscriber_id, subscribers.c.updated_at <= campaign.created_at
    )
    zones = connection.execute(
        select(subscribers.c.timezone).join(deliveries, reader).where(tried).distinct()
    ).scalars()
    over = [zone for zone in zones if instant_of(waves, zone) + expires_after <= now]
    untried = and_(
        _D.campaign_id == campaign.id,
        _D.state == DeliveryState.PENDING,
        _D.not_before <= now - expires_after,
    )
    theirs = and_(tried, exists().where(reader, _is_one_of(connection, over)))
    return connection.execute(
        update(deliveries)
        .where(or_(untried, theirs) if over else untried, _D.state.in_(before(Move.EXPIRE)))
        .values(state=DeliveryState.EXPIRED, not_before=None)
    ).rowcount


def _is_one_of(connection: Connection, zones: Iterable[str | None]) -> ColumnElement[bool]:
    known = [zone for zone in zones if zone is not None]
    named = among(connection, subscribers.c.timezone, known)
    return or_(named, subscribers.c.timezone.is_(None)) if None in zones else named


def _frozen_waves(connection: Connection, campaign: int) -> tuple[Waves, timedelta] | None:
    """Read the waves, and how long each lives, as the freeze wrote them down."""
    row = connection.execute(
        select(
            campaigns.c.wave_day,
            campaigns.c.wave_time,
            campaigns.c.wave_zone,
            campaigns.c.wave_expires_s,
        ).where(campaigns.c.id == campaign)
    ).one()
    if None in row:
        return None
    waves = Waves(
        date.fromisoformat(row.wave_day), time.fromisoformat(row.wave_time), row.wave_zone
    )
    return waves, timedelta(seconds=row.wave_expires_s)
