"""A stage on which readers ask to join, and carriers send the letters that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from tests.builders import KEYS, Stage

from newsletter.audience.address import parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.joining import JoinRequest, ask_to_join, invite_back
from newsletter.audience.letters import LetterLimits
from newsletter.audience.preferences import (
    ask_for_link,
    ask_to_change_address,
    confirm_new_address,
)
from newsletter.audience.subscribers import find_subscriber
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.audience.tokens import TokenClaims, TokenSigner
from newsletter.clock import SettableClock
from newsletter.delivery.letters import LetterCarrier
from newsletter.providers.base import Provider
from newsletter.settings import Settings
from newsletter.storage.tables import letters

FORM = Origin("form", source="https://news.example.org/subscribe/daily")
NEWCOMER = "newcomer@example.org"


class LetterStage(Stage):
    """A stage whose readers ask for letters."""

    def __init__(
        self,
        folder: Path,
        clock: SettableClock,
        *,
        readers: int = 0,
        url: str = "sqlite:///ledger.db",
    ) -> None:
        super().__init__(folder, clock, readers=readers, url=url)
        self.signer = TokenSigner(KEYS)

    def ask(self, address: str = NEWCOMER, language: str | None = None) -> None:
        """Fill in the form of the list."""
        request = JoinRequest(parse_address(address), self.list_id, FORM, language=language)
        with self.database.write() as connection:
            ask_to_join(connection, request, KEYS, self.clock.now(), LetterLimits())

    def invite(self, address: str) -> None:
        """Let the operator ask somebody back, suppressed or not."""
        request = JoinRequest(parse_address(address), self.list_id, Origin("operator"))
        with self.database.write() as connection:
            invite_back(connection, request, KEYS, self.clock.now(), lifts=True)

    def suppress(self, address: str, reason: SuppressionReason) -> None:
        """Suppress an address."""
        with self.database.write() as connection:
            parsed, now = parse_address(address), self.clock.now()
            add_suppression(connection, KEYS, parsed, reason, now, actor="test")

    def change_address(self, old: str, new: str) -> None:
        """Ask that a reader's mail goes elsewhere."""
        with self.database.write() as connection:
            ask_to_change_address(
                connection,
                find_subscriber(connection, parse_address(old)).id,
                self.list_id,
                parse_address(new),
                KEYS,
                now=self.clock.now(),
                limits=LetterLimits(),
            )

    def ask_for_link(self, address: str) -> None:
        """Ask for the link that shows and changes everything."""
        with self.database.write() as connection:
            ask_for_link(
                connection,
                find_subscriber(connection, parse_address(address)).id,
                self.list_id,
                KEYS,
                now=self.clock.now(),
                limits=LetterLimits(),
            )

    def confirm_new(self, claims: TokenClaims) -> bool:
        """Press the button in the letter to the new address."""
        with self.database.write() as connection:
            return confirm_new_address(connection, claims, KEYS, self.clock.now())

    def settings(self, **parts: Mapping[str, Any]) -> Settings:
        """Return settings with which letters may leave."""
        given: dict[str, Any] = {
            "newsletter": {
                "name": "The Daily",
                "base_url": "https://news.example.org",
                "postal_address": "1 Main Street",
                "contact": "hello@news.example.org",
            },
            "sender": {"from_email": "daily@news.example.org"},
            "root": self.folder,
        }
        return Settings(**{**given, **parts})

    def carrier(self, provider: Provider, settings: Settings | None = None) -> LetterCarrier:
        """Build a carrier over a provider."""
        return LetterCarrier(
            database=self.database,
            provider=provider,
            keys=KEYS,
            signer=self.signer,
            settings=settings or self.settings(),
            clock=self.clock,
        )

    def rows(self) -> list[Any]:
        """Return the rows of all letters, the oldest first."""
        with self.database.read() as connection:
            return list(connection.execute(select(letters).order_by(letters.c.id)))

    def states(self) -> list[tuple[str, int, str | None]]:
        """Return kind, state and reason of all letters."""
        return [(row.kind, row.state, row.reason) for row in self.rows()]

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))
