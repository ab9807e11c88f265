"""One row of a file of suppressions: which address, since when, and why by all that the row says.

A row that is not understood suppresses all the same, as `manual` and with its words as the note:
to leave it out would let mail go to somebody who must not get it. Only what is said to pass, or to
be no suppression, is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from newsletter.audience.address import AddressRefused, parse_address
from newsletter.audience.csv_reading import CsvFile, RawRow
from newsletter.audience.foreign_dates import instants_in, the_later
from newsletter.audience.headings import plain_words
from newsletter.audience.import_rows import Oddities, Refusal
from newsletter.audience.keys import Keys
from newsletter.audience.spreadsheets import unprotected
from newsletter.audience.status_columns import Outcome, StatusReader
from newsletter.audience.status_words import Kind
from newsletter.audience.suppression_words import (
    OF_STATUS,
    REASONS,
    STRENGTH,
    WORDS,
    Meaning,
    Reply,
    ReplyReader,
    meaning_of_name,
)
from newsletter.audience.suppressions import SuppressionReason

LONGEST_NOTE = 500
_KEY = re.compile(r"[0-9a-f]{64}")
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\s*", re.ASCII)
_CODE = re.compile(r"\s*([245]\d\d)(?!\d)", re.ASCII)
_ADDRESS = re.compile(r"[^\s<>\"'(),;:\[\]]+@[^\s<>\"'(),;:\[\]]+")
_CLOCK_SLACK = timedelta(days=1)
_FIELDS = ("email", "key", "reason", "type", "source", "code", "reply", "at", "note")
_OF_BOUNCES = (Meaning.BOUNCE, Meaning.HARD_BOUNCE)


class Suppressed(NamedTuple):
    """A row of a file, read."""

    key: str
    reason: str
    note: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class _Judged:
    """Why a row suppresses; `text` is what was said in words of their own."""

    reason: SuppressionReason
    text: str = ""


class _LeftOut(Exception):  # noqa: N818 - no error: the row is no suppression
    """A row that suppresses nobody, or cannot be read; never leaves this module."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code, self.problem = code, problem


