"""The ledger: claim deliveries, record what became of them, give back what did not leave.

Each function is one transaction. A claim is durable before it returns (G3); a record is relaxed
(G4) and void when its fence is not the row's own (G5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from newsletter.audience.eligibility import Recipient, Skip, recheck
from newsletter.audience.keys import Keys
from newsletter.delivery.retries import next_try
from newsletter.delivery.states import READY, CampaignStatus, DeliveryState, Move, before
from newsletter.providers.base import Outcome, OutcomeKind
from newsletter.storage.database import Database
from newsletter.storage.tables import attempts, campaigns, deliveries, events

MESSAGE_TRIES = 3
"""After so many refusals of the message itself a delivery is rejected instead of deferred."""

RETRY_MARK = "retry"
"""`reason` of a row that goes out a second time after its answer was lost: once only (G8)."""


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


def claim(
    database: Database,
    campaign: int,
    worker: Worker,
    keys: Keys,
    now: datetime,
    *,
    limit: int,
    after: int = -1,
) -> Batch | None:
    """Take up to `limit` ready deliveries behind subscriber `after`, in the ledger's order.

    Membership and suppression are re-read in the same transaction (C9): who left is `skipped`
    with the reason. Returns None when nothing is ready there, or the campaign does not send.
    """
    with database.write(durable=True) as connection:
        row = connection.execute(
            select(campaigns.c.status, campaigns.c.list_id).where(campaigns.c.id == campaign)
        ).one()
        if row.status != CampaignStatus.SENDING:
            return None
        ready = (
            select(deliveries.c.subscriber_id)
            .where(
                deliveries.c.campaign_id == campaign,
                deliveries.c.subscriber_id > after,
                deliveries.c.state.in_(READY),
                or_(deliveries.c.not_before.is_(None), deliveries.c.not_before <= now),
            )
            .order_by(deliveries.c.subscriber_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        subscribers = list(connection.execute(ready).scalars())
        if not subscribers:
            return None
        verdicts = recheck(connection, row.list_id, subscribers, keys, now)
        recipients = tuple(v for v in verdicts.values() if isinstance(v, Recipient))
        skips = {s: v for s, v in verdicts.items() if isinstance(v, Skip)}
        _skip(connection, campaign, skips)
        attempt = _open_attempt(connection, campaign, worker, now, recipients)
        return Batch(
            attempt=attempt,
            campaign=campaign,
            recipients=recipients,
            skipped=len(skips),
            lease_until=now + worker.lease,
            last=subscribers[-1],
        )


def _skip(connection: Connection, campaign: int, skips: dict[int, Skip]) -> None:
    if skips:
        connection.execute(
            update(deliveries)
            .where(
                deliveries.c.campaign_id == campaign,
                deliveries.c.subscriber_id == bindparam("b_subscriber"),
                deliveries.c.state.in_(before(Move.SKIP)),
            )
            .values(state=DeliveryState.SKIPPED, reason=bindparam("b_reason"), not_before=None),
            [{"b_subscriber": s, "b_reason": skip.reason} for s, skip in skips.items()],
        )


def _open_attempt(
    connection: Connection,
    campaign: int,
    worker: Worker,
    now: datetime,
    recipients: Sequence[Recipient],
) -> int:
    attempt: int = connection.execute(
        insert(attempts)
        .values(
            campaign_id=campaign,
            worker=worker.name,
            boot_id=worker.boot_id,
            size=len(recipients),
            claimed_at=now,
            lease_until=now + worker.lease,
            finished_at=None if recipients else now,
        )
        .returning(attempts.c.id)
    ).scalar_one()
    if recipients:
        connection.execute(
            update(deliveries)
            .where(
                deliveries.c.campaign_id == campaign,
                deliveries.c.subscriber_id.in_([r.subscriber for r in recipients]),
                deliveries.c.state.in_(READY),
            )
            .values(state=DeliveryState.CLAIMED, attempt_id=attempt, not_before=None)
        )
    return attempt


def record(
    database: Database,
    batch: Batch,
    outcomes: Sequence[Outcome],
    now: datetime,
    *,
    jitter: float,
    provider: str,
) -> int:
    """Write what became of some of a batch's deliveries; returns how many rows took it.

    A row whose fence is no longer this batch's keeps its state: the late outcome is stored as an
    event, which is evidence for an unknown row (G5).
    """
    if not outcomes:
        return 0
    with database.write(durable=False) as connection:
        return record_in(connection, batch, outcomes, now, jitter=jitter, provider=provider)


def record_in(
    connection: Connection,
    batch: Batch,
    outcomes: Sequence[Outcome],
    now: datetime,
    *,
    jitter: float,
    provider: str,
) -> int:
    """Do what `record` does inside the caller's transaction."""
    tries = _tries(connection, batch, outcomes)
    rows = [
        _row(outcome, tries.get(outcome.delivery.subscriber, (0, None)), now, jitter)
        for outcome in outcomes
    ]
    statement = (
        update(deliveries)
        .where(
            deliveries.c.campaign_id == batch.campaign,
            deliveries.c.subscriber_id == bindparam("b_subscriber"),
            deliveries.c.state == DeliveryState.CLAIMED,
            deliveries.c.attempt_id == batch.attempt,
        )
        .values(
            state=bindparam("b_state"),
            tries=bindparam("b_tries"),
            not_before=bindparam("b_not_before"),
            reason=bindparam("b_reason"),
            answer=bindparam("b_answer"),
        )
    )
    taken = connection.execute(statement, rows).rowcount
    if taken != len(rows):
        _keep_late(connection, batch, outcomes, now, provider)
    ids = sorted({o.provider_id for o in outcomes if o.provider_id and o.code == 202})
    if ids:
        _note_provider_ids(connection, batch.attempt, ids)
    return taken


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


