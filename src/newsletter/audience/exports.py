"""Lists as files: streamed, safe to open in a spreadsheet (E8), and importable again.

An export that is imported again changes nothing: the quote before what could be a formula is
taken away, and `since` is not read. It tells other programs whom nobody may mail, for they cannot
read our suppressions: `status`, `suppressed` and `bounced` say so, each by itself.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from sqlalchemy import Connection, Row, bindparam, select

from newsletter.audience.bounce_pauses import SOFT_BOUNCES
from newsletter.audience.csv_columns import ATTRIBUTE_PREFIX, SUBSCRIBER_COLUMNS
from newsletter.audience.eligibility import field_name
from newsletter.audience.keys import Keys
from newsletter.audience.spreadsheets import spreadsheet_safe
from newsletter.audience.suppressions import SuppressionReason, suppressed_keys
from newsletter.storage.tables import memberships, subscriber_tags, subscribers

_COLUMNS = (
    *("email", "name", "timezone", "language", "tags"),
    *("status", "suppressed", "bounced", "since"),
)
_PAGE = 2000
"""Subscribers read together with their tags."""

Person = Mapping[str, Any]


def export_csv(connection: Connection, keys: Keys, list_id: int, file: TextIO) -> None:
    """Write the subscribers of a list, whatever their status; attributes have columns of their own.

    Two passes: the first finds the attributes, so that memory does not grow with the list.
    """
    extra = _attribute_names(connection, list_id)
    writer = csv.writer(file)
    writer.writerow([*_COLUMNS, *(spreadsheet_safe(_heading(name)) for name in extra)])
    for person in _people(connection, keys, list_id):
        attributes = person["attributes"]
        fixed = {**person, "tags": "; ".join(person["tags"])}
        cells = [*(fixed[name] for name in _COLUMNS), *(attributes.get(name) for name in extra)]
        writer.writerow(["" if c is None else spreadsheet_safe(str(c)) for c in cells])


def export_jsonl(connection: Connection, keys: Keys, list_id: int, file: TextIO) -> None:
    """Write one JSON object a line."""
    for person in _people(connection, keys, list_id):
        file.write(json.dumps(person, ensure_ascii=False) + "\n")


def _heading(attribute: str) -> str:
    """Return an attribute's heading, so that an import reads it as that attribute."""
    plain = attribute.strip().lower()
    taken = SUBSCRIBER_COLUMNS.is_taken(plain) or plain in _COLUMNS
    # Parts of a name are read as such, and kept as attributes just the same.
    if plain in ("first_name", "last_name") or not (taken or plain.startswith(ATTRIBUTE_PREFIX)):
        return attribute
    return ATTRIBUTE_PREFIX + field_name(attribute)


def _attribute_names(connection: Connection, list_id: int) -> list[str]:
    query = (
        select(subscribers.c.attributes)
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        .where(memberships.c.list_id == list_id)
        .order_by(subscribers.c.id)
    )
    names: dict[str, None] = {}
    for (attributes,) in connection.execution_options(yield_per=_PAGE).execute(query):
        names.update(dict.fromkeys(attributes or ()))
    return list(names)


def _people(connection: Connection, keys: Keys, list_id: int) -> Iterator[Person]:
    query = (
        select(
            subscribers.c.id,
            subscribers.c.address,
            subscribers.c.address_key,
            subscribers.c.name,
            subscribers.c.timezone,
            subscribers.c.language,
            subscribers.c.attributes,
            memberships.c.status,
            memberships.c.changed_at,
            memberships.c.paused_because,
        )
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        # Walks the members of the list in the order of their key.
        .where(memberships.c.list_id == list_id, memberships.c.subscriber_id > bindparam("after"))
        .order_by(memberships.c.subscriber_id)
        .limit(_PAGE)
    )
    after = -1
    while rows := connection.execute(query, {"after": after}).fetchall():
        after = rows[-1].id
        tags = _tags_between(connection, rows[0].id, after)
        hashes = {row.id: keys.hash_address(row.address_key) for row in rows}
        suppressed = suppressed_keys(connection, list(hashes.values()))
        for row in rows:
            yield _person(row, tags.get(row.id, []), suppressed.get(hashes[row.id]))


def _tags_between(connection: Connection, first: int, last: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    rows = connection.execute(
        select(subscriber_tags.c.subscriber_id, subscriber_tags.c.tag)
        .where(subscriber_tags.c.subscriber_id.between(first, last))
        .order_by(subscriber_tags.c.subscriber_id, subscriber_tags.c.tag)
    )
    for subscriber, tag in rows:
        found.setdefault(subscriber, []).append(tag)
    return found


def _person(row: Row[*tuple[Any, ...]], tags: list[str], suppressed: str | None) -> Person:
    bounced = "soft" if row.paused_because == SOFT_BOUNCES else None
    if suppressed == SuppressionReason.HARD_BOUNCE:
        bounced = "hard"
    return {
        "email": row.address,
        "name": row.name,
        "timezone": row.timezone,
        "language": row.language,
        "tags": tags,
        # A suppression wins over what the list says, here as everywhere.
        "status": row.status if suppressed is None else "suppressed",
        "suppressed": suppressed,
        "bounced": bounced,
        "since": row.changed_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "attributes": row.attributes or {},
    }
