"""What only a list's readers can tell about a digest: who lacks a value, and how long values are.

Read in one pass over the list, when a digest is prepared for it: `check --list`, `send`, editions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    case,
    cast,
    func,
    literal,
    select,
    true,
)

from newsletter.audience.consent import MembershipStatus
from newsletter.audience.eligibility import FIELDS_LOOKED_AT, field_name, merge_field_names
from newsletter.audience.lists import MailingList
from newsletter.audience.segment_model import Attribute
from newsletter.audience.segment_sql import attribute_text
from newsletter.delivery.preparing import ArchiveUrl, Prepared, prepare
from newsletter.digest.checks import bare_fields
from newsletter.digest.model import Finding
from newsletter.rendering.checks.codes import SUBJECT, found
from newsletter.rendering.checks.size import NEARLY_CLIPPED, SIZE_CODES, check_size, merged_sizes
from newsletter.rendering.content import SYSTEM_FIELDS
from newsletter.rendering.merge import LONGEST_VALUE
from newsletter.settings import Settings
from newsletter.storage.tables import memberships, subscribers

_WITHOUT_DEFAULT = frozenset({"merge-field-without-default", "subject-without-default"})
_LONGEST_ESCAPED = LONGEST_VALUE * 6
"""No value is longer than this: a character becomes six at most."""
_UNREADABLE = frozenset('"\\')
"""Characters with which a key cannot stand in a JSON path."""
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;"))


@dataclass(frozen=True, slots=True)
class FieldValues:
    """A merge field on a list: how many active readers lack it, and its longest value in bytes.

    The bytes are those after HTML escaping.
    """

    lacking: int
    longest: int


@dataclass(frozen=True, slots=True)
class Readers:
    """The active readers of a list, and what they have for some merge fields."""

    count: int
    fields: Mapping[str, FieldValues]


def prepare_for_list(
    connection: Connection,
    path: Path,
    settings: Settings,
    mailing_list: MailingList,
    *,
    among: ColumnElement[bool] | None = None,
    archive_url: ArchiveUrl | None = None,
) -> Prepared:
    """Prepare a digest for a list and look at its readers, or at those `among` is true of.

    `among` is a `segments.named_filter`. Raises what `prepare` raises.
    """
    fields = merge_field_names(connection, mailing_list.id)
    prepared = prepare(path, settings, mailing_list, fields, archive_url=archive_url)
    return look_at_list(connection, prepared, mailing_list, among)


def look_at_list(
    connection: Connection,
    prepared: Prepared,
    mailing_list: MailingList,
    among: ColumnElement[bool] | None = None,
) -> Prepared:
    """Return a prepared digest with its findings as they are for the readers of a list.

    Sizes count with their longest values, and a merge field without default is told when readers
    lack the value, with how many they are. A list without readers changes nothing.
    """
    content, bare = prepared.content, bare_fields(prepared.digest)
    if content is None:
        return prepared
    named = {slot.field for slot in content.slots}.difference(SYSTEM_FIELDS)
    # Most digests are small for every reader there can be: then only gaps are looked for.
    tight = merged_sizes(content, dict.fromkeys(named, _LONGEST_ESCAPED)).html >= NEARLY_CLIPPED
    asked = named if tight else bare.keys()
    readers = survey_readers(connection, mailing_list.id, asked, measure=tight, among=among)
    if readers.count == 0:
        return replace(prepared, readers=0)
    findings = [f for f in prepared.findings if f.code not in _WITHOUT_DEFAULT]
    longest: dict[str, int] = {}
    if tight:
        longest = {name: values.longest for name, values in readers.fields.items()}
        findings = [f for f in findings if f.code not in SIZE_CODES]
        findings += check_size(content, longest)
    findings += _lacking(bare, readers)
    return replace(prepared, findings=tuple(findings), readers=readers.count, longest=longest)


def _lacking(bare: Mapping[str, int | None], readers: Readers) -> list[Finding]:
    findings = []
    for name, line in bare.items():
        values = readers.fields.get(name)
        if values is None or not values.lacking:
            continue
        finding = found(
            "readers-lack-value",
            f"{values.lacking:,} of {readers.count:,} readers have no '{name}', "
            "and it has no default",
            f'write {{{{ {name} | default("there") }}}}',
            SUBJECT,
        )
        findings.append(replace(finding, line=line, place=None) if line else finding)
    return findings


# ---------------------------------------------------------------- the list


def survey_readers(
    connection: Connection,
    list_id: int,
    fields: Collection[str],
    *,
    measure: bool,
    among: ColumnElement[bool] | None = None,
) -> Readers:
    """Count the active readers of a list, and those who lack some merge fields.

    One pass over the list; `measure` asks for the longest values too, else they are 0. The longest
    may be that of a reader who pauses. Index: the key of `memberships`.
    """
    names = sorted(fields)
    keys = _keys(connection, list_id) if names else {}
    embedded = connection.dialect.name == "sqlite"
    active = memberships.c.status == MembershipStatus.ACTIVE
    columns: list[ColumnElement[int]] = [func.sum(case((active, 1), else_=0))]
    for name in names:
        value = _value(name, keys.get(name, ()), embedded)
        columns += [
            func.sum(case((active & (value == ""), 1), else_=0)),
            func.max(_escaped_bytes(value, embedded)) if measure else literal(0),
        ]
    everybody = memberships.join(subscribers, subscribers.c.id == memberships.c.subscriber_id)
    row = connection.execute(
        select(*columns)
        .select_from(memberships if among is None and not names else everybody)
        .where(
            memberships.c.list_id == list_id,
            memberships.c.status.in_((MembershipStatus.ACTIVE, MembershipStatus.PAUSED)),
            true() if among is None else among,
        )
    ).one()
    values = zip(names, row[1::2], row[2::2], strict=True)
    return Readers(
        int(row[0] or 0),
        {name: FieldValues(int(gaps or 0), int(longest or 0)) for name, gaps, longest in values},
    )


def _keys(connection: Connection, list_id: int) -> dict[str, list[str]]:
    """Return the attributes behind each merge field, as the newest few thousand readers have it."""
    rows = connection.execute(
        select(subscribers.c.attributes)
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        .where(memberships.c.list_id == list_id)
        .order_by(subscribers.c.id.desc())
        .limit(FIELDS_LOOKED_AT)
    )
    keys: dict[str, list[str]] = {}
    for key in sorted({key for (attributes,) in rows for key in (attributes or {})}):
        keys.setdefault(field_name(key), []).append(key)
    return keys


def _value(name: str, keys: Collection[str], embedded: bool) -> ColumnElement[str]:
    """Return what fills a merge field, as `eligibility.Recipient.values` does."""
    whole = func.trim(func.coalesce(subscribers.c.name, ""))
    if name == "name":
        return whole
    if name == "email":
        return func.coalesce(subscribers.c.address, "")
    found_in = [
        func.nullif(func.trim(attribute_text(embedded, Attribute(key))), "")
        for key in keys
        if not _UNREADABLE & set(key)
    ]
    if name == "first_name":
        # A name without a space counts whole, which is longer or the same.
        found_in.append(func.nullif(whole, ""))
    return func.coalesce(*found_in, "") if found_in else func.trim("")


def _escaped_bytes(value: ColumnElement[str], embedded: bool) -> ColumnElement[int]:
    """Return the bytes of a value behind `merge.slot_value`; most hold nothing to escape."""
    cut: ColumnElement[str] = func.substr(value, 1, LONGEST_VALUE)
    escaped = cut
    for character, escape in _ESCAPES:
        escaped = func.replace(escaped, character, escape)
    special = value.op("GLOB")("*[&<>\"']*") if embedded else value.op("~")("[&<>\"']")
    sent = case((special, escaped), else_=cut)
    return func.length(cast(sent, LargeBinary)) if embedded else func.octet_length(sent)
