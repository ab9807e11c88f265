"""Reads the text of a condition into its model, and says where and how a wrong one is wrong.

What fields and values mean is in `segment_literals`; no text of it reaches the database as SQL
(E11).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from newsletter.audience.segment_literals import (
    Field,
    read_age,
    read_date,
    read_field,
    read_number,
    read_text,
)
from newsletter.audience.segment_mistakes import Mistake, expected_words, explain, meant_operator
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
    Test,
    TextField,
    TextOperator,
    TextTest,
    tests_of,
)

LONGEST_CONDITION = 10_000
"""Characters."""
DEEPEST = 16
"""How many of `and`, `or` and `not` may stand within each other: SQLite's own parser, in builds
until 2024, holds 100 open symbols, and each of ours makes a few."""
MOST_TESTS = 200
"""Comparisons of one condition: each is a look into the database for each subscriber."""

GRAMMAR = r"""
?start: either
?either: both (_OR both)*
?both: plain (_AND plain)*
?plain: _NOT plain -> negation
    | "(" either ")"
    | field COMPARE value                 -> compare
    | field WORDS value                   -> compare
    | field WHEN value                    -> compare
    | field IN values                     -> among
    | field _NOT IN values                -> not_among
    | field _IS _SET                      -> is_set
    | field _IS _NOT _SET                 -> is_not_set
    | field WITHIN NUMBER UNIT            -> age
    | field OVER NUMBER UNIT _AGO         -> age

field: NAME STRING?
?value: STRING | NUMBER | DATE
values: "(" value ("," value)* ")"

