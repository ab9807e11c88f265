"""Reads what a file says of whether somebody may be mailed, by the table in `status_words`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from newsletter.audience.headings import plain_words
from newsletter.audience.status_words import (
    COLUMNS,
    EMPTY,
    HARMLESS,
    KEEPS_AWAY,
    MAY_BE_MAILED,
    NO,
    SAYS_NOTHING,
    YES,
    Away,
    Kind,
    StatusColumn,
    by_heading,
)

_BY_HEADING = by_heading(COLUMNS)
ANY_STATUS = StatusColumn((), Kind.YES, Away.UNSUBSCRIBED)
"""A column that the operator mapped to `status`: words of the table, or yes and no."""

# Words of a heading that change nothing: `Is the email of this user confirmed`.
_FILLERS = frozenset(
    {"is", "has", "have", "was", "did", "the", "this", "of", "from", "to", "for", "all", "our"}
    | {"email", "emails", "e", "mail", "mails", "user", "users", "subscriber", "subscribers"}
    | {
        "contact",
        "member",
        "mailing",
        "account",
        "address",
        "newsletter",
        "newsletters",
        "marketing",
    }
    | {"subscription", "list", "any", "by", "via", "currently"}
)
_SUSPECT = re.compile(
    r"subscri|\bunsub|\bopt(ed)? ?(in|out)|bounc|blo?ck ?list|black ?list|suppress|complain"
    r"|\bspam\b|\bstatus\b|consent|permission|undeliver|\bdo not\b|\bdnc\b|inactiv|deactiv"
    r"|disabled|blocked|banned"
)
_POSITIVE = re.compile(r"consent|permission|\bopt(ed)? ?in|(?<!un)subscri(?!.*\b(off|end))|status")
_OF_OTHER_THINGS = re.compile(
    r"\b(ip|source|count|score|number|ids?|uuid|urls?|links?|page|form|method|plan|price|tier|rate|name"
    r"|sms|phone|whatsapp|push|fax|order|payment|billing|job|marital|shipping|delivery)\b"
    r"|^(date )?(subscri\w*|opt(ed)? ?in|confirm\w*)( (at|date|time|on|timestamp|day))?$"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*|\d{10}(\d{3})?")
_PARTS = re.compile(r"[,;|]")
SHOWN = 40


class Outcome(Enum):
    """What one cell says, the strictest last."""

    NOTHING = 0
    COMES = 1
    NEUTRAL = 2
    """A word that another column must complete."""
    UNKNOWN = 3
    STAYS = 4


class Saying(NamedTuple):
    """What a cell says, and why somebody stays away by it."""

    outcome: Outcome
    away: Away = Away.UNKNOWN


_NOTHING, _COMES = Saying(Outcome.NOTHING), Saying(Outcome.COMES)
_UNKNOWN = Saying(Outcome.UNKNOWN)


def status_column(heading: str) -> StatusColumn | None:
    """Return what a heading says of being mailed by the table; None for any other."""
    words = plain_words(heading)
    if words in HARMLESS:
        return None
    if (found := _BY_HEADING.get(words)) is not None:
        return found
    bare = " ".join(word for word in words.split() if word not in _FILLERS)
    return None if bare in HARMLESS else _BY_HEADING.get(bare)


def may_be_status(heading: str) -> bool:
    """Return whether a heading that the table does not know sounds as if it belonged there."""
    words = plain_words(heading)
    bare = " ".join(word for word in words.split() if word not in _FILLERS)
    if words in HARMLESS or bare in HARMLESS or _OF_OTHER_THINGS.search(words):
        return False
    return _SUSPECT.search(words) is not None


def unsure_column(heading: str) -> StatusColumn:
    """Return how a column is read of which only `may_be_status` speaks: a plain no counts."""
    positive = _POSITIVE.search(plain_words(heading)) is not None
    against, away = (NO, Away.UNSUBSCRIBED) if positive else (YES, Away.BLOCKED)
    return StatusColumn((), Kind.PERHAPS, away, words=dict.fromkeys(sorted(against), away))


def says(column: StatusColumn, cell: str) -> Saying:
    """Return what a cell of a column says."""
    raw = cell.strip().lower()
    word = plain_words(cell)
    if column.words:
        for part in _PARTS.split(cell):
            if plain_words(part) in column.words:
                own = column.words[plain_words(part)]
                return _COMES if own is None else Saying(Outcome.STAYS, own)
    match column.kind:
        case Kind.WORDS:
            return _UNKNOWN if raw in EMPTY else _by_word(word)
        case Kind.PERHAPS:
            away = KEEPS_AWAY.get(word) if not word.isdecimal() else None
            return _NOTHING if away is None else Saying(Outcome.STAYS, away)
        case Kind.YES | Kind.SINCE:
            return _positive(column, raw, word)
        case Kind.NO:
            return _negative(column, raw, word)
        case Kind.WHEN:
            nothing = raw in EMPTY or word in NO
            return _NOTHING if nothing else Saying(Outcome.STAYS, column.away)


def _positive(column: StatusColumn, raw: str, word: str) -> Saying:
    if raw in EMPTY:
        since = column.kind is Kind.SINCE
        return Saying(Outcome.STAYS, column.away) if since else _UNKNOWN
    if word in NO:
        return Saying(Outcome.STAYS, column.away)
    if word in YES or _DATE.fullmatch(raw):
        return _COMES
    return _UNKNOWN if word.isdecimal() else _by_word(word)


def _negative(column: StatusColumn, raw: str, word: str) -> Saying:
    if raw in EMPTY:
        return _NOTHING
    if word in NO or word == "subscribed" or (word.isdecimal() and int(word) == 0):
        return _COMES
    if word in YES or word.isdecimal() or _DATE.fullmatch(raw):
        return Saying(Outcome.STAYS, column.away)
    away = KEEPS_AWAY.get(word)
    return _UNKNOWN if away is None else Saying(Outcome.STAYS, away)


def _by_word(word: str) -> Saying:
    if word in MAY_BE_MAILED:
        return _COMES
    if (away := KEEPS_AWAY.get(word)) is not None:
        return Saying(Outcome.STAYS, away)
    return Saying(Outcome.NEUTRAL) if word in SAYS_NOTHING else _UNKNOWN


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether somebody comes by what a file says: `away` and `words` say why not, else None."""

    outcome: Outcome
    away: Away | None = None
    words: str | None = None
    title: str = ""
    cell: str = ""
    """The column and the cell that decided."""
    aways: frozenset[Away] = frozenset()
    """All that columns say of why they stay away."""


