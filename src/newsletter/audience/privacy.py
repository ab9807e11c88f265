"""The rights of a reader (C15): all that is known of them, and being forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, null, or_, select, update

from newsletter.audience.address import parse_address
from newsletter.audience.consent import MembershipStatus
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import SuppressionReason
from newsletter.errors import AudienceError
from newsletter.storage.audit import record_audit
from newsletter.storage.database import insert_for
from newsletter.storage.tables import (
    consents,
    deliveries,
    events,
    installation,
    letters,
    memberships,
    subscriber_tags,
    subscribers,
    suppressions,
)

CHUNK = 5000


def erase(connection: Connection, subscriber: int, keys: Keys, now: datetime, *, actor: str) -> str:
    """Forget a person and remember only the hash that keeps them from being mailed again.

    Consents stay as evidence without the person; the ledger keeps bare numbers. Returns the hash,
    for the list of erased people beside the database. Raises `AudienceError` for somebody unknown.
    """
    row = connection.execute(
        select(subscribers.c.address, subscribers.c.address_key).where(
            subscribers.c.id == subscriber
        )
    ).first()
    if row is None or not row.address:
        raise AudienceError(f"there is no subscriber {subscriber}", fix="nothing to erase")
    mark = keys.hash_address(row.address_key)
    suppress_for_good(connection, mark, now)
    connection.execute(delete(letters).where(letters.c.address_hash == mark))
    connection.execute(
        update(deliveries).where(deliveries.c.subscriber_id == subscriber).values(answer=None)
    )
    # Like the ledger, they keep the bare number: what they prove of it stays proven (I4).
    connection.execute(
        update(events)
        .where(or_(events.c.subscriber_id == subscriber, events.c.address_hash == mark))
        .values(detail=null(), address=None, address_hash=None, domain=None)
    )
    forget(connection, subscriber)
    connection.execute(update(installation).values(scrub_due=True))
    record_audit(
        connection,
        now,
        actor=actor,
        action="subscriber.erase",
        subject=f"subscriber {subscriber}",
    )
    return mark


def kept_mail_of(connection: Connection, subscriber: int, keys: Keys) -> list[str]:
    """Return the names of the files of kept mail that speak of a person."""
    key = connection.execute(
        select(subscribers.c.address_key).where(subscribers.c.id == subscriber)
    ).scalar()
    mark = keys.hash_address(key) if key else ""
    details = connection.execute(
        select(events.c.detail).where(
            or_(events.c.subscriber_id == subscriber, events.c.address_hash == mark),
            events.c.detail.is_not(None),
        )
    ).scalars()
    return sorted({str(detail["kept"]) for detail in details if detail and detail.get("kept")})


def forget(connection: Connection, subscriber: int) -> None:
    """Remove a subscriber's row and all that hangs on it; nothing is suppressed."""
    connection.execute(
        update(consents)
        .where(consents.c.subscriber_id == subscriber)
        .values(subscriber_id=None, network=None)
    )
    # Also so that they no longer count: whoever asks with this address again begins anew.
    connection.execute(delete(letters).where(letters.c.subscriber_id == subscriber))
    connection.execute(delete(memberships).where(memberships.c.subscriber_id == subscriber))
    connection.execute(delete(subscriber_tags).where(subscriber_tags.c.subscriber_id == subscriber))
    connection.execute(delete(subscribers).where(subscribers.c.id == subscriber))
    keep_number(connection, subscriber)


def keep_number(connection: Connection, number: int) -> None:
    """See to it that a number is never given again: links already sent name it.

    SQLite gives the greatest number plus one; a row without a person holds the place. A server's
    sequence never goes back.
    """
    if connection.dialect.name != "sqlite":
        return
    greatest = connection.execute(select(func.max(subscribers.c.id))).scalar() or 0
    if greatest >= number:
        return
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    connection.execute(
        insert(subscribers).values(
            id=number,
            address="",
            address_key=f"number {number}",
            created_at=epoch,
            updated_at=epoch,
        )
    )


