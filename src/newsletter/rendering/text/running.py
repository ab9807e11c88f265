"""Running text of the text part: words in a row, citations, and where links lead.

The addresses of links stand below their paragraph, so that a sentence reads on (A8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from newsletter.digest.model import (
    Citation,
    Code,
    Emphasis,
    Image,
    Inline,
    LineBreak,
    Link,
    MergeField,
    Strong,
    Struck,
    Text,
)
from newsletter.rendering.content import SlotContext
from newsletter.rendering.merge import SlotAllocator
from newsletter.rendering.text.lines import GLUE, columns, wrap

Links = dict[str, str]
"""Addresses met in a text, each with the words it stood behind."""

_LONGEST_LINK = 44
"""Columns of a link's words that are said again beside its address."""


@dataclass(frozen=True, slots=True)
class RunningText:
    """Sets inlines as plain text.

    `numbers` are the places of the sources in their list, `image` is the word for a picture,
    `direction` is that of the digest.
    """

    slots: SlotAllocator
    numbers: Mapping[str, int]
    image: str
    direction: str

    def tag(self, field: str, default: str = "") -> str:
        """Return the slot of a field."""
        return self.slots.tag(field, default, SlotContext.TEXT)

    def paragraph(self, inlines: Sequence[Inline], width: int) -> str:
        """Return a paragraph; the addresses of its links stand below it, so that it reads on."""
        links: Links = {}
        words = self.inlines(inlines, links)
        if not links:
            return wrap(words, width)
        text = wrap(words, width)
        ends = _said(words).removesuffix(next(iter(links.values())))
        if len(links) == 1 and ends != _said(words):
            # The link is the last that is said: its address follows by itself.
            return f"{text}\n{'  ' if ends else ''}{next(iter(links))}"
        return "\n".join([*([text] if text else []), *self.addresses(links, width)])

    def addresses(self, links: Links, width: int) -> Iterator[str]:
        """Yield the lines that say where links lead, set in by two columns."""
        for address, words in links.items():
            first, *more = wrap(words, min(_LONGEST_LINK, width - 2)).split("\n")
            label = f"{first}…" if more else first
            for line in self.address(label, address, width - 2):
                yield f"  {line}"

    def address(self, label: str, address: str, width: int) -> list[str]:
        """Return an address behind its label; in right-to-left text it needs its own line."""
        line = f"{label}: {address}" if label else address
        if not label or (self.direction == "ltr" and columns(line) <= width):
            return [line]
        return [f"{label}:", address]

    def inlines(self, inlines: Sequence[Inline], links: Links) -> str:
        """Return words in a row; the addresses among them are added to `links`."""
        parts: list[str] = []
        for node in inlines:
            # A citation stays with the word it belongs to.
            if isinstance(node, Citation) and parts and parts[-1].endswith(" "):
                parts[-1] = parts[-1].rstrip() + GLUE
            parts.append(self._inline(node, links))
        return "".join(parts)

    def _inline(self, node: Inline, links: Links) -> str:
        match node:
            case Text(text) | Code(text):
                return text
            case Emphasis(children) | Strong(children):
                return self.inlines(children, links)
            case Struck(children):
                return f"~{self.inlines(children, links)}~"
            case Link(url, children):
                return self._link(url, self.inlines(children, {}), links)
            case Image(url, alt):
                if not alt:
                    return ""
                links.setdefault(url, f"[{self.image}: {alt}]")
                return f"[{self.image}: {alt}]"
            case Citation(number):
                # The mark keeps it on its side of a word that runs from left to right.
                mark = "\u200f" if self.direction == "rtl" else ""
                return f"{mark}[{self.numbers.get(number, number)}]"
            case MergeField(name, default):
                return self.tag(name, default or "")
            case LineBreak():
                return "\n"

    def _link(self, url: str, words: str, links: Links) -> str:
        said = _said(words)
        if url.startswith("mailto:"):
            address = url.removeprefix("mailto:").partition("?")[0] or url
            return words if address in said else f"{words} ({address})"
        if said in (url, bare := url.partition("//")[2], bare.rstrip("/")):
            return url
        links.setdefault(url, said)
        return words


def _said(words: str) -> str:
    """Return words on one line without the marks around them."""
    return " ".join(words.split()).strip(" .,:;!?")


def uncited(inlines: Sequence[Inline]) -> list[Inline]:
    """Return a title without its citations."""
    kept: list[Inline] = []
    for node in inlines:
        match node:
            case Citation():
                pass
            case Emphasis(children) | Strong(children) | Struck(children):
                kept += uncited(children)
            case _:
                kept.append(node)
    return kept
