"""The ledger: claim deliveries, record what became of them, give back what did not leave.

Each function is one transaction. A claim is durable before it returns (G3); a record is relaxed
(G4) and void when its fence is not the row's own (G5).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, or_, select, update

from newsletter.audience.eligibility import Recipient, Skip, Standing, judge_standings
from newsletter.audience.keys import Keys
from newsletter.delivery.bounce_classes import BUILT_IN, BounceTable
from newsletter.delivery.domains import domain_of
from newsletter.delivery.evidence import keep_late
from newsletter.delivery.outcomes import RETRY_MARK, plain_answer, row_of
from newsletter.delivery.statements import (
    READY_ROWS,
    RECORD_PLAIN,
    RECORD_ROWS,
    among,
    claim_rows,
    lease_end,
    record_accepted,
)
from newsletter.delivery.states import READY, CampaignStatus, DeliveryState, Move, before
from newsletter.errors import StorageError
from newsletter.providers.base import Outcome, OutcomeKind
from newsletter.storage.database import Database
from newsletter.storage.tables import attempts, campaigns, deliveries, subscribers

HELD_DOMAIN = "domain held"
"""`reason` of a row that waits because its domain refuses us as a whole (D6)."""

# A row on its second way keeps the mark of it: it must never go out a third time (G8).
_HELD_REASON = case((deliveries.c.reason == RETRY_MARK, RETRY_MARK), else_=HELD_DOMAIN)


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries that this worker alone may send until `lease_until`; `attempt` is the fence."""

    attempt: int
    campaign: int
    recipients: tuple[Recipient, ...]
    skipped: int
    lease_until: datetime
    last: int
    """The greatest subscriber looked at: where the next claim goes on."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Who claims: its name, the machine's boot, and how long its leases hold."""

    name: str
    boot_id: str | None
    lease: timedelta


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What is to be claimed: up to `limit` ready rows behind subscriber `after`.

    `held` names remote domains that are left alone, with the end of their hold (D6).
    """

    campaign: int
    worker: Worker
    limit: int
    after: int = -1
    held: Mapping[str, datetime] = field(default_factory=dict)


def claim(database: Database, request: ClaimRequest, keys: Keys, now: datetime) -> Batch | None:
    """Take ready deliveries in the ledger's order.

    Membership and suppression are re-read in the same transaction (C9): who left is `skipped`
    with the reason. Returns None when nothing is ready there, or the campaign does not send.
    """
    with database.write(durable=True) as connection:
        return claim_in(connection, request, keys, now)


def claim_in(
    connection: Connection, request: ClaimRequest, keys: Keys, now: datetime
) -> Batch | None:
    """Do what `claim` does inside the caller's transaction, which must be durable."""
    campaign = request.campaign
    row = connection.execute(
        select(campaigns.c.status, campaigns.c.list_id).where(campaigns.c.id == campaign)
    ).one()
    if row.status != CampaignStatus.SENDING or request.limit <= 0:
        return None
    bound = {
        "campaign": campaign,
        "list": row.list_id,
        "after": request.after,
        "now": now,
        "limit": request.limit,
    }
    # A row of the statement has a standing's fields, in their order.
    standings = cast(Sequence[Standing], connection.execute(READY_ROWS, bound).all())
    if not standings:
        return None
    verdict = judge_standings(connection, standings, keys, now)
    _skip(connection, campaign, verdict.skips)
    recipients = verdict.recipients
    if request.held:
        recipients = _leave_held(connection, request, recipients)
    attempt, until = _open_attempt(connection, request, now, recipients)
    return Batch(
        attempt=attempt,
        campaign=campaign,
        recipients=tuple(recipients),
        skipped=len(verdict.skips),
        lease_until=until,
        last=standings[-1].subscriber,
    )


def _skip(connection: Connection, campaign: int, skips: Sequence[Skip]) -> None:
    by_reason: dict[str, list[int]] = {}
    for skip in skips:
        by_reason.setdefault(skip.reason, []).append(skip.subscriber)
    for reason, chosen in by_reason.items():
        connection.execute(
            update(deliveries)
            .where(
                deliveries.c.campaign_id == campaign,
                among(connection, deliveries.c.subscriber_id, chosen),
                deliveries.c.state.in_(before(Move.SKIP)),
            )
            .values(state=DeliveryState.SKIPPED, reason=reason, not_before=None)
        )