def suppress_for_good(connection: Connection, mark: str, at: datetime) -> None:
    """Suppress a hash as erased, whatever the reason was before; nothing else is kept of it."""
    erased = {"reason": SuppressionReason.ERASED.value, "note": None, "at": at}
    connection.execute(
        insert_for(connection)(suppressions)
        .values(key=mark, **erased)
        .on_conflict_do_update(index_elements=["key"], set_=erased)
    )


def erase_suppressed(connection: Connection, keys: Keys, now: datetime, *, actor: str) -> list[str]:
    """Erase whoever is in the database though a later suppression says they were erased.

    So a restored backup forgets again those who asked to be forgotten since (C15); who came anew
    after being erased stays. Returns the hashes. Walks all subscribers when there is any such
    suppression.
    """
    reason = SuppressionReason.ERASED.value
    rows = connection.execute(
        select(suppressions.c.key, suppressions.c.at).where(suppressions.c.reason == reason)
    )
    erased = {row.key: row.at for row in rows}
    done: list[str] = []
    for number, key, made in _all_subscribers(connection) if erased else ():
        since = erased.get(keys.hash_address(key))
        if since is not None and made <= since:
            done.append(erase(connection, number, keys, now, actor=actor))
    return done


def _all_subscribers(connection: Connection) -> Iterator[tuple[int, str, datetime]]:
    last = -1
    columns = (subscribers.c.id, subscribers.c.address_key, subscribers.c.created_at)
    while True:
        query = select(*columns).where(subscribers.c.id > last).order_by(subscribers.c.id)
        rows = connection.execute(query.limit(CHUNK)).all()
        if not rows:
            return
        last = rows[-1][0]
        yield from rows


def forget_unconfirmed(connection: Connection, before: datetime, *, limit: int = 1000) -> int:
    """Forget who asked to join before then and never confirmed, on any list; returns how many."""
    on_other_lists = select(memberships.c.subscriber_id).where(
        memberships.c.status != MembershipStatus.PENDING.value
    )
    waiting = (
        connection.execute(
            select(memberships.c.subscriber_id)
            .group_by(memberships.c.subscriber_id)
            .where(
                memberships.c.status == MembershipStatus.PENDING.value,
                memberships.c.subscriber_id.not_in(on_other_lists),
            )
            .having(func.max(memberships.c.changed_at) < before)
            .limit(limit)
        )
        .scalars()
        .all()
    )
    for subscriber in waiting:
        forget(connection, subscriber)
    return len(waiting)


def personal_data(connection: Connection, subscriber: int, keys: Keys) -> dict[str, Any]:
    """Return all that the audience rooms know of a person, as JSON data (C15).

    Raises `AudienceError` for somebody unknown.
    """
    from newsletter.audience.story import story_of

    row = connection.execute(select(subscribers).where(subscribers.c.id == subscriber)).first()
    if row is None or not row.address:
        raise AudienceError(f"there is no subscriber {subscriber}", fix="nothing is known")
    story = story_of(connection, parse_address(row.address), keys)
    return {
        "address": row.address,
        "name": row.name,
        "timezone": row.timezone,
        "language": row.language,
        "attributes": row.attributes or {},
        "tags": list(story.tags),
        "since": row.created_at.isoformat(),
        "suppressed": story.suppressed,
        "suppressed_since": story.suppression and story.suppression.since.isoformat(),
        "lists": [
            {
                "list": stand.list,
                "status": stand.status,
                "changed_at": stand.changed_at.isoformat(),
                "paused_until": stand.paused_until and stand.paused_until.isoformat(),
                "paused_because": stand.paused_because,
            }
            for stand in story.memberships
        ],
        "consents": [
            {
                "list": piece.list,
                "act": piece.act,
                "how": piece.how,
                "source": piece.source,
                "wording": piece.wording,
                "version": piece.version,
                "network": piece.network,
                "at": piece.at.isoformat(),
            }
            for piece in story.consents
        ],
    }
