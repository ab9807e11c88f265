"""I1, I4 and I5 on the ledger: one walk counts what looks suspicious, only that is looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, or_, select

from newsletter.delivery.invariants_letters import overdue_letters
from newsletter.delivery.invariants_model import (
    EXAMPLES,
    SEND_NOTHING,
    Trouble,
    Verdict,
    View,
    search,
    verdict,
)
from newsletter.delivery.invariants_suspicions import CLAIMED, TAKEN, Suspicion, suspicions
from newsletter.delivery.states import READY, CampaignStatus, DeliveryState
from newsletter.storage.tables import attempts, campaigns, deliveries

_D, _A = deliveries.c, attempts.c
_READY = _D.state.in_(READY)
_WAITING = _D.state.in_((*READY, DeliveryState.CLAIMED))
_UNFINISHED = "nothing sends these any more; 'newsletter campaigns report ID' names them"
_DATED = (CampaignStatus.SENT, CampaignStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the walk found in one campaign: rows, those not tried to an end, those that look odd."""

    rows: int = 0
    waiting: int = 0
    suspicious: int = 0


def check_ledger(view: View) -> tuple[Verdict, Verdict, Verdict]:
    """Check I1 (states and recipients), I4 (evidence) and I5 (claims and leases)."""
    wanted = suspicions(view)
    counts = _walk(view, wanted)
    troubles: dict[str, list[Trouble]] = {"I1": [*_sums(view, counts)], "I4": [], "I5": []}
    if guilty := [campaign for campaign, counted in counts.items() if counted.suspicious]:
        for suspicion in wanted:
            troubles[suspicion.invariant] += _look_closely(view, suspicion, guilty)
    troubles["I5"] += _overfull(view)
    troubles["I5"] += overdue_letters(view)
    return (
        verdict("I1", "the states of each campaign add up to its recipients", troubles["I1"]),
        verdict(
            "I4",
            "what was accepted has a provider's answer or an event as evidence",
            troubles["I4"],
            *_explain(view, TAKEN, "accepted deliveries in open batches"),
        ),
        verdict(
            "I5",
            "no claim outlives its lease without being unknown or recorded",
            troubles["I5"],
            *_explain(view, CLAIMED, "claims"),
        ),
    )


def _walk(view: View, wanted: Sequence[Suspicion]) -> Mapping[int, _Counted]:
    """Go through the ledger once, in its own order; each attempt is looked up by its key."""
    query = (
        select(
            _D.campaign_id,
            func.count(),
            _how_many(_WAITING),
            _how_many(or_(*(suspicion.looks for suspicion in wanted))),
        )
        .select_from(deliveries.outerjoin(attempts, _A.id == _D.attempt_id))
        .group_by(_D.campaign_id)
    )
    rows = view.connection.execute(_narrowed(view, query))
    return {campaign: _Counted(*counted) for campaign, *counted in rows}


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _narrowed(view: View, query: Select[Any]) -> Select[Any]:
    if view.campaign is None:
        return query
    return query.where(_D.campaign_id == view.campaign)


def _look_closely(view: View, suspicion: Suspicion, guilty: Collection[int]) -> Iterator[Trouble]:
    joined = deliveries.outerjoin(attempts, _A.id == _D.attempt_id)
    query = select(_D.campaign_id, _D.subscriber_id).select_from(joined)
    query = query.where(_D.campaign_id.in_(guilty), suspicion.looks)
    if suspicion.unless is not None:
        query = query.where(~suspicion.unless)
    yield from search(view, query, what=suspicion.what, fix=suspicion.fix)


def _sums(view: View, counts: Mapping[int, _Counted]) -> Iterator[Trouble]:
    query = select(
        campaigns.c.id, campaigns.c.status, campaigns.c.recipients, campaigns.c.finished_at
    )
    if view.campaign is not None:
        query = query.where(campaigns.c.id == view.campaign)
    rows = view.connection.execute(query.order_by(campaigns.c.id)).all()
    ledger = {row.id: counts.get(row.id, _Counted()) for row in rows}
    uneven = [row for row in rows if ledger[row.id].rows != row.recipients]
    if uneven:
        sums = ", ".join(
            f"{row.id} has {ledger[row.id].rows} rows for {row.recipients} recipients"
            for row in uneven[:EXAMPLES]
        )
        yield _campaigns(
            [row.id for row in uneven], f"campaigns whose ledger is not their audience ({sums})"
        )
    for status, leftover, words in (
        (CampaignStatus.SENT, _WAITING, "pending, claimed or deferred in a campaign that is sent"),
        (CampaignStatus.CANCELLED, _READY, "pending or deferred in a campaign that is cancelled"),
    ):
        ended = [row.id for row in rows if row.status == status and ledger[row.id].waiting]
        if ended:
            found = select(_D.campaign_id, _D.subscriber_id)
            found = found.where(_D.campaign_id.in_(ended), leftover)
            yield from search(view, found, what=f"deliveries {words}", fix=_UNFINISHED)
    strays = sorted(counts.keys() - ledger.keys())
    if strays:
        yield _campaigns(strays, "campaigns that have deliveries and are not there themselves")
    undated = [row.id for row in rows if row.status in _DATED and row.finished_at is None]
    if undated:
        yield _campaigns(undated, "campaigns that are finished, nobody knows since when")


def _campaigns(numbers: Sequence[int], what: str) -> Trouble:
    named = tuple(f"campaign {number}" for number in numbers[:EXAMPLES])
    return Trouble(len(numbers), named, what, SEND_NOTHING)


def _overfull(view: View) -> Iterator[Trouble]:
    """Find attempts that more deliveries name than they claimed: somebody passed the fence."""
    counted = select(_D.attempt_id, func.count().label("rows")).where(_D.attempt_id.is_not(None))
    named = _narrowed(view, counted).group_by(_D.attempt_id).subquery()
    query = (
        select(_A.id)
        .select_from(named.outerjoin(attempts, _A.id == named.c.attempt_id))
        .where(named.c.rows > _A.size)
        .order_by(_A.id)
    )
    yield from search(
        view,
        query,
        what="attempts that more deliveries name than they claimed",
        fix=SEND_NOTHING,
        name=lambda row: f"attempt {row[0]}",
    )


def _explain(view: View, condition: ColumnElement[bool], what: str) -> Iterator[str]:
    """Tell of open attempts: what is under way, or was when its process ended (settled by G7)."""
    opened = select(_A.campaign_id).where(_A.finished_at.is_(None)).distinct()
    ours = view.connection.execute(opened).scalars().all()
    if not ours:
        return
    query = (
        select(func.count())
        .select_from(deliveries.join(attempts, _A.id == _D.attempt_id))
        .where(_D.campaign_id.in_(ours), condition, _A.finished_at.is_(None))
    )
    count = view.connection.execute(_narrowed(view, query)).scalar_one()
    if count and view.sending is False:
        yield f"{what} of a process that ended: {count}; the next send or resume settles them"
    elif count:
        yield f"{what} on their way: {count}"
