"""Opens a file of people or of suppressions as rows, whichever kind of text it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from newsletter.audience.csv_columns import ColumnRules
from newsletter.audience.csv_reading import CsvFile, RawRow, open_rows
from newsletter.audience.json_reading import is_json, open_json_rows


def open_file(
    path: Path,
    rules: ColumnRules,
    *,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[CsvFile, Iterator[RawRow]]:
    """Open a CSV or JSON file; returns what it is and its rows, read as they are asked for.

    `mapping` says which column is which field; `progress` is told bytes done and in all. Raises
    `ImportRefused` for what is no such file.
    """
    opened = open_json_rows if is_json(path) else open_rows
    return opened(path, rules, mapping=mapping, progress=progress)
