"""Telling the operator of trouble inside `serve` or `worker`, which nobody watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from newsletter.cli.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Trouble:
    """Raises alerts; `wake_alerts` has them told at once."""

    workspace: Workspace
    wake_alerts: Callable[[], None]
    process: str = "serve"

    def campaign(self, campaign: int, words: str) -> None:
        """Tell of a campaign that does not get through."""
        self.tell(f"campaign {campaign} does not get through", words)

    def tell(self, what: str, words: str) -> None:
        """Raise an alert, once a day for each `what`; raises what the database raises."""
        from newsletter.delivery.alerts import Alert, AlertKind, raise_alert

        now = self.workspace.clock.now()
        alert = Alert(
            AlertKind.SERVE_TROUBLE,
            f"{self.process}: {what} {now:%Y-%m-%d}",
            f"{self.process}: {what}",
            f"At {now:%Y-%m-%d %H:%M} UTC {what}:\n\n{words}\n\n"
            f"'newsletter {self.process}' tries again and again by itself. Until it gets through, "
            "nothing is sent that depends on it. Nobody was lost, and nobody gets anything twice. "
            "See\n\n"
            "    newsletter doctor\n\n    newsletter campaigns list",
        )
        with self.workspace.database.write() as connection:
            raise_alert(connection, alert, now)
        self.wake_alerts()