class StatusReader:
    """Reads the columns of one file that say whether somebody may be mailed; the strictest counts.

    `columns`: where each stands, its title, and what it is.
    """

    def __init__(self, columns: Iterable[tuple[int, str, StatusColumn]]) -> None:
        self.columns = tuple(columns)
        self._known: dict[tuple[str, ...], Verdict] = {}

    def of(self, cells: Sequence[str]) -> Verdict:
        """Return what a row says; what it said before is remembered."""
        told = tuple(cells[at] for at, _, _ in self.columns)
        if (verdict := self._known.get(told)) is None:
            verdict = self._judge(told)
            if len(self._known) < 10_000:
                self._known[told] = verdict
        return verdict

    def _judge(self, told: Sequence[str]) -> Verdict:
        strictest, decided, comes = Saying(Outcome.NOTHING), -1, False
        aways = set()
        for number, cell in enumerate(told):
            saying = says(self.columns[number][2], cell)
            comes = comes or saying.outcome is Outcome.COMES
            if saying.outcome is Outcome.STAYS:
                aways.add(saying.away)
            if saying.outcome.value > strictest.outcome.value:
                strictest, decided = saying, number
        outcome = strictest.outcome
        if outcome in (Outcome.NOTHING, Outcome.COMES) or (outcome is Outcome.NEUTRAL and comes):
            return Verdict(Outcome.COMES if comes else Outcome.NOTHING)
        title, cell = self.columns[decided][1], shown(told[decided])
        if outcome is not Outcome.STAYS:
            words = _not_known(title, cell, self.columns[decided][2].kind)
            return Verdict(Outcome.UNKNOWN, Away.UNKNOWN, words, title, cell)
        words = f"column '{title}' says '{cell}'" if cell else f"column '{title}' is empty"
        return Verdict(outcome, strictest.away, words, title, cell, frozenset(aways))


def shown(cell: str) -> str:
    """Return a cell as messages show it: short, and without an address."""
    short = cell.strip()[:SHOWN]
    return "…" if "@" in short else short


def _not_known(title: str, cell: str, kind: Kind) -> str:
    told = f"says '{cell}', which is not known" if cell else "is empty"
    right = "'active' or 'unsubscribed'" if kind is Kind.WORDS else "'yes' or 'no'"
    return f"column '{title}' {told}: write {right} there"
