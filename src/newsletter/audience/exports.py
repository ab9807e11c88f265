"""Lists as files: streamed, and safe to open in a spreadsheet (E8)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any, TextIO

from sqlalchemy import Connection, Row, select

from newsletter.storage.tables import memberships, subscribers

_COLUMNS = ("email", "name", "timezone", "language", "status", "since")


def spreadsheet_safe(value: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: a quote before what could be one."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def export_csv(connection: Connection, list_id: int, file: TextIO) -> None:
    """Write the subscribers of a list, whatever their status; attributes have columns of their own.

    Two passes: the first finds the attributes, so that memory does not grow with the list.
    """
    extra: dict[str, None] = {}
    for row in _rows(connection, list_id):
        extra.update(dict.fromkeys(row.attributes or {}))
    writer = csv.writer(file)
    writer.writerow([*_COLUMNS, *map(spreadsheet_safe, extra)])
    for row in _rows(connection, list_id):
        attributes = row.attributes or {}
        cells = [*_fixed(row).values(), *(attributes.get(key) for key in extra)]
        writer.writerow(["" if c is None else spreadsheet_safe(str(c)) for c in cells])


def export_jsonl(connection: Connection, list_id: int, file: TextIO) -> None:
    """Write one JSON object a line."""
    for row in _rows(connection, list_id):
        document = {**_fixed(row), "attributes": row.attributes or {}}
        file.write(json.dumps(document, ensure_ascii=False) + "\n")


def _fixed(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    since = f"{row.changed_at:%Y-%m-%dT%H:%M:%SZ}"
    values = (row.address, row.name, row.timezone, row.language, row.status, since)
    return dict(zip(_COLUMNS, values, strict=True))


def _rows(connection: Connection, list_id: int) -> Iterator[Row[*tuple[Any, ...]]]:
    query = (
        select(
            subscribers.c.address,
            subscribers.c.name,
            subscribers.c.timezone,
            subscribers.c.language,
            subscribers.c.attributes,
            memberships.c.status,
            memberships.c.changed_at,
        )
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        .where(memberships.c.list_id == list_id)
        .order_by(subscribers.c.id)
    )
    yield from connection.execution_options(yield_per=1000).execute(query)