def _leave_held(
    connection: Connection, request: ClaimRequest, recipients: Sequence[Recipient]
) -> list[Recipient]:
    """Put off those whose domain is held; returns the others."""
    by_end: dict[datetime, list[int]] = {}
    others = []
    for recipient in recipients:
        until = request.held.get(domain_of(recipient.address))
        if until is None:
            others.append(recipient)
        else:
            by_end.setdefault(until, []).append(recipient.subscriber)
    _wait_for_domains(connection, deliveries.c.campaign_id == request.campaign, by_end)
    return others


def _open_attempt(
    connection: Connection, request: ClaimRequest, now: datetime, recipients: Sequence[Recipient]
) -> tuple[int, datetime]:
    worker = request.worker
    until = lease_end(connection, now, worker.lease)
    attempt: int = connection.execute(
        insert(attempts)
        .values(
            campaign_id=request.campaign,
            worker=worker.name,
            boot_id=worker.boot_id,
            size=len(recipients),
            claimed_at=now,
            lease_until=until,
            finished_at=None if recipients else now,
        )
        .returning(attempts.c.id)
    ).scalar_one()
    if recipients:
        chosen = [recipient.subscriber for recipient in recipients]
        taken = connection.execute(
            claim_rows(connection, chosen, now),
            {"b_campaign": request.campaign, "b_attempt": attempt},
        ).rowcount
        if taken != len(chosen):
            raise StorageError(
                f"{taken} rows were claimed instead of {len(chosen)}: nothing of them was sent",
                fix="newsletter verify",
            )
    return attempt, until


def record(
    database: Database,
    batch: Batch,
    outcomes: Sequence[Outcome],
    now: datetime,
    *,
    jitter: float,
    provider: str,
    table: BounceTable = BUILT_IN,
) -> int:
    """Write what became of some of a batch's deliveries; returns how many rows took it.

    A row whose fence is no longer this batch's keeps its state: the late outcome is stored as an
    event, which is evidence for an unknown row (G5).
    """
    if not outcomes:
        return 0
    with database.write(durable=False) as connection:
        return record_in(
            connection, batch, outcomes, now, jitter=jitter, provider=provider, table=table
        )


def record_in(
    connection: Connection,
    batch: Batch,
    outcomes: Sequence[Outcome],
    now: datetime,
    *,
    jitter: float,
    provider: str,
    table: BounceTable = BUILT_IN,
) -> int:
    """Do what `record` does inside the caller's transaction."""
    plain: list[int] = []
    answered: list[tuple[int, str]] = []
    others: list[Outcome] = []
    for outcome in outcomes:
        if outcome.kind is not OutcomeKind.ACCEPTED:
            others.append(outcome)
        elif answer := plain_answer(outcome):
            answered.append((outcome.delivery.subscriber, answer))
        else:
            plain.append(outcome.delivery.subscriber)
    taken = 0
    fence = {"b_campaign": batch.campaign, "b_attempt": batch.attempt}
    if plain:
        statement = RECORD_PLAIN.where(among(connection, deliveries.c.subscriber_id, plain))
        taken += connection.execute(statement, fence).rowcount
    if answered:
        taken += record_accepted(connection, batch.campaign, batch.attempt, answered)
    if others:
        tries = _tries(connection, batch, others)
        rows = [
            {
                **fence,
                **row_of(o, *tries.get(o.delivery.subscriber, (0, None)), now, jitter, table=table),
            }
            for o in others
        ]
        taken += connection.execute(RECORD_ROWS, rows).rowcount
        _skip_if_cancelled(connection, batch)
    if taken != len(outcomes):
        keep_late(connection, batch.campaign, batch.attempt, outcomes, now=now, provider=provider)
    ids = {o.provider_id for o in outcomes if o.code == 202 and o.provider_id}
    if ids:
        _note_provider_ids(connection, batch.attempt, sorted(ids))
    return taken


def _skip_if_cancelled(connection: Connection, batch: Batch) -> None:
    """Let nothing of a cancelled campaign wait again: its cancel did not see the claims (G16).

    Lock: the campaign's row, shared, so that a cancel comes wholly before or wholly after.
    """
    status = connection.execute(
        select(campaigns.c.status)
        .where(campaigns.c.id == batch.campaign)
        .with_for_update(read=True)
    ).scalar_one()
    if status == CampaignStatus.CANCELLED:
        connection.execute(
            update(deliveries)
            .where(
                deliveries.c.campaign_id == batch.campaign,
                deliveries.c.attempt_id == batch.attempt,
                deliveries.c.state.in_(before(Move.SKIP)),
            )
            .values(state=DeliveryState.SKIPPED, reason="cancelled", not_before=None)
        )


