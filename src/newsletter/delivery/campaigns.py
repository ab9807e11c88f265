"""The life cycle of a campaign: frozen once, then paused, resumed, cancelled, finished.

Resuming never renders and never selects again: content and audience are what the freeze wrote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from newsletter.delivery.alert_words import campaign_paused
from newsletter.delivery.alerts import raise_alert
from newsletter.delivery.freeze_request import FreezeRequest
from newsletter.delivery.freezing import (
    choose_audience,
    earlier_campaigns,
    forbidding,
    insert_campaign,
    lock_list,
    nobody,
    write_audience,
)
from newsletter.delivery.states import (
    FINISHED,
    READY,
    CampaignStatus,
    DeliveryState,
    Move,
    before,
    next_status,
)
from newsletter.errors import DeliveryError
from newsletter.providers.base import Mailing
from newsletter.rendering.content import EmailContent, ListIdentity
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database
from newsletter.storage.database_errors import NotUnique
from newsletter.storage.tables import campaigns, deliveries, digests, lists

FREEZE_TRIES = 4
"""So often a freeze is tried where others freeze the same digest again and again."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """One frozen digest for one frozen audience, without the content."""

    id: int
    digest: str
    title: str
    list: str
    list_id: int
    status: CampaignStatus
    status_reason: str | None
    provider: str
    on_unknown: str
    recipients: int
    created_at: datetime
    not_before: datetime | None
    expires_at: datetime
    finished_at: datetime | None
    sending_ms: int
    canary: int
    canary_until: datetime | None
    judged_at: datetime | None
    segment: str | None
    segment_condition: str | None
    """As it was at the freeze."""
    wave_time: str | None
    """HH:MM of each reader's own zone (H6); None: everybody at once."""
    listed: bool
    """Whether the archive names it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How many deliveries of a campaign are in each state; adds up to its recipients (I1)."""

    counts: Mapping[DeliveryState, int]

    def of(self, *states: DeliveryState) -> int:
        """Return how many are in any of the states."""
        return sum(self.counts.get(state, 0) for state in states)

    @property
    def all(self) -> int:
        """Return the number of rows in the ledger."""
        return sum(self.counts.values())


class AlreadySent(DeliveryError):  # noqa: N818 - a fact, told to the operator
    """The digest has a campaign for this audience, or for the whole list, already (G1)."""

    def __init__(
        self,
        problem: str,
        *,
        campaign: int,
        status: CampaignStatus,
        same_audience: bool,
        audience: str,
    ) -> None:
        finished = status in FINISHED
        super().__init__(
            problem,
            fix=f"--again sends it a second time to everybody {audience}"
            if finished
            else f"newsletter campaigns resume {campaign}",
        )
        self.campaign = campaign
        self.status = status
        self.same_audience = same_audience
        """Whether going on with that campaign is what was asked for."""


def freeze(
    database: Database,
    request: FreezeRequest,
    now: datetime,
    *,
    actor: str,
    also: Callable[[Connection, int], None] | None = None,
) -> int:
    """Write the digest, the rendered content and the audience in one transaction (G1).

    `also` is done in it with the campaign's number; what it raises undoes the whole. Returns the
    campaign's number. Raises `AlreadySent` when the audience has had this digest (the
    same name or the same content) and `again` was not asked, `DeliveryError` when it is empty.
    """
    for _ in range(FREEZE_TRIES - 1):
        try:
            return _freeze_once(database, request, now, actor=actor, also=also)
        except NotUnique:
            # Somebody else froze the same between our look and our write.
            with database.read() as connection:
                refuse_second(connection, request)
    return _freeze_once(database, request, now, actor=actor, also=also)


