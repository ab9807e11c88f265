"""A stage on which alerts are raised, and a post tells them."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from sqlalchemy import select
from tests.builders import Stage

from newsletter.delivery.alert_post import AlertPost
from newsletter.delivery.alerts import Alert, AlertKind, raise_alert
from newsletter.providers.base import Provider
from newsletter.providers.outbox import Outbox
from newsletter.settings import Settings
from newsletter.storage.tables import alerts

OPS = "ops@operator.example"


class AlertStage(Stage):
    """A stage whose troubles are told."""

    def settings(self, **alerts_part: Any) -> Settings:
        """Return settings that name these ways."""
        given: dict[str, Any] = {
            "newsletter": {"name": "The Daily", "base_url": "http://localhost:8000"},
            "sender": {"from_email": "daily@news.example.org"},
            "alerts": alerts_part,
            "root": self.folder,
        }
        return Settings(**given)

    def post(self, provider: Provider | None = None, **alerts_part: Any) -> AlertPost:
        """Build a post with these ways; mail goes by the provider, else into the outbox."""
        chosen = provider or Outbox(self.folder / "outbox", self.clock)
        settings = self.settings(**alerts_part)
        return AlertPost(self.database, settings, self.clock, lambda: chosen)

    def trouble(self, key: str = "trouble", subject: str = "Trouble") -> bool:
        """Raise an alert, as whatever met the trouble does."""
        alert = Alert(AlertKind.DOMAIN_HELD, key, subject, "It happened.\n\n    do this\n", 7)
        with self.database.write() as connection:
            return raise_alert(connection, alert, self.clock.now())

    def alerts(self) -> list[Any]:
        """Return the rows of all alerts, the oldest first."""
        with self.database.read() as connection:
            return list(connection.execute(select(alerts).order_by(alerts.c.id)))

    def told(self) -> list[bool]:
        """Return of each alert whether nobody has to be told any more."""
        return [row.told_at is not None for row in self.alerts()]

    def mails(self) -> list[EmailMessage]:
        """Read what lies in the outbox."""
        files = sorted((self.folder / "outbox").rglob("*.eml"))
        return [parsed(path.read_bytes()) for path in files]

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message
