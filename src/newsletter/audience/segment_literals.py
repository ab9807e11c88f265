"""What the fields and values of a condition mean: each is checked and brought into its one form.

A tag becomes as tags are stored, a domain an A-label, so that equal conditions are equal values.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal

import idna
from lark import Token

from newsletter.audience.eligibility import field_name
from newsletter.audience.segment_mistakes import Mistake, unknown_field
from newsletter.audience.segment_model import (
    LONGEST_NUMBER,
    Attribute,
    DateField,
    TextField,
    TextOperator,
    Unit,
)
from newsletter.audience.tags import tag_name
from newsletter.errors import AudienceError

LONGEST_AGE = 36_500
"""Days."""

Field = TextField | DateField | Attribute
_FIELDS: dict[str, TextField | DateField] = {
    field.value: field for field in (*TextField, *DateField)
}
_WHOLE = (
    *(TextOperator.EQUAL, TextOperator.DIFFERENT),
    *(TextOperator.AMONG, TextOperator.NOT_AMONG),
)


def read_field(word: Token, name: Token | None) -> Field:
    """Return the field of a word, such as `tag`, `attribute.topic` or `attribute "Topic"`."""
    base, dot, rest = word.partition(".")
    if base.lower() == "attribute":
        if dot and name is not None:
            raise Mistake("the attribute is named twice", "leave one name out", name.start_pos)
        attribute = field_name(rest if name is None else unquoted(name))
        if not attribute:
            raise Mistake(
                "the attribute has no name", 'write attribute.topic = "x"', word.start_pos
            )
        return Attribute(attribute)
    if name is not None:
        fix = "an operator should stand between"
        raise Mistake("a text follows the field at once", fix, name.start_pos)
    if word.lower() not in _FIELDS:
        raise unknown_field(str(word), word.start_pos or 0)
    return _FIELDS[word.lower()]


def read_text(field: TextField | Attribute, operator: TextOperator, token: Token) -> str:
    """Return a text in the form that the field is compared in."""
    if token.type != "STRING":
        raise Mistake(f"'{field}' is text", f'put quotes around it: "{token}"', token.start_pos)
    text = unquoted(token)
    if not text.strip():
        fix = f"use '{field} is set' or '{field} is not set'"
        raise Mistake("the text is empty", fix, token.start_pos)
    if field is TextField.TAG:
        return _tag(text, token, whole=operator in _WHOLE)
    if field is TextField.DOMAIN:
        return _domain(text, token, whole=operator in _WHOLE or operator is TextOperator.ENDS)
    return text


def read_number(token: Token) -> Decimal:
    """Return a number of at most 16 characters."""
    if len(token) > LONGEST_NUMBER:
        raise Mistake(
            "this number is too long",
            f'{LONGEST_NUMBER} characters go; compare it as a text: "{token[:20]}"',
            token.start_pos,
        )
    return Decimal(str(token))


def read_date(token: Token) -> date:
    """Return a day that was written with or without quotes."""
    text = unquoted(token) if token.type == "STRING" else str(token)
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise Mistake(f"'{text}' is no day", "write it as 2026-01-31", token.start_pos) from None
    if not 1900 <= day.year < 3000:
        raise Mistake(f"{day.year} is no year of a newsletter", "correct it", token.start_pos)
    return day


def read_age(amount: Token, unit: Token) -> tuple[int, Unit]:
    """Return an age such as `30 days`."""
    kind = Unit(unit.lower().rstrip("s") + "s")
    days = {Unit.HOURS: 1 / 24, Unit.DAYS: 1, Unit.WEEKS: 7}[kind]
    if not amount.isdigit() or not 0 < int(amount) * days <= LONGEST_AGE:
        fix = f"use a whole number, up to {LONGEST_AGE} days"
        raise Mistake(f"'{amount} {unit}' is no age", fix, amount.start_pos)
    return int(amount), kind


def unquoted(token: Token) -> str:
    """Return the text that a quoted token stands for."""
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _tag(text: str, token: Token, *, whole: bool) -> str:
    if not whole:
        return unicodedata.normalize("NFC", text).lower()
    try:
        return tag_name(text)
    except AudienceError as error:
        raise Mistake(error.problem, error.fix, token.start_pos) from None


def _domain(text: str, token: Token, *, whole: bool) -> str:
    domain = unicodedata.normalize("NFC", text).strip().lower()
    domain = domain.removeprefix("@") if whole else domain
    try:
        if not domain or "@" in domain:
            raise ValueError
        if not domain.isascii():
            if not whole:
                raise ValueError
            labels = domain.split(".")
            domain = ".".join(part if part.isascii() else _a_label(part) for part in labels)
    except ValueError:
        problem = f"'{text[:80]}' is no domain, or no part of one"
        raise Mistake(problem, "write it as example.org, without @", token.start_pos) from None
    return domain


def _a_label(label: str) -> str:
    # Raises IDNAError, a ValueError, for what cannot be part of a domain.
    return idna.encode(label, uts46=True).decode("ascii")
