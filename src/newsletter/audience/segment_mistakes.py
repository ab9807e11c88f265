"""Mistakes in the text of a condition: told with the line, a mark under the place, a way out."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from newsletter.audience.segment_model import TextField
from newsletter.errors import AudienceError

_WIDTH = 80
"""Of the piece of a long line that is shown."""

_OPERATORS = (
    *("=", "!=", "<", "<=", ">", ">=", "in", "not in", "starts with", "ends with", "contains"),
    *("before", "after", "on", "within", "over", "is set", "is not set"),
)
_FIELDS = (*(field.value for field in TextField), "joined", "created", "attribute.NAME")
_MEANT_FIELDS = {
    **dict.fromkeys(("zone", "tz", "time_zone"), "timezone"),
    **dict.fromkeys(("email", "address", "host", "provider"), "domain"),
    **dict.fromkeys(("lang", "locale"), "language"),
    **dict.fromkeys(("subscribed", "signup", "since", "confirmed"), "joined"),
    **dict.fromkeys(("attr", "attributes", "field"), "attribute.NAME"),
    **dict.fromkeys(("newsletter", "lists"), "list"),
}
_MEANT_OPERATORS = {
    **dict.fromkeys(("like", "has", "includes", "matches"), "contains"),
    **dict.fromkeys(("equals", "eq", "is"), "="),
    **dict.fromkeys(("starts", "startswith", "begins"), "starts with"),
    **dict.fromkeys(("ends", "endswith"), "ends with"),
    **dict.fromkeys(("exists",), "is set"),
    **dict.fromkeys(("older",), "over 90 days ago"),
    **dict.fromkeys(("last",), "within 30 days"),
}
_AMONG_WORDS = {
    "NAME": "a field",
    "STRING": 'a text in "double quotes"',
    "NUMBER": "a number",
    "DATE": "a date as 2026-01-31",
    "UNIT": "hours, days or weeks",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "a comma",
    "_AND": "'and'",
    "_OR": "'or'",
    "_NOT": "'not'",
    "IN": "'in'",
    "_SET": "'set'",
    "_AGO": "'ago'",
    "$END": "the end",
}


class Mistake(Exception):  # noqa: N818 - what it is; it never leaves the parser
    """What is wrong in a condition, and where: a position in its text, None for all of it."""

    def __init__(self, problem: str, fix: str | None = None, at: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.fix, self.at = problem, fix, at


def explain(text: str, mistake: Mistake) -> AudienceError:
    """Return the error of a mistake, with the line it is in and a mark below."""
    if mistake.at is None:
        return AudienceError(mistake.problem, fix=mistake.fix)
    before = text[: mistake.at]
    number = before.count("\n") + 1
    column = mistake.at - (before.rfind("\n") + 1)
    line = "".join(c if c.isprintable() else " " for c in (text + "\n").split("\n")[number - 1])
    start = max(0, column - _WIDTH // 2) if len(line) > _WIDTH else 0
    shown, mark = line[start : start + _WIDTH], " " * (column - start) + "^"
    return AudienceError(
        f"line {number}, column {column + 1}: {mistake.problem}\n    {shown}\n    {mark}",
        fix=mistake.fix,
    )


def unknown_field(word: str, at: int) -> Mistake:
    """Return the mistake of a field that there is not, with the nearest that there is."""
    base = word.lower().partition(".")[0]
    meant = _MEANT_FIELDS.get(base) or nearest(base, _FIELDS)
    fix = f"did you mean {meant}?" if meant else f"fields are {', '.join(_FIELDS)}"
    return Mistake(f"there is no field '{word}'", fix, at)


def meant_operator(word: str) -> str | None:
    """Return the hint for a word that stands where an operator should."""
    meant = _MEANT_OPERATORS.get(word.lower()) or nearest(word.lower(), _OPERATORS)
    return f"did you mean '{meant}'?" if meant else None


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return what somebody may have meant, if anything is near."""
    return next(iter(difflib.get_close_matches(word, known, n=1)), None)


def expected_words(terminals: Collection[str]) -> str:
    """Say what may stand in a place, from the names of the grammar."""
    if "COMPARE" in terminals:
        return f"an operator: {', '.join(_OPERATORS)}"
    words = [said for name, said in _AMONG_WORDS.items() if name in terminals]
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)
