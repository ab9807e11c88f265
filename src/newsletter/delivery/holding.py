"""A restored or copied database sends nothing by itself: what is unfinished waits for a word (G19).

Whoever was pending when the copy was made may have had the message since. What was being sent then
becomes unknown, and no unknown delivery goes out again by policy. How a copy is recognised stands
in `newsletter.storage.copies`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, select, update

from newsletter.delivery.campaigns import get_campaign, totals
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.outcomes import RETRIED, RETRY_MARK
from newsletter.delivery.states import CampaignStatus, DeliveryState, Move, before
from newsletter.errors import DeliveryError
from newsletter.logs import get_logger
from newsletter.storage.audit import record_audit
from newsletter.storage.copies import CopyMark, Reach, begin_epoch
from newsletter.storage.database import Database
from newsletter.storage.tables import attempts, campaigns, deliveries, installation

log = get_logger("delivery")

UNFINISHED = (
    CampaignStatus.SCHEDULED,
    CampaignStatus.SENDING,
    CampaignStatus.PAUSED,
    CampaignStatus.HELD,
)
"""Campaigns that may still send something."""

LOST_IN_COPY = "it was being sent when this copy of the database was made"


@dataclass(frozen=True, slots=True)
class HeldCampaign:
    """A campaign that waits for the operator: what it was before, and how many may have had it."""

    campaign: int
    digest: str
    list: str
    was: CampaignStatus
    recipients: int
    pending: int
    """Deliveries that it would send: pending and deferred."""
    unknown: int

    def __str__(self) -> str:
        unknown = f", {self.unknown} unknown" if self.unknown else ""
        return (
            f"campaign {self.campaign}, '{self.digest}' to '{self.list}', is held: "
            f"{self.pending} of {self.recipients} not sent yet{unknown}"
        )


@dataclass(frozen=True, slots=True)
class HeldReport:
    """What was done about a copy: why, its new epoch, what is held, how many claims are unknown."""

    problem: str
    epoch: int
    held: tuple[HeldCampaign, ...]
    settled: int

    def lines(self) -> Iterator[str]:
        """Say it to the operator, one line after the other."""
        yield self.problem
        yield from map(str, self.held)
        yield from advice(self.held)

    def refuse(self, campaign: int) -> None:
        """Raise `DeliveryError` when the campaign that was to be sent is among the held."""
        if any(held.campaign == campaign for held in self.held):
            held = "; ".join(map(str, self.held))
            raise DeliveryError(
                f"{self.problem}; {held}; some may have had it already, so nothing was sent",
                fix=f"look first, then: newsletter campaigns resume {campaign} (or cancel it)",
            )


def advice(held: tuple[HeldCampaign, ...]) -> Iterator[str]:
    """Say what the operator can do about held campaigns."""
    if not held:
        yield "nothing in it is unfinished; it does not know what was sent after it was copied"
        return
    yield "some may have had it already; look first, then for each of them:"
    for campaign in held:
        yield (
            f"  newsletter campaigns resume {campaign.campaign}   "
            f"(or newsletter campaigns cancel {campaign.campaign})"
        )


def hold_unfinished(
    connection: Connection, now: datetime, *, actor: str, reason: str
) -> list[HeldCampaign]:
    """Hold every campaign that may still send, each with an audit row; returns them by number.

    Its unknown deliveries wait for the operator too, whatever the policy was: here an unknown one
    is likely to have arrived.
    """
    rows = connection.execute(
        select(campaigns.c.id, campaigns.c.on_unknown)
        .where(campaigns.c.status.in_(UNFINISHED))
        .order_by(campaigns.c.id)
    ).all()
    held = []
    for number, policy in rows:
        current, states = get_campaign(connection, number), totals(connection, number)
        connection.execute(
            update(campaigns)
            .where(campaigns.c.id == number)
            .values(status=CampaignStatus.HELD, status_reason=reason, on_unknown="hold")
        )
        detail = {
            "from": current.status,
            "to": CampaignStatus.HELD,
            "reason": reason,
            "earlier_reason": current.status_reason,
            "earlier_on_unknown": policy,
        }
        record_audit(
            connection,
            now,
            actor=actor,
            action="campaign.held",
            subject=f"campaign {number}",
            detail=detail,
        )
        held.append(
            HeldCampaign(
                number,
                current.digest,
                current.list,
                current.status,
                current.recipients,
                states.of(DeliveryState.PENDING, DeliveryState.DEFERRED),
                states.of(DeliveryState.UNKNOWN),
            )
        )
    return held


def settle_copied_claims(connection: Connection, now: datetime) -> int:
    """Make every claim unknown and close its attempt; returns how many deliveries.

    No flight log is asked: those that lie here may be another copy's (G4).
    """
    opened = select(attempts.c.campaign_id).where(attempts.c.finished_at.is_(None)).distinct()
    settled = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.campaign_id.in_(opened),
            deliveries.c.state.in_(before(Move.LOSE)),
        )
        .values(
            state=DeliveryState.UNKNOWN,
            reason=case((deliveries.c.reason == RETRY_MARK, RETRIED), else_="no answer"),
            answer=LOST_IN_COPY,
        )
    ).rowcount
    connection.execute(
        update(attempts).where(attempts.c.finished_at.is_(None)).values(finished_at=now)
    )
    return settled


def declare_copy(
    connection: Connection,
    now: datetime,
    *,
    actor: str,
    reason: str,
    problem: str | None = None,
    reach: Reach | None = None,
) -> HeldReport:
    """Begin a new epoch in a copy and hold what is unfinished, inside the caller's transaction.

    `reason` becomes each held campaign's, `problem` the report's; `reach` is how far other copies
    have come. The caller holds the sender lock, and renews the mark
    after the commit: a crash in between only lets it be done once more.
    """
    epoch = begin_epoch(connection, reach or Reach())
    settled = settle_copied_claims(connection, now)
    held = hold_unfinished(connection, now, actor=actor, reason=reason)
    connection.execute(update(installation).values(copied_at=now, letters_held_until=now))
    record_audit(
        connection,
        now,
        actor=actor,
        action="installation.copy",
        subject=f"epoch {epoch}",
        detail={"reason": reason, "held": [h.campaign for h in held], "settled": settled},
    )
    return HeldReport(problem or reason, epoch, tuple(held), settled)


def announce_copy(database: Database, now: datetime, actor: str) -> HeldReport:
    """Hold what is unfinished by the operator's word that this database is a copy.

    Raises `TryAgainLater` while another process sends from the same embedded database.
    """
    with sender_lock(database):
        mark = CopyMark(database.path) if database.path is not None else None
        told = mark.read() if mark is not None else None
        with database.write() as connection:
            report = declare_copy(
                connection,
                now,
                actor=actor,
                reason="the database is a copy: some may have had it already",
                problem="the database counts as a copy now",
                reach=Reach(told.epoch, told.attempt) if told is not None else None,
            )
        if mark is not None:
            mark.renew(database)
            mark.close()
        return report


def guard_copy(database: Database, now: datetime, actor: str) -> HeldReport | None:
    """Hold what is unfinished when an embedded database is a copy that nobody announced.

    To be called under the sender lock, before the claims of dead workers are recovered: their
    flight logs are not this copy's. None, at well under 1 ms, when nothing is suspicious. On a
    server database the operator's word is needed: `newsletter db hold`.
    """
    if database.path is None:
        return None
    mark = CopyMark(database.path)
    try:
        suspicion = mark.check(database)
        if suspicion is None:
            if mark.moved_machine():
                # A new container or a first send; for whoever looks for it, nothing follows.
                log.info("machine_changed", database=database.path.name)
                mark.renew(database)
            return None
        with database.write() as connection:
            report = declare_copy(
                connection,
                now,
                actor=actor,
                reason=f"{suspicion.problem}: some may have had it already",
                problem=suspicion.problem,
                reach=suspicion.reach,
            )
        mark.renew(database)
    finally:
        mark.close()
    log.error(
        "copied_database",
        kind=suspicion.kind,
        epoch=report.epoch,
        held=[held.campaign for held in report.held],
        settled=report.settled,
    )
    return report
