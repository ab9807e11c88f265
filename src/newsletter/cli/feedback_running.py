"""What `serve` does with what comes back: events are applied, the mailbox is read, and once a day
the provider's own suppressions are fetched and old words forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from newsletter.cli.workspace import Workspace
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.delivery.rounds import Rounds

DAILY_LOOK_SECONDS = 600.0
"""How often it is looked whether the daily work is due."""


@contextmanager
def feedback_running(
    workspace: Workspace, wake_alerts: Callable[[], None]
) -> Iterator[Callable[[], None]]:
    """Work on feedback in the background until the block ends; gives what wakes it.

    Settings that cannot work are a `ConfigurationError` at once.
    """
    from newsletter.cli.bounce_polling import bounces_polled
    from newsletter.delivery.rounds import Rounds
    from newsletter.feedback.keeping import FeedbackKeeper

    def trouble(words: str) -> None:
        _alert(workspace, "the bounce mailbox cannot be read", words)
        wake_alerts()

    keeper = FeedbackKeeper(workspace.applier, lambda _applied: wake_alerts())
    daily = Rounds(
        "daily_feedback", _Daily(workspace, wake_alerts), look_seconds=DAILY_LOOK_SECONDS
    )
    with bounces_polled(workspace, trouble), _working(keeper), _working(daily):
        yield keeper.wake


@contextmanager
def _working(rounds: Rounds) -> Iterator[None]:
    rounds.start()
    try:
        yield
    finally:
        rounds.stop()


class _Daily:
    """Fetches the provider's suppressions when they are due, and forgets what is old enough."""

    def __init__(self, workspace: Workspace, wake_alerts: Callable[[], None]) -> None:
        self._workspace = workspace
        from newsletter.delivery.faults import Faults

        self._wake_alerts = wake_alerts
        self._faults = Faults(workspace.database, workspace.clock)
        self._forgotten_at: datetime | None = None

    def __call__(self, stop: threading.Event) -> bool:
        """Do what is due; returns False where it is to be tried again later."""
        from newsletter.delivery.faults import Thing

        # Its own steps hold nothing else up: what is kept too long is no reason not to fetch.
        with self._faults.holding(Thing("job", "forgetting", "forgetting old details of events")):
            self._forget()
        try:
            self._reconcile(stop)
        except NewsletterError as error:
            words = f"{error}. {error.fix}" if error.fix else str(error)
            _alert(self._workspace, "SendGrid's suppressions cannot be fetched", words)
            self._wake_alerts()
            raise
        return True

    def _reconcile(self, stop: threading.Event) -> None:
        from newsletter.feedback.reconciling import reconcile_if_due

        workspace = self._workspace
        done = reconcile_if_due(
            workspace.database,
            workspace.keys,
            workspace.clock,
            workspace.settings,
            applier=workspace.applier,
            table=workspace.bounce_table,
            wait=stop.wait,
        )
        if done is not None:
            self._wake_alerts()

    def _forget(self) -> None:
        from newsletter.feedback.keeping import forget_details
        from newsletter.feedback.kept_mail import forget_kept_mail

        workspace, part = self._workspace, self._workspace.settings.feedback
        now = workspace.clock.now()
        if self._forgotten_at is not None and now - self._forgotten_at < timedelta(days=1):
            return
        forget_details(workspace.database, now - part.keep_details_for)
        forget_kept_mail(workspace.settings.path(part.kept_mail), now - part.keep_mail_for)
        self._forgotten_at = now


def _alert(workspace: Workspace, what: str, words: str) -> None:
    """Tell of trouble with reading once a day."""
    from newsletter.delivery.alerts import Alert, AlertKind, raise_alert

    now = workspace.clock.now()
    alert = Alert(
        AlertKind.FEEDBACK_UNREAD,
        f"{what} {now:%Y-%m-%d}",
        f"Feedback: {what}",
        f"Since {now:%Y-%m-%d %H:%M} UTC {what}:\n\n{words}\n\n"
        "Nothing is lost: what waits there is read once it can be. Until then bounces and "
        "complaints have no effect, and readers who left by mail still get it.",
    )
    with workspace.database.write() as connection:
        raise_alert(connection, alert, now)
