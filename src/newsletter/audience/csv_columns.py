"""What the columns of a file mean: fields by their usual names, attributes, and the rest left out.

Reading the rows below them is the matter of `csv_reading`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.audience.eligibility import field_name
from newsletter.audience.spreadsheets import unprotected
from newsletter.errors import ImportRefused, Place

MOST_COLUMNS = 500
ATTRIBUTE_PREFIX = "attributes."
"""Before a heading that would be taken for a field otherwise: `attributes.zone`."""


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """Which headings name which field.

    `needed`: fields of which the file must have one. `attributes`: whether other columns are
    attributes; else they are left out. `ignored`: headings that never mean anything.
    """

    aliases: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]
    attributes: bool = False
    ignored: tuple[str, ...] = ()

    def field_of(self, heading: str) -> str | None:
        """Return the field that a heading names by itself; None for any other heading."""
        for name, aliases in self.aliases.items():
            if heading in aliases:
                return name
        return None


SUBSCRIBER_COLUMNS = ColumnRules(
    aliases={
        "email": (
            *("email", "e-mail", "email address", "e-mail address", "mail", "address"),
            "email_address",
        ),
        "name": ("name", "full name", "full_name", "fullname", "display name"),
        "first_name": ("first name", "first_name", "firstname", "given name", "given_name"),
        "last_name": ("last name", "last_name", "lastname", "surname", "family name"),
        "timezone": ("timezone", "time zone", "time_zone", "tz", "zone"),
        "language": ("language", "lang", "locale"),
        "tags": ("tags", "tag", "labels"),
        "status": ("status",),
    },
    needed=("email",),
    attributes=True,
    # What our own export says besides; it is no property of the person.
    ignored=("since",),
)

SUPPRESSION_COLUMNS = ColumnRules(
    aliases={
        "email": (
            *("email", "e-mail", "email address", "e-mail address", "mail", "address"),
            *("email_address", "recipient"),
        ),
        "key": ("key", "hash"),
        "reason": ("reason", "type", "kind"),
        "at": (
            *("at", "date", "created", "created at", "created_at", "since", "timestamp"),
            *("added", "suppressed at"),
        ),
        "note": ("note", "notes", "comment", "description"),
    },
    needed=("email", "key"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and the field or the attribute it became (neither: left out)."""

    title: str
    field: str | None = None
    attribute: str | None = None

    @property
    def meaning(self) -> str | None:
        """Return what it became, as reports show it; None when it is left out."""
        if self.attribute is not None:
            return ATTRIBUTE_PREFIX + self.attribute
        return self.field


def name_columns(
    path: Path, line: int, header: Sequence[str], rules: ColumnRules, mapping: Mapping[str, str]
) -> tuple[Column, ...]:
    """Say what each column means; `mapping` (field → heading) wins over the usual names.

    Raises `ImportRefused` for headings that are missing, doubled or ambiguous.
    """
    where = Place(path, line)
    titles = [unprotected(title.strip()) for title in header]
    if len(titles) > MOST_COLUMNS:
        raise ImportRefused(
            f"there are {len(titles)} columns; {MOST_COLUMNS} go", where=where, fix="leave some out"
        )
    lowered = [title.lower() for title in titles]
    repeated = sorted({title for title in lowered if title and lowered.count(title) > 1})
    if repeated:
        raise ImportRefused(
            f"column '{repeated[0]}' is there twice", where=where, fix="rename one of them"
        )
    fields = _apply_mapping([rules.field_of(t) for t in lowered], titles, mapping, rules, where)
    if not any(name in fields for name in rules.needed):
        raise ImportRefused(
            f"there is no column of addresses; found: {', '.join(filter(None, titles)) or '-'}",
            where=where,
            fix="name it 'email', or say which it is: --map email=COLUMN",
        )
    for name in rules.aliases:
        if fields.count(name) > 1:
            raise ImportRefused(
                f"several columns could be '{name}'",
                where=where,
                fix=f"say which it is: --map {name}=COLUMN",
            )
    columns = tuple(
        Column(title, field, None if field else _attribute(title, rules))
        for title, field in zip(titles, fields, strict=True)
    )
    _refuse_same_attributes(columns, where)
    return columns


def _apply_mapping(
    fields: list[str | None],
    titles: list[str],
    mapping: Mapping[str, str],
    rules: ColumnRules,
    where: Place,
) -> list[str | None]:
    lowered = [title.lower() for title in titles]
    for name, column in mapping.items():
        if column.lower() not in lowered:
            close = difflib.get_close_matches(column.lower(), lowered, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(titles)}"
            raise ImportRefused(f"there is no column '{column}'", where=where, fix=hint)
        if name not in rules.aliases:
            raise ImportRefused(
                f"there is no field '{name}' to map a column to",
                where=where,
                fix=f"use one of: {', '.join(rules.aliases)}",
            )
        fields = [None if existing == name else existing for existing in fields]
        fields[lowered.index(column.lower())] = name
    return fields


def _attribute(title: str, rules: ColumnRules) -> str | None:
    if not rules.attributes or title.lower() in rules.ignored:
        return None
    return field_name(title.lower().removeprefix(ATTRIBUTE_PREFIX)) or None


def _refuse_same_attributes(columns: Sequence[Column], where: Place) -> None:
    seen: dict[str, str] = {}
    for column in columns:
        if column.attribute is None:
            continue
        if column.attribute in seen:
            raise ImportRefused(
                f"columns '{seen[column.attribute]}' and '{column.title}' would both be the "
                f"attribute '{column.attribute}'",
                where=where,
                fix="rename one of them",
            )
        seen[column.attribute] = column.title
