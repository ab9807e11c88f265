"""How large an email is for the reader with the longest values (A7)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass

from newsletter.digest.model import Finding
from newsletter.rendering.checks.codes import HTML_PART, TEXT_PART, found
from newsletter.rendering.content import (
    PREFERENCES_URL,
    UNSUBSCRIBE_URL,
    EmailContent,
    Slot,
    SlotContext,
)
from newsletter.rendering.merge import LONGEST_VALUE, cut

CLIPPED = 102_000
"""Bytes of HTML from which Gmail cuts a mail, footer and all."""
NEARLY_CLIPPED = 90_000
TEXT_LARGE = 60_000
"""Bytes of text that nobody reads at one go: some twenty pages."""
SIZE_CODES = frozenset({"html-too-large", "html-large", "text-large"})

_LINK_BYTES = 250


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of both parts for the longest values; `unsubscribe_end` is where that link ends."""

    html: int
    text: int
    unsubscribe_end: int


def merged_sizes(content: EmailContent, longest: Mapping[str, int] | None = None) -> Sizes:
    """Return the sizes of an email for the longest values that a subscriber can have.

    `longest` are the bytes of each merge field's longest value, escaped; fields that are not in
    it count as the longest value there can be.
    """
    lengths = dict(longest or {})
    html_size, end = _size(content.html, content, lengths)
    text_size, _ = _size(content.text, content, lengths)
    return Sizes(html_size, text_size, end)


def _size(text: str, content: EmailContent, longest: Mapping[str, int]) -> tuple[int, int]:
    pieces = cut(text, content.slots)
    size, unsubscribe_end = len(pieces.texts[0].encode()), 0
    for slot, after in zip(pieces.slots, pieces.texts[1:], strict=True):
        size += _longest(slot, longest)
        if slot.field == UNSUBSCRIBE_URL:
            unsubscribe_end = size
        size += len(after.encode())
    return size, unsubscribe_end


def _longest(slot: Slot, longest: Mapping[str, int]) -> int:
    if slot.field in (UNSUBSCRIBE_URL, PREFERENCES_URL):
        return _LINK_BYTES
    default = html.escape(slot.default) if slot.context is SlotContext.HTML else slot.default
    return max(longest.get(slot.field, LONGEST_VALUE), len(default.encode()))


def check_size(content: EmailContent, longest: Mapping[str, int] | None = None) -> list[Finding]:
    """Return whether the email is too large, or nearly so; `longest` as in `merged_sizes`."""
    sizes = merged_sizes(content, longest)
    findings = []
    if sizes.html >= CLIPPED:
        lost = ", and with the end the unsubscribe link" if sizes.unsubscribe_end > CLIPPED else ""
        findings.append(
            found(
                "html-too-large",
                f"the HTML has {sizes.html:,} bytes; Gmail cuts it at {CLIPPED:,}{lost}",
                "shorten the digest, or put fewer stories in it",
                HTML_PART,
            )
        )
    elif sizes.html >= NEARLY_CLIPPED:
        findings.append(
            found(
                "html-large",
                f"the HTML has {sizes.html:,} bytes; Gmail cuts it at {CLIPPED:,}",
                "shorten the digest",
                HTML_PART,
            )
        )
    if sizes.text >= TEXT_LARGE:
        findings.append(
            found(
                "text-large",
                f"the text has {sizes.text:,} bytes, some {sizes.text // 3000} pages",
                "shorten the digest",
                TEXT_PART,
            )
        )
    return findings
