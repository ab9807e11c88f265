"""What follows for our own sending: a domain held, a campaign paused (D6, D7).

Alerts are raised by what holds and pauses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from newsletter.delivery import alert_words as words
from newsletter.delivery.alerts import raise_alert
from newsletter.delivery.brakes import judge_complaints, judge_hard_bounces
from newsletter.delivery.braking import Brake, brake_campaign, braked_before
from newsletter.delivery.campaigns import get_campaign
from newsletter.delivery.canary import ATTEMPTED, count_first
from newsletter.delivery.domains import WINDOW, domain_of, hold_domain
from newsletter.delivery.states import CampaignStatus, DeliveryState
from newsletter.feedback.concerns import Concern
from newsletter.feedback.events import EventKind
from newsletter.feedback.moving import Moved, sent_elsewhere
from newsletter.feedback.policy import Landing, is_blocked
from newsletter.logs import get_logger
from newsletter.settings import BrakesPart
from newsletter.storage.pacing_tables import domain_holds
from newsletter.storage.tables import (
    attempts,
    campaigns,
    deliveries,
    events,
    subscribers,
)

log = get_logger("feedback")

BLOCKED_LATELY = timedelta(days=1)
_D, _E = deliveries.c, events.c


def hold_domains(
    connection: Connection, concerns: Sequence[Concern], brakes: BrakesPart, now: datetime
) -> list[str]:
    """Leave domains alone that refuse us as a whole (D6); returns those held just now."""
    latest: dict[str, Concern] = {}
    for concern in concerns:
        if concern.news.kind is EventKind.BLOCKED and concern.address and concern.delivery:
            latest[domain_of(concern.address.key)] = concern
    held = []
    for domain, concern in sorted(latest.items()):
        since = _since(connection, domain, now)
        if since is None or not _enough_blocked(connection, domain, since, brakes):
            continue
        landings = _last_attempts(connection, domain, concern, since)
        if is_blocked(landings, brakes.blocked_rate, WINDOW):
            _hold(connection, domain, concern, brakes, now=now)
            held.append(domain)
    return held


def _since(connection: Connection, domain: str, now: datetime) -> datetime | None:
    """Return from when on refusals count: since the last hold; None where one is in force."""
    last = connection.execute(
        select(domain_holds.c.at, domain_holds.c.until).where(domain_holds.c.domain == domain)
    ).one_or_none()
    if last is None:
        return now - BLOCKED_LATELY
    return None if last.until > now else max(last.at, now - BLOCKED_LATELY)


def _enough_blocked(
    connection: Connection, domain: str, since: datetime, brakes: BrakesPart
) -> bool:
    """Ask the small index of refusals first: walking a campaign's ledger takes longer."""
    blocked = connection.execute(
        select(func.count())
        .select_from(events)
        .where(_E.bounce == "blocked", _E.domain == domain, _E.received_at > since, _E.believed)
    ).scalar_one()
    return int(blocked) > round(brakes.blocked_rate * WINDOW, 9)


def _last_attempts(
    connection: Connection, domain: str, concern: Concern, since: datetime
) -> list[Landing]:
    """Return how the domain's last attempts ended, up to the newest one that was refused.

    Later ones may still come back. Walks the ledger of one campaign.
    """
    if concern.delivery is None:
        return []
    campaign, subscriber = concern.delivery
    newest = (
        select(_D.attempt_id)
        .where(_D.campaign_id == campaign, _D.subscriber_id == subscriber)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(_D.state, _D.reason)
        .select_from(
            deliveries.join(subscribers, subscribers.c.id == _D.subscriber_id).join(
                attempts, attempts.c.id == _D.attempt_id
            )
        )
        .where(
            _D.campaign_id == campaign,
            _D.state.in_(ATTEMPTED),
            _D.attempt_id <= newest,
            attempts.c.claimed_at > since,
            subscribers.c.address_key.endswith(f"@{domain}", autoescape=True),
        )
        .order_by(_D.attempt_id.desc(), _D.subscriber_id.desc())
        .limit(WINDOW)
    )
    return [Landing(DeliveryState(row.state), row.reason) for row in rows]


def _hold(
    connection: Connection, domain: str, concern: Concern, brakes: BrakesPart, *, now: datetime
) -> None:
    words = (str(concern.detail.get(key) or "") for key in ("status", "diagnostic", "reason"))
    reason = " ".join(part for part in words if part)[:200] or "refused as a whole"
    campaign = concern.delivery.campaign if concern.delivery else 0
    hold_domain(
        connection,
        domain,
        duration=brakes.domain_hold,
        reason=reason,
        campaign=campaign,
        at=now,
        actor="feedback",
    )
    log.error("domain_held", campaign=campaign, domain=domain)


def tell_sent_elsewhere(
    connection: Connection, concerns: Sequence[Concern], now: datetime
) -> list[int]:
    """Alert where events prove messages that were never sent from here; returns the campaigns."""
    told = []
    for campaign, readers in sent_elsewhere(concerns).items():
        facts = get_campaign(connection, campaign)
        alert = words.sent_elsewhere(
            campaign, digest=facts.digest, mailing_list=facts.list, readers=readers
        )
        if raise_alert(connection, alert, now):
            told.append(campaign)
    return told


def brake_campaigns(
    connection: Connection, moved: Sequence[Moved], brakes: BrakesPart, now: datetime
) -> list[int]:
    """Pause campaigns of which too much bounced or that too many complain of (D7).

    Each brake works once for a campaign. Returns the campaigns paused just now.
    """
    struck: defaultdict[int, set[Brake]] = defaultdict(set)
    for one in moved:
        if one.after.state is DeliveryState.BOUNCED and one.after.reason == "hard":
            struck[one.delivery.campaign].add(Brake.BOUNCES)
        elif one.after.state is DeliveryState.COMPLAINED:
            struck[one.delivery.campaign].add(Brake.COMPLAINTS)
    paused = []
    for campaign, kinds in sorted(struck.items()):
        if get_campaign(connection, campaign).status is not CampaignStatus.SENDING:
            continue
        for kind in sorted(kinds):
            reason = _why(connection, campaign, kind, brakes)
            if reason is not None and not braked_before(connection, campaign, kind):
                brake_campaign(connection, campaign, kind, now, reason=reason)
                paused.append(campaign)
                break
    return paused


def _why(connection: Connection, campaign: int, kind: Brake, brakes: BrakesPart) -> str | None:
    if kind is Brake.BOUNCES:
        canary = connection.execute(
            select(campaigns.c.canary).where(campaigns.c.id == campaign)
        ).scalar_one()
        first = canary or brakes.hard_bounce_after
        settled, hard = count_first(connection, campaign, first)
        return judge_hard_bounces(settled, hard, brakes, canary)
    complained = connection.execute(
        select(func.count(_E.subscriber_id.distinct())).where(
            _E.campaign_id == campaign, _E.kind == EventKind.COMPLAINED.value, _E.believed
        )
    ).scalar_one()
    if complained < brakes.complaints_at_least:
        return None
    handed_over = connection.execute(
        select(func.count())
        .select_from(deliveries)
        .where(
            _D.campaign_id == campaign,
            _D.state.between(DeliveryState.ACCEPTED, DeliveryState.COMPLAINED),
        )
    ).scalar_one()
    return judge_complaints(handed_over, complained, brakes)