class SuppressionReader:
    """Reads the rows of one file, and counts those it does not take: wrong ones and others.

    `default` is the reason where a row has none, or one that passes. `reply` reads servers'
    answers.
    """

    def __init__(
        self,
        file: CsvFile,
        keys: Keys,
        now: datetime,
        refuse: Callable[[Refusal], None],
        *,
        reply: ReplyReader,
        default: SuppressionReason | None,
    ) -> None:
        self._keys, self._now, self._refuse = keys, now, refuse
        self._reply, self._default = reply, default
        self._at = {name: file.position(name) for name in _FIELDS}
        self._statuses = StatusReader(file.statuses())
        self._moments = [at for at, _, column in file.statuses() if column.kind is Kind.WHEN]
        self._by_name = meaning_of_name(plain_words(file.path.stem))
        as_note = "suppressed as 'manual', with the words as note"
        self._unknown = Oddities("unknown reason", as_note)
        self._no_dates = Oddities("no date", "taken as now")
        self._two_dates = Oddities("day and month could change places in", "taken as the later")
        self._unsettled = 0
        self.refused = 0
        self.left_out: Counter[str] = Counter()

    def read(self, rows: Iterable[RawRow]) -> Iterator[Suppressed]:
        """Read each row, or tell why not."""
        for raw in rows:
            try:
                if raw.problem:
                    raise _LeftOut(raw.code, raw.problem)
                yield self._suppressed(raw.cells)
            except (_LeftOut, AddressRefused) as refused:
                if refused.code in ("passing", "mailable"):
                    self.left_out[refused.code] += 1
                else:
                    self.refused += 1
                self._refuse(Refusal(raw.row, refused.code, refused.problem, tuple(raw.cells)))

    def warnings(self) -> list[str]:
        """Return what was odd."""
        kinds = (self._unknown, self._no_dates, self._two_dates)
        told = [warning for kind in kinds for warning in kind.warnings()]
        if self._unsettled:
            told.append(
                f"{self._unsettled} rows have a server's answer that does not say that the address "
                "is gone; suppressed as 'manual', with the answer as note"
            )
        return told

    def _suppressed(self, cells: Sequence[str]) -> Suppressed:
        key = self._cell(cells, "key").lower()
        ours = bool(key)
        if not key:
            key = self._keys.hash_address(parse_address(self._cell(cells, "email")).key)
        elif not _KEY.fullmatch(key):
            raise _LeftOut("key", "the key is not one that our export wrote")
        judged = self._judge(cells)
        note = self._cell(cells, "note") or judged.text
        # A database holds no address that is suppressed, and what servers say names it often.
        note = note if ours else _ADDRESS.sub("…", note)[:LONGEST_NOTE]
        return Suppressed(key, judged.reason.value, note or None, self._instant(cells))

    def _judge(self, cells: Sequence[str]) -> _Judged:
        text, spoken = self._cell(cells, "reply"), self._spoken(cells)
        reason = self._cell(cells, "reason") or self._cell(cells, "type")
        if reason and plain_words(reason) not in WORDS:
            text = f"{reason} {text}".strip()
        verdict = self._statuses.of([unprotected(cell.strip()) for cell in cells])
        if verdict.outcome is Outcome.COMES and not spoken and not text:
            raise _LeftOut("mailable", "not suppressed: the file says that they may be mailed")
        spoken |= {OF_STATUS[away] for away in verdict.aways}
        said = next((meaning for meaning in STRENGTH if meaning in spoken), None)
        if self._by_name is Meaning.PASSING and said in (None, *_OF_BOUNCES[:1], Meaning.MANUAL):
            said = Meaning.PASSING
        status, code = self._numbers(cells, text)
        if said in (None, Meaning.BOUNCE) and (text or status or code):
            return self._by_reply(said, status, code, text)
        if said is None and verdict.outcome is Outcome.UNKNOWN and verdict.cell:
            self._unknown.add(verdict.cell)
            return _Judged(self._default or SuppressionReason.MANUAL, verdict.cell)
        return self._settled(said or self._by_name, text)

    def _spoken(self, cells: Sequence[str]) -> set[Meaning]:
        words = (plain_words(self._cell(cells, name)) for name in ("reason", "type", "source"))
        return {WORDS.get(word, Meaning.NOTHING) for word in words} - {Meaning.NOTHING}

    def _settled(self, said: Meaning | None, text: str) -> _Judged:
        if said is Meaning.PASSING:
            return self._passing(text)
        if said is None:
            return _Judged(self._default or SuppressionReason.MANUAL, text)
        return _Judged(REASONS[said], text)

    def _passing(self, text: str) -> _Judged:
        if self._default is not None:
            return _Judged(self._default, text)
        shown = _ADDRESS.sub("…", text)[:60]
        told = f"'{shown}' passes" if shown else "a block or a soft bounce passes"
        raise _LeftOut(
            "passing", f"not suppressed: {told}, or is about one message (else: --reason manual)"
        )

    def _by_reply(
        self, said: Meaning | None, status: str | None, code: int | None, text: str
    ) -> _Judged:
        reply = self._reply(status, code, text)
        if reply is Reply.GONE:
            return _Judged(SuppressionReason.HARD_BOUNCE, text)
        of_bounces = self._by_name in _OF_BOUNCES
        if reply is Reply.PASSING and not of_bounces:
            return self._passing(text or status or str(code))
        is_answer = bool(status or code)
        if reply is Reply.UNCLEAR and (said is Meaning.BOUNCE or not is_answer):
            if said is None and self._by_name is None and self._default is None:
                self._unknown.add(_ADDRESS.sub("…", text))
            return self._settled(said or self._by_name, text)
        self._unsettled += 1
        return _Judged(self._default or SuppressionReason.MANUAL, text)

    def _numbers(self, cells: Sequence[str], text: str) -> tuple[str | None, int | None]:
        """Return the status (5.1.1) and the code (550) of a server's answer that a row has."""
        stated = [unprotected(cells[at].strip()) for at, _, _ in self._statuses.columns]
        stated.append(self._cell(cells, "code"))
        status = next((m[1] for cell in stated if (m := _STATUS.fullmatch(cell))), None)
        code = next((m for cell in stated if (m := _CODE.fullmatch(cell))), None)
        code = code or _CODE.match(text.lower().removeprefix("smtp;"))
        return status, int(code[1]) if code else None

    def _instant(self, cells: Sequence[str]) -> datetime:
        cell = self._cell(cells, "at")
        moments = (unprotected(cells[at].strip()) for at in self._moments)
        if not (cell := cell or next((m for m in moments if instants_in(m)), "")):
            return self._now
        found = instants_in(cell)
        at = the_later(found, self._now, _CLOCK_SLACK)
        if at is None:
            self._no_dates.add(_ADDRESS.sub("…", cell))
            return self._now
        if len(found) > 1:
            self._two_dates.add(cell)
        return at

    def _cell(self, cells: Sequence[str], name: str) -> str:
        position = self._at[name]
        return "" if position is None else unprotected(cells[position].strip())
