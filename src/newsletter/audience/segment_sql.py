"""A segment's condition as an SQL expression, for SQLite and PostgreSQL alike (E11).

Everything that an operator wrote is a bound parameter, names of attributes too. No expression is
ever NULL: what a subscriber does not have counts as different, so `not` turns all around.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Text,
    and_,
    case,
    cast,
    collate,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from newsletter.audience.consent import Act
from newsletter.audience.eligibility import is_active
from newsletter.audience.lists import get_list
from newsletter.audience.segment_model import (
    LONGEST_NUMBER,
    AgeOperator,
    AgeTest,
    Attribute,
    Condition,
    DateField,
    DateOperator,
    DateTest,
    Either,
    Every,
    Not,
    NumberOperator,
    NumberTest,
    Presence,
    TextField,
    TextOperator,
    TextTest,
    tests_of,
)
from newsletter.clock import zone_of
from newsletter.storage.tables import consents, memberships, subscriber_tags, subscribers

NUMBER_PATTERN = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
"""What counts as a number in an attribute, if it has at most `LONGEST_NUMBER` characters."""

_NUMBER_CHARACTERS = "*[^-0-9.]*"
_OPPOSITES = {
    TextOperator.DIFFERENT: TextOperator.EQUAL,
    TextOperator.NOT_AMONG: TextOperator.AMONG,
}
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def segment_filter(
    connection: Connection, condition: Condition, list_id: int, now: datetime, *, zone: str
) -> ColumnElement[bool]:
    """Return what is true of the subscribers of a list who meet a condition.

    For a query over `memberships` of that list joined with `subscribers`, such as
    `eligibility.freeze_selection` makes. `zone` is the IANA zone that days are meant in: that of
    the list, else of the newsletter. Raises `AudienceError` when the condition names a list that
    does not exist.
    """
    named = {
        name: get_list(connection, name).id
        for test in tests_of(condition)
        if isinstance(test, TextTest) and test.field is TextField.LIST
        for name in test.values
    }
    embedded = connection.dialect.name == "sqlite"
    return _Compiler(embedded, list_id, now, zone_of(zone), named).of(condition)


def attribute_text(embedded: bool, attribute: Attribute) -> ColumnElement[str]:
    """Return an attribute as text; empty where there is none."""
    text = subscribers.c.attributes[attribute.name].as_string()
    if not embedded:
        # PostgreSQL stores an escaped NUL in JSON and then cannot read any key beside it.
        readable = func.strpos(cast(subscribers.c.attributes, Text), "\\u0000") == 0
        text = case((readable, text))
    return func.coalesce(text, "")


@dataclass(frozen=True, slots=True)
class _Compiler:
    """Turns one condition into one expression, for one list at one moment."""

    embedded: bool
    list_id: int
    now: datetime
    zone: ZoneInfo
    lists: Mapping[str, int]

    def of(self, condition: Condition) -> ColumnElement[bool]:
        match condition:
            case Every(parts):
                return and_(*map(self.of, parts))
            case Either(parts):
                return or_(*map(self.of, parts))
            case Not(part):
                return not_(self.of(part))
            case TextTest():
                return self._text(condition)
            case NumberTest():
                return self._number(condition)
            case Presence(field, there):
                found = self._is_set(field)
                return found if there else not_(found)
            case DateTest():
                return self._day(condition)
            case AgeTest():
                return self._age(condition)

    def _text(self, test: TextTest) -> ColumnElement[bool]:
        if test.operator in _OPPOSITES:
            return not_(self._text(TextTest(test.field, _OPPOSITES[test.operator], test.values)))
        if test.field is TextField.LIST:
            return self._on_list([self.lists[name] for name in test.values])
        if test.field is TextField.TAG:
            return _tagged(_compared(subscriber_tags.c.tag, test.operator, test.values))
        values = tuple(value.translate(_ASCII_LOWER) for value in test.values)
        return _compared(self._lower(self._value(test.field)), test.operator, values)

    def _value(self, field: TextField | Attribute) -> ColumnElement[str]:
        """Return a text of the subscriber's own; empty where there is none."""
        if isinstance(field, Attribute):
            return attribute_text(self.embedded, field)
        if field is TextField.DOMAIN:
            key = subscribers.c.address_key
            if self.embedded:
                return func.substr(key, func.instr(key, "@") + 1)
            return func.split_part(key, "@", 2)
        return func.coalesce(subscribers.c[field.value], "")

    def _lower(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """Fold A to Z alone: that is what both databases do alike, whatever their locale."""
        return func.lower(value if self.embedded else collate(value, "C"))

    def _is_set(self, field: TextField | Attribute) -> ColumnElement[bool]:
        return _tagged(true()) if field is TextField.TAG else self._value(field) != ""

    def _on_list(self, lists: list[int]) -> ColumnElement[bool]:
        other = memberships.alias()
        return _exists(
            other,
            other.c.list_id.in_(lists),
            other.c.subscriber_id == memberships.c.subscriber_id,
            is_active(other, self.now),
        )

    def _number(self, test: NumberTest) -> ColumnElement[bool]:
        text = attribute_text(self.embedded, test.field)
        if self.embedded:
            shaped = and_(text.op("NOT GLOB")(_NUMBER_CHARACTERS), func.json_valid(text) == 1)
        else:
            shaped = text.regexp_match(NUMBER_PATTERN)
        number = cast(text, Double)
        values = [float(value) for value in test.values]
        different = test.operator in (NumberOperator.DIFFERENT, NumberOperator.NOT_AMONG)
        # A CASE, for PostgreSQL must not even try to read a number where there is none.
        return case(
            (
                and_(func.length(text) <= LONGEST_NUMBER, shaped),
                _compared_number(number, test.operator, values),
            ),
            else_=true() if different else false(),
        )

    def _moment(self, field: DateField) -> ColumnElement[datetime]:
        if field is DateField.CREATED:
            return subscribers.c.created_at
        left = consents.alias()
        # By number and not by time: clocks are set back, numbers only grow.
        last_left = (
            select(func.max(left.c.id))
            .where(
                left.c.subscriber_id == memberships.c.subscriber_id,
                left.c.list_id == self.list_id,
                left.c.act == Act.WITHDRAWN.value,
            )
            .correlate(memberships)
            .scalar_subquery()
        )
        return (
            select(func.min(consents.c.at))
            .where(
                consents.c.subscriber_id == memberships.c.subscriber_id,
                consents.c.list_id == self.list_id,
                consents.c.act == Act.GRANTED.value,
                consents.c.id > func.coalesce(last_left, 0),
            )
            .correlate(memberships)
            .scalar_subquery()
        )

    def _day(self, test: DateTest) -> ColumnElement[bool]:
        moment = self._moment(test.field)
        begin, end = self._midnight(test.day), self._midnight(test.day + timedelta(days=1))
        match test.operator:
            case DateOperator.BEFORE:
                return _true(moment < begin)
            case DateOperator.UNTIL:
                return _true(moment < end)
            case DateOperator.SINCE:
                return _true(moment >= begin)
            case DateOperator.AFTER:
                return _true(moment >= end)
            case DateOperator.ON:
                return _true(moment.between(begin, end - timedelta(microseconds=1)))
            case DateOperator.NOT_ON:
                return not_(_true(moment.between(begin, end - timedelta(microseconds=1))))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)

    def _age(self, test: AgeTest) -> ColumnElement[bool]:
        border = self.now - timedelta(**{test.unit.value: test.amount})
        moment = self._moment(test.field)
        return _true(moment >= border if test.operator is AgeOperator.WITHIN else moment < border)


