"""Whether an edition's readers have had its digest before, and what that means for the edition.

Pure but for one look at the campaigns; what is done about it stands in `keeping`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, select

from newsletter.digest.library import day_of_name
from newsletter.digest.parser import parse
from newsletter.errors import DigestError
from newsletter.schedule.choosing import Chosen
from newsletter.schedule.model import Edition, Schedule
from newsletter.storage.schedule_tables import editions
from newsletter.storage.tables import campaigns, digests


class Past(StrEnum):
    """What an earlier campaign says about the digest of an edition."""

    ALREADY = "already"
    """This very digest went out for this day: there is nothing left to send (G1)."""
    STALE = "stale"
    """It is the one of another day: the new one is not there yet (H5)."""
    NAME_TAKEN = "name taken"
    """Another digest went out under its name, which would be refused as a second copy."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A campaign that forbids this digest for the same audience unasked, and whose it was."""

    campaign: int
    schedule_id: int | None
    """Of its edition; None: it was sent by hand."""
    same_revision: bool
    day: date | None
    """The date of the digest that it sent."""


def earlier_campaign(connection: Connection, schedule: Schedule, chosen: Chosen) -> Earlier | None:
    """Return what `freezing.forbidding` would find: for the same audience, else the whole list."""
    rows = connection.execute(
        select(
            campaigns.c.id,
            campaigns.c.segment,
            digests.c.slug,
            digests.c.content_hash,
            digests.c.markdown,
            editions.c.schedule_id,
        )
        .join(digests, digests.c.id == campaigns.c.digest_id)
        .outerjoin(editions, editions.c.id == campaigns.c.edition_id)
        .where(
            campaigns.c.list_id == schedule.list_id,
            (digests.c.slug == chosen.slug) | (digests.c.content_hash == chosen.content_hash),
            campaigns.c.segment.is_(None) | (campaigns.c.segment == schedule.segment),
        )
        .order_by(campaigns.c.id.desc())
    ).all()
    same = [row for row in rows if row.segment == schedule.segment]
    found = next(iter([*same, *rows]), None)
    if found is None:
        return None
    return Earlier(
        found.id,
        found.schedule_id,
        found.content_hash == chosen.content_hash,
        _day_of(found.slug, found.markdown),
    )


def judge(earlier: Earlier, schedule: Schedule, edition: Edition, chosen: Chosen) -> Past:
    """Say what an earlier campaign means for an edition that is not fired."""
    if not (earlier.same_revision or earlier.day == chosen.day):
        return Past.NAME_TAKEN
    if earlier.schedule_id == schedule.id or chosen.day != edition.day:
        return Past.STALE
    return Past.ALREADY


def _day_of(slug: str, markdown: str) -> date | None:
    named = day_of_name(Path(slug))
    try:
        return parse(markdown, slug=slug).digest.byline.day or named
    except DigestError:
        return named
