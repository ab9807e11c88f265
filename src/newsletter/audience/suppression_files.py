"""Suppressions from and to files: streamed, all or nothing, in the words of other providers too.

A file names addresses, or the hashes that our own export writes. A row that cannot be read is
refused by itself; the first row of an address counts, and what is stored already stays.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from sqlalchemy import Connection, Row, select

from newsletter.audience.address import AddressRefused, parse_address
from newsletter.audience.csv_columns import SUPPRESSION_COLUMNS
from newsletter.audience.csv_reading import CsvFile, RawRow, open_rows
from newsletter.audience.import_connection import short_lock, staging_connection
from newsletter.audience.import_rows import Refusal
from newsletter.audience.keys import Keys
from newsletter.audience.spreadsheets import spreadsheet_safe, unprotected
from newsletter.audience.suppression_staging import SuppressionStaging
from newsletter.audience.suppressions import SuppressionReason
from newsletter.clock import Clock
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database
from newsletter.storage.tables import suppressions

_WORDS: Mapping[SuppressionReason, frozenset[str]] = {
    SuppressionReason.HARD_BOUNCE: frozenset(
        {"hard bounce", "hard", "bounce", "bounced", "hardbounce", "permanent", "invalid"}
        | {"invalid email", "undeliverable", "cleaned"}
    ),
    SuppressionReason.COMPLAINT: frozenset(
        {"complaint", "complained", "spam", "spam report", "spamreport", "spam complaint", "abuse"}
        | {"abuse complaint", "junk"}
    ),
    SuppressionReason.MANUAL: frozenset(
        {"", "manual", "unsubscribe", "unsubscribed", "unsub", "opt out", "opted out", "optout"}
        | {"global unsubscribe", "group unsubscribe", "admin", "blocklist", "suppressed"}
    ),
    SuppressionReason.ERASED: frozenset({"erased", "erasure", "gdpr", "forgotten", "deleted"}),
}
"""What other programs write as a reason; who unsubscribed there is suppressed by hand here."""

_REASONS = {word: reason for reason, words in _WORDS.items() for word in words}
_KEY = re.compile(r"[0-9a-f]{64}")
_SECONDS = re.compile(r"[0-9]{9,10}")
_CLOCK_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SuppressionImport:
    """What an import of suppressions did, or would do; the counts add up to the rows.

    `known`: suppressed before; their first reason stays.
    """

    file: str
    encoding: str
    delimiter: str
    columns: dict[str, str | None]
    rows: int
    added: int
    known: int
    duplicate: int
    refused: int
    warnings: tuple[str, ...]
    dry_run: bool
    lock_seconds: float


class Suppressed(NamedTuple):
    """A row of a file, read."""

    key: str
    reason: str
    note: str | None
    at: datetime


def import_suppressions(
    database: Database,
    keys: Keys,
    path: Path,
    clock: Clock,
    *,
    actor: str,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
    on_open: Callable[[CsvFile], None] | None = None,
    on_refusal: Callable[[Refusal], None] | None = None,
    on_erased: Callable[[Connection], None] | None = None,
) -> SuppressionImport:
    """Suppress the addresses (or exported hashes) of a CSV file, in one transaction.

    Columns: `email` or `key`; optionally `reason`, `at` and `note`. `on_refusal` gets each row that
    is wrong, with its cells. `on_erased` is called inside the transaction when somebody was added
    whose reason is an erasure. Memory does not grow with the file.

    Raises `ImportRefused` for a file that is none.
    """
    opened, rows = open_rows(path, SUPPRESSION_COLUMNS, mapping=mapping, progress=progress)
    if on_open is not None:
        on_open(opened)
    reader = _Reader(opened, keys, clock.now(), on_refusal or (lambda _refusal: None))
    with staging_connection(database) as connection:
        staging = SuppressionStaging(connection)
        staging.fill(reader.read(rows))
        new, lock_seconds = staging.settle(), 0.0
        if not dry_run:
            with short_lock(connection, database.path) as lock:
                new = staging.apply()
                if staging.erased and on_erased is not None:
                    on_erased(connection)
                record_audit(
                    connection,
                    clock.now(),
                    actor=actor,
                    action="suppression.import",
                    subject=f"file {path.name}",
                    detail={"added": new},
                )
            lock_seconds = lock.seconds
    return SuppressionImport(
        path.name,
        opened.encoding,
        opened.delimiter,
        {column.title: column.meaning for column in opened.columns},
        staging.rows + reader.refused,
        new,
        staging.different - new,
        staging.rows - staging.different,
        reader.refused,
        tuple(opened.warnings),
        dry_run,
        round(lock_seconds, 3),
    )


class _Reader:
    """Reads the rows of one file."""

    def __init__(
        self, file: CsvFile, keys: Keys, now: datetime, refuse: Callable[[Refusal], None]
    ) -> None:
        self._keys, self._now, self._refuse = keys, now, refuse
        self._at = {name: file.position(name) for name in ("email", "key", "reason", "at", "note")}
        self.refused = 0

    def read(self, rows: Iterable[RawRow]) -> Iterator[Suppressed]:
        """Read each row, or refuse it."""
        for raw in rows:
            try:
                if raw.problem:
                    raise _RowRefused(raw.code, raw.problem)
                yield self._suppressed(raw.cells)
            except (_RowRefused, AddressRefused) as refused:
                self.refused += 1
                self._refuse(Refusal(raw.row, refused.code, refused.problem, tuple(raw.cells)))

    def _suppressed(self, cells: Sequence[str]) -> Suppressed:
        key = self._cell(cells, "key").lower()
        if not key:
            key = self._keys.hash_address(parse_address(self._cell(cells, "email")).key)
        elif not _KEY.fullmatch(key):
            raise _RowRefused("key", "the key is not one that our export wrote")
        word = self._cell(cells, "reason")
        reason = _REASONS.get(re.sub(r"[\s_-]+", " ", word.lower()).strip())
        if reason is None:
            known = ", ".join(reason.value for reason in SuppressionReason)
            raise _RowRefused("reason", f"'{word[:40]}' is no reason; use one of {known}")
        at = _instant(self._cell(cells, "at"), self._now)
        return Suppressed(key, reason.value, self._cell(cells, "note") or None, at)

    def _cell(self, cells: Sequence[str], name: str) -> str:
        position = self._at[name]
        return "" if position is None else unprotected(cells[position].strip())


class _RowRefused(Exception):  # noqa: N818 - the glossary says refusal
    """A row that cannot be read; never leaves this module."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code, self.problem = code, problem


