"""Blocks of the text part: paragraphs, headings, lists, quotes, code, tables, rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.digest.model import (
    Block,
    CodeBlock,
    Heading,
    Inline,
    ListBlock,
    Paragraph,
    Quote,
    Rule,
    Table,
)
from newsletter.rendering.text.lines import COLUMNS, VERBATIM, indented, underlined
from newsletter.rendering.text.running import Links, RunningText
from newsletter.rendering.text.tables import table_text

_BULLETS = ("• ", "– ", "· ")
_LEAST_WIDTH = 24
"""Columns that lists and quotes within each other leave to their words."""


@dataclass(frozen=True, slots=True)
class BlockText:
    """Sets blocks as plain text, each at most `width` columns wide where its words allow it."""

    running: RunningText

    def blocks(self, blocks: Sequence[Block], width: int = COLUMNS, depth: int = 0) -> list[str]:
        """Return each block that says anything; `depth` counts the lists around them."""
        return [text for block in blocks if (text := self._block(block, width, depth))]

    def _block(self, block: Block, width: int, depth: int) -> str:
        match block:
            case Paragraph(children):
                return self.running.paragraph(children, width)
            case Heading(_, children):
                return self.heading(children, "~", width)
            case Quote(blocks):
                bar = "| " if width - 2 >= _LEAST_WIDTH else ""
                inner = self.blocks(blocks, width - len(bar), depth)
                return indented("\n\n".join(inner), bar) if inner else ""
            case CodeBlock(text):
                lines = text.strip("\n").split("\n")
                return "\n".join(f"{VERBATIM}    {line}" if line.strip() else "" for line in lines)
            case ListBlock():
                return self._list(block, width, depth)
            case Table():
                return self._table(block, width)
            case Rule():
                return " " * ((width - 5) // 2) + "* * *"

    def _list(self, block: ListBlock, width: int, depth: int) -> str:
        """Set items below each other; apart by a line when one of them has several paragraphs."""
        last = block.start + len(block.items) - 1
        room = len(f"{last}. ") if block.ordered else 2
        room = room if width - room >= _LEAST_WIDTH else 0
        loose = any(not isinstance(inner, ListBlock) for item in block.items for inner in item[1:])
        apart = "\n\n" if loose else "\n"
        items = []
        for number, item in enumerate(block.items, start=block.start):
            text = apart.join(self.blocks(item, width - room, depth + 1))
            mark = f"{number}. ".rjust(room) if block.ordered else _BULLETS[min(depth, 2)]
            if text:
                items.append(indented(text, mark if room else "", " " * room))
        return apart.join(items)

    def _table(self, table: Table, width: int) -> str:
        links: Links = {}

        def cells(row: Sequence[Sequence[Inline]]) -> list[str]:
            texts = [" ".join(self.running.inlines(cell, links).split()) for cell in row]
            return [*texts, *[""] * (len(table.header) - len(texts))][: len(table.header)]

        text = table_text(
            cells(table.header),
            [cells(row) for row in table.rows],
            table.aligns,
            width=width,
            aligned=self.running.direction == "ltr",
        )
        return "\n\n".join(
            [text, *(["\n".join(self.running.addresses(links, width))] if links else [])]
        )

    def heading(
        self, title: Sequence[Inline], sign: str, width: int = COLUMNS, *, mark: str = ""
    ) -> str:
        """Return a heading underlined with a sign, behind a mark such as its number."""
        links: Links = {}
        heading = underlined(mark + self.running.inlines(title, links), sign, width)
        return "\n".join([*filter(None, [heading]), *self.running.addresses(links, width)])
