"""What a process that sends does about a campaign that does not get through; the same everywhere.

It rests, longer each time; the log hears of it each time, an operator once for each series: at
once where only they can mend it, else after a while, for most of it mends itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from newsletter.clock import Clock
from newsletter.delivery.faults import Faults, campaign_thing
from newsletter.delivery.pauses import Pauses
from newsletter.errors import ConfigurationError, NewsletterError, TryAgainLater
from newsletter.logs import get_logger
from newsletter.storage.database import Database

log = get_logger("delivery")

REST_SECONDS = (5.0, 120.0)
"""The shortest and the longest pause in trying what time or somebody must mend."""
TROUBLE_SECONDS = 600.0
"""A campaign that fails for so long is told of: nobody may be watching."""

Tell = Callable[[int, str], None]
"""Gets the number of a campaign that has not got through, and the words of the last error."""


class CampaignTroubles:
    """Keeps count for one process; safe to use from several threads."""

    def __init__(
        self, database: Database, clock: Clock, tell: Tell, pauses: Pauses, faults: Faults
    ) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._pauses = pauses
        self._faults = faults
        self._failing: dict[int, float] = {}
        self._lock = threading.Lock()

    def met(self, campaign: int, error: Exception) -> None:
        """Act on what ended a run of a campaign; never raises."""
        self._pauses.begin(campaign, *REST_SECONDS)
        if not isinstance(error, NewsletterError):
            self._faults.hold(campaign_thing(campaign), error)
            return
        words = {"campaign": campaign, "problem": str(error), "fix": error.fix}
        if isinstance(error, TryAgainLater):
            log.warning("campaign_waits", **words)
        else:
            log.error("campaign_stopped", **words)
        patience = 0.0 if isinstance(error, ConfigurationError) else TROUBLE_SECONDS
        if self._is_to_be_told(campaign, patience):
            with suppress(NewsletterError):
                self._tell(campaign, f"{error}. {error.fix}" if error.fix else str(error))

    def over(self, campaign: int) -> None:
        """Note that a campaign got through: the next trouble is a new one."""
        with self._lock:
            self._failing.pop(campaign, None)
        self._pauses.end(campaign)

    def forget_others(self, being_sent: Collection[int]) -> None:
        """Begin a new series for what was paused or has ended: somebody may have mended it."""
        with self._lock:
            gone = self._failing.keys() - set(being_sent)
            for campaign in gone:
                del self._failing[campaign]
        for campaign in gone:
            self._pauses.end(campaign)

    def _is_to_be_told(self, campaign: int, patience: float) -> bool:
        """Return whether it has failed for long enough; true once for each series."""
        now = time.monotonic()
        with self._lock:
            since = self._failing.setdefault(campaign, now)
            if now - since < patience:
                return False
            self._failing[campaign] = float("inf")
            return True