def _instant(cell: str, now: datetime) -> datetime:
    """Read an ISO date or time, or seconds since 1970; without a zone it is UTC."""
    if not cell:
        return now
    try:
        if _SECONDS.fullmatch(cell):
            at = datetime.fromtimestamp(int(cell), UTC)
        else:
            at = datetime.fromisoformat(cell)
            at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise _RowRefused("date", f"'{cell[:40]}' is no date such as 2026-05-07") from None
    if at > now + _CLOCK_SLACK:
        raise _RowRefused("date", f"'{cell[:40]}' lies in the future")
    return min(at, now)


def export_csv(connection: Connection, file: TextIO) -> None:
    """Write all suppressions as CSV: the hashes are as safe to show as the database itself."""
    writer = csv.writer(file)
    writer.writerow(["key", "reason", "at", "note"])
    for row in _rows(connection):
        note = spreadsheet_safe(row.note or "")
        writer.writerow([row.key, row.reason, _written(row.at), note])


def export_jsonl(connection: Connection, file: TextIO) -> None:
    """Write one JSON object a line."""
    for row in _rows(connection):
        values = (row.key, row.reason, _written(row.at), row.note)
        document = dict(zip(("key", "reason", "at", "note"), values, strict=True))
        file.write(json.dumps(document, ensure_ascii=False) + "\n")


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _rows(connection: Connection) -> Iterator[Row[*tuple[Any, ...]]]:
    query = select(suppressions).order_by(suppressions.c.key)
    yield from connection.execution_options(yield_per=1000).execute(query)
