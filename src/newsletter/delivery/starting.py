"""When a campaign that was frozen for later begins."""

from __future__ import annotations

import threading
from collections.abc import Callable

from newsletter.clock import Clock
from newsletter.delivery.campaigns import change_status, get_campaign
from newsletter.delivery.states import CampaignStatus
from newsletter.storage.database import Database

LONGEST_NAP = 30.0
"""Seconds between looks at the clock: a laptop that slept, a clock that was set."""


def start_when_due(
    database: Database,
    campaign: int,
    clock: Clock,
    stop: threading.Event,
    *,
    tell: Callable[[str], None],
) -> None:
    """Wait for a scheduled campaign's time, then set it to sending; others return at once.

    Returns early when `stop` is set or somebody paused or cancelled it meanwhile.
    """
    told = False
    while not stop.is_set():
        with database.read() as connection:
            current = get_campaign(connection, campaign)
        if current.status is not CampaignStatus.SCHEDULED or current.not_before is None:
            return
        left = (current.not_before - clock.now()).total_seconds()
        if left <= 0:
            change_status(database, campaign, "start", clock.now(), actor="clock")
            return
        if not told:
            tell(f"campaign {campaign} starts at {current.not_before:%Y-%m-%d %H:%M} UTC; waiting")
            told = True
        stop.wait(min(left, LONGEST_NAP))
