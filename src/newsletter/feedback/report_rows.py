"""One row for each recipient of a campaign, with what came back for it; streamed, never held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, select

from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.campaigns import get_campaign
from newsletter.delivery.states import DeliveryState
from newsletter.feedback.events import EventKind
from newsletter.feedback.report_figures import CLASSES
from newsletter.storage.tables import attempts, deliveries, events, subscribers

_K = EventKind

_FAILURES = tuple(kind.value for kind in (_K.BOUNCED, _K.BLOCKED, _K.DROPPED))
_TELLING = (*_FAILURES, _K.COMPLAINED.value, _K.DELIVERED.value, _K.DEFERRED.value)

_FAILED = (DeliveryState.REJECTED, DeliveryState.BOUNCED)
_LABELS = {int(state): state.label for state in DeliveryState}
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """One recipient of a campaign; `address` is None once the subscriber was erased.

    `bounce` is the class of a failure (D3). `event` to `diagnostic` are of the event that tells
    most: the newest complaint, else the newest failure (of the class that counts), else the newest
    delivery, else the newest deferral; None where nothing believable came back.
    """

    delivery: str
    address: str | None
    state: str
    reason: str | None
    answer: str | None
    tries: int
    not_before: datetime | None
    claimed_at: datetime | None
    bounce: str | None
    event: str | None
    event_at: datetime | None
    status: str | None
    diagnostic: str | None


def recipient_rows(
    connection: Connection, campaign: int, *, states: tuple[DeliveryState, ...] | None = None
) -> Iterator[RecipientRow]:
    """Stream the recipients of a campaign, all of them or those in the given states."""
    get_campaign(connection, campaign)
    query = (
        select(
            deliveries.c.subscriber_id,
            subscribers.c.address,
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.answer,
            deliveries.c.tries,
            deliveries.c.not_before,
            attempts.c.claimed_at,
            events.c.kind,
            events.c.bounce,
            events.c.at,
            events.c.detail,
        )
        .outerjoin(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        .outerjoin(attempts, attempts.c.id == deliveries.c.attempt_id)
        .outerjoin(events, events.c.id == _telling_event(campaign))
        .where(deliveries.c.campaign_id == campaign)
        .order_by(deliveries.c.subscriber_id)
    )
    if states is not None:
        query = query.where(deliveries.c.state.in_(states))
    for row in connection.execute(query.execution_options(yield_per=_PAGE)):
        yield RecipientRow(
            f"{campaign}-{row.subscriber_id}",
            # Of an erased one with the greatest number an empty row stays.
            row.address or None,
            _LABELS[row.state],
            row.reason,
            row.answer,
            row.tries,
            row.not_before,
            row.claimed_at,
            row.reason if row.state in _FAILED and row.reason in CLASSES else row.bounce,
            row.kind,
            row.at,
            told(row.detail, "status"),
            told(row.detail, "diagnostic", "response", "reason"),
        )


def told(detail: object, *names: str) -> str | None:
    """Return the first text that an event's detail has under one of the names."""
    if not detail or not isinstance(detail, Mapping):
        return None
    found = (detail.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), None)


def _telling_event(campaign: int) -> Any:
    """Return the number of the event that tells most of a delivery, in SQL.

    Index: events by campaign and subscriber.
    """
    one = events.alias("one")
    weights = (
        (one.c.kind == _K.COMPLAINED.value, 0),
        # Of failures in the order in which they decide a row (D4).
        (one.c.kind.in_(_FAILURES) & (one.c.bounce == BounceClass.HARD.value), 1),
        (one.c.kind == _K.DROPPED.value, 2),
        (one.c.kind == _K.BOUNCED.value, 3),
        (one.c.kind == _K.BLOCKED.value, 4),
        (one.c.kind == _K.DELIVERED.value, 5),
    )
    return (
        select(one.c.id)
        .where(
            one.c.campaign_id == campaign,
            one.c.subscriber_id == deliveries.c.subscriber_id,
            one.c.believed,
            one.c.kind.in_(_TELLING),
        )
        .order_by(case(*weights, else_=len(weights)), one.c.at.desc(), one.c.id.desc())
        .limit(1)
        .correlate(deliveries)
        .scalar_subquery()
    )
