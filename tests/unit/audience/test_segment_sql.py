"""Who meets a condition: what SQLite answers is what the same model means in plain Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, insert

from newsletter.audience.eligibility import freeze_selection
from newsletter.audience.segment_model import (
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
    Unit,
)
from newsletter.audience.segment_parser import parse_condition
from newsletter.audience.segment_sql import NUMBER_PATTERN, segment_filter
from newsletter.errors import AudienceError
from newsletter.storage.tables import (
    consents,
    lists,
    memberships,
    metadata,
    subscriber_tags,
    subscribers,
)

NOW = datetime(2026, 3, 30, 6, 0, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
LISTS = ("daily", "weekly", "monthly")


@dataclass(frozen=True)
class Person:
    """A subscriber of `daily`, as a test sees one."""

    tags: frozenset[str] = frozenset()
    timezone: str | None = None
    language: str | None = None
    name: str | None = None
    domain: str = "example.org"
    attributes: tuple[tuple[str, str], ...] | None = None
    created: datetime = NOW
    acts: tuple[tuple[str, datetime], ...] = (("granted", NOW),)
    lists: frozenset[str] = frozenset()

    def text(self, field: TextField | Attribute) -> str:
        if isinstance(field, Attribute):
            return dict(self.attributes or ()).get(field.name, "")
        return getattr(self, field.value) or ""

    def moment(self, field: DateField) -> datetime | None:
        if field is DateField.CREATED:
            return self.created
        acts = [act for act, _ in self.acts]
        last = len(acts) - 1 - acts[::-1].index("withdrawn") if "withdrawn" in acts else -1
        return min((at for act, at in self.acts[last + 1 :] if act == "granted"), default=None)


def small(text: str) -> str:
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), text)


def meets(person: Person, condition: Condition) -> bool:
    match condition:
        case Every(parts):
            return all(meets(person, part) for part in parts)
        case Either(parts):
            return any(meets(person, part) for part in parts)
        case Not(part):
            return not meets(person, part)
        case TextTest(field, operator, values):
            if operator in (TextOperator.DIFFERENT, TextOperator.NOT_AMONG):
                return not meets(person, TextTest(field, TextOperator.AMONG, values))
            if field in (TextField.TAG, TextField.LIST):
                texts = person.tags if field is TextField.TAG else person.lists
                return any(compared(text, operator, values) for text in texts)
            return compared(small(person.text(field)), operator, tuple(map(small, values)))
        case NumberTest():
            return number_meets(person.text(condition.field), condition)
        case Presence(field, there):
            found = person.tags if field is TextField.TAG else person.text(field)
            return bool(found) is there
        case DateTest():
            return day_meets(person.moment(condition.field), condition)
        case AgeTest(field, operator, amount, unit):
            moment = person.moment(field)
            border = NOW - timedelta(**{unit.value: amount})
            within = operator is AgeOperator.WITHIN
            return moment is not None and (moment >= border if within else moment < border)


def compared(text: str, operator: TextOperator, values: Sequence[str]) -> bool:
    return {
        TextOperator.STARTS: text.startswith(values[0]),
        TextOperator.ENDS: text.endswith(values[0]),
        TextOperator.CONTAINS: values[0] in text,
    }.get(operator, text in values)


def number_meets(text: str, test: NumberTest) -> bool:
    different = test.operator in (NumberOperator.DIFFERENT, NumberOperator.NOT_AMONG)
    if len(text) > 16 or not re.fullmatch(NUMBER_PATTERN.strip("^$"), text):
        return different
    number, first = float(text), float(test.values[0])
    return {
        NumberOperator.BELOW: number < first,
        NumberOperator.AT_MOST: number <= first,
        NumberOperator.ABOVE: number > first,
        NumberOperator.AT_LEAST: number >= first,
    }.get(test.operator, (number in map(float, test.values)) is not different)


def day_meets(moment: datetime | None, test: DateTest) -> bool:
    if moment is None:
        return test.operator is DateOperator.NOT_ON
    day = moment.astimezone(PARIS).date()
    return {
        DateOperator.BEFORE: day < test.day,
        DateOperator.UNTIL: day <= test.day,
        DateOperator.ON: day == test.day,
        DateOperator.NOT_ON: day != test.day,
        DateOperator.SINCE: day >= test.day,
        DateOperator.AFTER: day > test.day,
    }[test.operator]


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        for number, name in enumerate(LISTS, 1):
            values = {"id": number, "name": name, "title": name, "list_id": name, "created_at": NOW}
            opened.execute(insert(lists).values(values))
        yield opened
    engine.dispose()


def write(connection: Connection, people: Sequence[Person]) -> None:
    for number, person in enumerate(people, 1):
        key = f"reader{number}@{person.domain}"
        connection.execute(
            insert(subscribers).values(
                id=number,
                address=key,
                address_key=key,
                name=person.name,
                timezone=person.timezone,
                language=person.language,
                attributes=None if person.attributes is None else dict(person.attributes),
                created_at=person.created,
                updated_at=person.created,
            )
        )
        for name in {"daily", *person.lists}:
            connection.execute(
                insert(memberships).values(
                    list_id=LISTS.index(name) + 1,
                    subscriber_id=number,
                    status="active",
                    changed_at=NOW,
                )
            )
        for tag in person.tags:
            connection.execute(insert(subscriber_tags).values(tag=tag, subscriber_id=number))
        for act, at in person.acts:
            connection.execute(
                insert(consents).values(subscriber_id=number, list_id=1, act=act, how="form", at=at)
            )


def found(connection: Connection, people: Sequence[Person], condition: Condition) -> list[int]:
    """Ask the database who of the people meets a condition, then forget them."""
    with connection.begin_nested() as savepoint:
        write(connection, people)
        chosen = segment_filter(connection, condition, 1, NOW, zone="Europe/Paris")
        numbers = [
            row.subscriber_id for row in connection.execute(freeze_selection(1, NOW, chosen))
        ]
        savepoint.rollback()
    return numbers


TEXTS = ("Food", "food", "FÖOD", "föod", "50%", "5_0", "a/b", 'q"\\', "5", "5.0", "-0.5", "007")
TEXTS += ("1e3", "5 ", "99999999999999999", "9.", "x\ny")
TAGS = ("beta", "beta 2", "long_reads", "éa", "50%")
NAMES = ("topic", "score", "or_1_1")
DOMAINS = ("example.org", "mail.example.org", "example.com", "xn--bcher-kva.example")
MOMENTS = st.datetimes(datetime(2026, 3, 26), datetime(2026, 3, 31), timezones=st.just(UTC))
ACTS = st.lists(
    st.tuples(st.sampled_from(("requested", "granted", "withdrawn")), MOMENTS), max_size=4
)
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from((*TEXTS, "")), max_size=3)
PEOPLE = st.builds(
    Person,
    tags=st.frozensets(st.sampled_from(TAGS), max_size=3),
    timezone=st.sampled_from((None, "", "Europe/Paris", "Europe/Berlin", "America/New_York")),
    language=st.sampled_from((None, "en", "EN-us", "fr")),
    name=st.sampled_from((None, "", *TEXTS)),
    domain=st.sampled_from(DOMAINS),
    attributes=st.none() | ATTRIBUTES.map(lambda values: tuple(values.items())),
    created=MOMENTS,
    acts=ACTS.map(tuple),
    lists=st.frozensets(st.sampled_from(LISTS[1:])),
)
ONE = (
    *(TextOperator.EQUAL, TextOperator.DIFFERENT, TextOperator.STARTS),
    *(TextOperator.ENDS, TextOperator.CONTAINS),
)
MANY = (TextOperator.AMONG, TextOperator.NOT_AMONG)
OWN = st.sampled_from(NAMES).map(Attribute)
DAYS = st.dates(date(2026, 3, 26), date(2026, 3, 31))


def several(values: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple)


def text_tests(
    field: st.SearchStrategy[TextField | Attribute], words: Sequence[str], pieces: Sequence[str]
) -> st.SearchStrategy[Condition]:
    piece = st.tuples(st.sampled_from((*words, *pieces)))
    return st.builds(TextTest, field, st.sampled_from(ONE), piece) | st.builds(
        TextTest, field, st.sampled_from(MANY), several(words)
    )


NUMBERS = st.sampled_from(("5", "-0.5", "7", "0", "1000", "5.0")).map(
    lambda text: parse_condition(f"attribute.x = {text}").values[0]  # type: ignore[union-attr]
)
LEAVES: st.SearchStrategy[Condition] = st.one_of(
    text_tests(OWN | st.just(TextField.NAME), TEXTS, ("%", "_", "/", "Ö", "oo", '"', "0")),
    text_tests(st.just(TextField.TAG), TAGS, ("b", "_", "%", " ")),
    text_tests(st.just(TextField.TIMEZONE), ("europe/paris", "UTC"), ("Europe/", "a")),
    text_tests(st.just(TextField.LANGUAGE), ("en", "fr"), ("e", "-US")),
    text_tests(st.just(TextField.DOMAIN), DOMAINS, (".org", "mail", "example", "reader")),
    st.builds(TextTest, st.just(TextField.LIST), st.sampled_from(MANY), several(LISTS[1:])),
    st.builds(
        NumberTest,
        OWN,
        st.sampled_from(NumberOperator).filter(lambda o: o.value not in ("in", "not in")),
        st.tuples(NUMBERS),
    ),
    st.builds(
        NumberTest,
        OWN,
        st.sampled_from((NumberOperator.AMONG, NumberOperator.NOT_AMONG)),
        st.tuples(NUMBERS, NUMBERS),
    ),
    st.builds(Presence, OWN | st.sampled_from((TextField.TAG, TextField.NAME)), st.booleans()),
    st.builds(DateTest, st.sampled_from(DateField), st.sampled_from(DateOperator), DAYS),
    st.builds(
        AgeTest,
        st.sampled_from(DateField),
        st.sampled_from(AgeOperator),
        st.integers(1, 60),
        st.sampled_from((Unit.HOURS, Unit.DAYS)),
    ),
)


def nested(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    some = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Every, some) | st.builds(Either, some) | st.builds(Not, parts)


CONDITIONS = st.recursive(LEAVES, nested, max_leaves=6)


@given(st.lists(PEOPLE, min_size=1, max_size=6), st.lists(CONDITIONS, min_size=1, max_size=4))
def test_the_database_chooses_whom_the_condition_means(
    connection: Connection, people: list[Person], conditions: list[Condition]
) -> None:
    for condition in conditions:
        meant = [number for number, person in enumerate(people, 1) if meets(person, condition)]
        assert found(connection, people, condition) == meant, str(condition)


@pytest.mark.parametrize(
    "text",
    [
        " or ".join(['not tag = "beta"'] * 200),
        "joined on 2026-03-30 and (joined on 2026-03-30 or (" * 8
        + "joined on 2026-03-30"
        + "))" * 8,
        "attribute.topic not in (" + ", ".join(['"f"'] * 1900) + ")",
    ],
    ids=["many", "deep", "wide"],
)
def test_a_condition_as_large_as_allowed_is_answered(connection: Connection, text: str) -> None:
    assert found(connection, [Person()], parse_condition(text)) == [1]


def test_what_an_operator_writes_is_a_bound_value_and_never_sql(connection: Connection) -> None:
    text = r'''tag = "x' or 1=1 --" or attribute "a' or 'b" = "\") or 1=1" or name contains "';"'''

    chosen = segment_filter(connection, parse_condition(text), 1, NOW, zone="UTC")

    assert "1=1" not in str(chosen)
    assert "a_or" not in str(chosen)
    assert found(connection, [Person(name="Ada")], parse_condition(text)) == []


def test_a_day_begins_and_ends_by_the_clocks_of_the_zone(connection: Connection) -> None:
    # On 29 March 2026 the clocks of Paris go from +1 to +2: that day has 23 hours.
    people = [
        Person(created=datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC)),
        Person(created=datetime(2026, 3, 28, 23, 0, tzinfo=UTC)),
        Person(created=datetime(2026, 3, 29, 21, 59, 59, 999999, tzinfo=UTC)),
        Person(created=datetime.combine(date(2026, 3, 29), time(22), UTC)),
    ]

    assert found(connection, people, parse_condition("created on 2026-03-29")) == [2, 3]
    assert found(connection, people, parse_condition("created before 2026-03-29")) == [1]
    assert found(connection, people, parse_condition("created after 2026-03-29")) == [4]


def test_who_left_and_came_back_joined_when_they_came_back(connection: Connection) -> None:
    long_ago, lately = NOW - timedelta(days=200), NOW - timedelta(days=2)
    returned = Person(acts=(("granted", long_ago), ("withdrawn", long_ago), ("granted", lately)))
    stayed = Person(acts=(("granted", long_ago), ("granted", lately)))

    chosen = found(connection, [returned, stayed], parse_condition("joined within 7 days"))

    assert chosen == [1]


def test_a_list_that_does_not_exist_is_an_error_with_the_nearest(connection: Connection) -> None:
    with pytest.raises(AudienceError, match="no list 'weakly'") as caught:
        segment_filter(connection, parse_condition('list = "weakly"'), 1, NOW, zone="UTC")

    assert caught.value.fix == "did you mean 'weekly'?"
