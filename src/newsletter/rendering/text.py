"""The text part, written from the digest and not from its HTML (A8): it reads well aloud."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date

from newsletter.digest.model import (
    Block,
    Citation,
    Code,
    CodeBlock,
    Digest,
    Emphasis,
    Heading,
    Image,
    Inline,
    LineBreak,
    Link,
    ListBlock,
    MergeField,
    Paragraph,
    Quote,
    Rule,
    Source,
    Strong,
    Table,
    Text,
)
from newsletter.rendering.content import (
    PREFERENCES_URL,
    UNSUBSCRIBE_URL,
    ListIdentity,
    SlotContext,
)
from newsletter.rendering.merge import SlotAllocator
from newsletter.rendering.theme import Words, format_date

COLUMNS = 72
"""Width of the text; the rule asks for at most 76."""
SLOT_WIDTH = 16
"""What a merge value is taken to be wide when lines are broken before it is known."""

_SLOT = re.compile(r"slot[0-9a-f]{10}x\d{4}x")


class TextWriter:
    """Writes the text part of one digest."""

    def __init__(self, slots: SlotAllocator, sources: Sequence[Source], words: Words) -> None:
        self._slots = slots
        self._numbers = {source.number: n for n, source in enumerate(sources, start=1)}
        self._words = words

    def write(self, digest: Digest, identity: ListIdentity, *, language: str) -> str:
        """Return the whole text part, with `\\n` line ends."""
        day: date | None = digest.byline.day
        head = [identity.title] + ([format_date(day, language)] if day else [])
        title = self._inlines(digest.title)
        parts = [" · ".join(head), wrap(_capitals(title))]
        if digest.byline.author:
            parts.append(f"{self._words.by} {digest.byline.author}")
        parts += self._blocks(digest.lede)
        for section in digest.sections:
            if section.title:
                parts.append(_underlined(self._inlines(section.title), "="))
            parts += self._blocks(section.blocks)
            for story in section.stories:
                parts.append(_underlined(self._inlines(story.title), "-"))
                parts += self._blocks(story.blocks)
                if story.why_it_matters:
                    parts += self._why(story.why_it_matters)
        if digest.sources:
            parts.append(_underlined(self._words.sources, "="))
            parts.append("\n".join(self._sources(digest.sources)))
        parts.append(self._footer(identity))
        return "\n\n".join(part for part in parts if part) + "\n"

    def _why(self, blocks: Sequence[Block]) -> Iterator[str]:
        first, *rest = blocks
        label = f"{self._words.why}: "
        if isinstance(first, Paragraph):
            yield _indent(wrap(label + self._inlines(first.children), COLUMNS - 4), ">>  ", "    ")
        else:
            yield ">>  " + label.strip()
            rest = list(blocks)
        for text in self._blocks(rest, COLUMNS - 4):
            yield _indent(text, "    ")

    def _blocks(self, blocks: Sequence[Block], width: int = COLUMNS) -> list[str]:
        return [text for block in blocks if (text := self._block(block, max(width, 20)))]

    def _block(self, block: Block, width: int) -> str:
        match block:
            case Paragraph(children):
                return wrap(self._inlines(children), width)
            case Heading(_, children):
                return wrap(self._inlines(children), width)
            case Quote(blocks):
                return _indent("\n\n".join(self._blocks(blocks, width - 2)), "| ")
            case CodeBlock(text):
                return _indent(text.rstrip("\n"), "    ")
            case ListBlock():
                return self._list(block, width)
            case Table():
                return self._table(block, width)
            case Rule():
                return "* * *"

    def _list(self, block: ListBlock, width: int) -> str:
        items = []
        for number, item in enumerate(block.items, start=block.start):
            mark = f"{number}. " if block.ordered else "• "
            text = "\n".join(self._blocks(item, width - len(mark)))
            items.append(_indent(text, mark, " " * len(mark)))
        return "\n".join(items)

    def _table(self, table: Table, width: int) -> str:
        """Set each row as `header: cell`, which reads aloud and fits any width."""
        names = [self._inlines(cell) for cell in table.header]
        rows = []
        for row in table.rows:
            cells = [
                wrap(f"{name}: {self._inlines(cell)}" if name else self._inlines(cell), width - 2)
                for name, cell in zip(names, row, strict=False)
            ]
            rows.append(_indent("\n".join(cells), "• ", "  "))
        return "\n".join(rows)

    def _inlines(self, inlines: Sequence[Inline]) -> str:
        return "".join(self._inline(node) for node in inlines)

    def _inline(self, node: Inline) -> str:
        match node:
            case Text(text) | Code(text):
                return text
            case Emphasis(children) | Strong(children):
                return self._inlines(children)
            case Link(url, children):
                words = self._inlines(children)
                shown = url.removeprefix("mailto:")
                return shown if words in (url, shown) else f"{words} <{shown}>"
            case Image(url, alt):
                return f"[{alt}] <{url}>" if alt else ""
            case Citation(number):
                return f"[{self._numbers.get(number, number)}]"
            case MergeField(name, default):
                return self._slots.tag(name, default or "", SlotContext.TEXT)
            case LineBreak():
                return "\n"

    def _sources(self, sources: Sequence[Source]) -> Iterator[str]:
        for number, source in enumerate(sources, start=1):
            mark = f"[{number}] "
            words = source.label + (f" — {source.note}" if source.note else "")
            yield _indent(wrap(words, COLUMNS - len(mark)), mark, " " * len(mark))
            if source.url and source.url != source.label:
                yield " " * len(mark) + source.url

    def _footer(self, identity: ListIdentity) -> str:
        def link(words: str, field: str) -> str:
            return f"{words}:\n{self._slots.tag(field, '', SlotContext.TEXT)}"

        lines = ["-" * COLUMNS]
        if identity.reason:
            lines.append(wrap(identity.reason))
        about = [identity.from_name or identity.title, identity.postal_address, identity.contact]
        lines.append(wrap(" · ".join(" ".join(part.split()) for part in about if part)))
        lines.append(link(self._words.preferences, PREFERENCES_URL))
        lines.append(link(self._words.unsubscribe, UNSUBSCRIBE_URL))
        if identity.archive_url:
            lines.append(f"{self._words.archive}:\n{identity.archive_url}")
        return "\n".join(lines)


def wrap(text: str, width: int = COLUMNS) -> str:
    """Return a text on lines of at most `width` columns; words (so URLs too) are never broken."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, used = "", 0
        for word in paragraph.split():
            size = columns(word)
            if line and used + 1 + size > width:
                lines.append(line)
                line, used = word, size
            else:
                line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
        lines.append(line)
    return "\n".join(lines).strip("\n")


def columns(text: str) -> int:
    """Return how many columns a word takes: wide characters two, marks none, a slot its guess."""
    plain, slots = _SLOT.subn("", text)
    if plain.isascii():
        return len(plain) + slots * SLOT_WIDTH
    wide = sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in ("Cf", "Me", "Mn")
        else 2
        if unicodedata.east_asian_width(c) in ("W", "F")
        else 1
        for c in plain
    )
    return wide + slots * SLOT_WIDTH


def _capitals(text: str) -> str:
    """Return a text in capitals, slot tags left as they are."""
    tags = _SLOT.findall(text)
    words = [part.upper() for part in _SLOT.split(text)]
    return "".join(word + tag for word, tag in zip(words, [*tags, ""], strict=True))


def _underlined(text: str, sign: str) -> str:
    wrapped = wrap(text)
    longest = max((columns(line) for line in wrapped.split("\n")), default=0)
    return f"{wrapped}\n{sign * min(longest, COLUMNS)}"


def _indent(text: str, first: str, others: str | None = None) -> str:
    rest = first if others is None else others
    return "\n".join(
        ((first if number == 0 else rest) + line).rstrip()
        for number, line in enumerate(text.split("\n"))
    )
