"""I3: nobody was claimed after leaving the list or being suppressed (C9).

Suppressions name nobody (E10), so the addresses of all subscribers are hashed, a few thousand at a
time; only those that are suppressed are then looked for in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zlib import crc32

from sqlalchemy import Row, func, select

from newsletter.audience.consent import MembershipStatus
from newsletter.audience.keys import Keys
from newsletter.delivery.invariants_letters import letters_to_suppressed
from newsletter.delivery.invariants_model import EXAMPLES, Trouble, Verdict, View, verdict
from newsletter.delivery.statements import among
from newsletter.storage.tables import (
    attempts,
    audit_log,
    campaigns,
    deliveries,
    memberships,
    subscribers,
    suppressions,
)

CHUNK = 5000
"""Subscribers looked at together."""

SERVER_SLACK = timedelta(seconds=5)
"""On a server the clocks of several machines are compared, and a leave takes effect at its commit.

Embedded databases have one writer, which takes the time while it holds the lock.
"""

_SIEVE_SHIFT = 8


@dataclass(slots=True)
class _Tally:
    """Counts violations and keeps the first few."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, campaign: int, subscriber: int) -> None:
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{campaign}-{subscriber}")

    def troubles(self, what: str) -> Iterator[Trouble]:
        if self.count:
            fix = "look at the machine's clock first: they had mail that they should not have had"
            yield Trouble(self.count, tuple(self.examples), what, fix)


def check_leaving(view: View, keys: Keys) -> Verdict:
    """Check I3: unsubscriptions and suppressions against the claims of those concerned."""
    return verdict(
        "I3",
        "nobody was claimed after leaving the list or being suppressed",
        [
            *_unsubscribed(view).troubles("deliveries claimed after their reader had left"),
            *_suppressed(view, keys).troubles("deliveries claimed after their suppression"),
            *letters_to_suppressed(view),
        ],
    )


def _unsubscribed(view: View) -> _Tally:
    """Compare who is gone from a list with the last claims of that list's campaigns.

    Who came back since is a member again and is not asked. Outer joins hold the order: few leave,
    and their deliveries are found by key.
    """
    left = select(
        memberships.c.list_id, memberships.c.subscriber_id, memberships.c.changed_at
    ).where(memberships.c.status == MembershipStatus.UNSUBSCRIBED.value)
    if view.list_id is not None:
        left = left.where(memberships.c.list_id == view.list_id)
    gone = left.subquery()
    query = (
        select(
            deliveries.c.campaign_id,
            deliveries.c.subscriber_id,
            attempts.c.claimed_at,
            gone.c.changed_at,
        )
        .select_from(
            gone.join(campaigns, campaigns.c.list_id == gone.c.list_id)
            .outerjoin(
                deliveries,
                (deliveries.c.campaign_id == campaigns.c.id)
                & (deliveries.c.subscriber_id == gone.c.subscriber_id),
            )
            .outerjoin(attempts, attempts.c.id == deliveries.c.attempt_id)
        )
        .where(attempts.c.claimed_at > gone.c.changed_at)
    )
    if view.campaign is not None:
        query = query.where(campaigns.c.id == view.campaign)
    tally, slack = _Tally(), _slack(view)
    for row in view.connection.execute(query.execution_options(yield_per=CHUNK)):
        if row.claimed_at - row.changed_at > slack:
            tally.add(row.campaign_id, row.subscriber_id)
    return tally


def _slack(view: View) -> timedelta:
    return timedelta(0) if view.embedded else SERVER_SLACK


@dataclass(frozen=True, slots=True)
class _Suppressed:
    """A subscriber who is suppressed now, with the key and since when."""

    subscriber: int
    key: str
    at: datetime


def _suppressed(view: View, keys: Keys) -> _Tally:
    tally = _Tally()
    first = view.connection.execute(select(func.min(suppressions.c.at))).scalar()
    if first is None:
        return tally
    claimed = _claimed_since(view, first)
    if not claimed:
        return tally
    imported = view.connection.execute(
        select(func.max(audit_log.c.at)).where(audit_log.c.action == "suppression.import")
    ).scalar()
    for people in _suppressed_people(view, keys):
        since = min(person.at for person in people.values())
        for campaign, last in claimed:
            if last > since:
                _hold_against(view, campaign, people, imported, tally)
    return tally


