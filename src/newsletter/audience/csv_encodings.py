"""What kind of file it is: text in which encoding and with which line ends, or something else."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import BinaryIO

from newsletter.errors import ImportRefused, Place

LONGEST_LINE = 1_000_000
"""Characters of one row; a file without line ends is no list of subscribers."""
BLOCK = 256 * 1024
_SAMPLE = 64 * 1024
_SCAN = 2 * LONGEST_LINE

_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"%PDF-", "a PDF"),
    (b"SQLite format 3\0", "an SQLite database"),
)
_MARKS: tuple[tuple[bytes, str], ...] = (
    # UTF-32 first: its little-endian mark begins like that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)


def find_encoding(path: Path, stream: BinaryIO) -> tuple[str, list[str], str]:
    """Return the encoding of a file, what to warn of, and its beginning as text.

    Reads on through the file where only that tells UTF-8 from Windows-1252, then rewinds it.
    Raises `ImportRefused` for an empty file and for one that is no text, naming what it is.
    """
    sample = stream.read(_SAMPLE)
    if not sample.strip():
        raise ImportRefused("the file is empty", where=Place(path), fix="give a CSV file")
    _refuse_other_kinds(path, sample)
    warnings: list[str] = []
    encoding = _marked(sample)
    if encoding is None:
        if _is_utf8(stream, sample):
            encoding = "utf-8"
        else:
            encoding = "cp1252"
            warnings.append("the file is not UTF-8; it was read as Windows-1252: check the names")
    stream.seek(0)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    return encoding, warnings, text.removeprefix("\ufeff")


def find_line_end(sample: str) -> str:
    """Return how the lines of a text end; `\\r\\n` counts as `\\n`, for CSV reads both."""
    return "\r" if "\n" not in sample and "\r" in sample else "\n"


def _refuse_other_kinds(path: Path, sample: bytes) -> None:
    kind = next((kind for sign, kind in _KINDS if sample.startswith(sign)), None)
    if sample.startswith(b"PK\x03\x04"):
        kind = "a ZIP archive"
        if b"xl/" in sample or b"[Content_Types].xml" in sample:
            kind = "an Excel workbook (.xlsx)"
        elif b"opendocument" in sample:
            kind = "an OpenDocument file"
    if kind is not None:
        fix = "unpack it first" if "archive" in kind else "export it as CSV, in UTF-8"
        raise ImportRefused(f"the file is {kind}, not CSV", where=Place(path), fix=fix)
    if _marked(sample) is None and b"\0" in sample:
        raise ImportRefused(
            "the file is binary, not text", where=Place(path), fix="export it as CSV, in UTF-8"
        )


def _marked(sample: bytes) -> str | None:
    """Return the encoding that a byte order mark names, or that zeroes at every other byte tell."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    half = len(sample) // 2
    for encoding, zeroes, others in (
        ("utf-16-le", sample[1::2], sample[0::2]),
        ("utf-16-be", sample[0::2], sample[1::2]),
    ):
        if zeroes.count(0) > 0.7 * half and others.count(0) == 0:
            return encoding
    return None


def _is_utf8(stream: BinaryIO, sample: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        decoder.decode(sample)
        while block := stream.read(_SCAN):
            decoder.decode(block)
            if len(block) == _SCAN and b"\n" not in block and b"\r" not in block:
                # A line without an end: reading it will say so, and where.
                return True
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True
