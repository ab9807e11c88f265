"""The numbers behind /metrics, counted in one look into the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, func, select

from newsletter.delivery.alert_claims import count_untold
from newsletter.delivery.holding import UNFINISHED
from newsletter.delivery.states import READY, CampaignStatus, DeliveryState
from newsletter.schedule.model import EditionStatus
from newsletter.storage.schedule_tables import editions
from newsletter.storage.tables import campaigns, deliveries, events, letters, lists

LAST_FINISHED = 3
"""So many campaigns that have ended are counted too: bounces still move their deliveries."""
MOST_UNFINISHED = 20


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """One campaign with how many of its deliveries are in each state."""

    campaign: int
    list: str
    states: dict[DeliveryState, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a monitor may want to draw, or to be woken by."""

    campaigns: dict[CampaignStatus, int]
    deliveries: list[CampaignFigures]
    editions: dict[EditionStatus, int]
    events_waiting: int
    alerts_untold: int
    letters_waiting: int
    last_finished_at: datetime | None


def count_figures(connection: Connection) -> Figures:
    """Count everything; walks the ledger of the campaigns that are counted."""
    by_status = _count_by(connection, campaigns, "status")
    by_edition = _count_by(connection, editions, "status")
    return Figures(
        campaigns={status: by_status.get(status, 0) for status in CampaignStatus},
        deliveries=_count_deliveries(connection),
        editions={status: by_edition.get(status, 0) for status in EditionStatus},
        events_waiting=connection.execute(
            select(func.count()).select_from(events).where(events.c.applied_at.is_(None))
        ).scalar_one(),
        alerts_untold=count_untold(connection),
        letters_waiting=connection.execute(
            select(func.count()).select_from(letters).where(letters.c.state.in_(READY))
        ).scalar_one(),
        last_finished_at=connection.execute(
            select(func.max(campaigns.c.finished_at))
        ).scalar_one_or_none(),
    )


def _count_by(connection: Connection, table: Table, column: str) -> dict[str, int]:
    rows = connection.execute(select(table.c[column], func.count()).group_by(table.c[column]))
    return {str(row[0]): int(row[1]) for row in rows}


def _count_deliveries(connection: Connection) -> list[CampaignFigures]:
    named = select(campaigns.c.id, lists.c.name).join(lists, lists.c.id == campaigns.c.list_id)
    unfinished = (
        named.where(campaigns.c.status.in_(UNFINISHED))
        .order_by(campaigns.c.id.desc())
        .limit(MOST_UNFINISHED)
    )
    finished = (
        named.where(campaigns.c.status == CampaignStatus.SENT)
        .order_by(campaigns.c.finished_at.desc(), campaigns.c.id.desc())
        .limit(LAST_FINISHED)
    )
    rows = [*connection.execute(unfinished), *connection.execute(finished)]
    shown: dict[int, CampaignFigures] = {
        number: CampaignFigures(number, name, dict.fromkeys(DeliveryState, 0))
        for number, name in sorted((row.id, row.name) for row in rows)
    }
    counted = connection.execute(
        select(deliveries.c.campaign_id, deliveries.c.state, func.count())
        .where(deliveries.c.campaign_id.in_(shown))
        .group_by(deliveries.c.campaign_id, deliveries.c.state)
    )
    for campaign, state, count in counted:
        shown[campaign].states[DeliveryState(state)] = count
    return list(shown.values())
