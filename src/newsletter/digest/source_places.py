"""Finds where a digest keeps its sources, before any of its words are read.

The heading right above definitions holds them, whatever it says; a heading that says "Sources"
may hold a list instead. What stands behind them is the end of the digest. Tokens are marked with
their part in it: `heading`, `list`, `under` (what does not belong there) and `closing`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from newsletter.digest.source_headings import is_sources_heading

ROLE = "sources"
"""Key of a token's `meta` under which its part stands."""

_LINK = re.compile(r"\]\([^\s)]|https?://|www\.|mailto:|<[^<>\s]+@")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One block of the document: its first token, what it holds, its level as a heading or 0."""

    token: Token
    inside: Sequence[Token]
    level: int = 0

    @property
    def kind(self) -> str:
        return self.token.type

    @property
    def is_definition(self) -> bool:
        return self.kind == "footnote_reference_open"

    @property
    def is_list(self) -> bool:
        return self.kind in ("bullet_list_open", "ordered_list_open")

    @property
    def is_rule(self) -> bool:
        return self.kind == "hr"

    @property
    def says_sources(self) -> bool:
        if self.kind not in ("heading_open", "paragraph_open"):
            return False
        return is_sources_heading(self.inside[0].content if self.inside else "")

    @property
    def cites(self) -> bool:
        return any(token.type == "inline" and "[^" in token.content for token in self.inside)

    @property
    def lists_links(self) -> bool:
        """Tell whether each item of a list has an address."""
        items = self.token.level + 1
        texts: list[str] = []
        for token in self.inside:
            if token.type == "list_item_open" and token.level == items:
                texts.append("")
            elif token.type == "inline" and texts:
                texts[-1] += token.content
        return self.is_list and bool(texts) and all(_LINK.search(text) for text in texts)

    @property
    def holds_sources_only(self) -> bool:
        """Tell whether a quote holds definitions under their heading, and nothing else."""
        definitions = 0
        inside = False
        for token in self.inside:
            if token.type in ("footnote_reference_open", "footnote_reference_close"):
                inside = token.nesting > 0
                definitions += inside
            elif token.type == "inline" and not inside and not is_sources_heading(token.content):
                return False
        return self.kind == "blockquote_open" and definitions > 0

    def mark(self, role: str) -> None:
        self.token.meta[ROLE] = role


def mark_sources(tokens: Sequence[Token]) -> frozenset[str]:
    """Mark what holds sources, and return the numbers that citations may point to.

    These are the labels of all definitions, and the numbers of ordered lists among the sources.
    """
    entries = _entries(tokens)
    headings = [n for n, entry in enumerate(entries) if entry.level]
    ends = dict(zip(headings, [*headings[1:], len(entries)], strict=False))
    held: set[int] = set()
    title = next((n for n in headings if entries[n].level == 1), None)
    # One list below one such heading is sure to be the sources wherever it stands.
    alone = [n for n in headings if _opens_list(entries, n + 1, ends[n])]
    for number in headings:
        final = ends[number] == len(entries)
        certain = final or (len(alone) == 1 and number in alone)
        if number != title and _holds(entries, number, ends[number], certain=certain):
            held.add(number)
            _mark_part(entries, number, ends[number])
    for number in reversed(headings):
        if number not in held and number != title and _is_above_held(entries, number, ends, held):
            held.add(number)
            entries[number].mark("heading")
    for number, entry in enumerate(entries):
        if entry.holds_sources_only:
            entry.mark("heading")
        if entry.kind == "paragraph_open" and entry.says_sources and ROLE not in entry.token.meta:
            end = next((n for n in headings if n > number), len(entries))
            _mark_below_words(entries, number, end)
    return _numbers(tokens, entries)


def _entries(tokens: Sequence[Token]) -> list[_Entry]:
    """Return the blocks at the top of the document."""
    entries: list[_Entry] = []
    start = 0
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting >= 0:
            start = index
        if token.level == 0 and token.nesting <= 0:
            first = tokens[start]
            level = int(first.tag[1:]) if first.type == "heading_open" else 0
            entries.append(_Entry(first, tokens[start + 1 : index], level))
    return entries


def _next(entries: Sequence[_Entry], start: int, end: int) -> _Entry | None:
    """Return the first block from `start` on that is no rule."""
    return next((entry for entry in entries[start:end] if not entry.is_rule), None)


def _opens_list(entries: Sequence[_Entry], start: int, end: int) -> bool:
    if not entries[start - 1].says_sources:
        return False
    first = _next(entries, start, end)
    return first is not None and first.lists_links


def _holds(entries: Sequence[_Entry], number: int, end: int, *, certain: bool) -> bool:
    """Tell whether a heading holds sources."""
    heading, part = entries[number], entries[number + 1 : end]
    first = _next(entries, number + 1, end)
    if first is not None and first.is_definition:
        behind = _behind(part)
        # A story may define its sources above its text; the last words of a digest cite none.
        ends = end == len(entries) and not any(entry.cites for entry in behind)
        return heading.says_sources or not behind or behind[0].is_rule or ends
    if not heading.says_sources:
        return False
    if first is not None and first.is_list:
        return certain
    if end < len(entries):
        return False
    # Words alone under the last heading are a story, unless they can only be lost sources.
    if part and part[0].is_rule:
        return True
    others = [entry for entry in part if not entry.is_rule]
    return (
        any(e.is_definition for e in entries)
        or any(e.is_list for e in part)
        or all(
            _LINK.search(token.content)
            for e in others
            for token in e.inside
            if token.type == "inline"
        )
    )


def _behind(part: Sequence[_Entry]) -> Sequence[_Entry]:
    """Return what stands behind the last definition, or behind the first list without any."""
    last = max((n for n, entry in enumerate(part) if entry.is_definition), default=None)
    if last is None:
        last = next((n for n, entry in enumerate(part) if entry.is_list), None)
    if last is None:
        return part if part and part[0].is_rule else []
    end = last + 1
    while end < len(part) and part[end].is_list:
        end += 1
    return part[end:]


def _mark_part(entries: Sequence[_Entry], number: int, end: int) -> None:
    entries[number].mark("heading")
    part = entries[number + 1 : end]
    behind = _behind(part)
    for entry in part[: len(part) - len(behind)]:
        if entry.is_list:
            entry.mark("list")
        elif not entry.is_definition and not entry.is_rule:
            entry.mark("under")
    if any(not entry.is_rule for entry in behind):
        for entry in behind:
            entry.mark("closing")


def _is_above_held(
    entries: Sequence[_Entry], number: int, ends: dict[int, int], held: set[int]
) -> bool:
    """Tell whether a heading says "Sources" over nothing but headings that hold them."""
    heading, end = entries[number], ends[number]
    if not heading.says_sources or _next(entries, number + 1, end) is not None:
        return False
    below = []
    while end in ends and entries[end].level > heading.level:
        below.append(end)
        end = ends[end]
    return bool(below) and all(n in held for n in below)


def _mark_below_words(entries: Sequence[_Entry], number: int, end: int) -> None:
    """Mark what a paragraph "Sources:" introduces, where that is sources."""
    first = _next(entries, number + 1, end)
    if first is None:
        if end == len(entries):
            entries[number].mark("heading")
    elif first.is_definition or (first.lists_links and end == len(entries)):
        _mark_part(entries, number, end)


def _numbers(tokens: Sequence[Token], entries: Sequence[_Entry]) -> frozenset[str]:
    numbers = {
        str(token.meta["label"]) for token in tokens if token.type == "footnote_reference_open"
    }
    for entry in entries:
        if entry.kind == "ordered_list_open" and entry.token.meta.get(ROLE) == "list":
            start = int(entry.token.attrs.get("start", 1))
            items = sum(t.type == "list_item_open" and t.level == 1 for t in entry.inside)
            numbers.update(str(start + index) for index in range(items))
    return frozenset(numbers)
