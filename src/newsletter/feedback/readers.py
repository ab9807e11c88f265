"""What follows for readers: suppressed, off a list, paused by soft bounces (C8, D3, D5).

An event that is older than what a person or an operator did since changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from newsletter.audience.bounce_pauses import (
    active_since,
    end_bounce_pause,
    pause_for_bounces,
    paused_by_bounces,
)
from newsletter.audience.consent import Act, MembershipStatus, Origin
from newsletter.audience.keys import Keys
from newsletter.audience.subscribers import unsubscribe
from newsletter.audience.suppressions import add_suppression, lifted_at
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.states import DeliveryState
from newsletter.feedback.concerns import Concern
from newsletter.feedback.events import EventKind, Provenance
from newsletter.feedback.moving import Moved
from newsletter.feedback.policy import (
    Ended,
    Landing,
    Leaving,
    ending_of,
    is_too_long,
    leaving_for,
    soft_streak,
    suppression_for,
)
from newsletter.settings.feedback_parts import FeedbackPart
from newsletter.storage.tables import (
    attempts,
    campaigns,
    consents,
    deliveries,
    memberships,
)

Classify = Callable[[str | None, int | None, str], BounceClass]
"""Says what a refusal means, by status, SMTP reply and words."""

LOOKED_BACK = 60
"""Campaigns of a list that are looked at to count soft bounces in a row."""


def suppress_readers(
    connection: Connection, concerns: Iterable[Concern], keys: Keys, now: datetime
) -> int:
    """Suppress the addresses that hard bounces and complaints speak of; returns how many."""
    wanted = [
        (concern, reason)
        for concern in concerns
        if concern.address is not None and (reason := suppression_for(concern.news)) is not None
    ]
    lifted = _lifts(connection, [c.address.key for c, _ in wanted if c.address], keys)
    suppressed = 0
    # In one order everywhere, so that two that suppress the same never wait for one another.
    for concern, reason in sorted(wanted, key=lambda pair: (pair[1], pair[0].event)):
        if concern.address is None or lifted.get(concern.address.key, concern.at) > concern.at:
            continue
        suppressed += add_suppression(
            connection,
            keys,
            concern.address,
            reason,
            now,
            actor=f"feedback:{concern.provenance}",
            note=concern.evidence,
        )
    return suppressed


def _lifts(connection: Connection, wanted: Sequence[str], keys: Keys) -> dict[str, datetime]:
    """Return when a suppression was last lifted, by address key."""
    hashes = {keys.hash_address(key): key for key in wanted}
    return {hashes[mark]: at for mark, at in lifted_at(connection, hashes).items()}


def take_off_lists(connection: Connection, concerns: Iterable[Concern], now: datetime) -> int:
    """Take readers off the lists that they left by mail, a complaint or the provider (C6, C8).

    Whoever consented anew after the event stays. Returns how many memberships ended.
    """
    left = 0
    for concern in sorted(concerns, key=lambda one: one.event):
        leaving = leaving_for(concern.news)
        if leaving is Leaving.NOTHING or concern.subscriber is None:
            continue
        one_list = leaving is Leaving.LIST and concern.list_id is not None
        for list_id in _lists_to_leave(connection, concern, concern.list_id if one_list else None):
            left += unsubscribe(connection, concern.subscriber, list_id, now, _origin(concern))
    return left


def _origin(concern: Concern) -> Origin:
    how = "complaint" if concern.news.kind is EventKind.COMPLAINED else "provider"
    if concern.provenance == Provenance.MAIL and how != "complaint":
        how = "mail"
    return Origin(how, source=f"event {concern.event}")


def _lists_to_leave(connection: Connection, concern: Concern, list_id: int | None) -> list[int]:
    granted = (
        select(func.max(consents.c.at))
        .where(
            consents.c.subscriber_id == memberships.c.subscriber_id,
            consents.c.list_id == memberships.c.list_id,
            consents.c.act == Act.GRANTED.value,
        )
        .scalar_subquery()
    )
    query = select(memberships.c.list_id, granted.label("granted")).where(
        memberships.c.subscriber_id == concern.subscriber,
        memberships.c.status != MembershipStatus.UNSUBSCRIBED.value,
    )
    if list_id is not None:
        query = query.where(memberships.c.list_id == list_id)
    rows = connection.execute(query.order_by(memberships.c.list_id))
    return [row.list_id for row in rows if row.granted is None or row.granted <= concern.at]


def judge_soft_bounces(
    connection: Connection,
    moved: Sequence[Moved],
    part: FeedbackPart,
    classify: Classify,
    now: datetime,
) -> tuple[int, int]:
    """Pause who could not be reached for long, and end such pauses where mail arrived (D5).

    Returns how many memberships were paused, and how many pauses ended.
    """
    soft = {
        (one.delivery.subscriber, one.list_id)
        for one in moved
        if one.after == Landing(DeliveryState.BOUNCED, BounceClass.SOFT.value)
    }
    arrived = {
        (one.delivery.subscriber, one.list_id)
        for one in moved
        if one.after.state is DeliveryState.DELIVERED
    }
    ours = paused_by_bounces(connection, {subscriber for subscriber, _ in arrived})
    paused = sum(review_reader(connection, *one, part, classify, now=now) for one in sorted(soft))
    ended = sum(
        _end_pause(connection, *one, part, classify, now=now) for one in sorted(arrived & ours)
    )
    return paused, ended


def review_reader(
    connection: Connection,
    subscriber: int,
    list_id: int,
    part: FeedbackPart,
    classify: Classify,
    *,
    now: datetime,
) -> bool:
    """Pause one reader's membership where too many campaigns in a row ended softly."""
    since = active_since(connection, subscriber, list_id)
    if since is None:
        return False
    endings = _endings(connection, subscriber, list_id, classify, now)
    streak = soft_streak(one for one in endings if one.at >= since)
    if streak is None or not is_too_long(streak, part.soft_bounce_limit, part.soft_bounce_span):
        return False
    evidence = (
        f"{streak.campaigns} campaigns in a row bounced softly, "
        f"{streak.first:%Y-%m-%d} to {streak.last:%Y-%m-%d}"
    )
    return pause_for_bounces(connection, subscriber, list_id, now, evidence=evidence)


