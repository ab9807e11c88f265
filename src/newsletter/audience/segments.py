"""Saved segments: kept by name as the operator wrote them, read anew for each use.

What a condition is made of is in `segment_model`; who meets it, in `segment_sql`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from newsletter.audience.eligibility import FIELDS_LOOKED_AT, freeze_selection
from newsletter.audience.lists import MailingList
from newsletter.audience.segment_mistakes import nearest
from newsletter.audience.segment_model import (
    Attribute,
    Condition,
    Segment,
    Test,
    TextField,
    TextOperator,
    TextTest,
    tests_of,
)
from newsletter.audience.segment_parser import parse_condition
from newsletter.audience.segment_sql import attribute_text, segment_filter
from newsletter.errors import AudienceError
from newsletter.storage.audit import record_audit
from newsletter.storage.tables import segments, subscriber_tags, subscribers

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_WHOLE = (
    *(TextOperator.EQUAL, TextOperator.DIFFERENT),
    *(TextOperator.AMONG, TextOperator.NOT_AMONG),
)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a segment, for an operator who looks whether it says what was meant."""

    address: str
    name: str | None
    timezone: str | None
    language: str | None


def get_segment(connection: Connection, name: str) -> Segment:
    """Return a segment by its name; raises `AudienceError` with the nearest name there is."""
    row = connection.execute(select(segments).where(segments.c.name == name)).first()
    if row is not None:
        return _segment(row)
    names = connection.execute(select(segments.c.name)).scalars().all()
    close = nearest(name, names)
    fix = f"did you mean '{close}'?" if close else f"newsletter segments add {name} --where TEXT"
    raise AudienceError(f"there is no segment '{name}'", fix=fix)


def named_filter(
    connection: Connection,
    name: str | None,
    mailing_list: MailingList,
    now: datetime,
    *,
    default_zone: str,
) -> ColumnElement[bool] | None:
    """Return `segment_filter` of a segment by its name; without a name there is no condition.

    `default_zone` serves a list without a zone of its own. Raises `AudienceError` for a segment or
    a list of its condition that does not exist.
    """
    if name is None:
        return None
    condition = get_segment(connection, name).condition
    zone = mailing_list.timezone or default_zone
    return segment_filter(connection, condition, mailing_list.id, now, zone=zone)


def list_segments(connection: Connection) -> list[Segment]:
    """Return all segments by name."""
    return [_segment(row) for row in connection.execute(select(segments).order_by(segments.c.name))]


def add_segment(
    connection: Connection, now: datetime, *, name: str, text: str, actor: str
) -> Segment:
    """Save a condition under a name.

    Raises `AudienceError` for a name that exists or is none, and for a condition that is wrong.
    """
    if not _NAME.fullmatch(name):
        raise AudienceError(
            f"'{name}' is no name for a segment",
            fix="use small letters, digits and hyphens: daily-eu",
        )
    if connection.execute(select(segments.c.id).where(segments.c.name == name)).first():
        raise AudienceError(
            f"segment '{name}' exists already", fix=f"newsletter segments update {name}"
        )
    parse_condition(text)
    connection.execute(
        insert(segments).values(name=name, condition=text.strip(), created_at=now, updated_at=now)
    )
    _record(connection, now, actor, "segment.add", name, condition=text.strip())
    return get_segment(connection, name)


def update_segment(
    connection: Connection, now: datetime, *, name: str, text: str, actor: str
) -> Segment:
    """Give a segment another condition; campaigns already frozen keep whom they have."""
    before = get_segment(connection, name)
    parse_condition(text)
    connection.execute(
        update(segments)
        .where(segments.c.name == name)
        .values(condition=text.strip(), updated_at=now)
    )
    _record(
        connection, now, actor, "segment.update", name, condition=text.strip(), before=before.text
    )
    return get_segment(connection, name)


def remove_segment(connection: Connection, now: datetime, *, name: str, actor: str) -> Segment:
    """Forget a segment; campaigns keep its name and condition."""
    gone = get_segment(connection, name)
    connection.execute(delete(segments).where(segments.c.name == name))
    _record(connection, now, actor, "segment.remove", name, condition=gone.text)
    return gone


def sample_of(
    connection: Connection,
    list_id: int,
    now: datetime,
    segment: ColumnElement[bool],
    *,
    size: int,
) -> list[Member]:
    """Return some of a list who meet a condition, drawn at random."""
    drawn = (
        freeze_selection(list_id, now, segment).order_by(None).order_by(func.random()).limit(size)
    ).subquery()
    rows = connection.execute(
        select(
            subscribers.c.address,
            subscribers.c.name,
            subscribers.c.timezone,
            subscribers.c.language,
        )
        .join(drawn, drawn.c.subscriber_id == subscribers.c.id)
        .order_by(subscribers.c.address_key)
    )
    return [Member(*row) for row in rows]


def doubts(connection: Connection, condition: Condition) -> list[str]:
    """Return what is well written and still looks wrong: a tag, zone or attribute nobody has."""
    found: list[str] = []
    for test in tests_of(condition):
        if isinstance(test, TextTest) and test.operator in _WHOLE:
            if test.field is TextField.TAG:
                found.extend(_unknown(connection, test))
            if test.field is TextField.TIMEZONE:
                found.extend(_no_zones(test.values))
        attribute = _attribute(test)
        if attribute is not None and not _somebody_has(connection, attribute):
            meant = nearest(attribute.name, _attribute_names(connection))
            found.append(f"nobody has the attribute '{attribute.name}'{_meant(meant)}")
    return list(dict.fromkeys(found))


def _attribute(test: Test) -> Attribute | None:
    return test.field if isinstance(test.field, Attribute) else None


def _somebody_has(connection: Connection, attribute: Attribute) -> bool:
    text = attribute_text(connection.dialect.name == "sqlite", attribute)
    query = select(subscribers.c.id).where(text != "").limit(1)
    return connection.execute(query).first() is not None


def _attribute_names(connection: Connection) -> set[str]:
    newest = select(subscribers.c.attributes).order_by(subscribers.c.id.desc())
    rows = connection.execute(newest.limit(FIELDS_LOOKED_AT)).scalars()
    return {name for attributes in rows for name in (attributes or {})}


def _unknown(connection: Connection, test: TextTest) -> list[str]:
    known = connection.execute(
        select(subscriber_tags.c.tag).where(subscriber_tags.c.tag.in_(test.values)).distinct()
    ).scalars()
    missing = sorted(set(test.values) - set(known))
    if not missing:
        return []
    tags = connection.execute(select(subscriber_tags.c.tag).distinct()).scalars().all()
    return [f"nobody has the tag '{tag}'{_meant(nearest(tag, tags))}" for tag in missing]


def _no_zones(names: Collection[str]) -> list[str]:
    zones = {zone.lower(): zone for zone in available_timezones()}
    return [
        f"there is no time zone '{name}'{_meant(zones.get(nearest(name.lower(), zones) or ''))}"
        for name in names
        if name.lower() not in zones
    ]


def _meant(name: str | None) -> str:
    return f"; did you mean '{name}'?" if name else ""


def _segment(row: Row[Any]) -> Segment:
    return Segment(
        row.name, row.condition, parse_condition(row.condition), row.created_at, row.updated_at
    )


def _record(
    connection: Connection, now: datetime, actor: str, action: str, name: str, **detail: str
) -> None:
    record_audit(
        connection, now, actor=actor, action=action, subject=f"segment {name}", detail=detail
    )