def _tries(
    connection: Connection, batch: Batch, outcomes: Iterable[Outcome]
) -> dict[int, tuple[int, str | None]]:
    """Look up earlier tries, for those outcomes whose next state depends on them."""
    wanted = [o.delivery.subscriber for o in outcomes if o.kind is not OutcomeKind.ACCEPTED]
    if not wanted:
        return {}
    rows = connection.execute(
        select(deliveries.c.subscriber_id, deliveries.c.tries, deliveries.c.reason).where(
            deliveries.c.campaign_id == batch.campaign, deliveries.c.subscriber_id.in_(wanted)
        )
    )
    return {row.subscriber_id: (row.tries, row.reason) for row in rows}


def _note_provider_ids(connection: Connection, attempt: int, ids: Sequence[str]) -> None:
    stored = connection.execute(
        select(attempts.c.provider_ids).where(attempts.c.id == attempt)
    ).scalar()
    known = stored.split() if stored else []
    merged = " ".join(dict.fromkeys([*known, *ids]))
    connection.execute(update(attempts).where(attempts.c.id == attempt).values(provider_ids=merged))


def close_attempt_in(connection: Connection, batch: Batch, now: datetime) -> None:
    """Say, inside the caller's transaction, that every delivery of the batch is recorded."""
    connection.execute(
        update(attempts).where(attempts.c.id == batch.attempt).values(finished_at=now)
    )


def put_off(
    connection: Connection, batch: Batch, by_end: Mapping[datetime, Collection[int]]
) -> None:
    """Defer claimed rows whose domain was held meanwhile, until the end of its hold (D6).

    They had no try of their own.
    """
    if by_end:
        ours = and_(
            deliveries.c.campaign_id == batch.campaign,
            deliveries.c.state == DeliveryState.CLAIMED,
            deliveries.c.attempt_id == batch.attempt,
        )
        _wait_for_domains(connection, ours, by_end)
        _skip_if_cancelled(connection, batch)


def _wait_for_domains(
    connection: Connection, which: ColumnElement[bool], by_end: Mapping[datetime, Collection[int]]
) -> None:
    for until, chosen in by_end.items():
        connection.execute(
            update(deliveries)
            .where(which, among(connection, deliveries.c.subscriber_id, list(chosen)))
            .values(state=DeliveryState.DEFERRED, not_before=until, reason=_HELD_REASON)
        )


def make_due(connection: Connection, domain: str, *, held_until: datetime) -> int:
    """Let deliveries that wait for a held domain be tried at once; returns how many.

    One that goes out again after its answer was lost keeps that mark while it waits: of those only
    the ones are meant that wait for the end of the hold, and not for a server that asked for time.
    """
    theirs = select(subscribers.c.id).where(
        subscribers.c.address_key.endswith(f"@{domain}", autoescape=True)
    )
    return connection.execute(
        update(deliveries)
        .where(
            deliveries.c.state == DeliveryState.DEFERRED,
            or_(
                deliveries.c.reason == HELD_DOMAIN,
                (deliveries.c.reason == RETRY_MARK) & (deliveries.c.not_before == held_until),
            ),
            deliveries.c.subscriber_id.in_(theirs),
        )
        .values(not_before=None)
    ).rowcount


def count_ready(connection: Connection, campaign: int, now: datetime) -> int:
    """Return how many deliveries could be claimed now."""
    ready: int = connection.execute(
        select(func.count())
        .select_from(deliveries)
        .where(
            deliveries.c.campaign_id == campaign,
            deliveries.c.state.in_(READY),
            or_(deliveries.c.not_before.is_(None), deliveries.c.not_before <= now),
        )
    ).scalar_one()
    return ready


def expire(database: Database, campaign: int) -> int:
    """Mark what has not left when the campaign's time is over (G9); returns how many."""
    with database.write(durable=True) as connection:
        return connection.execute(
            update(deliveries)
            .where(
                deliveries.c.campaign_id == campaign,
                deliveries.c.state.in_(before(Move.EXPIRE)),
            )
            .values(state=DeliveryState.EXPIRED, not_before=None)
        ).rowcount
