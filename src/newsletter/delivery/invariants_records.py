"""I2, I6, I7 and I8: keys that must be unique and really are, consents, events, editions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, Table, exists, func, inspect, select

from newsletter.delivery.invariants_model import (
    EXAMPLES,
    SEND_NOTHING,
    Trouble,
    Verdict,
    View,
    search,
    verdict,
)
from newsletter.delivery.states import DeliveryState
from newsletter.storage.schedule_tables import editions
from newsletter.storage.tables import (
    campaigns,
    consents,
    deliveries,
    digests,
    events,
    memberships,
)

_LATE_YES = "late_accepted"
"""Kind of an event that keeps a provider's yes which came behind its fence (G5)."""
_NO_KEY = "restore a backup, or make the key anew"


def check_uniqueness(view: View) -> Verdict:
    """Check I2: the key is there, and nobody is in a campaign twice."""
    twice = (
        select(deliveries.c.campaign_id, deliveries.c.subscriber_id)
        .group_by(deliveries.c.campaign_id, deliveries.c.subscriber_id)
        .having(func.count() > 1)
    )
    if view.campaign is not None:
        twice = twice.where(deliveries.c.campaign_id == view.campaign)
    return verdict(
        "I2",
        "nobody is in a campaign twice",
        [
            *_unguarded(view, deliveries, "campaign_id", "subscriber_id"),
            *search(view, twice, what="deliveries that are there twice", fix=SEND_NOTHING),
        ],
        *_taken_twice(view),
    )


def _unguarded(view: View, table: Table, *columns: str) -> Iterator[Trouble]:
    """Find out whether the database itself refuses a second row with the same values."""
    found = inspect(view.connection)
    guards: list[Sequence[str | None]] = [
        found.get_pk_constraint(table.name)["constrained_columns"],
        *(unique["column_names"] for unique in found.get_unique_constraints(table.name)),
        *(index["column_names"] for index in found.get_indexes(table.name) if index["unique"]),
    ]
    if not any(set(guard) == set(columns) for guard in guards):
        name = f"{table.name} ({', '.join(columns)})"
        yield Trouble(1, (name,), "unique key missing", _NO_KEY)


def _taken_twice(view: View) -> Iterator[str]:
    """Tell of deliveries whose lost answer came after all, when they had gone out anew."""
    query = (
        select(func.count())
        .select_from(events)
        .join(
            deliveries,
            (deliveries.c.campaign_id == events.c.campaign_id)
            & (deliveries.c.subscriber_id == events.c.subscriber_id),
        )
        .where(
            events.c.kind == _LATE_YES,
            events.c.attempt_id != deliveries.c.attempt_id,
            deliveries.c.state >= DeliveryState.ACCEPTED,
        )
    )
    if view.campaign is not None:
        query = query.where(events.c.campaign_id == view.campaign)
    if count := view.connection.execute(query).scalar_one():
        yield f"had twice, for they went out anew before a late answer came: {count}"


def check_consents(view: View) -> Verdict:
    """Check I6: whoever is on a list has a consent row for it."""
    query = select(memberships.c.list_id, memberships.c.subscriber_id).where(
        ~exists().where(
            consents.c.subscriber_id == memberships.c.subscriber_id,
            consents.c.list_id == memberships.c.list_id,
        )
    )
    if view.list_id is not None:
        query = query.where(memberships.c.list_id == view.list_id)
    return verdict(
        "I6",
        "each subscriber on a list has a consent row",
        search(
            view,
            query,
            what="subscribers on a list without a consent row",
            fix="find out how they came to be on it, or unsubscribe them",
            name=lambda row: f"subscriber {row[1]} on list {row[0]}",
        ),
    )


def check_events(view: View) -> Verdict:
    """Check I7: no event is there twice, and what they prove is in the ledger."""
    twice = (
        select(func.min(events.c.id))
        .where(events.c.provider_event_id.is_not(None))
        .group_by(events.c.provider_event_id)
        .having(func.count() > 1)
    )
    again = (
        select(events.c.campaign_id, events.c.subscriber_id)
        .where(events.c.kind == _LATE_YES)
        .group_by(events.c.campaign_id, events.c.subscriber_id, events.c.attempt_id)
        .having(func.count() > 1)
    )
    idle = (
        select(events.c.campaign_id, events.c.subscriber_id)
        .join(
            deliveries,
            (deliveries.c.campaign_id == events.c.campaign_id)
            & (deliveries.c.subscriber_id == events.c.subscriber_id)
            & (deliveries.c.attempt_id == events.c.attempt_id),
        )
        .where(events.c.kind == _LATE_YES, deliveries.c.state == DeliveryState.UNKNOWN)
    )
    return verdict(
        "I7",
        "each event is there once and is applied once",
        [
            *_unguarded(view, events, "provider_event_id"),
            *search(
                view,
                _of_campaign(view, twice),
                what="events that are there twice",
                fix=SEND_NOTHING,
                name=lambda row: f"event {row[0]}",
            ),
            *search(
                view,
                _of_campaign(view, again),
                what="late answers that are kept twice",
                fix="report it: the same batch was recorded twice",
            ),
            *search(
                view,
                _of_campaign(view, _bounced_in_vain()),
                what="deliveries that bounced for good and do not say so",
                fix=SEND_NOTHING,
            ),
            *search(
                view,
                _of_campaign(view, idle),
                what="unknown deliveries whose late answer says that they were accepted",
                fix="newsletter campaigns resolve ID --mark accepted, for these",
            ),
        ],
        *_waiting_events(view),
    )


