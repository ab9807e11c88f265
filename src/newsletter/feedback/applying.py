"""Applies stored events: in one transaction each round, once each, in any order (D2, I7).

What follows is decided in `policy` and done by `moving`, `readers` and `trouble`; here events are
taken, marked, and counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select, text, update

from newsletter.audience.keys import Keys
from newsletter.clock import Clock
from newsletter.delivery.bounce_classes import BounceClass, bounce_class
from newsletter.delivery.faults import Faults, Thing, campaign_thing
from newsletter.delivery.states import CampaignStatus, DeliveryState
from newsletter.errors import NewsletterError, TryAgainLater
from newsletter.feedback.concerns import Concern, Rows, concern_of
from newsletter.feedback.events import count_waiting
from newsletter.feedback.moving import finish_campaigns, move_deliveries, move_letters
from newsletter.feedback.readers import (
    Classify,
    is_soft,
    judge_soft_bounces,
    review_reader,
    suppress_readers,
    take_off_lists,
)
from newsletter.feedback.trouble import brake_campaigns, hold_domains, tell_sent_elsewhere
from newsletter.logs import get_logger
from newsletter.settings import Settings
from newsletter.storage.database import Database
from newsletter.storage.tables import campaigns, deliveries, events

log = get_logger("feedback")

ROUND = 500
"""Events of one transaction: it must not keep a sender waiting."""
APPLIER_LOCK = 0x6E6C6662
"""Number of the advisory lock under which one process of many applies events."""
LONGEST_WAIT = 10.0
"""Seconds that rows held by a sender, or another applier, are waited for."""
LOCK_WAIT = "400ms"
"""PostgreSQL looks for deadlocks after a second: whoever sends is never the one it picks."""


@dataclass(slots=True)
class Applied:
    """What was done, in numbers; `unproven` and `strangers` are events that nothing followed."""

    events: int = 0
    moved: int = 0
    suppressed: int = 0
    left: int = 0
    paused: int = 0
    resumed: int = 0
    unproven: int = 0
    strangers: int = 0
    held_domains: list[str] = field(default_factory=list)
    paused_campaigns: list[int] = field(default_factory=list)

    def add(self, more: Applied) -> None:
        """Add what another round did; lists and numbers alike."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(more, one.name))

    def document(self) -> dict[str, Any]:
        """Return the counts for `--json`."""
        return asdict(self)


_MARK = (
    update(events)
    .where(events.c.id == bindparam("b_event"))
    .values(
        applied_at=bindparam("b_at"),
        campaign_id=bindparam("b_campaign"),
        subscriber_id=bindparam("b_subscriber"),
        address_hash=bindparam("b_hash"),
    )
)


