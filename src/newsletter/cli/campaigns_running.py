"""What `serve` sends: every campaign that is due, in the background, by providers of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from newsletter.cli.serve_trouble import Trouble
from newsletter.cli.workspace import Workspace

if TYPE_CHECKING:
    from newsletter.delivery.campaign_runner import CampaignRunner
    from newsletter.delivery.campaigns import Campaign
    from newsletter.delivery.sender import Sender


@contextmanager
def campaigns_running(
    workspace: Workspace, trouble: Trouble, *, after: Callable[[], None]
) -> Iterator[CampaignRunner]:
    """Send campaigns in the background until the block ends.

    `after` is called each time the runner leaves a campaign: what came back may be applied then.
    """
    from newsletter.delivery.campaign_runner import CampaignRunner, Told
    from newsletter.delivery.serving_mark import marked_as_served

    runner = CampaignRunner(
        workspace.database,
        workspace.provider.name,
        workspace.clock,
        lambda campaign: open_sender(workspace, campaign),
        Told(after=lambda _campaign: after(), trouble=trouble.campaign),
        lease=workspace.settings.delivery.lease,
    )
    # Built before the first campaign: what is wrong is told now, not in the morning.
    _ = workspace.limits
    with marked_as_served(workspace.database):
        runner.start()
        try:
            yield runner
        finally:
            runner.stop()


@contextmanager
def open_sender(workspace: Workspace, campaign: Campaign) -> Iterator[Sender]:
    """Make a sender whose provider is its own: campaigns sent at once share no connection."""
    from newsletter.providers.factory import build_provider

    provider = build_provider(workspace.settings, workspace.clock)
    try:
        yield dataclasses.replace(workspace.sender(campaign.list_id), provider=provider)
    finally:
        provider.close()
