"""Reading a CSV file as rows: what kind of file it is, encoding, delimiter, memory bounded.

What the columns mean is the matter of `csv_columns`.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from newsletter.audience.csv_columns import (
    Column,
    ColumnRules,
    guess_columns,
    name_columns,
)
from newsletter.audience.csv_encodings import BLOCK, LONGEST_LINE, find_encoding, find_line_end
from newsletter.audience.status_words import StatusColumn
from newsletter.errors import ImportRefused, Place

LONGEST_CELL = 10_000
"""Characters of one cell; a row with a longer one is refused."""
_DELIMITERS = ",;\t|"
_CSV_WORDS = (
    ("unexpected end of data", "a quote is opened here and never closed"),
    ("field larger than field limit", "a cell is endless: is a quote opened and never closed?"),
    ("new-line character seen", "a line ends in another way than the lines before"),
)


@dataclass(slots=True)
class CsvFile:
    """A file opened for reading: what its columns mean, and what was found out on the way."""

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[Column, ...]
    warnings: list[str] = field(default_factory=list)
    content_hash: str = ""
    """The SHA-256 of its bytes; complete once all rows were taken."""

    def position(self, name: str) -> int | None:
        """Return which column holds a field; None when none does."""
        return next(iter(self.positions(name)), None)

    def positions(self, name: str) -> list[int]:
        """Return the columns of a field: one where the file must have it."""
        return [at for at, column in enumerate(self.columns) if column.field == name]

    def statuses(self) -> list[tuple[int, str, StatusColumn]]:
        """Return the columns that say who may be mailed: where, their titles, what they are."""
        return [
            (at, column.title, column.status)
            for at, column in enumerate(self.columns)
            if column.status is not None
        ]


class RawRow(NamedTuple):
    """One row: its line in the file, its cells, and what is wrong with it as a row."""

    row: int
    cells: list[str]
    code: str = ""
    problem: str = ""


def open_rows(
    path: Path,
    rules: ColumnRules,
    *,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[CsvFile, Iterator[RawRow]]:
    """Open a CSV file; returns what it is and its rows, read as they are asked for.

    `mapping` says which column is which field; `progress` is told bytes done and in all. Raises
    `ImportRefused` for what is no such file.
    """
    try:
        stream = path.open("rb")
        size = path.stat().st_size
    except OSError as error:
        raise ImportRefused(
            f"cannot be read: {error.strerror}", where=Place(path), fix="name an existing file"
        ) from None
    try:
        encoding, warnings, sample = find_encoding(path, stream)
        lines = _Lines(path, stream, encoding, find_line_end(sample), (size, progress))
        delimiter, told = _find_delimiter(sample, rules, mapping or {})
        reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
        if told:
            next(reader)
        header: list[str] = []
        while not any(header):
            first = lines.number + 1
            header = next(reader)
        guessed = None if mapping else guess_columns(header, rules)
        columns = guessed or name_columns(path, first, header, rules, mapping or {})
    except csv.Error as error:
        stream.close()
        raise _no_csv(path, 1, error) from None
    except StopIteration:
        stream.close()
        raise ImportRefused("the file is empty", where=Place(path), fix="give a CSV file") from None
    except BaseException:
        stream.close()
        raise
    file = CsvFile(path, encoding, delimiter, columns, warnings)
    if guessed is not None:
        warnings.append("the file has no headings; the columns were told by their cells")
    return file, _rows(file, lines, reader, RawRow(first, header) if guessed else None)


def _rows(
    file: CsvFile, lines: _Lines, reader: Iterator[list[str]], first: RawRow | None
) -> Iterator[RawRow]:
    width = len(file.columns)
    try:
        if first is not None:
            yield first
        while True:
            start = lines.number + 1
            lines.taken = 0
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise _no_csv(file.path, start, error) from None
            if len(cells) != width:
                if "".join(cells).strip():
                    problem = f"{len(cells)} cells where the header has {width}"
                    yield RawRow(start, cells, "ragged", problem)
            # A row of a few kilobytes cannot hold a cell that is too long.
            elif lines.taken > LONGEST_CELL and (title := _too_long(file.columns, cells)):
                problem = f"the cell of '{title}' has more than {LONGEST_CELL:,} characters"
                yield RawRow(start, cells, "long-cell", problem)
            elif "".join(cells).strip():
                yield RawRow(start, cells)
    finally:
        file.content_hash = lines.hash.hexdigest()
        lines.close()


def _too_long(columns: tuple[Column, ...], cells: list[str]) -> str | None:
    for column, cell in zip(columns, cells, strict=True):
        if len(cell) > LONGEST_CELL:
            return column.title or "?"
    return None


def _no_csv(path: Path, line: int, error: csv.Error) -> ImportRefused:
    plain = next((words for sign, words in _CSV_WORDS if sign in str(error)), str(error))
    return ImportRefused(
        f"no CSV from here on: {plain}",
        where=Place(path, line),
        fix="correct the quotes of this line; nothing was imported",
    )


class _Lines:
    """Decoded lines of a file, counted, hashed, and never longer than the bound."""

    def __init__(
        self,
        path: Path,
        stream: BinaryIO,
        encoding: str,
        line_end: str,
        telling: tuple[int, Callable[[int, int], None] | None],
    ) -> None:
        self._path, self._stream, self._encoding, self._end = path, stream, encoding, line_end
        self._size, self._progress = telling
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self.hash = hashlib.sha256()
        self.number = 0
        self.taken = 0
        """Characters handed out since the row began."""

    def __iter__(self) -> Iterator[str]:
        rest, done, end = "", 0, self._end
        while raw := self._stream.read(BLOCK):
            self.hash.update(raw)
            text = self._decode(raw)
            if "\0" in text:
                raise self._binary((rest + text).partition("\0")[0])
            parts = (rest + (text if done else text.removeprefix("\ufeff"))).split(end)
            rest = parts.pop()
            done += len(raw)
            for part in parts:
                self.number += 1
                self.taken += len(part)
                if self.taken > LONGEST_LINE:
                    raise self._endless(self.number)
                yield part + "\n"
            if len(rest) > LONGEST_LINE:
                raise self._endless(self.number + 1)
            if self._progress is not None:
                self._progress(done, self._size)
        rest += self._decode(b"", final=True)
        if rest:
            self.number += 1
            yield rest

    def _binary(self, before: str) -> ImportRefused:
        return ImportRefused(
            "the line holds binary data",
            where=Place(self._path, self.number + 1 + before.count(self._end)),
            fix="export the file as CSV, in UTF-8; nothing was imported",
        )

    def _endless(self, line: int) -> ImportRefused:
        return ImportRefused(
            f"the row is longer than {LONGEST_LINE:,} characters",
            where=Place(self._path, line),
            fix="is this a CSV file, with every quote closed? nothing was imported",
        )

    def _decode(self, raw: bytes, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(raw, final)
        except UnicodeDecodeError as error:
            raise ImportRefused(
                f"byte 0x{error.object[error.start]:02x} is not {self._encoding}",
                where=Place(self._path, self.number + 1),
                fix="save the file as UTF-8; nothing was imported",
            ) from None

    def close(self) -> None:
        self._stream.close()


def _find_delimiter(
    sample: str, rules: ColumnRules, mapping: Mapping[str, str]
) -> tuple[str, bool]:
    """Return the delimiter, and whether a first line `sep=;` of a spreadsheet tells it."""
    first = next((line for line in sample.splitlines() if line.strip()), "")
    if first.lower().startswith("sep=") and first[4:] in tuple(_DELIMITERS):
        return first[4:], True
    wanted = {column.lower() for column in mapping.values()}

    def merit(sign: str) -> tuple[bool, int, int]:
        try:
            titles = [title.strip() for title in next(csv.reader([first], delimiter=sign))]
        except (csv.Error, StopIteration):
            titles = []
        named = any(
            rules.field_of(title) in rules.needed or title.lower() in wanted for title in titles
        )
        return named, len(titles), -_DELIMITERS.index(sign)

    return max(_DELIMITERS, key=merit), False