def _freeze_once(
    database: Database,
    request: FreezeRequest,
    now: datetime,
    *,
    actor: str,
    also: Callable[[Connection, int], None] | None,
) -> int:
    with database.write() as connection:
        lock_list(connection, request.list_id)
        refuse_second(connection, request)
        audience = choose_audience(connection, request, now)
        campaign = insert_campaign(connection, request, now)
        write_audience(connection, campaign, request, audience, now)
        # Counted, for not every driver tells how many rows an INSERT … SELECT wrote.
        taken = totals(connection, campaign).all
        if taken == 0:
            raise nobody(connection, request, audience, now)
        connection.execute(
            update(campaigns)
            .where(campaigns.c.id == campaign)
            .values(
                recipients=taken,
                canary=min(request.canary, taken // 2),
                listed=request.listed,
            )
        )
        record_audit(
            connection,
            now,
            actor=actor,
            action="campaign.freeze",
            subject=f"campaign {campaign}",
            detail={
                "recipients": taken,
                "digest": request.slug,
                "again": request.again,
                "segment": request.segment_name,
                **({} if request.listed else {"listed": False}),
                **({"waves": str(request.waves)} if request.waves else {}),
            },
        )
        if also is not None:
            also(connection, campaign)
        return campaign


def refuse_second(connection: Connection, request: FreezeRequest) -> None:
    """Raise `AlreadySent` where the audience, or the whole list, had this digest before (G1)."""
    if request.again:
        return
    found = forbidding(earlier_campaigns(connection, request), request)
    if found is None:
        return
    revision = "" if found.content_hash == request.content_hash else "an earlier revision of "
    # A cancelled campaign counts too: some may have had it before it was cancelled.
    verb = f"was {found.status}" if found.status in FINISHED else f"is {found.status}"
    to = "to" if found.status == CampaignStatus.SENT else "for"
    part = f"segment '{found.segment}' of " if found.segment else ""
    raise AlreadySent(
        f"{revision}'{request.slug}' {verb} {to} {part}'{request.list_name}' as campaign "
        f"{found.id} ({found.created_at:%Y-%m-%d %H:%M} UTC)",
        campaign=found.id,
        status=found.status,
        same_audience=found.segment == request.segment_name,
        audience=request.audience,
    )


_SUMMARY = (
    select(
        campaigns.c.id,
        digests.c.slug.label("digest"),
        digests.c.title,
        lists.c.name.label("list"),
        campaigns.c.list_id,
        campaigns.c.status,
        campaigns.c.status_reason,
        campaigns.c.provider,
        campaigns.c.on_unknown,
        campaigns.c.recipients,
        campaigns.c.created_at,
        campaigns.c.not_before,
        campaigns.c.expires_at,
        campaigns.c.finished_at,
        campaigns.c.sending_ms,
        campaigns.c.canary,
        campaigns.c.canary_until,
        campaigns.c.judged_at,
        campaigns.c.segment,
        campaigns.c.segment_condition,
        campaigns.c.wave_time,
        campaigns.c.listed,
    )
    .join(digests, digests.c.id == campaigns.c.digest_id)
    .join(lists, lists.c.id == campaigns.c.list_id)
)


def _campaign(row: Row[*tuple[Any, ...]]) -> Campaign:
    return Campaign(**{**row._mapping, "status": CampaignStatus(row.status)})


def get_campaign(connection: Connection, campaign: int) -> Campaign:
    """Return one campaign; raises `DeliveryError` when there is none with this number."""
    row = connection.execute(_SUMMARY.where(campaigns.c.id == campaign)).first()
    if row is None:
        raise DeliveryError(
            f"there is no campaign {campaign}", fix="newsletter campaigns list shows them all"
        )
    return _campaign(row)


def lock_campaign(connection: Connection, campaign: int) -> None:
    """Let nobody else change a campaign's status until the caller's transaction ends.

    Lock: the campaign's row, without its key, so that claims, which refer to it, go on.
    """
    connection.execute(
        select(campaigns.c.id).where(campaigns.c.id == campaign).with_for_update(key_share=True)
    )


def list_campaigns(connection: Connection, *, limit: int | None = None) -> list[Campaign]:
    """Return the campaigns, newest first."""
    query = _SUMMARY.order_by(campaigns.c.id.desc()).limit(limit)
    return [_campaign(row) for row in connection.execute(query)]


def totals(connection: Connection, campaign: int) -> Totals:
    """Count a campaign's deliveries by state, from the ledger itself."""
    rows = connection.execute(
        select(deliveries.c.state, func.count())
        .where(deliveries.c.campaign_id == campaign)
        .group_by(deliveries.c.state)
    )
    return Totals({DeliveryState(state): count for state, count in rows})


def load_mailing(connection: Connection, campaign: int) -> Mailing:
    """Return the frozen content of a campaign as providers take it."""
    row = connection.execute(
        select(campaigns.c.content, campaigns.c.identity, campaigns.c.message_id_salt).where(
            campaigns.c.id == campaign
        )
    ).one()
    # A JSON column may come back as text from a server that was told so; accept both.
    content = json.loads(row.content) if isinstance(row.content, str) else row.content
    return Mailing(
        campaign=campaign,
        content=EmailContent.from_json(content),
        identity=ListIdentity.from_json(row.identity),
        message_id_salt=row.message_id_salt,
    )


def change_status(
    database: Database,
    campaign: int,
    word: str,
    now: datetime,
    *,
    actor: str,
    reason: str | None = None,
) -> CampaignStatus:
    """Pause, resume, cancel or finish a campaign, durably and in the audit log (G16).

    Repeating a word that has already led where it leads changes nothing. Cancelling marks what
    has not left as `skipped(cancelled)`. Raises `DeliveryError` when the word does not fit.
    """
    with database.write() as connection:
        return change_status_in(connection, campaign, word, now, actor=actor, reason=reason)


def change_status_in(
    connection: Connection,
    campaign: int,
    word: str,
    now: datetime,
    *,
    actor: str,
    reason: str | None = None,
) -> CampaignStatus:
    """Do what `change_status` does inside the caller's transaction, which must be durable."""
    lock_campaign(connection, campaign)
    current = get_campaign(connection, campaign)
    if _is_there_already(current.status, word):
        return current.status
    status = next_status(campaign, current.status, word)
    if word == "resume" and current.not_before is not None and current.not_before > now:
        status = CampaignStatus.SCHEDULED
    values: dict[str, Any] = {"status": status, "status_reason": reason}
    if status in FINISHED:
        values["finished_at"] = now
    connection.execute(update(campaigns).where(campaigns.c.id == campaign).values(values))
    if status is CampaignStatus.CANCELLED:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.campaign_id == campaign, deliveries.c.state.in_(before(Move.SKIP)))
            .values(state=DeliveryState.SKIPPED, reason="cancelled", not_before=None)
        )
    record_audit(
        connection,
        now,
        actor=actor,
        action=f"campaign.{word}",
        subject=f"campaign {campaign}",
        detail={"from": current.status, "to": status, "reason": reason},
    )
    return status


