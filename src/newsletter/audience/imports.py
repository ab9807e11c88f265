"""Importing subscribers: streamed, validated, deduplicated, all or nothing (C13).

The file is read and compared first, into temporary tables that block nobody; then one transaction
applies it. Interrupted, it leaves nothing. Nobody who left a list or is suppressed is brought back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.audience.csv_columns import SUBSCRIBER_COLUMNS
from newsletter.audience.csv_reading import CsvFile, RawRow
from newsletter.audience.eligibility import field_name
from newsletter.audience.import_applying import Application, apply, counts_of
from newsletter.audience.import_connection import staging_connection
from newsletter.audience.import_rows import ImportPolicy, Person, Refusal, RowReader
from newsletter.audience.import_staging import CHUNK, Staging
from newsletter.audience.keys import Keys
from newsletter.audience.lists import get_list
from newsletter.audience.people_files import open_file
from newsletter.audience.tags import tag_name
from newsletter.clock import Clock
from newsletter.storage.database import Database

__all__ = ["ImportPolicy", "ImportReport", "Refusal", "import_subscribers"]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do; the counts add up to the rows.

    `columns`: each heading of the file with what it became (None: left out). `sample`: the first
    people as they were understood, masked. `kept_away`: of the refused, how many by the file's own
    word, for each reason. `lock_seconds`: how long others could not write.
    """

    list: str
    file: str
    file_hash: str
    encoding: str
    delimiter: str
    columns: dict[str, str | None]
    rows: int
    counts: dict[str, int]
    kept_away: dict[str, int]
    warnings: tuple[str, ...]
    sample: tuple[dict[str, str], ...]
    dry_run: bool
    lock_seconds: float


def import_subscribers(
    database: Database,
    file: Path,
    list_name: str,
    *,
    consent: str | None,
    actor: str,
    keys: Keys,
    clock: Clock,
    policy: ImportPolicy,
    mapping: Mapping[str, str] | None = None,
    tags: Sequence[str] = (),
    dry_run: bool = False,
    keep_cells: bool = False,
    progress: Callable[[int, int], None] | None = None,
    on_open: Callable[[CsvFile], None] | None = None,
    on_refusal: Callable[[Refusal], None] | None = None,
) -> ImportReport:
    """Import a CSV or JSON file into a list; memory does not grow with the file.

    `tags` are put on everybody in the file. `progress` is told bytes done and in all, `on_open` the
    file once its columns are understood. `on_refusal` gets each row that is not imported: first
    those that are wrong, then those of people who stay away, each in the order of the file; their
    cells with `keep_cells`. Counts: added, updated, unchanged, unsubscribed (left before: stays
    away), suppressed, duplicate, refused. The writers' lock is held for the last step alone.

    Raises `ImportRefused` for a file that is none, and `AudienceError` for an unknown list or what
    is no tag.
    """
    wanted = sorted({tag_name(tag) for tag in tags})
    opened, rows = open_file(file, SUBSCRIBER_COLUMNS, mapping=mapping, progress=progress)
    if on_open is not None:
        on_open(opened)
    run = _Run(RowReader(opened, policy, wanted), on_refusal, keep_cells=keep_cells)
    with staging_connection(database) as connection:
        with connection.begin():
            list_id = get_list(connection, list_name).id
        staging = Staging(connection, keys, list_id)
        staging.create()
        run.stage(staging, rows)
        standings, lock_seconds = staging.settle(), 0.0
        if not dry_run:
            application = Application(
                list_id, file.name, opened.content_hash, consent, actor, run.wrong, standings
            )
            standings, lock_seconds = apply(staging, application, clock, database.path)
        with connection.begin():
            kept_away, still_here = staging.kept_away(), staging.on_the_list_still()
        for refusal in staging.refusals():
            run.tell(refusal)
    warnings = [*opened.warnings, *run.reader.warnings(), *_left_out(opened)]
    warnings += [*_unsure(opened), *_still_here(still_here)]
    if not consent:
        warnings.append("no consent was stated; the evidence says so (--consent 'how they agreed')")
    counts = counts_of(standings, run.wrong)
    return ImportReport(
        list_name,
        file.name,
        opened.content_hash,
        opened.encoding,
        opened.delimiter,
        {column.title: column.meaning for column in opened.columns},
        sum(counts.values()),
        counts,
        kept_away,
        tuple(warnings),
        tuple(run.reader.samples),
        dry_run,
        round(lock_seconds, 3),
    )


class _Run:
    """Takes the rows of a file into the staging tables, and tells those that are wrong."""

    def __init__(
        self,
        reader: RowReader,
        on_refusal: Callable[[Refusal], None] | None,
        *,
        keep_cells: bool,
    ) -> None:
        self.reader = reader
        self.tell = on_refusal or (lambda _refusal: None)
        self._keep_cells = keep_cells
        self.wrong = 0

    def stage(self, staging: Staging, rows: Iterator[RawRow]) -> None:
        """Read everything, in the order of the file."""
        staging.fill(self._people(staging, rows))

    def _people(self, staging: Staging, rows: Iterator[RawRow]) -> Iterator[Person]:
        cells: list[tuple[int, list[str]]] = []
        read = self.reader.read
        for raw in rows:
            taken = read(raw)
            if isinstance(taken, Person):
                if self._keep_cells:
                    cells.append((raw.row, raw.cells))
                    if len(cells) == CHUNK:
                        staging.keep_cells(cells)
                        cells.clear()
                yield taken
            else:
                self.wrong += 1
                kept = tuple(raw.cells) if self._keep_cells else ()
                self.tell(replace(taken, cells=kept))
        staging.keep_cells(cells)


def _left_out(file: CsvFile) -> list[str]:
    """Warn of columns that nothing became of, because their names have no letter a–z."""
    lost = [c.title for c in file.columns if c.title and not (c.meaning or field_name(c.title))]
    return [f"column '{title}' was left out: its name needs a letter a-z" for title in lost]


def _unsure(file: CsvFile) -> list[str]:
    """Warn of columns that sound as if they said who may be mailed, and are not known."""
    return [
        f"column '{column.title}' may say who must not be mailed; it was kept as an attribute: "
        f'--map status="{column.title}" reads it'
        for column in file.columns
        if column.unsure
    ]


def _still_here(rows: Sequence[int]) -> list[str]:
    """Warn of people whom the file keeps away and this list does not."""
    if not rows:
        return []
    shown = ", ".join(map(str, rows[:10])) + (" …" if len(rows) > 10 else "")
    return [
        f"{len(rows)} people whom the file keeps away are active on this list and stay so "
        f"(rows {shown}): newsletter subscribers unsubscribe, or suppressions import"
    ]
