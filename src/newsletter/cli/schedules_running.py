"""What `serve` does about schedules: editions are kept, operators are asked and told, and a monitor
outside hears that all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from newsletter.cli.serve_trouble import Trouble
from newsletter.cli.workspace import Workspace

if TYPE_CHECKING:
    from newsletter.schedule.scheduler import MorningScheduler


@contextmanager
def schedules_running(
    workspace: Workspace,
    trouble: Trouble,
    *,
    fired: Callable[[], None],
    wake_alerts: Callable[[], None],
) -> Iterator[MorningScheduler]:
    """Keep the editions in the background until the block ends; `fired` tells of new campaigns."""
    from newsletter.delivery.faults import Faults
    from newsletter.schedule.keeping import EditionKeeper
    from newsletter.schedule.operator_mail import OperatorRounds
    from newsletter.schedule.proof_mail import Asker
    from newsletter.schedule.scheduler import MorningScheduler
    from newsletter.schedule.summary_telling import SummaryTeller

    database, settings, clock = workspace.database, workspace.settings, workspace.clock
    asker = Asker(database, settings, workspace.signer, clock, wake=wake_alerts)
    keeper = EditionKeeper(
        database,
        settings,
        clock,
        on_asked=asker.send_proof,
        archive_url=workspace.archive_url,
    )

    def look() -> None:
        looked = keeper.look()
        if looked.fired:
            fired()
        if looked.moved or looked.troubles:
            wake_alerts()

    def in_trouble(words: str) -> None:
        trouble.tell("schedules cannot be looked after", words)

    scheduler = MorningScheduler(look, keeper.next_due, clock, trouble=in_trouble)
    teller = SummaryTeller(database, settings, clock, wake=wake_alerts)
    rounds = OperatorRounds(asker, teller, Faults(database, clock))
    rounds.start()
    try:
        scheduler.start()
        try:
            yield scheduler
        finally:
            scheduler.stop()
    finally:
        rounds.stop()


@contextmanager
def heart_beating(workspace: Workspace, healthy: Callable[[], bool]) -> Iterator[None]:
    """Tell the monitor that the settings name, as long as the block lasts and all is well."""
    from newsletter.delivery.heartbeat import Heartbeat

    settings = workspace.settings
    heartbeat = Heartbeat(settings.alerts, workspace.clock, healthy, root=settings.root)
    if not heartbeat.wanted:
        yield
        return
    heartbeat.start()
    try:
        yield
    finally:
        heartbeat.stop()