def _end_pause(
    connection: Connection,
    subscriber: int,
    list_id: int,
    part: FeedbackPart,
    classify: Classify,
    *,
    now: datetime,
) -> bool:
    streak = soft_streak(_endings(connection, subscriber, list_id, classify, now))
    if is_too_long(streak, part.soft_bounce_limit, part.soft_bounce_span):
        return False
    evidence = "a message of these campaigns was delivered after all"
    return end_bounce_pause(connection, subscriber, list_id, now, evidence=evidence)


def _endings(
    connection: Connection, subscriber: int, list_id: int, classify: Classify, now: datetime
) -> list[Ended]:
    """Return how a list's last campaigns ended for a reader, the newest first."""
    query: Select[Any] = (
        select(
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.answer,
            func.coalesce(attempts.c.claimed_at, campaigns.c.created_at).label("at"),
        )
        .select_from(
            campaigns.join(
                deliveries,
                (deliveries.c.campaign_id == campaigns.c.id)
                & (deliveries.c.subscriber_id == subscriber),
            ).outerjoin(attempts, attempts.c.id == deliveries.c.attempt_id)
        )
        .where(campaigns.c.list_id == list_id)
        .order_by(campaigns.c.id.desc())
        .limit(LOOKED_BACK)
    )
    return [_ended(row, classify, now) for row in connection.execute(query)]


def _ended(row: Row[Any], classify: Classify, now: datetime) -> Ended:
    landing = Landing(DeliveryState(row.state), row.reason)
    ending = ending_of(landing, soft_answer=is_soft(row.answer, classify), at=row.at, now=now)
    return Ended(ending, row.at)


def is_soft(answer: str | None, classify: Classify) -> bool:
    """Return whether the last answer kept in a row put the message off for the reader's sake."""
    code = (answer or "").split(" ", 1)[0]
    if answer is None or not (code.isdecimal() and code.startswith("4") and len(code) == 3):
        return False
    return classify(None, int(code), answer) is BounceClass.SOFT
