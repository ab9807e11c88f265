"""`newsletter worker`: a process that sends what is due, together with others of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.signals import taking_signals
from newsletter.cli.workspace import Workspace
from newsletter.errors import ConfigurationError, Place

if TYPE_CHECKING:
    from newsletter.delivery.workers import CampaignWorker


def worker(
    context: typer.Context,
    concurrency: Annotated[
        int, typer.Option(min=1, max=32, help="Campaigns that this process works on at once.")
    ] = 4,
) -> None:
    """Send what is due, together with any number of other workers (PostgreSQL only).

    Runs until SIGTERM or Ctrl-C, then finishes what is on the wire. Each worker sends by the
    provider of its own settings.
    """
    from newsletter.cli.alerts import alert_carrier
    from newsletter.cli.campaigns_running import open_sender
    from newsletter.cli.console import say
    from newsletter.cli.serve_trouble import Trouble
    from newsletter.delivery.workers import CampaignWorker

    workspace: Workspace = context.obj
    _refuse_embedded(workspace)
    # Built before the first job: what is missing is told now, not in the middle.
    _ = workspace.database, workspace.keys, workspace.provider, workspace.limits
    with alert_carrier(workspace) as carrier:
        trouble = Trouble(workspace, carrier.wake, process="worker")
        process = CampaignWorker(
            database=workspace.database,
            provider=workspace.provider.name,
            clock=workspace.clock,
            lease=workspace.settings.delivery.lease,
            open_sender=lambda campaign: open_sender(workspace, campaign),
            concurrency=concurrency,
            trouble=trouble.campaign,
        )
        with _stopped_by_signals(process):
            say(f"working on campaigns by {process.provider}; Ctrl-C finishes what is on the wire")
            process.run()
    say("stopped; what is left waits in the ledger for other workers")


def _refuse_embedded(workspace: Workspace) -> None:
    settings = workspace.settings
    if settings.database.url.startswith("sqlite"):
        raise ConfigurationError(
            "workers need a PostgreSQL database; an embedded one is sent from by one process",
            where=Place(settings.file),
            fix="pip install 'newsletter[scale]' and set database.url = \"postgresql://…\", "
            "or send without workers: newsletter send",
        )


@contextmanager
def _stopped_by_signals(process: CampaignWorker) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask for a good end (G6); a second one cuts what is on the wire."""
    from newsletter.cli.console import say

    def ask(name: str) -> None:
        if process.stop.is_set():
            process.break_off()
            return
        process.stop.set()
        say(f"{name}: finishing what is on the wire")

    with taking_signals(ask):
        yield