def _claimed_since(view: View, at: datetime) -> Sequence[tuple[int, datetime]]:
    """Return the campaigns that claimed something after an instant, each with its last claim."""
    query = select(attempts.c.campaign_id, func.max(attempts.c.claimed_at))
    if view.campaign is not None:
        query = query.where(attempts.c.campaign_id == view.campaign)
    query = query.group_by(attempts.c.campaign_id).order_by(attempts.c.campaign_id)
    return [(row[0], row[1]) for row in view.connection.execute(query) if row[1] > at]


def _hold_against(
    view: View,
    campaign: int,
    people: Mapping[int, _Suppressed],
    imported: datetime | None,
    tally: _Tally,
) -> None:
    """Compare the claims of one campaign with since when its people are suppressed.

    A suppression that was imported took effect then, though it names an earlier day.
    """
    rows = view.connection.execute(
        select(deliveries.c.subscriber_id, attempts.c.claimed_at)
        .join(attempts, attempts.c.id == deliveries.c.attempt_id)
        .where(
            deliveries.c.campaign_id == campaign,
            among(view.connection, deliveries.c.subscriber_id, sorted(people)),
        )
        .order_by(deliveries.c.subscriber_id)
    )
    late = [
        (people[row.subscriber_id], row.claimed_at)
        for row in rows
        if row.claimed_at - people[row.subscriber_id].at > _slack(view)
    ]
    doubtful = [p for p, claimed_at in late if imported is not None and claimed_at <= imported]
    added_here = _added_here(view, doubtful)
    for person, claimed_at in late:
        excused = imported is not None and claimed_at <= imported and person.key not in added_here
        if not excused:
            tally.add(campaign, person.subscriber)


def _added_here(view: View, people: Sequence[_Suppressed]) -> set[str]:
    """Return the keys of those whose suppression was made here at its own time, by the log."""
    if not people:
        return set()
    subjects = {f"suppression {person.key[:16]}": person for person in people}
    rows = view.connection.execute(
        select(audit_log.c.subject, audit_log.c.at).where(
            audit_log.c.action == "suppression.add",
            among(view.connection, audit_log.c.subject, list(subjects)),
        )
    )
    return {subjects[row.subject].key for row in rows if row.at == subjects[row.subject].at}


def _suppressed_people(view: View, keys: Keys) -> Iterator[Mapping[int, _Suppressed]]:
    """Find the subscribers who are suppressed, in parts of bounded size."""
    sieve = _sieve(view)
    people: dict[int, _Suppressed] = {}
    for chunk in _subscribers(view):
        hashes: dict[str, int] = {}
        for subscriber, address_key in chunk:
            key = keys.hash_address(address_key)
            place = crc32(key.encode()) >> _SIEVE_SHIFT
            if sieve[place >> 3] >> (place & 7) & 1:
                hashes[key] = subscriber
        if not hashes:
            continue
        found = view.connection.execute(
            select(suppressions.c.key, suppressions.c.at).where(
                among(view.connection, suppressions.c.key, list(hashes))
            )
        )
        for row in found:
            people[hashes[row.key]] = _Suppressed(hashes[row.key], row.key, row.at)
        if len(people) >= CHUNK:
            yield people
            people = {}
    if people:
        yield people


def _subscribers(view: View) -> Iterator[Sequence[Row[int, str]]]:
    after = -1
    while True:
        rows = view.connection.execute(
            select(subscribers.c.id, subscribers.c.address_key)
            .where(subscribers.c.id > after)
            .order_by(subscribers.c.id)
            .limit(CHUNK)
        ).all()
        if not rows:
            return
        yield rows
        after = rows[-1].id


def _sieve(view: View) -> bytearray:
    """Return a bit for each short hash of a suppression: who has none there is not suppressed.

    2 MB, however many there are. Imported suppressions may be any text: hence a hash of their own.
    """
    bits = bytearray(1 << (32 - _SIEVE_SHIFT - 3))
    stored = select(suppressions.c.key).execution_options(yield_per=CHUNK)
    for (key,) in view.connection.execute(stored):
        place = crc32(key.encode()) >> _SIEVE_SHIFT
        bits[place >> 3] |= 1 << (place & 7)
    return bits
