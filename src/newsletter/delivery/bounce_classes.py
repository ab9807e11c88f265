"""Looks a refusal up in the table of bounce classes: does it speak of the person, or of us (D3)?

It serves SMTP replies and bounce mail alike. The rows are in `bounce_rules`, an operator's own
come from the settings, and what follows from a class is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from newsletter.delivery.bounce_rules import (
    STATUS_RULES,
    TEMPORARY,
    BounceClass,
    Cause,
    StatusRule,
)
from newsletter.delivery.bounce_texts import LONGEST_TEXT, plain, without_names
from newsletter.delivery.bounce_words import (
    TEXT_RULES,
    UNKNOWN,
    TextRule,
    first_rule,
    spoken_rules,
)
from newsletter.settings.feedback_parts import ClassRulePart

__all__ = [
    "BUILT_IN",
    "LONGEST_TEXT",
    "NOBODY_THERE",
    "STATUS_RULES",
    "TEMPORARY",
    "TEXT_RULES",
    "UNKNOWN",
    "BounceClass",
    "BounceTable",
    "Cause",
    "Decision",
    "StatusRule",
    "TextRule",
    "bounce_class",
    "bounce_table",
    "causes_in",
    "spoken_rule",
    "status_in",
    "status_is_vague",
]

_STATUS = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)", re.ASCII)
_STATUS_IN_TEXT = re.compile(
    r"(?:^\s*|\b[45]\d\d[ -]+#?|#)([45]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII
)
_TEMPORARY = range(420, 500)
"""Replies of SMTP that mean later; the statuses of HTTP below speak of a call, not of a person."""
NOBODY_THERE = frozenset(
    {Cause.USER_UNKNOWN, Cause.HOST_UNKNOWN, Cause.MOVED, Cause.DISABLED},
)
"""The causes of a hard class."""
_NO_MAIL_HERE = 556
"""The reply for a domain that takes no mail (RFC 7504 §4), whatever its words."""

_Parts = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a refusal means, and the row of the table that says so."""

    becomes: BounceClass
    rule: StatusRule | TextRule


@dataclass(frozen=True, slots=True)
class BounceTable:
    """The table in force: an operator's own rows (`rules`) before the built-in ones.

    An own row fits where its status does, given or found in the text, and where its words do, which
    are searched for in the text's first `LONGEST_TEXT` characters, in lower case, with one space
    between words. `*.*.*` also fits a refusal without a status, `5.*.*` one whose reply is 5xx. A
    temporary refusal has no status of class 5. An own row may make anything of anything, also
    of 4.x.x. A pattern that takes exponentially long is its author's: the length alone is bounded.
    """

    rules: tuple[StatusRule, ...] = ()

    def classify(self, status: str | None, code: int | None, text: str) -> BounceClass:
        """Return what a refusal means, by its RFC 3463 status and its words, else `SOFT`.

        `status` like `5.1.1`, `code` the SMTP reply or HTTP status, `text` the other side's words.
        A status in the text is the other side's own: it goes before one that is given. Words count
        where the status is generic, and where they are milder than it: about us, a rate, a quota, a
        policy or what passes. What is temporary (4.x.x, or a reply of 420 to 499) becomes hard by
        an own row only: else it is soft, or blocked where a 4.7.x or a vague status comes with
        words of reputation or policy. What nobody can tell is soft: it counts, no more.
        """
        return self.decide(status, code, text).becomes

    def decide(self, status: str | None, code: int | None, text: str) -> Decision:
        """Do what `classify` does, and name the row that decided."""
        return self.own(status, code, text) or _built_in(status, code, text)

    def own(self, status: str | None, code: int | None, text: str) -> Decision | None:
        """Return what an own row makes of a refusal; None where none fits."""
        if not self.rules:
            return None
        text = plain(text)
        statuses = _every_status(status, code, text)
        for rule in self.rules:
            if any(_fits(rule, parts, text) for parts in statuses):
                return Decision(rule.becomes, rule)
        return None

    def tells(self, text: str) -> bool:
        """Return whether known words of a text name a cause, and are not too common to tell it."""
        own = plain(text)
        if any(rule.words and _finds(rule, own) for rule in self.rules):
            return True
        row = spoken_rule(text)
        return row is not None and not row.loose

    def rows(self) -> tuple[StatusRule | TextRule, ...]:
        """Return all rows in the order in which they are asked."""
        return (*self.rules, TEMPORARY, *STATUS_RULES, *TEXT_RULES, UNKNOWN)


BUILT_IN = BounceTable()
"""The table without rows of an operator."""


def bounce_table(rules: Iterable[ClassRulePart]) -> BounceTable:
    """Build the table that `[[feedback.rules]]` asks for; its rows keep their order."""
    return BounceTable(
        tuple(
            StatusRule(_normal(rule.status), BounceClass(rule.becomes), "", words=rule.words)
            for rule in rules
        )
    )


