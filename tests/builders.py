"""Builders of what many tests arrange: a database with a list and readers, a frozen campaign."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from newsletter.audience.address import parse_address
from newsletter.audience.keys import Keys, check_suppression_key
from newsletter.audience.lists import create_list
from newsletter.audience.subscribers import add_subscriber
from newsletter.clock import SettableClock
from newsletter.delivery import ledger
from newsletter.delivery.campaigns import Campaign, Totals, freeze
from newsletter.delivery.campaigns import get_campaign as _get
from newsletter.delivery.campaigns import totals as _totals
from newsletter.delivery.freeze_request import FreezeRequest
from newsletter.delivery.limits import Limits
from newsletter.delivery.sender import Sender
from newsletter.delivery.states import DeliveryState
from newsletter.providers.base import Provider
from newsletter.storage.database import Database, open_database
from newsletter.storage.schema import ensure_schema
from tests.fakes.mailings import a_mailing

KEYS = Keys(("ab" * 32,), b"k" * 32)


class Stage:
    """A workspace of a test: database, keys, clock, one list with readers."""

    def __init__(
        self,
        folder: Path,
        clock: SettableClock,
        *,
        readers: int = 5,
        url: str = "sqlite:///ledger.db",
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.database: Database = open_database(url, root=folder)
        ensure_schema(self.database, clock)
        check_suppression_key(self.database, KEYS)
        with self.database.write() as connection:
            self.list_id = create_list(
                connection,
                clock.now(),
                name="daily",
                title="Daily",
                base_url="https://news.example.org",
                actor="test",
            ).id
        for number in range(1, readers + 1):
            self.join(f"reader{number}@example.org")

    def join(self, address: str, name: str = "") -> None:
        """Put one more reader on the list."""
        with self.database.write(durable=False) as connection:
            add_subscriber(
                connection,
                parse_address(address),
                self.list_id,
                KEYS,
                self.clock.now(),
                actor="test",
                name=name or None,
                consent="a test",
            )

    def freeze(
        self,
        *,
        slug: str = "2026-11-24",
        content_hash: str = "hash",
        again: bool = False,
        on_unknown: str = "hold",
        not_before: datetime | None = None,
        canary: int = 0,
    ) -> int:
        """Freeze a small campaign for the list; returns its number."""
        mailing = a_mailing()
        request = FreezeRequest(
            list_id=self.list_id,
            list_name="daily",
            slug=slug,
            title="A digest",
            content_hash=content_hash,
            markdown="# A digest",
            content=mailing.content,
            identity=mailing.identity,
            provider="outbox",
            on_unknown=on_unknown,
            expires_after=timedelta(hours=12),
            again=again,
            not_before=not_before,
            canary=canary,
        )
        return freeze(self.database, request, self.clock.now(), actor="test")

    def claim(
        self, campaign: int, worker: ledger.Worker, *, limit: int, after: int = -1
    ) -> ledger.Batch | None:
        """Claim deliveries as a worker would."""
        request = ledger.ClaimRequest(campaign, worker, limit, after)
        return ledger.claim(self.database, request, KEYS, self.clock.now())

    def sender(self, provider: Provider, limits: Limits | None = None) -> Sender:
        """Build a sender over a provider that waits for nothing."""
        return Sender(
            database=self.database,
            provider=provider,
            keys=KEYS,
            clock=self.clock,
            links=lambda identity, recipient: {
                "unsubscribe_url": f"{identity.base_url}/u/{recipient.subscriber}",
                "preferences_url": f"{identity.base_url}/p/{recipient.subscriber}",
            },
            flights=self.folder / "flights",
            batch_size=None,
            lease=timedelta(minutes=10),
            limits=limits or Limits(),
            wait=lambda _seconds: None,
        )

    def campaign(self, campaign: int) -> Campaign:
        """Read a campaign."""
        with self.database.read() as connection:
            return _get(connection, campaign)

    def totals(self, campaign: int) -> dict[str, int]:
        """Count a campaign's deliveries by the names of their states."""
        with self.database.read() as connection:
            counted: Totals = _totals(connection, campaign)
        return {state.label: n for state, n in counted.counts.items() if n}

    def set_state(self, campaign: int, subscriber: int, state: DeliveryState) -> None:
        """Force a state, for what cannot be arranged otherwise."""
        with self.database.write() as connection:
            connection.exec_driver_sql(
                "UPDATE deliveries SET state = ? WHERE campaign_id = ? AND subscriber_id = ?",
                (int(state), campaign, subscriber),
            )
