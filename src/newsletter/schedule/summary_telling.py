"""Tells the daily summary: once a day, as an alert that goes by mail alone."""

from __future__ import annotations

from collections.abc import Callable

from newsletter.clock import Clock, zone_of
from newsletter.delivery.alerts import Alert, AlertKind, raise_alert
from newsletter.schedule.daily_summary import summarise
from newsletter.schedule.proof_mail import already_raised
from newsletter.schedule.summary_text import subject_of, text_of
from newsletter.settings import Settings
from newsletter.storage.database import Database


class SummaryTeller:
    """Tells the summary once a day, from `alerts.summary_at` on, however many processes run."""

    def __init__(
        self, database: Database, settings: Settings, clock: Clock, *, wake: Callable[[], None]
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._wake = wake

    def tell(self) -> bool:
        """Raise today's summary where it is due; returns whether this call did."""
        part, zone = self._settings.alerts, self._settings.newsletter.timezone
        now = self._clock.now()
        local = now.astimezone(zone_of(zone))
        if part.summary_at is None or not part.mail_to or f"{local:%H:%M}" < part.summary_at:
            return False
        key = f"summary {local.date().isoformat()}"
        with self._database.read() as connection:
            if already_raised(connection, [key]):
                return False
        with self._database.read() as connection:
            summary = summarise(connection, now, zone)
        text = text_of(summary, self._settings.brakes)
        alert = Alert(AlertKind.SUMMARY, key, subject_of(summary), text)
        with self._database.write() as connection:
            raised = raise_alert(connection, alert, now)
        if raised:
            self._wake()
        return raised