def _row(
    outcome: Outcome, earlier: tuple[int, str | None], now: datetime, jitter: float
) -> dict[str, Any]:
    """Decide the ledger row of one outcome; the heart of the sending policy, without a database."""
    tries, mark = earlier
    state, reason, not_before = DeliveryState.ACCEPTED, None, None
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            pass
        case OutcomeKind.REJECTED_RECIPIENT:
            state, reason = DeliveryState.REJECTED, "recipient"
        case OutcomeKind.REJECTED_MESSAGE if tries + 1 >= MESSAGE_TRIES:
            state, reason, tries = DeliveryState.REJECTED, "message", tries + 1
        case OutcomeKind.DEFERRED | OutcomeKind.REJECTED_MESSAGE:
            state, tries = DeliveryState.DEFERRED, tries + 1
            reason = "message" if outcome.kind is OutcomeKind.REJECTED_MESSAGE else mark
            not_before = next_try(now, tries, jitter=jitter, retry_after=outcome.retry_after)
        case OutcomeKind.NOT_SENT:
            state, reason = DeliveryState.PENDING, mark
        case OutcomeKind.UNKNOWN:
            state, reason = DeliveryState.UNKNOWN, "retried" if mark == RETRY_MARK else "no answer"
    return {
        "b_subscriber": outcome.delivery.subscriber,
        "b_state": state,
        "b_tries": tries,
        "b_not_before": not_before,
        "b_reason": reason,
        "b_answer": _answer(outcome),
    }


def _answer(outcome: Outcome) -> str | None:
    """Keep the other side's words where they say more than that it was taken."""
    if outcome.kind is OutcomeKind.ACCEPTED and not outcome.detail:
        return None
    parts = [str(outcome.code) if outcome.code else "", outcome.status or "", outcome.detail]
    return " ".join(part for part in parts if part)[:400] or None


def _keep_late(
    connection: Connection,
    batch: Batch,
    outcomes: Sequence[Outcome],
    now: datetime,
    provider: str,
) -> None:
    """Store outcomes that came behind their fence; accepted ones explain an unknown row (G8)."""
    current = {
        row.subscriber_id: row
        for row in connection.execute(
            select(deliveries.c.subscriber_id, deliveries.c.state, deliveries.c.attempt_id).where(
                deliveries.c.campaign_id == batch.campaign,
                deliveries.c.subscriber_id.in_([o.delivery.subscriber for o in outcomes]),
            )
        )
    }
    for outcome in outcomes:
        row = current.get(outcome.delivery.subscriber)
        # NOT_SENT and DEFERRED rows that this very call wrote no longer match either.
        ours = row is not None and row.attempt_id == batch.attempt
        if ours and row is not None and row.state != DeliveryState.UNKNOWN:
            continue
        connection.execute(
            insert(events).values(
                at=now,
                kind=f"late_{outcome.kind}",
                campaign_id=batch.campaign,
                subscriber_id=outcome.delivery.subscriber,
                attempt_id=batch.attempt,
                provider=provider,
                detail={"code": outcome.code, "status": outcome.status, "answer": outcome.detail},
            )
        )
        if outcome.kind is OutcomeKind.ACCEPTED:
            connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.campaign_id == batch.campaign,
                    deliveries.c.subscriber_id == outcome.delivery.subscriber,
                    deliveries.c.state == DeliveryState.UNKNOWN,
                    deliveries.c.attempt_id == batch.attempt,
                )
                .values(state=DeliveryState.ACCEPTED, reason="evidence", answer=_answer(outcome))
            )


def _note_provider_ids(connection: Connection, attempt: int, ids: Sequence[str]) -> None:
    stored = connection.execute(
        select(attempts.c.provider_ids).where(attempts.c.id == attempt)
    ).scalar()
    known = stored.split() if stored else []
    merged = " ".join(dict.fromkeys([*known, *ids]))
    connection.execute(update(attempts).where(attempts.c.id == attempt).values(provider_ids=merged))


def close_attempt(database: Database, batch: Batch, now: datetime) -> None:
    """Say that every delivery of the batch is recorded."""
    with database.write(durable=False) as connection:
        connection.execute(
            update(attempts).where(attempts.c.id == batch.attempt).values(finished_at=now)
        )


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
