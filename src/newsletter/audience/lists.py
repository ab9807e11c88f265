"""Lists: named audiences, each with its own sender and words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from newsletter.audience.address import parse_address
from newsletter.audience.consent import MembershipStatus
from newsletter.audience.eligibility import count_selected, freeze_selection
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import has_suppressions, suppressed_keys
from newsletter.clock import is_zone
from newsletter.errors import AudienceError
from newsletter.one_line import one_line
from newsletter.storage.audit import record_audit
from newsletter.storage.tables import lists, memberships, subscribers

_TOGETHER = 5000
"""Addresses that are looked up together."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class MailingList:
    """One list; what is None comes from the settings."""

    id: int
    name: str
    title: str
    list_id: str
    from_name: str | None
    from_email: str | None
    reply_to: str | None
    language: str | None
    timezone: str | None
    reason: str | None
    public: bool
    """Whether anybody may ask to join it by its page."""


_COLUMNS = [lists.c[field.name] for field in fields(MailingList)]


def _list(row: Row[*tuple[Any, ...]]) -> MailingList:
    return MailingList(**row._mapping)


def create_list(
    connection: Connection,
    now: datetime,
    *,
    name: str,
    title: str,
    base_url: str,
    actor: str,
    public: bool | None = None,
    **given: str | None,
) -> MailingList:
    """Create a list; its List-Id is `name.host` of the base URL unless one is given.

    It is public unless `public` is False.

    Raises `AudienceError` for a name that exists or is no short name, and for wrong values.
    """
    if not _NAME.fullmatch(name):
        raise AudienceError(
            f"'{name}' is no name for a list", fix="use small letters, digits and hyphens: daily"
        )
    if connection.execute(select(lists.c.id).where(lists.c.name == name)).first():
        raise AudienceError(f"list '{name}' exists already", fix=f"newsletter lists update {name}")
    values = _checked({"title": title, "public": public, **given})
    host = urlsplit(base_url).hostname or "localhost"
    values["list_id"] = values.get("list_id") or f"{name}.{host}"
    _refuse_taken_id(connection, name, values["list_id"])
    connection.execute(insert(lists).values(name=name, created_at=now, **values))
    record_audit(connection, now, actor=actor, action="list.create", subject=f"list {name}")
    return get_list(connection, name)


def update_list(
    connection: Connection,
    now: datetime,
    name: str,
    given: Mapping[str, str | bool],
    *,
    actor: str,
) -> MailingList:
    """Change what is given of a list; raises `AudienceError` for wrong values."""
    current = get_list(connection, name)
    values = _checked(given)
    if "list_id" in values:
        _refuse_taken_id(connection, name, values["list_id"])
    if values:
        connection.execute(update(lists).where(lists.c.id == current.id).values(values))
        record_audit(
            connection,
            now,
            actor=actor,
            action="list.update",
            subject=f"list {name}",
            detail={"changed": sorted(values)},
        )
    return get_list(connection, name)


def _refuse_taken_id(connection: Connection, name: str, list_id: str) -> None:
    taken = connection.execute(
        select(lists.c.name).where(lists.c.list_id == list_id, lists.c.name != name)
    ).scalar()
    if taken:
        raise AudienceError(
            f"list '{taken}' has the List-Id {list_id}", fix="give another one with --list-id"
        )


def _checked(given: Mapping[str, str | bool | None]) -> dict[str, Any]:
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    for key in ("title", "from_name", "reason"):
        if key in values:
            values[key] = one_line(values[key])
    for key in ("from_email", "reply_to"):
        if key in values:
            values[key] = parse_address(values[key]).text
    if "timezone" in values and not is_zone(values["timezone"]):
        raise AudienceError(
            f"unknown time zone '{values['timezone']}'", fix="use one like Europe/Paris"
        )
    if "list_id" in values and not re.fullmatch(
        r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", values["list_id"]
    ):
        raise AudienceError("a List-Id looks like daily.news.example.org", fix="see RFC 2919")
    return values


def get_list(connection: Connection, name: str) -> MailingList:
    """Return a list by its name; raises `AudienceError` with the nearest name there is."""
    row = connection.execute(select(*_COLUMNS).where(lists.c.name == name)).first()
    if row is not None:
        return _list(row)
    names = [found.name for found in list_lists(connection)]
    close = difflib.get_close_matches(name, names, n=1)
    fix = f"did you mean '{close[0]}'?" if close else f"newsletter lists create {name}"
    raise AudienceError(f"there is no list '{name}'", fix=fix)


def list_lists(connection: Connection) -> list[MailingList]:
    """Return all lists by name."""
    return [_list(row) for row in connection.execute(select(*_COLUMNS).order_by(lists.c.name))]


def count_by_status(connection: Connection, list_id: int) -> dict[str, int]:
    """Return how many subscribers of a list are in each status; every status appears."""
    rows = connection.execute(
        select(memberships.c.status, func.count())
        .where(memberships.c.list_id == list_id)
        .group_by(memberships.c.status)
    )
    counted = {row[0]: row[1] for row in rows}
    return {status.value: counted.get(status.value, 0) for status in MembershipStatus}


def count_suppressed(connection: Connection, keys: Keys, list_id: int) -> int:
    """Return how many of the active subscribers of a list get nothing, for they are suppressed.

    Takes seconds for a million: only their hashes tell.
    """
    if not has_suppressions(connection):
        return 0
    found = connection.execute(
        select(subscribers.c.address_key)
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        .where(memberships.c.list_id == list_id, memberships.c.status == MembershipStatus.ACTIVE)
        .execution_options(yield_per=_TOGETHER)
    )
    return sum(
        len(suppressed_keys(connection, [keys.hash_address(key) for (key,) in rows]))
        for rows in found.partitions()
    )


def count_active(
    connection: Connection, list_id: int, now: datetime, segment: ColumnElement[bool] | None = None
) -> int:
    """Return how many a campaign would be frozen for now: the whole list, or those of a segment."""
    return count_selected(connection, freeze_selection(list_id, now, segment))
