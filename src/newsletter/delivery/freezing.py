"""Whom a campaign is frozen for, and the row it is written as; `campaigns.freeze` uses both.

A digest goes to a list, or to a segment of it. Another segment of the same list may have the same
digest later, and so may the whole list after its segments: whoever is in one of the earlier
campaigns is left out, so that nobody gets a digest twice unasked (G1).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, exists, insert, select, update

from newsletter.audience.eligibility import count_selected, freeze_selection
from newsletter.audience.lists import count_active
from newsletter.audience.segment_sql import segment_filter
from newsletter.delivery.freeze_request import FreezeRequest
from newsletter.delivery.statements import freeze_audience, freeze_waves
from newsletter.delivery.states import CampaignStatus
from newsletter.delivery.waves import wave_times
from newsletter.errors import DeliveryError
from newsletter.storage.database import insert_for
from newsletter.storage.tables import campaigns, deliveries, digests, lists, memberships


@dataclass(frozen=True, slots=True)
class EarlierCampaign:
    """A campaign of the same digest (its name or its content) for the same list."""

    id: int
    status: CampaignStatus
    created_at: datetime
    segment: str | None
    content_hash: str


@dataclass(frozen=True, slots=True)
class Audience:
    """The subscribers a campaign would be frozen for."""

    selection: Select[tuple[int]]
    everybody: Select[tuple[int]]
    """Them, and those who are left out."""
    left_out_for: tuple[int, ...]
    """The campaigns whose recipients are left out, whatever became of their deliveries."""

    def count_left_out(self, connection: Connection) -> int:
        """Return how many are left out, for they are in an earlier campaign of this digest."""
        if not self.left_out_for:
            return 0
        return count_selected(connection, self.everybody) - count_selected(
            connection, self.selection
        )


def lock_list(connection: Connection, list_id: int) -> None:
    """Let nobody else freeze for a list until the caller's transaction ends.

    Two segments frozen at once would not see each other's recipients. Lock: the list's row,
    without its key, so that what refers to it goes on; on SQLite the write transaction's own.
    """
    connection.execute(
        select(lists.c.id).where(lists.c.id == list_id).with_for_update(key_share=True)
    )


def earlier_campaigns(connection: Connection, request: FreezeRequest) -> list[EarlierCampaign]:
    """Return the list's campaigns of this digest, newest first; cancelled ones too."""
    rows = connection.execute(
        select(
            campaigns.c.id,
            campaigns.c.status,
            campaigns.c.created_at,
            campaigns.c.segment,
            digests.c.content_hash,
        )
        .join(digests)
        .where(
            campaigns.c.list_id == request.list_id,
            (digests.c.slug == request.slug) | (digests.c.content_hash == request.content_hash),
        )
        .order_by(campaigns.c.id.desc())
    )
    return [EarlierCampaign(row.id, CampaignStatus(row.status), *row[2:]) for row in rows]


def forbidding(
    earlier: Sequence[EarlierCampaign], request: FreezeRequest
) -> EarlierCampaign | None:
    """Return the campaign that forbids another unasked: for the same audience, or the whole list.

    The newest for the same audience comes first: that is the one to go on with.
    """
    same = [campaign for campaign in earlier if campaign.segment == request.segment_name]
    whole = [campaign for campaign in earlier if campaign.segment is None]
    return next(iter([*same, *whole]), None)


def choose_audience(connection: Connection, request: FreezeRequest, now: datetime) -> Audience:
    """Choose whom a campaign is frozen for now.

    Nobody is left out of what was asked for again, nor of what `forbidding` forbids anyway.
    """
    segment = None
    if request.segment is not None:
        condition, zone = request.segment.condition, request.identity.timezone
        segment = segment_filter(connection, condition, request.list_id, now, zone=zone)
    everybody = freeze_selection(request.list_id, now, segment)
    earlier = earlier_campaigns(connection, request)
    if request.again or not earlier or forbidding(earlier, request):
        return Audience(everybody, everybody, ())
    numbers = tuple(campaign.id for campaign in earlier)
    had_it = (
        exists()
        .where(
            deliveries.c.campaign_id.in_(numbers),
            deliveries.c.subscriber_id == memberships.c.subscriber_id,
        )
        .correlate(memberships)
    )
    return Audience(everybody.where(~had_it), everybody, numbers)