def _tagged(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    mine = subscriber_tags.c.subscriber_id == memberships.c.subscriber_id
    return _exists(subscriber_tags, mine, condition)


def _exists(table: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(*conditions).select_from(table).correlate(memberships)


def _true(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Let an unknown moment meet nothing."""
    return func.coalesce(condition, false())


def _compared(
    text: ColumnElement[str], operator: TextOperator, values: tuple[str, ...]
) -> ColumnElement[bool]:
    match operator:
        case TextOperator.STARTS:
            return text.startswith(values[0], autoescape=True)
        case TextOperator.ENDS:
            return text.endswith(values[0], autoescape=True)
        case TextOperator.CONTAINS:
            return text.contains(values[0], autoescape=True)
        case _:
            return text.in_(values) if len(values) > 1 else text == values[0]


def _compared_number(
    number: ColumnElement[float], operator: NumberOperator, values: list[float]
) -> ColumnElement[bool]:
    match operator:
        case NumberOperator.BELOW:
            return number < values[0]
        case NumberOperator.AT_MOST:
            return number <= values[0]
        case NumberOperator.ABOVE:
            return number > values[0]
        case NumberOperator.AT_LEAST:
            return number >= values[0]
        case NumberOperator.EQUAL | NumberOperator.AMONG:
            return number.in_(values)
        case NumberOperator.DIFFERENT | NumberOperator.NOT_AMONG:
            return number.not_in(values)
