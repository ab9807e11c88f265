"""Suppressions from and to files: streamed, all or nothing, in the words of other providers too.

A file names addresses, or the hashes that our own export writes. A row that cannot be read is
refused by itself; the gravest row of an address counts, and what is stored already stays.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Connection, Row, select

from newsletter.audience.csv_reading import CsvFile
from newsletter.audience.headings import plain_words
from newsletter.audience.import_connection import short_lock, staging_connection
from newsletter.audience.import_rows import Refusal
from newsletter.audience.keys import Keys
from newsletter.audience.people_files import open_file
from newsletter.audience.spreadsheets import spreadsheet_safe
from newsletter.audience.suppression_rows import SuppressionReader
from newsletter.audience.suppression_staging import SuppressionStaging
from newsletter.audience.suppression_words import (
    ALLOWED_NAMES,
    SUPPRESSION_COLUMNS,
    ReplyReader,
)
from newsletter.audience.suppressions import SuppressionReason
from newsletter.clock import Clock
from newsletter.errors import ImportRefused, Place
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database
from newsletter.storage.tables import suppressions


@dataclass(frozen=True, slots=True)
class SuppressionImport:
    """What an import of suppressions did, or would do; the counts add up to the rows.

    `known`: suppressed before; their first reason stays. `left_out`: rows that suppress nobody, by
    why. `reasons`: how many of the added have which.
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
    left_out: dict[str, int]
    reasons: dict[str, int]
    warnings: tuple[str, ...]
    dry_run: bool
    lock_seconds: float


def import_suppressions(
    database: Database,
    keys: Keys,
    path: Path,
    clock: Clock,
    *,
    actor: str,
    reply: ReplyReader,
    default: SuppressionReason | None = None,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
    on_open: Callable[[CsvFile], None] | None = None,
    on_refusal: Callable[[Refusal], None] | None = None,
    on_erased: Callable[[Connection], None] | None = None,
) -> SuppressionImport:
    """Suppress the addresses (or exported hashes) of a CSV or JSON file, in one transaction.

    What its columns and words mean is in `suppression_words`; `reply` reads servers' answers, and
    `default` is the reason of rows that name none or one that passes. `on_refusal` gets each row
    that is wrong or left out, with its cells. `on_erased` is called inside the transaction when
    somebody was added whose reason is an erasure. Memory does not grow with the file.

    Raises `ImportRefused` for a file that is none, and for a list of allowed addresses.
    """
    if ALLOWED_NAMES.search(plain_words(path.stem)):
        raise ImportRefused(
            "the file's name says that these may be mailed",
            where=Place(path),
            fix="give a list of suppressions, or rename it",
        )
    opened, rows = open_file(path, SUPPRESSION_COLUMNS, mapping=mapping, progress=progress)
    if on_open is not None:
        on_open(opened)
    reader = SuppressionReader(
        opened,
        keys,
        clock.now(),
        on_refusal or (lambda _refusal: None),
        reply=reply,
        default=default,
    )
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
        staging.rows + reader.refused + reader.left_out.total(),
        new,
        staging.different - new,
        staging.rows - staging.different,
        reader.refused,
        dict(reader.left_out),
        staging.reasons,
        (*opened.warnings, *reader.warnings()),
        dry_run,
        round(lock_seconds, 3),
    )


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
