"""What the columns of a file mean: fields by their usual names, attributes, and the rest left out.

Reading the rows below them is the matter of `csv_reading`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from newsletter.audience.eligibility import field_name
from newsletter.audience.headings import plain_words
from newsletter.audience.spreadsheets import unprotected
from newsletter.audience.status_columns import (
    ANY_STATUS,
    may_be_status,
    status_column,
    unsure_column,
)
from newsletter.audience.status_words import Kind, StatusColumn
from newsletter.errors import ImportRefused, Place

MOST_COLUMNS = 500
ATTRIBUTE_PREFIX = "attributes."
"""Before a heading that would be taken for a field otherwise: `attributes.zone`."""
HELD_TOGETHER = frozenset({"attributes", "attribs", "data", "metadata"})
"""Columns that listmonk, Mailtrain, Keila and Buttondown keep all attributes of a person in."""


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """Which headings name which field.

    `aliases`: the headings of each field, in plain words. `needed`: fields of which the file must
    have one. `attributes`: whether other columns are attributes; else they are left out. `ignored`:
    headings that never mean anything. `first`: fields of which the first alias counts where a file
    has several. `more`: columns of status that files of this kind alone have. `guess`: says the
    field of a cell in a file without headings; None: there must be some.
    """

    aliases: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]
    attributes: bool = False
    ignored: tuple[str, ...] = ()
    first: frozenset[str] = frozenset()
    more: Mapping[str, StatusColumn] = field(default_factory=dict)
    guess: Callable[[str], str | None] | None = None

    def field_of(self, heading: str) -> str | None:
        """Return the field that a heading names by itself; None for any other heading."""
        words = plain_words(heading)
        for name, aliases in self.aliases.items():
            if words in aliases:
                return name
        return None

    def status_of(self, heading: str) -> StatusColumn | None:
        """Return what a heading says of who may be mailed; None for any other."""
        return self.more.get(plain_words(heading)) or status_column(heading)

    def is_taken(self, heading: str) -> bool:
        """Return whether a heading is anything but an attribute's plain name."""
        return (
            self.field_of(heading) is not None
            or self.status_of(heading) is not None
            or may_be_status(heading)
            or plain_words(heading) in self.ignored
        )


_ADDRESS = (
    *("email", "email address", "mail", "address", "e mail", "e mail address", "emailaddress"),
    *("subscriber email", "contact email", "user email", "primary email", "mail address"),
)

SUBSCRIBER_COLUMNS = ColumnRules(
    aliases={
        "email": _ADDRESS,
        "name": ("name", "full name", "fullname", "display name"),
        "first_name": ("first name", "firstname", "given name", "fname"),
        "last_name": ("last name", "lastname", "surname", "family name", "lname"),
        "timezone": ("timezone", "time zone", "tz", "zone"),
        "language": ("language", "lang", "locale", "language code", "preferred language"),
        "tags": ("tags", "tag", "labels", "label"),
        "status": (),
    },
    needed=("email",),
    attributes=True,
    # What our own export says besides; it is no property of the person.
    ignored=("since",),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and the field or the attribute it became (neither: left out).

    `status`: what it says of who may be mailed. An attribute may be one `unsure`: its heading only
    sounds like it.
    """

    title: str
    field: str | None = None
    attribute: str | None = None
    status: StatusColumn | None = None
    unsure: bool = False

    @property
    def meaning(self) -> str | None:
        """Return what it became, as reports show it; None when it is left out."""
        if self.attribute is not None:
            return ATTRIBUTE_PREFIX + self.attribute
        return "status" if self.status is not None else self.field


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
    if not rules.attributes:
        repeated = [title for title in repeated if rules.field_of(title)]
    if repeated:
        raise ImportRefused(
            f"column '{repeated[0]}' is there twice", where=where, fix="rename one of them"
        )
    found = _one_of_each([rules.field_of(title) for title in titles], titles, rules)
    fields = _apply_mapping(found, titles, mapping, rules, where)
    if not any(name in fields for name in rules.needed):
        raise _no_address(titles, rules, where)
    for name in rules.aliases:
        if fields.count(name) > 1:
            raise ImportRefused(
                f"several columns could be '{name}'",
                where=where,
                fix=f"say which it is: --map {name}=COLUMN",
            )
    columns = tuple(
        _column(title, field, rules) for title, field in zip(titles, fields, strict=True)
    )
    _refuse_same_attributes(columns, where)
    return columns


def guess_columns(first: Sequence[str], rules: ColumnRules) -> tuple[Column, ...] | None:
    """Return the columns of a file whose first line holds an address and so no headings.

    None where there are headings, or where a file of this kind must have them.
    """
    if rules.guess is None or any(rules.field_of(cell) in rules.needed for cell in first):
        return None
    fields = [rules.guess(unprotected(cell.strip())) for cell in first]
    if not any(name in fields for name in rules.needed):
        return None
    return tuple(
        Column(f"column {at + 1}", name if name not in fields[:at] else None)
        for at, name in enumerate(fields)
    )


def _one_of_each(
    fields: list[str | None], titles: Sequence[str], rules: ColumnRules
) -> list[str | None]:
    """Leave one column to each field whose first alias counts."""
    words = [plain_words(title) for title in titles]
    for name in rules.first & set(filter(None, fields)):
        best = min(
            (rules.aliases[name].index(words[at]), at)
            for at, field in enumerate(fields)
            if field == name
        )[1]
        fields = [None if f == name and at != best else f for at, f in enumerate(fields)]
    return fields


def _no_address(titles: Sequence[str], rules: ColumnRules, where: Place) -> ImportRefused:
    expected = ", ".join(alias for name in rules.needed for alias in rules.aliases[name][:6])
    if any("@" in title for title in titles):
        return ImportRefused(
            "the first line holds an address and no headings",
            where=where,
            fix=f"write a line of headings before it, with one of: {expected}",
        )
    return ImportRefused(
        f"there is no column of addresses; found: {', '.join(filter(None, titles)) or '-'}; "
        f"expected one of: {expected}",
        where=where,
        fix="name it 'email', or say which it is: --map email=COLUMN",
    )


def _column(title: str, field: str | None, rules: ColumnRules) -> Column:
    if field == "status":
        known = rules.status_of(title)
        return Column(
            title, status=ANY_STATUS if known is None or known.kind is Kind.PERHAPS else known
        )
    if field is not None:
        return Column(title, field)
    attribute = _attribute(title, rules)
    if title.lower().startswith(ATTRIBUTE_PREFIX) or plain_words(title) in rules.ignored:
        return Column(title, None, attribute)
    if (status := rules.status_of(title)) is not None:
        return Column(title, None, attribute if status.kind is Kind.PERHAPS else None, status)
    if may_be_status(title):
        return Column(title, None, attribute, unsure_column(title), unsure=True)
    return Column(title, None, attribute)


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