_AND.2: /and\b/i
_OR.2: /or\b/i
_NOT.2: /not\b/i
_IS.2: /is\b/i
_SET.2: /set\b/i
_AGO.2: /ago\b/i
IN.2: /in\b/i
WITHIN.2: /within\b/i
OVER.2: /over\b/i
WORDS.2: /(starts\s+with|ends\s+with|contains)\b/i
WHEN.2: /(before|after|on)\b/i
UNIT.2: /(hour|day|week)s?\b/i
COMPARE: /!=|<=|>=|=|<|>/
NAME: /[^\W\d]\w*(\.\w+)?/
DATE.3: /[0-9]{4}-[0-9]{2}-[0-9]{2}\b/
NUMBER.1: /[+-]?[0-9]+(\.[0-9]+)?/
STRING: /"(?:[^"\\\x00-\x1f\x7f]|\\["\\])*"/
%ignore /\s+/
"""

_DATE_OPERATORS = {
    **{operator.value: operator for operator in DateOperator},
    "<": DateOperator.BEFORE,
    ">": DateOperator.AFTER,
    "=": DateOperator.ON,
}
_TEXT_OPERATORS = frozenset(operator.value for operator in TextOperator)
_NUMBER_OPERATORS = frozenset(operator.value for operator in NumberOperator)
_WHOLE = ("=", "!=", "in", "not in")
_OPENING = "'`“”„‘’«»"


def parse_condition(text: str) -> Condition:
    """Read a condition; `parse_condition(str(condition))` is the condition again.

    Raises `AudienceError` that shows the line with a mark under what is wrong.
    """
    try:
        _refuse_unreadable(text)
        # The transformer makes conditions of the tree that the library's type promises.
        condition = cast("Condition", _parser().parse(text))
        if sum(1 for _ in tests_of(condition)) > MOST_TESTS:
            problem = f"the condition has more than {MOST_TESTS} comparisons"
            raise Mistake(problem, 'use in ("…", "…"), or a tag')
    except Mistake as mistake:
        raise explain(text, mistake) from None
    except UnexpectedInput as unexpected:
        raise explain(text, _mistake(text, unexpected)) from None
    return condition


def _refuse_unreadable(text: str) -> None:
    if not text.strip():
        raise Mistake("the condition is empty", 'write one: tag = "beta"')
    if len(text) > LONGEST_CONDITION:
        problem = f"the condition has {len(text)} characters; {LONGEST_CONDITION} go"
        raise Mistake(problem, "put a tag on those you mean")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Mistake("the condition is not UTF-8", "correct the encoding of the terminal")


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", transformer=_Reader(), maybe_placeholders=False)


def _mistake(text: str, unexpected: UnexpectedInput) -> Mistake:
    if isinstance(unexpected, UnexpectedToken):
        token: Token = unexpected.token
        rest = f"expected {expected_words(unexpected.accepts or unexpected.expected)}"
        if token.type == "$END":
            return Mistake("the condition ends too early", rest, len(text.rstrip()))
        fix = meant_operator(token) if "COMPARE" in unexpected.expected else None
        return Mistake(f"'{token[:40]}' is not understood here", fix or rest, token.start_pos)
    at = unexpected.pos_in_stream or 0
    if text[at] == '"':
        return Mistake(
            "the text that begins here has no end, or holds a control or a lone backslash",
            r'close it with ", and write \" and \\ for quotes and backslashes',
            at,
        )
    if text[at] in _OPENING:
        return Mistake(f"{text[at]} is no quotation mark here", 'use "double quotes"', at)
    allowed = unexpected.allowed if isinstance(unexpected, UnexpectedCharacters) else None
    shown = f"'{text[at]}'" if text[at].isprintable() else "a control character"
    expected = f"expected {expected_words(allowed)}" if allowed else None
    return Mistake(f"{shown} is not understood here", expected, at)


@dataclass(frozen=True, slots=True)
class _Named:
    """A field with its place in the text."""

    field: Field
    at: int


@v_args(inline=True)
class _Reader(Transformer[Token, Condition]):
    """Makes the model while the parser reads, so that nothing recurses as deep as the text."""

    def field(self, word: Token, name: Token | None = None) -> _Named:
        return _Named(read_field(word, name), word.start_pos or 0)

    def values(self, *tokens: Token) -> tuple[Token, ...]:
        return tokens

    def either(self, *parts: Condition) -> Condition:
        return _bounded(Either(parts))

    def both(self, *parts: Condition) -> Condition:
        return _bounded(Every(parts))

    def negation(self, part: Condition) -> Condition:
        return _bounded(Not(part))

    def compare(self, named: _Named, operator: Token, value: Token) -> Test:
        if isinstance(named.field, DateField):
            return _date_test(named.field, operator, value)
        return _test(named.field, operator, " ".join(operator.lower().split()), (value,))

    def among(self, named: _Named, word: Token, values: tuple[Token, ...]) -> Test:
        return _test(_no_date(named, word), word, "in", values)

    def not_among(self, named: _Named, word: Token, values: tuple[Token, ...]) -> Test:
        return _test(_no_date(named, word), word, "not in", values)

    def is_set(self, named: _Named) -> Test:
        return _presence(named, there=True)

    def is_not_set(self, named: _Named) -> Test:
        return _presence(named, there=False)

    def age(self, named: _Named, operator: Token, amount: Token, unit: Token) -> Test:
        if not isinstance(named.field, DateField):
            raise Mistake(f"'{named.field}' is no date", "use joined or created", named.at)
        return AgeTest(named.field, AgeOperator(operator.lower()), *read_age(amount, unit))


def _bounded(condition: Condition) -> Condition:
    if _depth(condition) > DEEPEST:
        raise Mistake(f"the condition is nested deeper than {DEEPEST}", "say it more simply")
    return condition


def _depth(condition: Condition) -> int:
    if isinstance(condition, Every | Either):
        return 1 + max(map(_depth, condition.parts))
    return 1 + _depth(condition.part) if isinstance(condition, Not) else 0


def _presence(named: _Named, *, there: bool) -> Test:
    if isinstance(named.field, DateField) or named.field is TextField.LIST:
        problem = f"'{named.field}' is always set" if named.field != "list" else "which list?"
        raise Mistake(problem, 'compare it: list = "weekly", joined within 30 days', named.at)
    return Presence(named.field, there)


def _date_test(field: DateField, operator: Token, value: Token) -> Test:
    if operator.lower() not in _DATE_OPERATORS:
        raise _misfit(field, operator)
    return DateTest(field, _DATE_OPERATORS[operator.lower()], read_date(value))


def _no_date(named: _Named, word: Token) -> TextField | Attribute:
    if isinstance(named.field, DateField):
        raise _misfit(named.field, word)
    return named.field


def _test(
    field: TextField | Attribute, place: Token, operator: str, values: tuple[Token, ...]
) -> Test:
    if isinstance(field, Attribute) and all(value.type == "NUMBER" for value in values):
        if operator not in _NUMBER_OPERATORS:
            raise Mistake(
                f"'{operator}' compares texts", f'quote it: "{values[0]}"', values[0].start_pos
            )
        numbers = tuple(read_number(value) for value in values)
        return NumberTest(field, NumberOperator(operator), numbers)
    if operator not in (_WHOLE if field is TextField.LIST else _TEXT_OPERATORS):
        raise _misfit(field, place)
    chosen = TextOperator(operator)
    return TextTest(field, chosen, tuple(read_text(field, chosen, value) for value in values))


def _misfit(field: Field, operator: Token) -> Mistake:
    if isinstance(field, DateField):
        fix = "use before, after, on, within 30 days, over 90 days ago"
    elif field is TextField.LIST:
        fix = "use =, !=, in, not in"
    else:
        fix = "texts take =, !=, in, not in, starts with, ends with, contains"
        if isinstance(field, Attribute):
            fix += "; for numbers leave out the quotes"
    problem = f"'{operator}' does not go with '{field}'"
    return Mistake(problem, fix, operator.start_pos)