def _bounced_in_vain() -> Select[Any]:
    """Find events whose consequence is not in the ledger: hard bounces, of the believed ones."""
    return (
        select(events.c.campaign_id, events.c.subscriber_id)
        .join(
            deliveries,
            (deliveries.c.campaign_id == events.c.campaign_id)
            & (deliveries.c.subscriber_id == events.c.subscriber_id),
        )
        .where(
            events.c.kind == "bounced",
            events.c.bounce == "hard",
            events.c.believed,
            events.c.applied_at.is_not(None),
            deliveries.c.state < DeliveryState.BOUNCED,
        )
    )


def _waiting_events(view: View) -> Iterator[str]:
    waiting = select(func.count()).select_from(events).where(events.c.applied_at.is_(None))
    if count := view.connection.execute(waiting).scalar_one():
        yield f"events that wait to be applied: {count}; 'newsletter serve' or the next send does"


def _of_campaign(view: View, query: Select[Any]) -> Select[Any]:
    return query if view.campaign is None else query.where(events.c.campaign_id == view.campaign)


def check_editions(view: View) -> Verdict:
    """Check I8: keys of campaigns count 1 to n; fired editions and campaigns have each other."""
    query = (
        select(campaigns.c.id, campaigns.c.key, campaigns.c.list_id, digests.c.slug)
        .join(digests, digests.c.id == campaigns.c.digest_id)
        .order_by(campaigns.c.id)
    )
    families: dict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
    ours: tuple[int, str] | None = None
    for row in view.connection.execute(query):
        families[row.list_id, row.slug].append((row.id, row.key))
        ours = (row.list_id, row.slug) if row.id == view.campaign else ours
    wrong = [
        number
        for family, members in families.items()
        if view.campaign is None or family == ours
        for number in _out_of_step(family, members)
    ]
    named = tuple(f"campaign {number}" for number in sorted(wrong)[:EXAMPLES])
    what = "campaigns whose keys do not count 1, 2, 3, … for their list and digest"
    return verdict(
        "I8",
        "each list has each digest once, or as often as it was asked for; each edition once",
        [
            *_unguarded(view, campaigns, "key"),
            *([Trouble(len(wrong), named, what, SEND_NOTHING)] if wrong else []),
            *_unguarded(view, campaigns, "edition_id"),
            *_unguarded(view, editions, "schedule_id", "day"),
            *_torn_editions(view),
        ],
    )


def _torn_editions(view: View) -> Iterator[Trouble]:
    """Find editions and campaigns that are not each other's."""
    twice = (
        select(campaigns.c.edition_id)
        .where(campaigns.c.edition_id.is_not(None))
        .group_by(campaigns.c.edition_id)
        .having(func.count() > 1)
    )
    unfired = (
        select(campaigns.c.id)
        .outerjoin(editions, editions.c.id == campaigns.c.edition_id)
        .where(
            campaigns.c.edition_id.is_not(None),
            func.coalesce(editions.c.status, "none") != "fired",
        )
    )
    lost = select(editions.c.id).where(
        editions.c.status == "fired", ~exists().where(campaigns.c.edition_id == editions.c.id)
    )
    if view.campaign is not None:
        unfired = unfired.where(campaigns.c.id == view.campaign)
        own = select(campaigns.c.edition_id).where(campaigns.c.id == view.campaign)
        twice = twice.where(campaigns.c.edition_id.in_(own))
    yield from search(
        view,
        twice,
        what="editions with several campaigns",
        fix=SEND_NOTHING,
        name=lambda row: f"edition {row[0]}",
    )
    yield from search(
        view,
        unfired,
        what="campaigns whose edition is not fired, or is not there",
        fix=SEND_NOTHING,
        name=lambda row: f"campaign {row[0]}",
    )
    if view.campaign is None and view.list_id is None:
        yield from search(
            view,
            lost,
            what="fired editions without their campaign",
            fix=SEND_NOTHING,
            name=lambda row: f"edition {row[0]}",
        )


def _out_of_step(family: tuple[int, str], members: list[tuple[int, str]]) -> Iterator[int]:
    """Yield the campaigns of one list and digest whose key is not the next one."""
    list_id, slug = family
    expected = {f"{list_id}/{slug}/{count}" for count in range(1, len(members) + 1)}
    seen: set[str] = set()
    for number, key in members:
        if key not in expected or key in seen:
            yield number
        seen.add(key)