def nobody(
    connection: Connection, request: FreezeRequest, audience: Audience, now: datetime
) -> DeliveryError:
    """Return why an audience is empty, and what to do."""
    name, list_name = request.segment_name, request.list_name
    if audience.left_out_for and audience.count_left_out(connection):
        numbers = ", ".join(map(str, audience.left_out_for))
        return DeliveryError(
            f"everybody {request.audience} had '{request.slug}' in an earlier campaign: {numbers}",
            fix="--again sends it to them a second time",
        )
    active = count_active(connection, request.list_id, now)
    if name is None or not active:
        return DeliveryError(
            f"list '{list_name}' has no active subscribers",
            fix=f"newsletter subscribers import FILE --list {list_name}",
        )
    return DeliveryError(
        f"segment '{name}' holds none of the {active} active subscribers of '{list_name}'",
        fix=f"newsletter segments show {name} --list {list_name}",
    )


def insert_campaign(connection: Connection, request: FreezeRequest, now: datetime) -> int:
    """Write the digest's revision, once, and the campaign without its audience."""
    start = request.not_before or now
    made: int = connection.execute(
        insert(campaigns)
        .values(
            key=_next_key(connection, request),
            list_id=request.list_id,
            digest_id=_revision(connection, request, now),
            status=CampaignStatus.SCHEDULED if request.not_before else CampaignStatus.SENDING,
            provider=request.provider,
            content=request.content.to_json(),
            identity=request.identity.to_json(),
            message_id_salt=secrets.token_hex(8),
            on_unknown=request.on_unknown,
            recipients=0,
            created_at=now,
            not_before=request.not_before,
            expires_at=start + request.expires_after,
            sending_ms=0,
            segment=request.segment_name,
            segment_condition=request.segment.text if request.segment else None,
            edition_id=request.edition,
            **_wave_columns(request),
        )
        .returning(campaigns.c.id)
    ).scalar_one()
    return made


def _wave_columns(request: FreezeRequest) -> dict[str, Any]:
    """Return what the campaign's row says of its waves; `wave_expiry` goes by it."""
    if request.waves is None:
        return {}
    return {
        "wave_day": request.waves.day.isoformat(),
        "wave_time": request.waves.time.isoformat("minutes"),
        "wave_zone": request.waves.timezone,
        "wave_expires_s": round(request.expires_after.total_seconds()),
    }


def _revision(connection: Connection, request: FreezeRequest, now: datetime) -> int:
    """Return the digest's revision, written by now: for another list somebody may do so at once."""
    connection.execute(
        insert_for(connection)(digests)
        .values(
            slug=request.slug,
            content_hash=request.content_hash,
            title=request.title,
            markdown=request.markdown,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["slug", "content_hash"])
    )
    written: int = connection.execute(
        select(digests.c.id).where(
            digests.c.slug == request.slug, digests.c.content_hash == request.content_hash
        )
    ).scalar_one()
    return written


def _next_key(connection: Connection, request: FreezeRequest) -> str:
    """Return the key behind the last one that is known of a list's campaigns of a digest.

    Two that do not see each other's campaign get the same one: only one of them can be written.
    """
    family = f"{request.list_id}/{request.slug}/"
    keys = connection.execute(
        select(campaigns.c.key).where(
            campaigns.c.list_id == request.list_id,
            campaigns.c.key.startswith(family, autoescape=True),
        )
    ).scalars()
    ends = (key.removeprefix(family) for key in keys)
    return f"{family}{max((int(end) for end in ends if end.isdecimal()), default=0) + 1}"


def write_audience(
    connection: Connection,
    campaign: int,
    request: FreezeRequest,
    audience: Audience,
    now: datetime,
) -> None:
    """Write a row for each recipient; with waves, each due at their own time (H6).

    The campaign lives as long as its last wave then.
    """
    if request.waves is None:
        connection.execute(freeze_audience(campaign, audience.selection))
        return
    start = request.not_before or now
    times = wave_times(connection, audience.selection, request.waves, start)
    freeze_waves(connection, campaign, audience.selection, times)
    connection.execute(
        update(campaigns)
        .where(campaigns.c.id == campaign)
        .values(expires_at=(times.last or start) + request.expires_after)
    )
