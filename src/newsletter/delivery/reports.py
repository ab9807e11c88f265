"""What happened to the recipients of a campaign, as numbers that add up, and to one subscriber."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from newsletter.delivery.campaigns import Campaign, Totals, get_campaign, totals
from newsletter.delivery.states import FINISHED, DeliveryState
from newsletter.delivery.waves import WavesAhead, waves_ahead
from newsletter.storage.tables import attempts, campaigns, deliveries, digests

_S = DeliveryState

# The order people read them in; every state appears, so that the sums can be checked by eye.
_SHOWN = (
    _S.ACCEPTED,
    _S.REJECTED,
    _S.DEFERRED,
    _S.UNKNOWN,
    _S.SKIPPED,
    _S.EXPIRED,
    _S.PENDING,
    _S.CLAIMED,
    _S.DELIVERED,
    _S.BOUNCED,
    _S.COMPLAINED,
)


def summary(campaign: Campaign, states: Totals) -> dict[str, Any]:
    """Return the JSON document of `send` and `campaigns show`; the states add up (I1).

    `claimed` appears only while something is claimed; `reason`, `segment_condition` and
    `wave_time` only when the campaign has one.
    """
    document: dict[str, Any] = {
        "campaign": campaign.id,
        "digest": campaign.digest,
        "list": campaign.list,
        "segment": campaign.segment,
        "status": campaign.status.value,
        "recipients": campaign.recipients,
    }
    for state in _SHOWN:
        count = states.of(state)
        if state is not _S.CLAIMED or count:
            document[state.label] = count
    document["seconds"] = round(campaign.sending_ms / 1000, 1)
    if campaign.segment_condition:
        document["segment_condition"] = campaign.segment_condition
    if campaign.wave_time:
        document["wave_time"] = campaign.wave_time
    if campaign.status_reason:
        document["reason"] = campaign.status_reason
    return document


@dataclass(frozen=True, slots=True)
class Report:
    """A campaign, its totals, and why recipients are not among the accepted."""

    campaign: Campaign
    states: Totals
    reasons: tuple[tuple[str, str, int], ...]
    """(state, reason, how many), the most first."""
    next_try: datetime | None
    """When the first deferred delivery is due."""
    waves: WavesAhead | None = None
    """What waits for its readers' own time (H6)."""

    @property
    def problems(self) -> int:
        """Return how many recipients need somebody's eye: rejected, unknown, deferred, expired."""
        return self.states.of(
            _S.REJECTED, _S.UNKNOWN, _S.DEFERRED, _S.EXPIRED, _S.PENDING, _S.CLAIMED
        )


def build_report(connection: Connection, campaign: int) -> Report:
    """Gather a campaign's report in one consistent read."""
    current = get_campaign(connection, campaign)
    grouped = connection.execute(
        select(deliveries.c.state, deliveries.c.reason, func.count().label("n"))
        .where(deliveries.c.campaign_id == campaign, deliveries.c.reason.is_not(None))
        .group_by(deliveries.c.state, deliveries.c.reason)
        .order_by(func.count().desc())
    )
    reasons = tuple((DeliveryState(row.state).label, row.reason, row.n) for row in grouped)
    due = connection.execute(
        select(func.min(deliveries.c.not_before)).where(
            deliveries.c.campaign_id == campaign, deliveries.c.state == _S.DEFERRED
        )
    ).scalar()
    waves = waves_ahead(connection, campaign) if current.wave_time else None
    return Report(current, totals(connection, campaign), reasons, due, waves)


def what_next(report: Report) -> list[str]:
    """Say in sentences what will happen to those who are neither served nor settled."""
    number = report.campaign.id
    lines: list[str] = []
    if unknown := report.states.of(_S.UNKNOWN):
        if report.campaign.on_unknown == "retry":
            lines.append(
                f"{unknown} unknown: the answer was lost; they are sent once more by "
                f"'newsletter campaigns resume {number}' when no evidence came"
            )
        else:
            lines.append(
                f"{unknown} unknown: the answer was lost; held until evidence comes or you decide: "
                f"newsletter campaigns resolve {number}"
            )
    if deferred := report.states.of(_S.DEFERRED):
        when = f"{report.next_try:%Y-%m-%d %H:%M} UTC" if report.next_try else "now"
        lines.append(
            f"{deferred} deferred: due again from {when} by 'newsletter campaigns resume {number}',"
            f" until {report.campaign.expires_at:%Y-%m-%d %H:%M} UTC"
        )
    waiting = report.states.of(_S.PENDING, _S.CLAIMED)
    if report.waves is not None:
        lines.append(_of_waves(report.waves, report.campaign))
        waiting -= report.waves.readers
    if waiting and report.campaign.status in FINISHED:
        lines.append(
            f"{waiting} claimed by a process that may have ended: settled by "
            f"'newsletter campaigns resume {number}', which sends nothing more"
        )
    elif waiting:
        lines.append(f"{waiting} not sent yet: newsletter campaigns resume {number}")
    return lines


def _of_waves(ahead: WavesAhead, campaign: Campaign) -> str:
    if ahead.waves == 1:
        when = f"1 wave still to come, at {ahead.first:%Y-%m-%d %H:%M} UTC"
    else:
        when = (
            f"{ahead.waves} waves still to come, the next at {ahead.first:%Y-%m-%d %H:%M} UTC, "
            f"the last at {ahead.last:%Y-%m-%d %H:%M} UTC"
        )
    return (
        f"{ahead.readers} wait for {campaign.wave_time} of their own zone: {when}; what is due "
        f"then is sent by 'newsletter serve', or 'newsletter campaigns resume {campaign.id}'"
    )


@dataclass(frozen=True, slots=True)
class Received:
    """One campaign as one subscriber saw it."""

    delivery: str
    digest: str
    state: str
    reason: str | None
    answer: str | None
    claimed_at: datetime | None


def deliveries_of(connection: Connection, subscriber: int, *, limit: int = 30) -> list[Received]:
    """Return what became of a subscriber in the newest campaigns, by the ledger's own key."""
    rows = connection.execute(
        select(
            deliveries.c.campaign_id,
            digests.c.slug,
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.answer,
            attempts.c.claimed_at,
        )
        .select_from(
            campaigns.join(digests, digests.c.id == campaigns.c.digest_id)
            .join(deliveries, deliveries.c.campaign_id == campaigns.c.id)
            .outerjoin(attempts, attempts.c.id == deliveries.c.attempt_id)
        )
        .where(deliveries.c.subscriber_id == subscriber)
        .order_by(campaigns.c.id.desc())
        .limit(limit)
    )
    return [
        Received(
            f"{row.campaign_id}-{subscriber}",
            row.slug,
            DeliveryState(row.state).label,
            row.reason,
            row.answer,
            row.claimed_at,
        )
        for row in rows
    ]
