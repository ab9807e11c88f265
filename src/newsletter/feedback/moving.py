"""Moves deliveries and letters forward as events prove it (D1, D4, G8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, func, select, update

from newsletter.delivery.campaigns import change_status_in, get_campaign
from newsletter.delivery.states import UNSETTLED, CampaignStatus, DeliveryState
from newsletter.feedback.concerns import Concern
from newsletter.feedback.policy import Landing, join, landing_of
from newsletter.providers.base import DeliveryId
from newsletter.storage.tables import deliveries, letters


@dataclass(frozen=True, slots=True)
class Moved:
    """A delivery that stands further than before."""

    delivery: DeliveryId
    list_id: int
    before: Landing
    after: Landing


_MOVE = (
    update(deliveries)
    .where(
        deliveries.c.campaign_id == bindparam("b_campaign"),
        deliveries.c.subscriber_id == bindparam("b_subscriber"),
        deliveries.c.state == bindparam("b_before"),
    )
    .values(state=bindparam("b_state"), reason=bindparam("b_reason"), not_before=None)
)
"""The row is locked and its state known; a claim's fence stays, and a late record is void (G5).
Index: the ledger's key."""


def move_deliveries(connection: Connection, concerns: Iterable[Concern]) -> list[Moved]:
    """Take each delivery as far as all its events prove, in one statement; returns what moved.

    One that was never handed over stays: `sent_elsewhere` has those.
    """
    standing: dict[DeliveryId, tuple[Concern, Landing]] = {}
    for concern in concerns:
        landing = landing_of(concern.news)
        if concern.delivery is None or concern.row is None or landing is None:
            continue
        if not concern.attempted:
            continue
        _, current = standing.get(concern.delivery, (concern, concern.row))
        standing[concern.delivery] = concern, join(current, landing)
    moved = [
        Moved(delivery, concern.list_id or 0, concern.row, after)
        for delivery, (concern, after) in sorted(standing.items())
        if concern.row is not None and after != concern.row
    ]
    if moved:
        connection.execute(
            _MOVE,
            [
                {
                    "b_campaign": one.delivery.campaign,
                    "b_subscriber": one.delivery.subscriber,
                    "b_before": one.before.state,
                    "b_state": one.after.state,
                    "b_reason": one.after.reason,
                }
                for one in moved
            ],
        )
    return moved


def sent_elsewhere(concerns: Iterable[Concern]) -> dict[int, int]:
    """Count, by campaign, the readers whose message was handed over, but not by this database.

    What tells of it proves nothing of the row here: it waits on, or ended without being sent.
    """
    readers: defaultdict[int, set[int]] = defaultdict(set)
    for concern in concerns:
        if concern.delivery is None or concern.attempted or landing_of(concern.news) is None:
            continue
        readers[concern.delivery.campaign].add(concern.delivery.subscriber)
    return {campaign: len(found) for campaign, found in sorted(readers.items())}


def move_letters(connection: Connection, concerns: Iterable[Concern], now: datetime) -> int:
    """Do the same for letters; returns how many moved."""
    standing: dict[int, tuple[Landing, Landing]] = {}
    for concern in concerns:
        landing = landing_of(concern.news)
        if concern.letter is None or concern.row is None or landing is None:
            continue
        if not concern.attempted:
            continue
        _, current = standing.get(concern.letter.id, (concern.row, concern.row))
        standing[concern.letter.id] = concern.row, join(current, landing)
    moved = {number: after for number, (row, after) in standing.items() if after != row}
    for number, after in moved.items():
        connection.execute(
            update(letters)
            .where(letters.c.id == number, letters.c.state == standing[number][0].state)
            .values(
                state=after.state,
                reason=after.reason,
                not_before=None,
                lease_until=None,
                settled_at=func.coalesce(letters.c.settled_at, now),
            )
        )
    return len(moved)


def finish_campaigns(connection: Connection, moved: Sequence[Moved], now: datetime) -> list[int]:
    """Call campaigns sent whose last open delivery an event has settled; returns which."""
    open_before: defaultdict[int, int] = defaultdict(int)
    for one in moved:
        settled = one.before.state in UNSETTLED and one.before.state is not DeliveryState.CLAIMED
        open_before[one.delivery.campaign] += settled
    finished = []
    for campaign in sorted(number for number, count in open_before.items() if count):
        if get_campaign(connection, campaign).status is not CampaignStatus.SENDING:
            continue
        unsettled = exists().where(
            deliveries.c.campaign_id == campaign, deliveries.c.state.in_(UNSETTLED)
        )
        if not connection.execute(select(unsettled)).scalar():
            change_status_in(connection, campaign, "finish", now, actor="feedback")
            finished.append(campaign)
    return finished
