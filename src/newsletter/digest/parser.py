"""Parses a Markdown document into a typed digest, and says what it met on the way.

It raises `DigestError` only for what cannot be read at all; everything else is a finding. It
judges no content (`checks` does) and renders nothing.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from newsletter.digest.blocks import read_outline
from newsletter.digest.citations import check_citations, check_text
from newsletter.digest.dates import day_in_name
from newsletter.digest.definitions import with_plain_definitions
from newsletter.digest.findings import Findings, excerpt
from newsletter.digest.front_matter import FrontMatter, read_front_matter
from newsletter.digest.inlines import Reading
from newsletter.digest.markdown import markdown
from newsletter.digest.merge_fields import scan
from newsletter.digest.model import Digest, Parsed
from newsletter.digest.structure import build
from newsletter.errors import DigestError, Place

LARGEST = 1024 * 1024
"""Bytes of a digest beyond which it is refused."""

LONG = 200_000
"""Bytes of a digest beyond which its email cannot fit what mail readers show (A7)."""

_SHOWN = frozenset({"title", "author", "subject", "preheader"})
"""What readers see of the front matter."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def load(path: Path) -> Parsed:
    """Read and parse a digest's file; its stem is the slug unless the front matter gives one.

    Raises `DigestError` with the place when the file is missing, a directory, unreadable, empty,
    binary, not UTF-8 or larger than 1 MiB. A byte order mark and any line ends are fine.
    """
    place = Place(path)
    try:
        if path.is_dir():
            raise DigestError(
                "this is a folder, not a digest", where=place, fix="name a .md file in it"
            )
        if path.exists() and not path.is_file():
            raise DigestError("this is not a regular file", where=place, fix="name a .md file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise DigestError(
            "the digest does not exist", where=place, fix="check the name, or write it first"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DigestError(
            f"the digest cannot be read: {reason}",
            where=place,
            fix="check the name and the file's rights",
        ) from None
    return parse(_decode(data, place), slug=path.stem, path=str(path))


def parse(text: str, *, slug: str, path: str | None = None) -> Parsed:
    """Parse the text of a digest into its model and the parser's findings, sorted by line.

    `slug` names it unless the front matter does; `path` is only told in messages. Raises
    `DigestError` when the text is empty, holds a NUL or is larger than 1 MiB.
    """
    place = Place(path)
    data = _encode(text, place)
    _refuse_unreadable(data, place)
    findings = Findings()
    source = _normalised(text, findings)
    front = read_front_matter(source, findings)
    if front.length:
        # Emptied, not cut, so that every line keeps its number.
        source = "\n" * front.length + source.split("\n", front.length)[-1]
    source = with_plain_definitions(source)
    env: dict[str, Any] = {"findings": findings}
    tokens = markdown().parse(source, env)
    _look_at_references(env, findings)
    check_citations(tokens, env["sources"], findings)
    reading = Reading(findings, env["sources"])
    outline = read_outline(tokens, source.split("\n"), reading)
    for key in _SHOWN & front.values.keys():
        check_text(front.values[key], front.lines[key], findings)
    slug = front.get("slug") or slug
    parts = build(outline, front, findings, named=day_in_name(slug))
    if len(data) > LONG:
        findings.add(
            "long-digest",
            f"the digest has {len(data) // 1000} kB; mail readers clip what is so long",
            "split it, or link to the full texts",
        )
    digest = Digest(
        slug=slug,
        title=parts.title,
        byline=parts.byline,
        lede=parts.lede,
        sections=parts.sections,
        sources=parts.sources,
        content_hash=hashlib.sha256(data).hexdigest(),
        path=path,
        subject=_with_fields(front, "subject", findings),
        preheader=_with_fields(front, "preheader", findings),
        language=front.get("language"),
        title_line=parts.title_line,
    )
    return Parsed(digest, findings.sorted())


def _with_fields(front: FrontMatter, key: str, findings: Findings) -> str | None:
    """Return a front matter text as written, its merge fields looked through for mistakes."""
    value = front.get(key)
    if value is not None:
        scan(value, findings, line=front.lines[key])
    return value


def _normalised(text: str, findings: Findings) -> str:
    """Return the text with `\\n` line ends, without byte order mark and control characters."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    line = done = 0
    for match in _CONTROL.finditer(text):
        line += text.count("\n", done, match.start())
        done = match.start()
        findings.add(
            "control-character",
            f"an invisible control character U+{ord(match[0]):04X} was taken out",
            "delete it from the file",
            line + 1,
        )
    return _CONTROL.sub(" ", text)


def _look_at_references(env: dict[str, Any], findings: Findings) -> None:
    """Tell of '[^a b]: …', which Markdown takes for a link reference instead of a source."""
    for label, reference in env.get("references", {}).items():
        if label.startswith("^"):
            findings.add(
                "source-label",
                f"the source label '[{excerpt(label.lower(), 40)}]' holds a space",
                "number the source: '[^1]: [label](https://…)'",
                reference["map"][0] + 1,
            )


# ---------------------------------------------------------------- refusals


def _encode(text: str, place: Place) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DigestError(
            f"the text holds half a character (U+{ord(text[error.start]):04X})",
            where=Place(place.path, text.count("\n", 0, error.start) + 1),
            fix="take it out; text must be whole Unicode characters",
        ) from None


def _decode(data: bytes, place: Place) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DigestError(
            "the digest is not UTF-8: it is UTF-16", where=place, fix="save the file as UTF-8"
        )
    _refuse_unreadable(data, place)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DigestError(
            f"the digest is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}",
            where=Place(place.path, _line_of(data, error.start)),
            fix="save the file as UTF-8; it may be in Windows-1252 or Latin-1",
        ) from None


def _refuse_unreadable(data: bytes, place: Place) -> None:
    if len(data) > LARGEST:
        raise DigestError(
            f"the digest is larger than {LARGEST // 1024} KiB",
            where=place,
            fix="check that this is the right file, or split it",
        )
    nul = data.find(b"\0")
    if nul >= 0:
        raise DigestError(
            f"the digest is not text: it has a NUL byte at offset {nul}",
            where=Place(place.path, _line_of(data, nul)),
            fix="name a Markdown file saved as UTF-8",
        )
    if not data.removeprefix(b"\xef\xbb\xbf").strip():
        raise DigestError(
            "the digest is empty", where=place, fix="write at least a title and a date"
        )


def _line_of(data: bytes, offset: int) -> int:
    """Return the line of a byte, counting CRLF, LF and lone CR as one line end each."""
    before = data[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1
