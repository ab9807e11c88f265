"""Rows that an import refused: the first few shown, all written to a file; memory stays bounded."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from newsletter.audience.csv_reading import CsvFile
    from newsletter.audience.import_rows import Refusal

SHOWN = 20
LISTED = 1000
"""In the JSON document; `--refusals` writes all."""

RefusalFile = Annotated[
    Path | None,
    typer.Option(
        "--refusals", metavar="FILE", help="Write refused rows there: row, code, problem, cells."
    ),
]


class Refusals:
    """Takes refusals as they come; counts all, keeps the first, writes each to a file if wanted."""

    def __init__(self, file: TextIO | None) -> None:
        self._writer = csv.writer(file) if file is not None else None
        self._kept: list[Refusal] = []
        self.count = 0

    def begin(self, opened: CsvFile) -> None:
        """Write the headings, once the columns of the file are known."""
        if self._writer is not None:
            titles = [_safe(column.title) for column in opened.columns]
            self._writer.writerow(["row", "code", "problem", *titles])

    def take(self, refusal: Refusal) -> None:
        """Count one, and keep or write it."""
        self.count += 1
        if len(self._kept) < LISTED:
            self._kept.append(replace(refusal, cells=()))
        if self._writer is not None:
            cells = (refusal.code, refusal.problem, *refusal.cells)
            self._writer.writerow([refusal.row, *map(_safe, cells)])

    def document(self) -> dict[str, Any]:
        """Return what a JSON report says of them: the first thousand, and how many there are."""
        listed = [
            {name: value for name, value in asdict(refusal).items() if name != "cells"}
            for refusal in self._kept
        ]
        return {"refusals": listed, "refusals_total": self.count}

    def say(self, file: Path) -> None:
        """Tell the first few."""
        from newsletter.cli.console import say

        for refusal in self._kept[:SHOWN]:
            say(f"{file}:row {refusal.row}: {refusal.problem}")
        if self.count > SHOWN:
            say(f"… and {self.count - SHOWN} more; --refusals FILE writes them all")


def _safe(cell: str) -> str:
    from newsletter.audience.spreadsheets import spreadsheet_safe

    return spreadsheet_safe(cell)
