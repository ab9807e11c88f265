"""Gathering a campaign's report: counted in the database, however many recipients there are.

The sums are the ledger's: each breakdown adds up to the states of the campaign (I1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Result, case, func, or_, select

from newsletter.audience.consent import Act
from newsletter.delivery.campaigns import Campaign
from newsletter.delivery.reports import Report, build_report
from newsletter.delivery.states import DeliveryState
from newsletter.feedback.events import EventKind, count_waiting
from newsletter.feedback.report_curves import (
    ANSWER_BINS,
    AnswerBin,
    AnswerCurve,
    SendingCurve,
    Stretch,
    bin_width,
    sending_curve,
)
from newsletter.feedback.report_figures import (
    CLASSES,
    ERASED,
    HANDED_OVER,
    Attention,
    CampaignReport,
    Departures,
    DomainFigures,
    Domains,
    EventCount,
    Failures,
)
from newsletter.storage.tables import (
    attempts,
    campaigns,
    consents,
    deliveries,
    events,
    subscribers,
)

LARGEST_DOMAINS = 10
"""So many domains have a row of their own."""

MACHINE = "machine"
"""`reason` of an opening by a machine (D10)."""

_S = DeliveryState
_FAILED = (_S.REJECTED, _S.BOUNCED)

TELLS_OF = {
    # Who opens a message has it, also where nobody told of its delivery.
    _S.DELIVERED: (EventKind.DELIVERED, EventKind.OPENED, EventKind.CLICKED),
    _S.BOUNCED: (EventKind.BOUNCED, EventKind.BLOCKED, EventKind.DROPPED),
    _S.COMPLAINED: (EventKind.COMPLAINED,),
}
"""Which events bring a delivery into a state."""


def gather_report(connection: Connection, campaign: int) -> CampaignReport:
    """Count all that is known of a campaign.

    Raises `DeliveryError` when there is no such campaign.
    """
    ledger = build_report(connection, campaign)
    at_sending = Failures.of(ledger, _S.REJECTED)
    afterwards = Failures.of(ledger, _S.BOUNCED)
    began, ended = _span(connection, campaign)
    counted = _count_events(connection, campaign)
    kinds = {one.kind for one in counted}
    return CampaignReport(
        ledger=ledger,
        at_sending=at_sending,
        afterwards=afterwards,
        domains=_domains(connection, campaign, _whole(ledger, at_sending, afterwards)),
        departures=_departures(connection, ledger.campaign, began),
        sending=_sending(connection, ledger, began, ended),
        answers=_answers(connection, ledger, began),
        events=counted,
        opened=_attention(connection, campaign, EventKind.OPENED, kinds),
        clicked=_attention(connection, campaign, EventKind.CLICKED, kinds),
        waiting=count_waiting(connection),
    )


def _whole(ledger: Report, at_sending: Failures, afterwards: Failures) -> DomainFigures:
    """Return the figures of all domains together, out of the states of the campaign."""
    states = ledger.states
    failed = {name: getattr(at_sending, name) + getattr(afterwards, name) for name in CLASSES}
    known = states.of(_S.ACCEPTED, _S.DELIVERED, _S.COMPLAINED) + sum(failed.values())
    return DomainFigures(
        "",
        recipients=states.all,
        handed_over=states.of(*HANDED_OVER),
        accepted=states.of(_S.ACCEPTED),
        delivered=states.of(_S.DELIVERED),
        **failed,
        complained=states.of(_S.COMPLAINED),
        other=states.all - known,
    )


def _domains(connection: Connection, campaign: int, whole: DomainFigures) -> Domains:
    state, reason = deliveries.c.state, deliveries.c.reason
    domain = _domain_of(connection)
    counted: dict[str, ColumnElement[bool]] = {
        "handed_over": state.in_(HANDED_OVER),
        "accepted": state == _S.ACCEPTED,
        "delivered": state == _S.DELIVERED,
        **{name: state.in_(_FAILED) & (reason == name) for name in CLASSES},
        "complained": state == _S.COMPLAINED,
    }
    rows = connection.execute(
        select(
            domain.label("domain"),
            func.count().label("recipients"),
            *(func.count().filter(what).label(name) for name, what in counted.items()),
            func.count().over().label("domains"),
        )
        .select_from(
            deliveries.outerjoin(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
        )
        .where(deliveries.c.campaign_id == campaign)
        .group_by("domain")
        .order_by(func.count().desc(), "domain")
        .limit(LARGEST_DOMAINS)
    ).all()
    largest = tuple(_figures({**row._mapping}) for row in rows)
    number = rows[0].domains - len(rows) if rows else 0
    return Domains(largest, whole.without(largest, "(others)"), number)


def _figures(row: dict[str, Any]) -> DomainFigures:
    del row["domains"]
    known = sum(row[name] for name in ("accepted", "delivered", "complained", *CLASSES))
    return DomainFigures(**row, other=row["recipients"] - known)


def _domain_of(connection: Connection) -> ColumnElement[str]:
    """Return the domain of a subscriber, in SQL; of who was forgotten, `ERASED`."""
    key = subscribers.c.address_key
    find = func.instr if connection.dialect.name == "sqlite" else func.strpos
    return case((find(key, "@") > 0, func.substr(key, find(key, "@") + 1)), else_=ERASED)


def _span(connection: Connection, campaign: int) -> tuple[datetime | None, datetime | None]:
    """Return when the first attempt of a campaign began and the last one ended."""
    ended = func.max(func.coalesce(attempts.c.finished_at, attempts.c.claimed_at))
    row = connection.execute(
        select(func.min(attempts.c.claimed_at), ended).where(attempts.c.campaign_id == campaign)
    ).one()
    return row[0], row[1]


def _departures(connection: Connection, campaign: Campaign, began: datetime | None) -> Departures:
    if began is None:
        return Departures(None, None, ())
    until = _next_start(connection, campaign, began)
    got_it = select(deliveries.c.subscriber_id).where(
        deliveries.c.campaign_id == campaign.id,
        deliveries.c.subscriber_id == consents.c.subscriber_id,
        deliveries.c.state.in_((*HANDED_OVER, _S.UNKNOWN)),
    )
    last = select(func.max(consents.c.id)).where(
        consents.c.list_id == campaign.list_id,
        consents.c.act == Act.WITHDRAWN.value,
        consents.c.at >= began,
        got_it.exists(),
    )
    if until is not None:
        last = last.where(consents.c.at < until)
    rows = connection.execute(
        select(consents.c.how, func.count().label("n"))
        .where(consents.c.id.in_(last.group_by(consents.c.subscriber_id)))
        .group_by(consents.c.how)
        .order_by(func.count().desc(), consents.c.how)
    )
    return Departures(began, until, tuple((row.how, row.n) for row in rows))


def _next_start(connection: Connection, campaign: Campaign, began: datetime) -> datetime | None:
    started = (
        select(func.min(attempts.c.claimed_at).label("at"))
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(campaigns.c.list_id == campaign.list_id, campaigns.c.id != campaign.id)
        .group_by(attempts.c.campaign_id)
        .subquery()
    )
    following: datetime | None = connection.execute(
        select(func.min(started.c.at)).where(started.c.at > began)
    ).scalar()
    return following


def _sending(
    connection: Connection, ledger: Report, began: datetime | None, ended: datetime | None
) -> SendingCurve:
    handed_over = ledger.states.of(*HANDED_OVER)
    if began is None or ended is None:
        return SendingCurve(None, bin_width(timedelta()), (), handed_over)
    rows = connection.execute(
        select(attempts.c.claimed_at, attempts.c.finished_at, func.count().label("n"))
        .join(deliveries, deliveries.c.attempt_id == attempts.c.id)
        .where(deliveries.c.campaign_id == ledger.campaign.id, deliveries.c.state.in_(HANDED_OVER))
        .group_by(attempts.c.id, attempts.c.claimed_at, attempts.c.finished_at)
        .execution_options(yield_per=1000)
    )
    stretches = (Stretch(row.claimed_at, row.finished_at or row.claimed_at, row.n) for row in rows)
    return sending_curve(began, ended, stretches, handed_over=handed_over)


def _answers(connection: Connection, ledger: Report, began: datetime | None) -> AnswerCurve:
    """Count each delivery once, at the first event that tells of the state it is in."""
    told: dict[DeliveryState, dict[int, int]] = {state: {} for state in TELLS_OF}
    if began is not None:
        for row in _first_told(connection, ledger.campaign.id, began):
            told[DeliveryState(row.state)][row.bin] = row.n
    bins = [
        _answer_bin(within, {state: told[state].get(number, 0) for state in TELLS_OF})
        for number, within in enumerate((*ANSWER_BINS, None))
    ]
    undated = {state: ledger.states.of(state) - sum(told[state].values()) for state in TELLS_OF}
    return AnswerCurve((*bins, replace(_answer_bin(None, undated), dated=False)))


def _answer_bin(within: timedelta | None, counts: Mapping[DeliveryState, int]) -> AnswerBin:
    return AnswerBin(
        within,
        delivered=counts[_S.DELIVERED],
        bounced=counts[_S.BOUNCED],
        complained=counts[_S.COMPLAINED],
    )


def _first_told(connection: Connection, campaign: int, began: datetime) -> Result[Any]:
    tells = or_(
        *(
            (deliveries.c.state == state) & events.c.kind.in_([kind.value for kind in kinds])
            for state, kinds in TELLS_OF.items()
        )
    )
    first = (
        select(deliveries.c.state, func.min(events.c.at).label("at"))
        .join(
            events,
            (events.c.campaign_id == deliveries.c.campaign_id)
            & (events.c.subscriber_id == deliveries.c.subscriber_id),
        )
        .where(deliveries.c.campaign_id == campaign, events.c.believed, tells)
        .group_by(deliveries.c.subscriber_id, deliveries.c.state)
        .subquery()
    )
    number = case(
        *((first.c.at <= began + within, index) for index, within in enumerate(ANSWER_BINS)),
        else_=len(ANSWER_BINS),
    )
    return connection.execute(
        select(first.c.state, number.label("bin"), func.count().label("n")).group_by(
            first.c.state, "bin"
        )
    )


def _count_events(connection: Connection, campaign: int) -> tuple[EventCount, ...]:
    rows = connection.execute(
        select(events.c.kind, events.c.believed, func.count().label("n"))
        .where(events.c.campaign_id == campaign)
        .group_by(events.c.kind, events.c.believed)
        .order_by(func.count().desc(), events.c.kind, events.c.believed)
    )
    return tuple(EventCount(row.kind, row.believed, row.n) for row in rows)


def _attention(
    connection: Connection, campaign: int, kind: EventKind, kinds: set[str]
) -> Attention | None:
    if kind.value not in kinds:
        return None
    machine = func.coalesce(events.c.reason, "") == MACHINE
    # An event of who was forgotten since names nobody any more.
    once = (
        select(func.count().label("n"), func.count().filter(~machine).label("by_people"))
        .where(events.c.campaign_id == campaign, events.c.kind == kind.value, events.c.believed)
        .where(events.c.subscriber_id.is_not(None))
        .group_by(events.c.subscriber_id)
        .subquery()
    )
    row = connection.execute(
        select(
            func.coalesce(func.sum(once.c.n), 0),
            func.count().filter(once.c.by_people > 0),
            func.count().filter(once.c.by_people == 0),
        )
    ).one()
    return Attention(int(row[0]), row[1], row[2])
