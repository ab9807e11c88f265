"""What waits for an operator, for the daily summary: each thing in a sentence, with a command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from newsletter.delivery.alert_claims import AlertState, list_alerts
from newsletter.delivery.domains import held_domains
from newsletter.delivery.letter_reports import look_at_letters
from newsletter.delivery.states import CampaignStatus, DeliveryState
from newsletter.schedule.model import EditionStatus
from newsletter.storage.schedule_tables import editions, schedules
from newsletter.storage.tables import campaigns, deliveries, digests, events

LOOKED_BACK = timedelta(days=30)
"""Campaigns older than this are not looked through for unknown deliveries."""
_ALERTS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that does not go on, or was not heard, without an operator."""

    what: str
    command: str


def gather_waits(connection: Connection, now: datetime, since: datetime) -> Iterator[Wait]:
    """Return what waits now, and what came `since` then and led to nothing."""
    yield from _editions(connection)
    yield from _campaigns(connection)
    yield from _unknown(connection, now)
    for domain in held_domains(connection, now):
        yield Wait(f"{domain} refuses our mail and is left alone.", "newsletter domains list")
    for health in look_at_letters(connection, now):
        if not health.ok:
            command = (health.fix or "newsletter letters list").rpartition(": ")[2]
            yield Wait(f"Letters to readers: {health.detail}.", command)
    yield from _unheard(connection, since)
    yield from _unbelieved(connection, since)


def _editions(connection: Connection) -> Iterator[Wait]:
    rows = connection.execute(
        select(editions.c.day, schedules.c.name)
        .join(schedules, schedules.c.id == editions.c.schedule_id)
        .where(editions.c.status == EditionStatus.HELD.value)
        .order_by(editions.c.due_at, editions.c.id)
    )
    for row in rows:
        yield Wait(
            f"The edition of '{row.name}' of {row.day} waits for your yes.",
            f"newsletter schedule approve {row.name} {row.day}",
        )


def _campaigns(connection: Connection) -> Iterator[Wait]:
    stopped = (CampaignStatus.PAUSED.value, CampaignStatus.HELD.value)
    rows = connection.execute(
        select(campaigns.c.id, campaigns.c.status, campaigns.c.status_reason, digests.c.slug)
        .join(digests, digests.c.id == campaigns.c.digest_id)
        .where(campaigns.c.status.in_(stopped))
        .order_by(campaigns.c.id)
    )
    for row in rows:
        why = f": {row.status_reason}" if row.status_reason else ""
        yield Wait(
            f"Campaign {row.id} ({row.slug}) is {row.status}{why}.".replace("..", "."),
            f"newsletter campaigns report {row.id}",
        )


def _unknown(connection: Connection, now: datetime) -> Iterator[Wait]:
    rows = connection.execute(
        select(deliveries.c.campaign_id, func.count().label("n"))
        .join(campaigns, campaigns.c.id == deliveries.c.campaign_id)
        .where(
            campaigns.c.created_at > now - LOOKED_BACK,
            deliveries.c.state == DeliveryState.UNKNOWN,
        )
        .group_by(deliveries.c.campaign_id)
        .order_by(deliveries.c.campaign_id)
    )
    for row in rows:
        noun = "delivery is" if row.n == 1 else "deliveries are"
        yield Wait(
            f"{row.n:,} {noun} unknown in campaign {row.campaign_id}: the answer was lost.",
            f"newsletter campaigns resolve {row.campaign_id} --help",
        )


def _unheard(connection: Connection, since: datetime) -> Iterator[Wait]:
    given_up = [
        alert
        for alert in list_alerts(connection, limit=_ALERTS_LOOKED_AT)
        if alert.state is AlertState.GIVEN_UP and alert.told_at and alert.told_at > since
    ]
    if given_up:
        noun = "alert was" if len(given_up) == 1 else "alerts were"
        yield Wait(f"{len(given_up)} {noun} given up: a way failed.", "newsletter alerts list")


def _unbelieved(connection: Connection, since: datetime) -> Iterator[Wait]:
    count: int = connection.execute(
        select(func.count()).where(events.c.believed.is_(False), events.c.received_at > since)
    ).scalar_one()
    if count:
        noun = "event that came back proves" if count == 1 else "events that came back prove"
        yield Wait(f"{count:,} {noun} nothing and changed nothing.", "newsletter bounces list")