def _normal(status: str) -> str:
    return ".".join(part if part == "*" else str(int(part)) for part in status.split("."))


def bounce_class(status: str | None, code: int | None, text: str) -> BounceClass:
    """Return what a refusal means by the built-in table; see `BounceTable.classify`."""
    return BUILT_IN.classify(status, code, text)


def spoken_rule(text: str) -> TextRule | None:
    """Return the row of the built-in table whose words count in a text; None where none does."""
    return first_rule(without_names(text))


def causes_in(text: str) -> frozenset[Cause]:
    """Return every cause that known words of a text name, however loosely."""
    return frozenset(rule.cause for rule in spoken_rules(without_names(text)))


def status_in(text: str) -> str | None:
    """Return the first exact status that a reply in a text gives, None where none does."""
    found = _STATUS_IN_TEXT.findall(text[:LONGEST_TEXT])
    return next((one for one in found if not status_is_vague(one)), None)


def status_is_vague(status: str | None) -> bool:
    """Return whether a status leaves the verdict to the words: none at all, or a generic one."""
    parts = _parts(status)
    if parts is None:
        return True
    if parts[0] == "4":
        return parts[1:] == ("0", "0")
    return next((rule.vague for rule in STATUS_RULES if _fits(rule, parts, "")), True)


def _built_in(status: str | None, code: int | None, text: str) -> Decision:
    parts, words = _exact(status, text), plain(text)
    spoken = first_rule(without_names(text))
    if code in _TEMPORARY or (parts is not None and parts[0] == "4"):
        about_us = parts is None or parts[0] == "5" or parts[1] in ("0", "7")
        blocked = about_us and spoken is not None and spoken.becomes is BounceClass.BLOCKED
        return _decision(spoken if spoken is not None and blocked else TEMPORARY)
    if code == _NO_MAIL_HERE and (parts is None or status_is_vague(".".join(parts))):
        parts = ("5", "1", "10")
    if parts is None:
        return _decision(spoken or UNKNOWN)
    for rule in STATUS_RULES:
        if _fits(rule, parts, words):
            goes_by_words = spoken is not None and _gives_way(rule, spoken)
            return _decision(spoken if spoken is not None and goes_by_words else rule)
    return _decision(UNKNOWN)


def _gives_way(rule: StatusRule, spoken: TextRule) -> bool:
    """Return whether words count more than a status (RFC 3463)."""
    if rule.words:
        return False
    if rule.vague:
        return True
    if rule.becomes is BounceClass.HARD:
        return spoken.becomes is not BounceClass.HARD and not spoken.loose
    return rule.open and spoken.cause is Cause.USER_UNKNOWN


def _decision(rule: StatusRule | TextRule) -> Decision:
    return Decision(rule.becomes, rule)


def _parts(status: str | None) -> _Parts | None:
    match = _STATUS.match(status or "")
    if match is None:
        return None
    return match[1], str(int(match[2])), str(int(match[3]))


def _exact(status: str | None, text: str) -> _Parts | None:
    """Return the status to go by.

    A reply in the text gives the other side's own. It goes before one that is generic, and before
    one by which nobody is there: the host that reports made up many of those.
    """
    parts, own = _parts(status), _parts(status_in(text))
    if own is not None and (status_is_vague(status) or _class_of(parts) is BounceClass.HARD):
        return own
    if parts is None or parts[1:] == ("0", "0"):
        match = _STATUS_IN_TEXT.search(text[:LONGEST_TEXT])
        return (_parts(match[1]) if match else None) or parts
    return parts


def _class_of(parts: _Parts | None) -> BounceClass | None:
    return next((r.becomes for r in STATUS_RULES if parts and _fits(r, parts, "")), None)


def _every_status(status: str | None, code: int | None, text: str) -> tuple[_Parts, ...]:
    """Return what an own row may fit: the status given, the exact one, else the reply's class."""
    known = [parts for parts in (_parts(status), _exact(status, text)) if parts is not None]
    if code in _TEMPORARY:
        known = [("4", subject, detail) for _, subject, detail in known]
    if known:
        return tuple(dict.fromkeys(known))
    number = "4" if code in _TEMPORARY else "5" if code in range(500, 600) else ""
    return ((number, "", ""),)


def _fits(rule: StatusRule, parts: _Parts, text: str) -> bool:
    wanted = zip(rule.status.split("."), parts, strict=True)
    return all(number in ("*", part) for number, part in wanted) and (
        not rule.words or _finds(rule, text)
    )


def _finds(rule: StatusRule, text: str) -> bool:
    return re.search(rule.words, text, re.IGNORECASE) is not None
