"""Applies events in the background of `serve`, and does the daily work on them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import null, or_, select, update

from newsletter.delivery.rounds import LOOK_SECONDS, Rounds
from newsletter.feedback.applying import Applied, Applier
from newsletter.storage.database import Database
from newsletter.storage.tables import events

FORGOTTEN_AT_ONCE = 5000
"""Events of one transaction: it must not keep a sender waiting."""


class FeedbackKeeper(Rounds):
    """Applies what waits: `start`, `wake` after events were stored, `stop`.

    `applied` is told what each round did, when it did anything: alerts may wait to be told.
    """

    def __init__(
        self,
        applier: Applier,
        applied: Callable[[Applied], None],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        super().__init__("feedback", self._apply, look_seconds=look_seconds)
        self._applier = applier
        self._applied = applied

    def _apply(self, _stop: threading.Event) -> bool:
        done = self._applier.apply_waiting()
        if done.events or done.paused:
            self._applied(done)
        return True


def forget_details(database: Database, before: datetime) -> int:
    """Forget the words and addresses of events that came before then; returns of how many.

    What they prove stays: kind, class, reason, and the numbers of delivery and subscriber. An
    event that still waits to be applied is left alone. Walks old events: for once a day.
    """
    old = (
        select(events.c.id)
        .where(
            events.c.applied_at.is_not(None),
            events.c.received_at < before,
            or_(events.c.detail.is_not(None), events.c.address.is_not(None)),
        )
        .order_by(events.c.id)
        .limit(FORGOTTEN_AT_ONCE)
    )
    forgotten = 0
    while True:
        with database.write() as connection:
            done = connection.execute(
                update(events)
                .where(events.c.id.in_(old.scalar_subquery()))
                .values(detail=null(), address=None, address_hash=None, domain=None)
            ).rowcount
        forgotten += done
        if done < FORGOTTEN_AT_ONCE:
            return forgotten
