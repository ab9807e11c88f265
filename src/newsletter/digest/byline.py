"""Reads who and when from a byline, the paragraph below a title.

What a date looks like is the matter of `dates`, what a name of `authors`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from newsletter.digest.authors import BY, author_in, is_said_beside, named_author
from newsletter.digest.dates import DateReading, find_date, read_date, tell_date
from newsletter.digest.findings import Findings
from newsletter.digest.model import Byline, Emphasis, Inline, LineBreak, Strong, Text, plain_text
from newsletter.one_line import one_line

Settle = Callable[[DateReading], DateReading]
"""Makes a day of a reading that leaves it open, where the digest's name says which."""

_LONGEST_BYLINE = 200
_MOST_WORDS = 8
"""Words of a name without emphasis; what is longer is a sentence."""

_EMOJI = re.compile(
    "[\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d"
    "\U0001f000-\U0001faff\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+"
)
_BREAKS = re.compile(
    r"\s*[•·|¦∙‧●/]\s+|\s*[•·|¦∙‧●]\s*|\s*[—–―]\s*|\s+[-~]+\s+|[()\[\]（）【】]|;\s"
)
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)]*$")


@dataclass(frozen=True, slots=True)
class _Parts:
    author: str | None
    date: DateReading | None
    by: bool
    apart: bool
    """The date stands by itself, or apart from the author by a mark."""


def read_byline(
    inlines: tuple[Inline, ...], line: int, findings: Findings, *, settle: Settle | None = None
) -> Byline | None:
    """Read the paragraph below the title as a byline; None when it is ordinary text.

    A byline is short. It names its author behind "By", or a date by itself or apart from other
    words by a dash, a bullet, a bar, a comma or brackets; or it is emphasised and holds a date.
    `settle` may make a day of a reading that leaves it open.
    """
    text = _text_of(inlines)
    if not text or len(text) > _LONGEST_BYLINE:
        return None
    parts = _split(text)
    if not _is_byline(text, parts, emphasised=_wholly_emphasised(inlines)):
        return None
    day = None
    if parts.date is not None:
        reading = settle(parts.date) if settle else parts.date
        tell_date(reading, findings, line)
        day = reading.day
    author = None if parts.author is None else one_line(parts.author) or None
    return Byline(author, day, " ".join(plain_text(inlines).split()), line)


def looks_like_byline(text: str) -> bool:
    """Tell whether Markdown without its marks says who wrote it and when, and nothing else."""
    if not text or len(text) > _LONGEST_BYLINE:
        return False
    parts = _split(text)
    return parts.date is not None and _is_byline(text, parts, emphasised=False)


def _text_of(inlines: Sequence[Inline]) -> str:
    """Return the words, with a bullet where a line ends or a bold label begins another entry."""
    pieces: list[str] = []
    for node in inlines:
        if isinstance(node, LineBreak):
            pieces.append(" • ")
        elif (
            isinstance(node, Strong) and pieces and plain_text((node,)).rstrip()[-1:] in (":", "：")
        ):
            pieces.append(" • " + plain_text((node,)))
        elif isinstance(node, Emphasis | Strong):
            pieces.append(_text_of(node.children))
        else:
            pieces.append(plain_text((node,)))
    return " ".join("".join(pieces).split())


def _ends_label(words: str) -> bool:
    return words.rstrip()[-1:] in (":", "：")


def _is_byline(text: str, parts: _Parts, *, emphasised: bool) -> bool:
    ends = _SENTENCE_END.search(text) is not None
    if parts.date is not None:
        words = len((parts.author or "").split())
        return emphasised or ((parts.apart or parts.by) and words <= _MOST_WORDS)
    if not parts.by or parts.author is None:
        return False
    return emphasised or (not ends and len(text.split()) <= _MOST_WORDS)


def _wholly_emphasised(inlines: tuple[Inline, ...]) -> bool:
    marked = False
    for node in inlines:
        if isinstance(node, Emphasis | Strong):
            marked = True
        elif not (isinstance(node, Text) and not _EMOJI.sub("", node.text).strip()):
            return False
    return marked


def _split(text: str) -> _Parts:
    by = BY.match(_EMOJI.sub(" ", text).strip()) is not None
    reading: DateReading | None = None
    rest: list[str] = []
    apart = False
    pieces = _pieces(text)
    if (whole := read_date(text)) is not None:
        return _Parts(None, whole, by=False, apart=True)
    for piece in pieces:
        found = find_date(piece) if reading is None else None
        if found is None:
            rest.append(piece)
            continue
        reading, before, behind = found
        rest += [words for words in (before, behind) if words.strip()]
        apart = (
            len(pieces) > 1
            or not (before or behind)
            or before.rstrip()[-1:] in (",", ":", ";")
            or is_said_beside(before)
            or (not before and BY.match(behind) is not None)
        )
    author = author_in(rest, alone=reading is None or len(pieces) > 1, by=by)
    by = by or any(named_author(piece) is not None for piece in rest)
    return _Parts(author, reading, by, apart)


def _pieces(text: str) -> list[str]:
    """Split at marks; a date with dashes, dots or brackets of its own stays whole."""
    marked = _EMOJI.sub(" • ", text)
    return [piece.strip() for piece in _BREAKS.split(marked) if piece and piece.strip(" ,;:")]
