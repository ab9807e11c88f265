"""Conditions as operators write them: what they mean, and what is said of a wrong one."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Unit,
)
from newsletter.audience.segment_parser import DEEPEST, LONGEST_CONDITION, parse_condition
from newsletter.errors import AudienceError

BETA = TextTest(TextField.TAG, TextOperator.EQUAL, ("beta",))
EUROPE = TextTest(TextField.TIMEZONE, TextOperator.STARTS, ("Europe/",))
TOPIC = Attribute("favourite_topic")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ('tag = "beta" and timezone starts with "Europe/"', Every((BETA, EUROPE))),
        ('TAG = "Beta"  AND\n Timezone STARTS  WITH "Europe/"', Every((BETA, EUROPE))),
        ('not tag = "beta" or timezone starts with "Europe/"', Either((Not(BETA), EUROPE))),
        (
            'not (tag = "beta" or timezone starts with "Europe/") and tag = "beta"',
            Every((Not(Either((BETA, EUROPE))), BETA)),
        ),
        (
            'tag not in ("b", "Long   Reads")',
            TextTest(TextField.TAG, TextOperator.NOT_AMONG, ("b", "long reads")),
        ),
        (
            r'name contains "\"q\" \\ %_"',
            TextTest(TextField.NAME, TextOperator.CONTAINS, ('"q" \\ %_',)),
        ),
        (
            'domain = "@Bücher.example"',
            TextTest(TextField.DOMAIN, TextOperator.EQUAL, ("xn--bcher-kva.example",)),
        ),
        (
            'attribute "Favourite topic" != "Food"',
            TextTest(TOPIC, TextOperator.DIFFERENT, ("Food",)),
        ),
        (
            "attribute.favourite_topic in (1, -2.50)",
            NumberTest(TOPIC, NumberOperator.AMONG, (Decimal(1), Decimal("-2.5"))),
        ),
        (
            "attribute.favourite_topic >= 10",
            NumberTest(TOPIC, NumberOperator.AT_LEAST, (Decimal(10),)),
        ),
        ("language is not set", Presence(TextField.LANGUAGE, there=False)),
        ("attribute.favourite_topic is set", Presence(TOPIC, there=True)),
        (
            "joined < 2026-01-31",
            DateTest(DateField.JOINED, DateOperator.BEFORE, date(2026, 1, 31)),
        ),
        (
            'created on "2026-01-31"',
            DateTest(DateField.CREATED, DateOperator.ON, date(2026, 1, 31)),
        ),
        ("joined within 1 day", AgeTest(DateField.JOINED, AgeOperator.WITHIN, 1, Unit.DAYS)),
        (
            "created over 2 weeks ago",
            AgeTest(DateField.CREATED, AgeOperator.OVER, 2, Unit.WEEKS),
        ),
    ],
)
def test_a_condition_is_read_as_it_is_meant(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition


@pytest.mark.parametrize(
    ("text", "place", "fix"),
    [
        ('zone = "x"', "line 1, column 1: there is no field 'zone'", "did you mean timezone?"),
        ('tagg = "x"', "column 1: there is no field 'tagg'", "did you mean tag?"),
        ('tag = "a" and\n  tag like "x"', "line 2, column 7: 'like'", "did you mean 'contains'?"),
        ('tag startswith "x"', "column 5: 'startswith'", "did you mean 'starts with'?"),
        ("tag =", "column 6: the condition ends too early", "expected a text"),
        ('(tag = "x"', "column 11: the condition ends too early", "')'"),
        ('tag = "x")', "column 10: ')'", "expected"),
        ('tag = "abc', "column 7: the text that begins here has no end", 'close it with "'),
        (r'tag = "a\n"', "column 7: the text that begins here", "close it"),
        ("tag = 'abc'", "column 7: ' is no quotation mark", 'use "double quotes"'),
        ("tag = “abc”", "column 7: “ is no quotation mark", 'use "double quotes"'),
        ("tag = 5", "column 7: 'tag' is text", 'put quotes around it: "5"'),
        ('tag = ""', "column 7: the text is empty", "tag is not set"),
        ('tag = "a,b"', "column 7: 'a,b' is no tag", "without commas"),
        ('tag < "b"', "column 5: '<' does not go with 'tag'", "texts take"),
        ('list starts with "d"', "column 6: 'starts with' does not go with 'list'", "not in"),
        ('joined contains "x"', "column 8: 'contains' does not go with 'joined'", "before"),
        ('joined in ("2026-01-01")', "column 8: 'in' does not go with 'joined'", "before"),
        ("joined before 2026-02-30", "column 15: '2026-02-30' is no day", "2026-01-31"),
        ("joined before 0026-02-03", "column 15: 26 is no year", "correct it"),
        ("joined within 0 days", "column 15: '0 days' is no age", "whole number"),
        ("joined within 5 months", "column 17: 'months'", "hours, days or weeks"),
        ("tag within 5 days", "column 1: 'tag' is no date", "joined or created"),
        ("attribute.a contains 5", "column 22: 'contains' compares texts", 'quote it: "5"'),
        ('attribute.a < "5"', "column 13: '<' does not go", "leave out the quotes"),
        ('attribute.a in (1, "b")', "column 17: 'attribute.a' is text", 'quotes around it: "1"'),
        ("attribute.a = 12345678901234567", "column 15: this number is too long", "as a text"),
        ('attribute = "x"', "column 1: the attribute has no name", "attribute.topic"),
        ('domain = "a@b.example"', "column 10: 'a@b.example' is no domain", "without @"),
        ("list is set", "column 1: which list?", 'list = "weekly"'),
        ('"x" = tag', "column 1: '\"x\"'", "expected a field"),
        ('tag = "x" tag', "column 11: 'tag'", "'and', 'or' or the end"),
        ("", "the condition is empty", 'tag = "beta"'),
        ('tag = "\udcff"', "not UTF-8", "terminal"),
    ],
)
def test_a_wrong_condition_is_told_with_its_place_and_a_way_out(
    text: str, place: str, fix: str
) -> None:
    with pytest.raises(AudienceError) as caught:
        parse_condition(text)

    assert place in str(caught.value)
    assert fix in str(caught.value.fix)


def test_the_mark_stands_below_what_is_wrong_also_in_a_long_line() -> None:
    long = 'tag = "' + "x" * 60 + '" or zone = "b" or tag = "' + "y" * 60 + '"'

    with pytest.raises(AudienceError) as caught:
        parse_condition(long)

    _, line, mark = str(caught.value).split("\n")
    assert line[mark.index("^") :].startswith("zone")
    assert len(line) < 100


@pytest.mark.parametrize(
    "text",
    [
        "not " * (DEEPEST + 1) + 'tag = "a"',
        'tag = "a" or (tag = "a" and (' * 9 + 'tag = "a"' + "))" * 9,
        " or ".join(['tag = "a"'] * 201),
        "not " * 2_000 + 'tag = "a"',
        " " * LONGEST_CONDITION + 'tag = "a"',
    ],
)
def test_a_condition_has_bounds(text: str) -> None:
    with pytest.raises(AudienceError, match=r"nested deeper|more than 200|10000 go"):
        parse_condition(text)


def test_parentheses_alone_are_not_depth() -> None:
    assert parse_condition("(" * 2_000 + 'tag = "beta"' + ")" * 2_000) == BETA


LITERALS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip())
)
NUMBERS = st.decimals(-999_999, 999_999, places=3).filter(lambda n: len(str(n)) <= LONGEST_NUMBER)
ATTRIBUTES = st.from_regex(r"[a-z0-9_]*[a-z0-9][a-z0-9_]*", fullmatch=True).map(
    lambda name: Attribute(name.strip("_"))
)
ONE = (
    *(TextOperator.EQUAL, TextOperator.DIFFERENT, TextOperator.STARTS),
    *(TextOperator.ENDS, TextOperator.CONTAINS),
)
MANY = (TextOperator.AMONG, TextOperator.NOT_AMONG)
FREE_TEXT = ATTRIBUTES | st.sampled_from((TextField.NAME, TextField.TIMEZONE, TextField.LANGUAGE))


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, min_size=1, max_size=3).map(tuple)


LEAVES: st.SearchStrategy[Condition] = st.one_of(
    st.builds(TextTest, FREE_TEXT, st.sampled_from(ONE), st.tuples(LITERALS)),
    st.builds(TextTest, FREE_TEXT, st.sampled_from(MANY), several(LITERALS)),
    st.builds(
        TextTest,
        st.sampled_from((TextField.TAG, TextField.LIST, TextField.DOMAIN)),
        st.sampled_from(MANY),
        several(st.sampled_from(("beta", "long-reads", "example.org"))),
    ),
    st.builds(
        NumberTest,
        ATTRIBUTES,
        st.sampled_from(NumberOperator).filter(lambda o: o.value not in ("in", "not in")),
        st.tuples(NUMBERS),
    ),
    st.builds(
        Presence, ATTRIBUTES | st.sampled_from((TextField.TAG, TextField.NAME)), st.booleans()
    ),
    st.builds(
        DateTest,
        st.sampled_from(DateField),
        st.sampled_from(DateOperator),
        st.dates(date(1900, 1, 1), date(2999, 12, 31)),
    ),
    st.builds(
        AgeTest,
        st.sampled_from(DateField),
        st.sampled_from(AgeOperator),
        st.integers(1, 5_000),
        st.sampled_from(Unit),
    ),
)


def nested(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    some = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Every, some) | st.builds(Either, some) | st.builds(Not, parts)


@given(st.recursive(LEAVES, nested, max_leaves=12))
def test_a_condition_that_is_written_out_is_read_as_the_same(condition: Condition) -> None:
    assert parse_condition(str(condition)) == condition


@given(st.text(max_size=60) | st.text('tagnoritsw "=()\\0123456789-<>!,.\n', max_size=60))
def test_whatever_is_written_is_read_or_refused_in_our_words(text: str) -> None:
    try:
        condition = parse_condition(text)
    except AudienceError:
        return
    assert parse_condition(str(condition)) == condition
