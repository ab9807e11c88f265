"""Watches the campaign that is being sent: an operator's pause or cancel ends the course.

A batch takes long at a slow server. What is on the wire is answered, what was not begun is given
back.
"""

from __future__ import annotations

import time
from contextlib import suppress

from newsletter.delivery.campaigns import get_campaign
from newsletter.delivery.course import Course
from newsletter.delivery.states import CampaignStatus
from newsletter.errors import NewsletterError
from newsletter.storage.database import Database

LOOK_SECONDS = 1.0


class StatusWatch:
    """Looks at a campaign's status now and then."""

    def __init__(self, database: Database, course: Course) -> None:
        self._database = database
        self._course = course
        self._look_at = time.monotonic() + LOOK_SECONDS

    def look(self) -> None:
        """End the course where the campaign is no longer being sent."""
        if self._course.over or time.monotonic() < self._look_at:
            return
        # A database that is away for a moment is no reason to break anything off: claims tell.
        with suppress(NewsletterError), self._database.read() as connection:
            status = get_campaign(connection, self._course.campaign.id).status
            if status is not CampaignStatus.SENDING:
                self._course.end.set()
        self._look_at = time.monotonic() + LOOK_SECONDS
