"""A stage on which campaigns were sent, and news of them comes back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from tests.builders import KEYS, Stage
from tests.fakes.provider import ScriptedProvider

from newsletter.clock import SettableClock
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.invariants import verify_invariants
from newsletter.feedback.applying import Applied, Applier
from newsletter.feedback.events import Arrival, EventKind, Provenance, store_events
from newsletter.providers.base import DeliveryId, Provider
from newsletter.settings import Settings
from newsletter.storage.tables import (
    alerts,
    campaigns,
    deliveries,
    memberships,
    subscribers,
    suppressions,
)

DAY = timedelta(days=1)
HARD, SOFT, BLOCKED = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED


class FeedbackStage(Stage):
    """A stage with an applier over its database."""

    def __init__(
        self,
        folder: Path,
        clock: SettableClock,
        *,
        readers: int = 5,
        url: str = "sqlite:///ledger.db",
        **settings: Any,
    ) -> None:
        super().__init__(folder, clock, readers=readers, url=url)
        self.settings = Settings(**settings, root=folder)
        self.applier = Applier(
            self.database, KEYS, clock, self.settings, wait=lambda _seconds: None
        )
        self._numbers = itertools.count(1)

    def send(self, *, slug: str = "", provider: Provider | None = None, finish: bool = True) -> int:
        """Send a campaign to everybody; returns its number."""
        name = slug or f"digest-{next(self._numbers)}"
        campaign = self.freeze(slug=name, content_hash=name)
        if finish:
            self.sender(provider or ScriptedProvider()).run(campaign)
        return campaign

    def event(
        self,
        kind: EventKind,
        subscriber: int,
        campaign: int = 1,
        *,
        bounce: BounceClass | None = None,
        **more: Any,
    ) -> Arrival:
        """Build an event of a delivery, as a provider tells it."""
        values: dict[str, Any] = {
            "id": f"test:{next(self._numbers)}",
            "at": self.clock.now(),
            "provenance": Provenance.SENDGRID,
            "delivery": DeliveryId(campaign, subscriber),
            "address": f"reader{subscriber}@example.org",
        }
        return Arrival(kind=kind, bounce=bounce, **{**values, **more})

    def tell(self, *arrivals: Arrival) -> Applied:
        """Store events and apply what waits."""
        self.store(*arrivals)
        return self.applier.apply_waiting()

    def store(self, *arrivals: Arrival) -> int:
        """Store events only."""
        with self.database.write() as connection:
            return store_events(connection, arrivals, self.clock.now())

    def row(self, subscriber: int, campaign: int = 1) -> tuple[str, str | None]:
        """Return the state and the reason of a delivery."""
        from newsletter.delivery.states import DeliveryState

        with self.database.read() as connection:
            found = connection.execute(
                select(deliveries.c.state, deliveries.c.reason).where(
                    deliveries.c.campaign_id == campaign,
                    deliveries.c.subscriber_id == subscriber,
                )
            ).one()
        return DeliveryState(found.state).label, found.reason

    def suppressed(self) -> dict[str, str]:
        """Return the suppressed readers by address, each with the reason."""
        with self.database.read() as connection:
            known = {
                KEYS.hash_address(row.address_key): row.address
                for row in connection.execute(select(subscribers))
            }
            rows = connection.execute(select(suppressions)).all()
        return {known.get(row.key, row.key): row.reason for row in rows}

    def standing(self, subscriber: int, list_id: int | None = None) -> tuple[str, str | None]:
        """Return a membership's status, and who paused it."""
        with self.database.read() as connection:
            row = connection.execute(
                select(memberships.c.status, memberships.c.paused_because).where(
                    memberships.c.subscriber_id == subscriber,
                    memberships.c.list_id == (list_id or self.list_id),
                )
            ).one()
        return row.status, row.paused_because

    def status(self, campaign: int = 1) -> tuple[str, str | None]:
        """Return a campaign's status and the reason of it."""
        with self.database.read() as connection:
            row = connection.execute(
                select(campaigns.c.status, campaigns.c.status_reason).where(
                    campaigns.c.id == campaign
                )
            ).one()
        return row.status, row.status_reason

    def alerts(self) -> list[str]:
        """Return the kinds of the alerts so far."""
        with self.database.read() as connection:
            return list(connection.execute(select(alerts.c.kind).order_by(alerts.c.id)).scalars())

    def read(self, query: Callable[[Any], Any]) -> Any:
        """Return what a function finds in the database."""
        with self.database.read() as connection:
            return query(connection)

    def broken(self) -> dict[str, tuple[str, ...]]:
        """Return the invariants that do not hold."""
        found = verify_invariants(self.database, KEYS, self.clock.now())
        return {verdict.name: verdict.examples for verdict in found if not verdict.ok}

    def picture(self) -> tuple[Any, ...]:
        """Return the final state that every order of the same events must lead to (D2)."""

        def look(connection: Any) -> tuple[Any, ...]:
            return (
                tuple(
                    connection.execute(
                        select(
                            deliveries.c.campaign_id,
                            deliveries.c.subscriber_id,
                            deliveries.c.state,
                            deliveries.c.reason,
                        ).order_by(deliveries.c.campaign_id, deliveries.c.subscriber_id)
                    ).all()
                ),
                tuple(
                    connection.execute(
                        select(suppressions.c.key, suppressions.c.reason).order_by(
                            suppressions.c.key
                        )
                    ).all()
                ),
                tuple(
                    connection.execute(
                        select(
                            memberships.c.list_id,
                            memberships.c.subscriber_id,
                            memberships.c.status,
                            memberships.c.paused_because,
                        ).order_by(memberships.c.list_id, memberships.c.subscriber_id)
                    ).all()
                ),
            )

        picture: tuple[Any, ...] = self.read(look)
        return picture


def mornings(stage: FeedbackStage, count: int, *, apart: timedelta = 4 * DAY) -> list[datetime]:
    """Send so many campaigns, some days apart; returns when each was sent."""
    sent = []
    for _ in range(count):
        sent.append(stage.clock.now())
        stage.send()
        stage.clock.advance(apart)
    return sent
