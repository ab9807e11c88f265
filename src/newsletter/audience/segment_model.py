"""What a segment's condition is made of: small frozen values that know how they are written.

`str(condition)` is its canonical text. Reading a text is in `segment_parser`, asking the database
in `segment_sql`; nothing here knows of either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

LONGEST_NUMBER = 16
"""Characters of a number, sign and point included: so many a double tells apart."""


class TextField(StrEnum):
    """A field that is text, or, for `tag` and `list`, a set of texts."""

    TAG = "tag"
    LIST = "list"
    """A list that the subscriber is active on."""
    TIMEZONE = "timezone"
    LANGUAGE = "language"
    NAME = "name"
    DOMAIN = "domain"
    """Of the address, as an A-label in small letters (D11)."""


class DateField(StrEnum):
    """A field that is a moment."""

    JOINED = "joined"
    """The start of the membership of the list that is asked about."""
    CREATED = "created"
    """When the address first became known to this installation."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """What an import or a form knows besides; its name is that of the merge field."""

    name: str

    def __str__(self) -> str:
        return f"attribute.{self.name}"


class TextOperator(StrEnum):
    """How a text is compared; `!=` and `not in` also hold where there is no text at all."""

    EQUAL = "="
    DIFFERENT = "!="
    AMONG = "in"
    NOT_AMONG = "not in"
    STARTS = "starts with"
    ENDS = "ends with"
    CONTAINS = "contains"


class NumberOperator(StrEnum):
    """How an attribute is compared as a number; `!=` and `not in` hold for what is none."""

    EQUAL = "="
    DIFFERENT = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    AMONG = "in"
    NOT_AMONG = "not in"


class DateOperator(StrEnum):
    """How a moment is compared with a whole day."""

    BEFORE = "before"
    UNTIL = "<="
    ON = "on"
    NOT_ON = "!="
    SINCE = ">="
    AFTER = "after"


class AgeOperator(StrEnum):
    """How long ago a moment is."""

    WITHIN = "within"
    OVER = "over"


class Unit(StrEnum):
    """What an age is counted in; days of 24 hours."""

    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"


@dataclass(frozen=True, slots=True)
class TextTest:
    """Compares a text; several values for `in` and `not in`, else one. No value is empty."""

    field: TextField | Attribute
    operator: TextOperator
    values: tuple[str, ...]

    def __str__(self) -> str:
        many = self.operator in (TextOperator.AMONG, TextOperator.NOT_AMONG)
        return f"{self.field} {self.operator} {_values(map(quote, self.values), many=many)}"


@dataclass(frozen=True, slots=True)
class NumberTest:
    """Compares an attribute as a number."""

    field: Attribute
    operator: NumberOperator
    values: tuple[Decimal, ...]

    def __str__(self) -> str:
        many = self.operator in (NumberOperator.AMONG, NumberOperator.NOT_AMONG)
        written = (format(value, "f") for value in self.values)
        return f"{self.field} {self.operator} {_values(written, many=many)}"


@dataclass(frozen=True, slots=True)
class Presence:
    """Asks whether there is any value; an empty text is none."""

    field: TextField | Attribute
    there: bool

    def __str__(self) -> str:
        return f"{self.field} is set" if self.there else f"{self.field} is not set"


@dataclass(frozen=True, slots=True)
class DateTest:
    """Compares a moment with a day, which begins and ends by the clocks of the list's zone."""

    field: DateField
    operator: DateOperator
    day: date

    def __str__(self) -> str:
        return f"{self.field} {self.operator} {self.day.isoformat()}"


@dataclass(frozen=True, slots=True)
class AgeTest:
    """Compares how long ago a moment is, to the second."""

    field: DateField
    operator: AgeOperator
    amount: int
    unit: Unit

    def __str__(self) -> str:
        ago = " ago" if self.operator is AgeOperator.OVER else ""
        return f"{self.field} {self.operator} {self.amount} {self.unit}{ago}"


@dataclass(frozen=True, slots=True)
class Every:
    """Holds where all parts hold; two parts or more."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(
            f"({part})" if isinstance(part, Every | Either) else str(part) for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class Either:
    """Holds where any part holds; two parts or more."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(
            f"({part})" if isinstance(part, Either) else str(part) for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where the part does not; there is nothing in between."""

    part: Condition

    def __str__(self) -> str:
        grouped = isinstance(self.part, Every | Either)
        return f"not ({self.part})" if grouped else f"not {self.part}"


Test = TextTest | NumberTest | Presence | DateTest | AgeTest
Condition = Test | Every | Either | Not


@dataclass(frozen=True, slots=True)
class Segment:
    """A saved condition; `text` is as the operator wrote it."""

    name: str
    text: str
    condition: Condition
    created_at: datetime
    updated_at: datetime


def tests_of(condition: Condition) -> Iterator[Test]:
    """Yield the comparisons of a condition in the order they are written in."""
    if isinstance(condition, Every | Either):
        for part in condition.parts:
            yield from tests_of(part)
    elif isinstance(condition, Not):
        yield from tests_of(condition.part)
    else:
        yield condition


def quote(text: str) -> str:
    r"""Return a text as conditions hold it: in double quotes, `\"` and `\\` escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _values(written: Iterator[str] | map[str], *, many: bool) -> str:
    return f"({', '.join(written)})" if many else next(iter(written))
