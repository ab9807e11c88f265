"""What a row of the ledger must not look like: the conditions of I1, I4 and I5 as data.

A sender at work is no fault: a claim, and what is recorded of a batch still on its way, has an open
attempt.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, and_, cast, exists, literal, or_

from newsletter.delivery.invariants_model import SEND_NOTHING, View
from newsletter.delivery.states import DeliveryState
from newsletter.storage.tables import attempts, audit_log, deliveries, events

_D, _A, _S = deliveries.c, attempts.c, DeliveryState

CLAIMED = _D.state == _S.CLAIMED
TAKEN = _D.state.between(_S.ACCEPTED, _S.COMPLAINED)
"""In a state that says: the provider took it."""
_NOT_ITS_ATTEMPT = or_(_A.id.is_(None), _A.campaign_id != _D.campaign_id)
_HAS_EVENT = exists().where(
    events.c.campaign_id == _D.campaign_id, events.c.subscriber_id == _D.subscriber_id
)
_OPERATOR_SAID_SO = exists().where(
    audit_log.c.action == "campaign.resolve.accepted",
    audit_log.c.subject == literal("campaign ") + cast(_D.campaign_id, Text),
)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Rows that look wrong; `unless` excuses them, and is asked of these few alone."""

    invariant: str
    looks: ColumnElement[bool]
    what: str
    fix: str
    unless: ColumnElement[bool] | None = None


_ALWAYS = (
    Suspicion(
        "I1",
        or_(_D.state < min(_S), _D.state > max(_S)),
        "deliveries in a state that does not exist",
        SEND_NOTHING,
    ),
    Suspicion(
        "I4",
        and_(TAKEN, _NOT_ITS_ATTEMPT),
        "accepted deliveries with neither an attempt of their campaign nor an event",
        SEND_NOTHING,
        unless=_HAS_EVENT,
    ),
    Suspicion(
        "I4",
        and_(TAKEN, _D.reason == "by operator"),
        "deliveries marked accepted by an operator, of which the audit log knows nothing",
        "find out who changed the database by hand",
        unless=_OPERATOR_SAID_SO,
    ),
    Suspicion(
        "I4",
        and_(TAKEN, _D.reason == "evidence"),
        "deliveries accepted by evidence that is not there",
        "look these recipients up at the provider",
        unless=_HAS_EVENT,
    ),
    Suspicion(
        "I5",
        and_(CLAIMED, _NOT_ITS_ATTEMPT),
        "claims without an attempt of their campaign, which nothing settles",
        SEND_NOTHING,
    ),
    Suspicion(
        "I5",
        and_(CLAIMED, _A.finished_at.is_not(None)),
        "claims whose attempt is closed, which nothing settles",
        SEND_NOTHING,
    ),
    Suspicion(
        "I5",
        and_(
            or_(_D.state < _S.ACCEPTED, _D.state > _S.COMPLAINED),
            _D.state != _S.CLAIMED,
            or_(_D.attempt_id.is_not(None), _D.state == _S.UNKNOWN),
            _NOT_ITS_ATTEMPT,
        ),
        "other deliveries whose attempt is missing or another campaign's",
        SEND_NOTHING,
    ),
)


def suspicions(view: View) -> tuple[Suspicion, ...]:
    """Return what to look for; on a server, where nothing else tells who is dead, also leases."""
    if view.embedded:
        return _ALWAYS
    over = and_(_A.finished_at.is_(None), _A.lease_until < view.now)
    return (
        *_ALWAYS,
        Suspicion(
            "I4",
            and_(TAKEN, over, _D.answer.is_(None), _A.provider_ids.is_(None)),
            "accepted deliveries without a word of the provider whose attempt was never closed",
            "the next send or 'newsletter campaigns resume' closes it",
            unless=_HAS_EVENT,
        ),
        Suspicion(
            "I5",
            and_(CLAIMED, over),
            "claims that outlived their lease",
            "the next send or 'newsletter campaigns resume' settles them",
        ),
    )
