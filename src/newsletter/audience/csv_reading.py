"""Reading a file of subscribers as rows: encoding, delimiter and columns found, memory bounded."""

from __future__ import annotations

import codecs
import csv
import difflib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from newsletter.errors import ImportRefused, Place

LONGEST_LINE = 1_000_000
"""Bytes of one line; a file without line ends is no list of subscribers."""
LONGEST_CELL = 10_000
_SAMPLE = 64 * 1024

_ALIASES: dict[str, tuple[str, ...]] = {
    "email": (
        "email",
        "e-mail",
        "email address",
        "e-mail address",
        "mail",
        "address",
        "email_address",
    ),
    "name": ("name", "full name", "full_name", "fullname", "display name"),
    "first_name": ("first name", "first_name", "firstname", "given name", "given_name"),
    "last_name": ("last name", "last_name", "lastname", "surname", "family name"),
    "timezone": ("timezone", "time zone", "time_zone", "tz", "zone"),
    "language": ("language", "lang", "locale"),
}


@dataclass(slots=True)
class SubscriberFile:
    """A file opened for reading: what its columns mean, and what was found out on the way."""

    path: Path
    encoding: str
    delimiter: str
    columns: list[str]
    warnings: list[str] = field(default_factory=list)
    _hash: str = ""

    @property
    def content_hash(self) -> str:
        """Return the SHA-256 of the bytes read; complete once all rows were taken."""
        return self._hash


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row: its line in the file, and either its values by field or what is wrong."""

    row: int
    values: dict[str, str]
    problem: str | None = None


def open_rows(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[SubscriberFile, Iterator[RawRow]]:
    """Open a CSV file; returns what it is and its rows, read as they are asked for.

    `mapping` says which column is which field. Raises `ImportRefused` for what is no such file.
    """
    try:
        size = path.stat().st_size
        stream = path.open("rb")
    except OSError as error:
        raise ImportRefused(
            f"cannot be read: {error.strerror}", where=Place(path), fix="name an existing file"
        ) from None
    sample = stream.read(_SAMPLE)
    stream.seek(0)
    if not sample.strip():
        stream.close()
        raise ImportRefused("the file is empty", where=Place(path), fix="give a CSV file")
    encoding, warnings = _find_encoding(path, sample)
    lines = _Lines(path, stream, encoding, size, progress)
    delimiter = _find_delimiter(sample, encoding)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader)
        columns = _name_columns(path, header, mapping or {})
    except csv.Error as error:
        raise ImportRefused(str(error), where=Place(path, 1), fix="correct the line") from None
    file = SubscriberFile(path, encoding, delimiter, columns, warnings)
    return file, _rows(file, lines, reader)


def _rows(file: SubscriberFile, lines: _Lines, reader: Iterator[list[str]]) -> Iterator[RawRow]:
    try:
        while True:
            start = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                raise ImportRefused(
                    f"no CSV from here on: {error}",
                    where=Place(file.path, start),
                    fix="correct the quotes of this line; nothing was imported",
                ) from None
            if not any(cell.strip() for cell in cells):
                continue
            yield _row(file.columns, cells, start)
    finally:
        file._hash = lines.content_hash
        lines.close()


def _row(columns: list[str], cells: list[str], number: int) -> RawRow:
    if len(cells) != len(columns):
        return RawRow(number, {}, f"{len(cells)} cells where the header has {len(columns)}")
    if any(len(cell) > LONGEST_CELL for cell in cells):
        return RawRow(number, {}, f"a cell has more than {LONGEST_CELL} characters")
    return RawRow(number, {k: v.strip() for k, v in zip(columns, cells, strict=True) if k})


class _Lines:
    """Decoded lines of a file, counted, hashed, and never longer than the bound."""

    def __init__(
        self,
        path: Path,
        stream: BinaryIO,
        encoding: str,
        size: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._path, self._stream, self._size, self._progress = path, stream, size, progress
        self._encoding = encoding
        self._hash = hashlib.sha256()
        self._done = 0
        self._wide = encoding.startswith("utf-16")
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._pending = ""
        self.number = 0

    @property
    def content_hash(self) -> str:
        return self._hash.hexdigest()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while "\n" not in self._pending:
            raw = self._stream.readline(LONGEST_LINE + 1)
            if not raw:
                self._pending += self._decode(b"", final=True)
                break
            if len(raw) > LONGEST_LINE or len(self._pending) > LONGEST_LINE:
                raise ImportRefused(
                    f"the line is longer than {LONGEST_LINE:,} bytes",
                    where=Place(self._path, self.number + 1),
                    fix="is this a CSV file? nothing was imported",
                )
            self._hash.update(raw)
            self._done += len(raw)
            self._pending += self._decode(raw)
        if not self._pending:
            raise StopIteration
        line, end, self._pending = self._pending.partition("\n")
        self.number += 1
        if self._progress is not None and self.number % 1000 == 0:
            self._progress(self._done, self._size)
        if "\0" in line:
            raise ImportRefused(
                "the line holds binary data", where=Place(self._path, self.number), fix="give CSV"
            )
        return line.lstrip("\ufeff").rstrip("\r") + end if self.number == 1 else line + end

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


def _find_encoding(path: Path, sample: bytes) -> tuple[str, list[str]]:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", []
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8", []
    if b"\0" in sample:
        raise ImportRefused(
            "the file is binary, not text", where=Place(path), fix="export it as CSV, in UTF-8"
        )
    if _is_utf8(path):
        return "utf-8", []
    return "cp1252", ["the file is not UTF-8; it was read as Windows-1252: check the names"]


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                decoder.decode(chunk)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _find_delimiter(sample: bytes, encoding: str) -> str:
    first = sample.decode(encoding, "replace").lstrip("\ufeff").splitlines()[0]
    return max(",;\t|", key=lambda sign: (first.count(sign), -",;\t|".index(sign)))


def _name_columns(path: Path, header: list[str], mapping: Mapping[str, str]) -> list[str]:
    """Return the field of each column; other columns keep their names and become attributes."""
    titles = [title.strip() for title in header]
    lowered = [title.lower() for title in titles]
    repeated = sorted({title for title in lowered if title and lowered.count(title) > 1})
    if repeated:
        raise ImportRefused(
            f"column '{repeated[0]}' is there twice", where=Place(path, 1), fix="rename one of them"
        )
    columns = [_field(title) for title in lowered]
    for name, column in mapping.items():
        if column.lower() not in lowered:
            close = difflib.get_close_matches(column.lower(), lowered, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(titles)}"
            raise ImportRefused(f"there is no column '{column}'", where=Place(path, 1), fix=hint)
        columns = ["" if existing == name else existing for existing in columns]
        columns[lowered.index(column.lower())] = name
    if "email" not in columns:
        raise ImportRefused(
            f"there is no column of addresses; found: {', '.join(titles)}",
            where=Place(path, 1),
            fix="name it 'email', or say which it is: --map email=COLUMN",
        )
    doubled = [name for name in _ALIASES if columns.count(name) > 1]
    if doubled:
        raise ImportRefused(
            f"several columns could be '{doubled[0]}'",
            where=Place(path, 1),
            fix=f"say which it is: --map {doubled[0]}=COLUMN",
        )
    return columns


def _field(title: str) -> str:
    for name, aliases in _ALIASES.items():
        if title in aliases:
            return name
    return title
