"""From an edition's digest to its campaign: checked, compared with what went out, frozen once.

The freeze and the edition's last move are one transaction, so that neither is there without the
other (I8).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, select

from newsletter.audience.lists import MailingList, get_list
from newsletter.audience.segments import get_segment, named_filter
from newsletter.delivery.campaigns import freeze
from newsletter.delivery.freeze_request import FreezeRequest, Waves
from newsletter.delivery.preflight import prepare_for_list
from newsletter.delivery.preparing import (
    ArchiveUrl,
    Prepared,
    refuse_unready,
    refuse_unsafe_settings,
)
from newsletter.delivery.requests import DigestChanged, freeze_request
from newsletter.errors import Place
from newsletter.schedule.choosing import Chosen
from newsletter.schedule.editions import Overtaken
from newsletter.schedule.model import Schedule
from newsletter.schedule.schedules import get_schedule
from newsletter.settings import Settings
from newsletter.storage.database import Database
from newsletter.storage.schedule_tables import schedules

Settle = Callable[[Connection, int], None]
"""Writes the edition's end beside its campaign; what it raises undoes both."""


class ListArchive(Protocol):
    """Makes what leads to a digest's public page, for a list."""

    def __call__(self, mailing_list: MailingList, /, *, listed: bool = True) -> ArchiveUrl:
        """Return it; `listed` is whether the archive will name the page."""


@dataclass(frozen=True, slots=True)
class Firing:
    """What fires editions; `settings` say where digests, templates and senders are.

    `archive_url` makes what leads to a digest's public page; None: mails lead to none.
    """

    database: Database
    settings: Settings
    archive_url: ListArchive | None = None

    def check(self, schedule: Schedule, chosen: Chosen, now: datetime) -> Prepared:
        """Render the very revision that was chosen, and check it with its readers and settings.

        Raises `DeliveryError` with the first error, `DigestChanged` for a file that is another one
        now, `ConfigurationError` for settings with which nothing may leave, `AudienceError` for a
        segment that is gone.
        """
        with self.database.read() as connection:
            mailing_list = get_list(connection, schedule.list_name)
            zone = self.settings.newsletter.timezone
            among = named_filter(connection, schedule.segment, mailing_list, now, default_zone=zone)
            page = None
            if self.archive_url is not None:
                page = self.archive_url(mailing_list, listed=schedule.listed)
            prepared = prepare_for_list(
                connection,
                chosen.path,
                self.settings,
                mailing_list,
                among=among,
                archive_url=page,
            )
        if prepared.digest.content_hash != chosen.content_hash:
            raise DigestChanged(
                "the digest was changed while it was being checked", where=Place(chosen.path)
            )
        refuse_unready(prepared)
        refuse_unsafe_settings(self.settings, prepared.identity)
        return prepared

    def request(
        self,
        schedule: Schedule,
        prepared: Prepared,
        *,
        edition: int | None,
        waves: Waves | None,
    ) -> FreezeRequest:
        """Return what the edition's campaign is made of."""
        with self.database.read() as connection:
            mailing_list = get_list(connection, schedule.list_name)
            segment = get_segment(connection, schedule.segment) if schedule.segment else None
        return freeze_request(
            self.settings,
            mailing_list,
            prepared,
            segment=segment,
            edition=edition,
            waves=waves,
            listed=schedule.listed,
        )

    def fire(
        self,
        request: FreezeRequest,
        schedule: Schedule,
        now: datetime,
        *,
        actor: str,
        settle: Settle,
    ) -> int:
        """Freeze the campaign and settle the edition in one transaction; returns its number.

        Raises what `freeze` raises, and `Overtaken` when the schedule is not as it was seen.
        """

        def also(connection: Connection, campaign: int) -> None:
            lock_schedule_as_seen(connection, schedule)
            settle(connection, campaign)

        return freeze(self.database, request, now, actor=actor, also=also)


def lock_schedule_as_seen(connection: Connection, seen: Schedule) -> None:
    """Let nobody change a schedule until the caller's transaction ends: a pause wins or waits.

    Raises `Overtaken` when it is not as it was seen. Lock: the schedule's row, shared; it is taken
    before that of an edition.
    """
    connection.execute(
        select(schedules.c.id).where(schedules.c.id == seen.id).with_for_update(read=True)
    )
    if get_schedule(connection, seen.name) != seen:
        raise Overtaken
