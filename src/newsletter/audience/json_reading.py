"""Reading a file of JSON as rows: one object a line, or one document with a list of objects in it.

So providers' interfaces answer: `[{…}]`, `{"Suppressions": [{…}]}`, page after page. A row has a
cell for each key that any object has; what an object holds inside is told as `key.inner`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from newsletter.audience.csv_columns import (
    ATTRIBUTE_PREFIX,
    HELD_TOGETHER,
    ColumnRules,
    name_columns,
)
from newsletter.audience.csv_reading import LONGEST_CELL, CsvFile, RawRow
from newsletter.audience.headings import plain_words
from newsletter.errors import ImportRefused, Place

LARGEST_DOCUMENT = 64 * 1024 * 1024
"""Bytes of a file that is not one object a line: it is held in memory."""
_LONGEST_LINE = 1_000_000
UNFIT = re.compile(r"[\x00\ud800-\udfff]")
"""What no database takes."""
_SPACE = re.compile(r"\s*")
_MARK = b"\xef\xbb\xbf"

Entry = Mapping[str, str]
Progress = Callable[[int, int], None]


def is_json(path: Path) -> bool:
    """Return whether a file begins as JSON does, and as no CSV does."""
    try:
        with path.open("rb") as stream:
            return stream.read(4096).removeprefix(_MARK).lstrip()[:1] in (b"{", b"[")
    except OSError:
        return False


def open_json_rows(
    path: Path,
    rules: ColumnRules,
    *,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> tuple[CsvFile, Iterator[RawRow]]:
    """Open a JSON file as `csv_reading.open_rows` does a CSV file; rows count objects or lines.

    It is read twice, the first time for its keys, so that memory does not grow with the lines.
    """
    titles: dict[str, None] = {}
    digest = hashlib.sha256()
    for _, entry in _entries(path, rules, None, digest.update):
        titles.update(dict.fromkeys(entry))
    if not titles:
        raise ImportRefused(
            "there are no entries in the file", where=Place(path), fix="nothing is to be done"
        )
    columns = name_columns(path, 1, list(titles), rules, mapping or {})
    file = CsvFile(path, "utf-8", "", columns, content_hash=digest.hexdigest())
    return file, _rows(file, list(titles), _entries(path, rules, progress, None))


def _rows(
    file: CsvFile, titles: list[str], entries: Iterable[tuple[int, Entry]]
) -> Iterator[RawRow]:
    for number, entry in entries:
        cells = [entry.get(title, "") for title in titles]
        code, problem = "", ""
        for title, cell in zip(titles, cells, strict=True):
            if len(cell) > LONGEST_CELL:
                code = "long-cell"
                problem = f"the cell of '{title}' has more than {LONGEST_CELL:,} characters"
            elif UNFIT.search(cell):
                code, problem = "binary", f"the cell of '{title}' holds binary data"
        yield RawRow(number, cells, code, problem)


def _entries(
    path: Path,
    rules: ColumnRules,
    progress: Progress | None,
    digest: Callable[[bytes], object] | None,
) -> Iterator[tuple[int, Entry]]:
    counted, inside = 0, False
    for line, document in _documents(path, progress, digest):
        records = _records(document, rules)
        inside = inside or isinstance(records, list)
        for record in records if isinstance(records, list) else [records]:
            counted += 1
            # The line where each line is one object, else the place among all objects.
            yield counted if inside or not line else line, _flat(path, counted, record)


def _documents(
    path: Path, progress: Progress | None, digest: Callable[[bytes], object] | None
) -> Iterator[tuple[int, Any]]:
    """Yield the documents of a file, with their line where each has one of its own (else 0)."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if _is_a_line_each(stream.readline(_LONGEST_LINE)):
            stream.seek(0)
            done = 0
            for number, line in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), b""), 1):
                if digest is not None:
                    digest(line)
                done += len(line)
                if progress is not None and number % 1000 == 0:
                    progress(done, size)
                if text := line.removeprefix(_MARK).strip():
                    yield number, _read(path, number, text)
            return
        if size > LARGEST_DOCUMENT:
            raise ImportRefused(
                f"the document is larger than {LARGEST_DOCUMENT >> 20} MB",
                where=Place(path),
                fix="give one object a line (JSON lines), or a CSV file",
            )
        stream.seek(0)
        raw = stream.read()
    if digest is not None:
        digest(raw)
    yield from ((0, document) for document in _whole(path, raw))


def _is_a_line_each(first: bytes) -> bool:
    try:
        json.loads(first.removeprefix(_MARK))
    except (ValueError, RecursionError):
        return False
    return True


def _read(path: Path, line: int, text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_json(path, line, error) from None


def _whole(path: Path, raw: bytes) -> Iterator[Any]:
    """Yield the documents that a text holds one behind the other."""
    decoder = json.JSONDecoder()
    text, at = "", 0
    try:
        text = raw.removeprefix(_MARK).decode(json.detect_encoding(raw.removeprefix(_MARK)))
        text = text.strip()
        while at < len(text):
            document, at = decoder.raw_decode(text, at)
            yield document
            at = cast(re.Match[str], _SPACE.match(text, at)).end()
    except (ValueError, RecursionError) as error:
        line = text.count("\n", 0, getattr(error, "pos", at)) + 1
        raise _no_json(path, line, error) from None


def _no_json(path: Path, line: int, error: Exception) -> ImportRefused:
    plain = getattr(error, "msg", None) or "it cannot be read"
    return ImportRefused(
        f"no JSON from here on: {plain}",
        where=Place(path, line),
        fix="export the file anew; nothing was imported",
    )


def _records(document: Any, rules: ColumnRules) -> Any:
    """Return the list that a document is about, or the document where it is one record itself."""
    if not isinstance(document, dict) or any(rules.field_of(k) in rules.needed for k in document):
        return document
    lists = [value for value in document.values() if isinstance(value, list)]
    for value in lists:
        if any(_has_address(item, rules) for item in value):
            return value
    return lists[0] if len(lists) == 1 else document


def _has_address(item: Any, rules: ColumnRules) -> bool:
    return isinstance(item, dict) and any(rules.field_of(key) in rules.needed for key in item)


def _flat(path: Path, number: int, record: Any) -> Entry:
    if isinstance(record, str):
        # SendGrid lists the addresses of an unsubscribe group so.
        return {"email": record}
    if not isinstance(record, dict):
        raise ImportRefused(
            "an entry is no object",
            where=Place(path, row=number),
            fix="give a list of objects, each with an address",
        )
    cells: dict[str, str] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            before = ATTRIBUTE_PREFIX if plain_words(key) in HELD_TOGETHER else f"{key}."
            cells.update({f"{before}{inner}": cell_of(v) for inner, v in value.items()})
        else:
            cells[key] = cell_of(value)
    return cells


def cell_of(value: Any) -> str:
    """Return a value of JSON as the cell of a table."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case list():
            named = [v.get("name", v) if isinstance(v, dict) else v for v in value]
            if all(isinstance(v, str) for v in named):
                return "; ".join(named)
    return json.dumps(value, ensure_ascii=False)