class Applier:
    """Applies what waits; several may run, in as many processes."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        settings: Settings,
        *,
        classify: Classify = bounce_class,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._settings = settings
        self._classify = classify
        self._wait = wait
        self._faults = Faults(database, clock)
        self._held: set[int] = set()
        """Events that a fault holds; each round tries them again once their pause is over."""

    def apply_waiting(self) -> Applied:
        """Apply every event that waits, and count soft refusals of campaigns that ended.

        What a sender or another process holds for longer stays for the next call. Raises
        `TryAgainLater` when the database stays busy.
        """
        self._held = {event for event in self._held if self._faults.is_held(_thing(event))}
        done = Applied()
        give_up = time.monotonic() + LONGEST_WAIT
        while True:
            taken = self._round(done)
            if taken:
                continue
            with self._database.read() as connection:
                waiting = count_waiting(connection) - len(self._held)
            if waiting <= 0 or time.monotonic() > give_up:
                break
            self._wait(0.05)
        self._review_ended(done)
        if done.events:
            log.info("events_applied", **done.document())
        return done

    def _round(self, done: Applied) -> int:
        """Apply up to `ROUND` events in one transaction; returns how many."""
        tried = Applied()
        try:
            taken = self._apply_some(tried, ROUND)
        except TryAgainLater:
            if self._database.embedded:
                raise
            return 0
        except NewsletterError:
            raise
        except Exception:  # noqa: BLE001 - one of them is at fault, and will be found
            # Nothing of that transaction was kept.
            return self._apply_one_by_one(done)
        done.add(tried)
        return taken

    def _apply_one_by_one(self, done: Applied) -> int:
        """Apply each event in a transaction of its own, and hold those that cannot be."""
        with self._database.read() as connection:
            numbers = [row.id for row in _waiting(connection, ROUND, self._held)]
        for number in numbers:
            one = Applied()
            try:
                self._apply_some(one, 1, only=number)
            except NewsletterError:
                raise
            except Exception as error:  # noqa: BLE001 - it holds this event alone
                self._faults.hold(_thing(number), error)
                self._held.add(number)
            else:
                done.add(one)
        return len(numbers)

    def _apply_some(self, done: Applied, most: int, only: int | None = None) -> int:
        with self._database.write() as connection:
            if not _alone(connection):
                return 0
            rows = _waiting(connection, most, self._held, only=only)
            return self._apply(connection, rows, done) if rows else 0

    def _apply(self, connection: Connection, rows: Sequence[Row[Any]], done: Applied) -> int:
        now = self._clock.now()
        found = Rows(connection, rows)
        concerns = [c for row in rows if (c := concern_of(row, found, self._keys)) is not None]
        _mark(connection, concerns, now)
        believed = [concern for concern in concerns if concern.believed]
        moved = move_deliveries(connection, believed)
        done.moved += len(moved) + move_letters(connection, believed, now)
        done.left += take_off_lists(connection, believed, now)
        done.suppressed += suppress_readers(connection, believed, self._keys, now)
        paused, ended = judge_soft_bounces(
            connection, moved, self._settings.feedback, self._classify, now
        )
        done.paused += paused
        done.resumed += ended
        brakes = self._settings.brakes
        done.held_domains += hold_domains(connection, believed, brakes, now)
        tell_sent_elsewhere(connection, believed, now)
        done.paused_campaigns += brake_campaigns(connection, moved, brakes, now)
        finish_campaigns(connection, moved, now)
        done.events += len(concerns)
        done.unproven += len(concerns) - len(believed)
        done.strangers += sum(c.subscriber is None and c.letter is None for c in believed)
        return len(concerns)

    def _review_ended(self, done: Applied) -> None:
        """Count soft refusals at sending time, once for each campaign that ended (D5)."""
        query = select(campaigns.c.id).where(
            campaigns.c.status == CampaignStatus.SENT.value, campaigns.c.reviewed_at.is_(None)
        )
        with self._database.read() as connection:
            ended = connection.execute(query.order_by(campaigns.c.id)).scalars().all()
        for campaign in ended:
            thing = campaign_thing(campaign)
            if not self._faults.is_held(thing):
                with self._faults.holding(thing), self._database.write() as connection:
                    done.paused += self._review(connection, campaign)

    def _review(self, connection: Connection, campaign: int) -> int:
        now = self._clock.now()
        list_id = connection.execute(
            select(campaigns.c.list_id).where(campaigns.c.id == campaign)
        ).scalar_one()
        soft = (deliveries.c.state == DeliveryState.REJECTED) & (
            deliveries.c.reason == BounceClass.SOFT.value
        )
        rows = connection.execute(
            select(deliveries.c.subscriber_id, deliveries.c.state, deliveries.c.answer).where(
                deliveries.c.campaign_id == campaign,
                or_(soft, deliveries.c.state == DeliveryState.EXPIRED),
            )
        ).all()
        wanted = [
            row.subscriber_id
            for row in rows
            if row.state == DeliveryState.REJECTED or is_soft(row.answer, self._classify)
        ]
        part = self._settings.feedback
        paused = sum(
            review_reader(connection, one, list_id, part, self._classify, now=now) for one in wanted
        )
        connection.execute(
            update(campaigns).where(campaigns.c.id == campaign).values(reviewed_at=now)
        )
        return paused


def _alone(connection: Connection) -> bool:
    """Keep other appliers away until the commit; returns False when one is at work."""
    if connection.dialect.name == "sqlite":
        return True
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(APPLIER_LOCK))).scalar())


def _thing(event: int) -> Thing:
    return Thing("event", str(event), f"event {event}")


def _waiting(
    connection: Connection, most: int, held: Collection[int], *, only: int | None = None
) -> Sequence[Row[Any]]:
    query: Select[Any] = (
        select(
            events.c.id,
            events.c.at,
            events.c.kind,
            events.c.provider,
            events.c.delivery,
            events.c.subscriber_id,
            events.c.address,
            events.c.bounce,
            events.c.reason,
            events.c.believed,
            events.c.detail,
        )
        .where(events.c.applied_at.is_(None))
        .order_by(events.c.id)
        .limit(most)
    )
    if held:
        query = query.where(events.c.id.not_in(held))
    if only is not None:
        query = query.where(events.c.id == only)
    return connection.execute(query).all()


def _mark(connection: Connection, concerns: Sequence[Concern], now: datetime) -> None:
    if concerns:
        connection.execute(
            _MARK,
            [
                {
                    "b_event": concern.event,
                    "b_at": now,
                    "b_campaign": concern.campaign.id if concern.campaign else None,
                    "b_subscriber": concern.subscriber,
                    "b_hash": concern.address_hash,
                }
                for concern in concerns
            ],
        )