def pause_unless_ended(
    connection: Connection, campaign: int, now: datetime, *, actor: str, reason: str
) -> bool:
    """Pause a campaign by itself, unless the operator ended or paused it meanwhile.

    Returns whether it did. Raises an alert in the same transaction, so it is for pauses that
    nobody asked for.
    """
    # Of two who come at once, one pauses and one finds it paused.
    lock_campaign(connection, campaign)
    current = get_campaign(connection, campaign)
    if current.status is not CampaignStatus.SENDING:
        return False
    change_status_in(connection, campaign, "pause", now, actor=actor, reason=reason)
    alert = campaign_paused(
        campaign,
        digest=current.digest,
        mailing_list=current.list,
        reason=reason,
        waiting=totals(connection, campaign).of(*READY, DeliveryState.CLAIMED),
        recipients=current.recipients,
        expires_at=current.expires_at,
        at=now,
    )
    raise_alert(connection, alert, now)
    return True


def _is_there_already(status: CampaignStatus, word: str) -> bool:
    return (status, word) in {
        (CampaignStatus.PAUSED, "pause"),
        (CampaignStatus.SENDING, "resume"),
        (CampaignStatus.SENDING, "start"),
        (CampaignStatus.CANCELLED, "cancel"),
        (CampaignStatus.SENT, "finish"),
    }
