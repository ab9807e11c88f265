"""Turns block tokens into the model's blocks: a flat outline of the document, top to bottom.

Headings at the top level come out as `Title`, for `structure` to make stories of; footnote
definitions are gathered apart, all of them, in order (the footnote plugin would drop and merge).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from markdown_it.token import Token

from newsletter.digest.inlines import Reading, read_inlines
from newsletter.digest.model import (
    Align,
    Block,
    CodeBlock,
    Heading,
    Inline,
    ListBlock,
    Paragraph,
    Quote,
    Rule,
    Strong,
    Table,
    Text,
    plain_text,
)
from newsletter.digest.source_places import ROLE

_TASK = re.compile(r"\[([ xX])\][ \u00a0]")
_NOTE = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]", re.IGNORECASE)
_CELL = re.compile(r"(?:[^|\\]|\\.)*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Title:
    """A heading that may become the digest's title, a section's or a story's."""

    level: int
    inlines: tuple[Inline, ...]
    line: int

    @property
    def words(self) -> str:
        """The heading as a reader sees it, spaces collapsed."""
        return " ".join(plain_text(self.inlines).split())


@dataclass(frozen=True, slots=True)
class Definition:
    """What stands behind one `[^label]:`."""

    label: str
    blocks: tuple[Block, ...]
    line: int


Item: TypeAlias = Title | Block


@dataclass
class Outline:
    """The document as read: `items` top to bottom, and apart from them what holds its sources.

    `below` stands under the heading of the sources, `closing` behind them.
    """

    items: list[Item] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    below: list[Block] = field(default_factory=list)
    closing: list[Block] = field(default_factory=list)


def read_outline(tokens: Sequence[Token], lines: Sequence[str], reading: Reading) -> Outline:
    """Return the outline of a document's tokens; `lines` is its source, for what tables hide."""
    return _Blocks(tokens, lines, reading).read()


class _Blocks:
    def __init__(self, tokens: Sequence[Token], lines: Sequence[str], reading: Reading) -> None:
        self._tokens = tokens
        self._lines = lines
        self._reading = reading
        self._at = 0
        self._definitions: list[Definition] = []

    def read(self) -> Outline:
        outline = Outline(definitions=self._definitions)
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            role = token.meta.get(ROLE)
            if token.type == "heading_open":
                title = self._title(token)
                if role is None:
                    outline.items.append(title)
            elif (block := self._block(token)) is None or role == "heading":
                continue
            elif role is None:
                outline.items.append(block)
            else:
                (outline.closing if role == "closing" else outline.below).append(block)
        return outline

    def _until(self, closing: str) -> tuple[Block, ...]:
        """Read blocks up to the closing token of the container we are in, and step over it."""
        blocks: list[Block] = []
        while (token := self._tokens[self._at]).type != closing:
            block = self._block(token)
            if block is not None:
                blocks.append(block)
        self._at += 1
        return tuple(blocks)

    def _block(self, token: Token) -> Block | None:
        line = token.map[0] + 1 if token.map else 0
        self._at += 1
        block: Block | None = None
        match token.type:
            case "paragraph_open":
                children = self._inline("paragraph_close")
                block = Paragraph(children, line) if children else None
            case "heading_open":
                self._at -= 1
                title = self._title(token)
                block = Heading(max(4, title.level), title.inlines, line)
            case "bullet_list_open" | "ordered_list_open":
                block = self._list(token, line)
            case "blockquote_open":
                block = Quote(_as_note(self._until("blockquote_close")), line)
            case "fence" | "code_block":
                language = token.info.split(maxsplit=1)[0] if token.info.strip() else None
                block = CodeBlock(token.content.removesuffix("\n"), language, line)
            case "hr":
                block = Rule(line)
            case "table_open":
                block = self._table(line)
            case "footnote_reference_open":
                self._definition(token, line)
            case "too_deep":
                block = self._too_deep(token, line)
        return block

    def _inline(self, closing: str) -> tuple[Inline, ...]:
        """Read the one inline token of a paragraph, heading or cell, and its closing token."""
        inlines: tuple[Inline, ...] = ()
        while (token := self._tokens[self._at]).type != closing:
            line = token.map[0] + 1 if token.map else 0
            inlines += read_inlines(token.children or (), token.content, line, self._reading)
            self._at += 1
        self._at += 1
        return inlines

    def _title(self, token: Token) -> Title:
        start, _ = token.map or (0, 1)
        self._at += 1
        return Title(int(token.tag[1:]), self._inline("heading_close"), start + 1)

    def _list(self, opening: Token, line: int) -> ListBlock:
        ordered = opening.type == "ordered_list_open"
        closing = "ordered_list_close" if ordered else "bullet_list_close"
        items: list[tuple[Block, ...]] = []
        while self._tokens[self._at].type != closing:
            self._at += 1
            items.append(_as_task(self._until("list_item_close")))
        self._at += 1
        start = opening.attrs.get("start", 1)
        return ListBlock(ordered, tuple(items), int(start), line)

    def _table(self, line: int) -> Table:
        rows: list[tuple[tuple[Inline, ...], ...]] = []
        aligns: list[Align] = []
        cells: list[tuple[Inline, ...]] = []
        while (token := self._tokens[self._at]).type != "table_close":
            self._at += 1
            match token.type:
                case "tr_open":
                    cells = []
                    self._compare(token, len(aligns))
                case "th_open":
                    style = str(token.attrs.get("style", ""))
                    aligns.append(Align(style.rpartition(":")[2] or "left"))
                    cells.append(self._inline("th_close"))
                case "td_open":
                    cells.append(self._inline("td_close"))
                case "tr_close":
                    rows.append(tuple(cells))
        self._at += 1
        return Table(rows[0], tuple(rows[1:]), tuple(aligns), line)

    def _compare(self, row: Token, columns: int) -> None:
        """Tell of cells that have no column: CommonMark's tables leave them out unsaid."""
        if not columns or not row.map:
            return
        text = self._lines[row.map[0]].lstrip(" \t>").strip()
        cells = _CELL.sub("", text.removeprefix("|").removesuffix("|")).count("|") + 1
        if cells > columns:
            self._reading.findings.add(
                "table-row-too-long",
                f"a table row has {cells} cells, its header only {columns}",
                "take the extra cells out, or write \\| for the character itself",
                row.map[0] + 1,
            )

    def _definition(self, token: Token, line: int) -> None:
        place = len(self._definitions)
        blocks = self._until("footnote_reference_close")
        # A definition within this one was read first; the order is that of the document.
        self._definitions.insert(place, Definition(str(token.meta["label"]), blocks, line))

    def _too_deep(self, token: Token, line: int) -> Block | None:
        self._reading.findings.add(
            "too-deep",
            "lists or quotes are nested too deeply",
            "say it flatter, or write \\> and \\- for the characters themselves",
            line,
        )
        return Paragraph((Text(" ".join(token.content.split())),), line) if token.content else None


def _as_task(item: tuple[Block, ...]) -> tuple[Block, ...]:
    """Read `[ ]` and `[x]` at the head of a list's item: a box, empty or ticked."""
    match item:
        case (Paragraph((Text(text), *rest), line), *more) if found := _TASK.match(text):
            box = "\N{BALLOT BOX}" if found[1] == " " else "\N{BALLOT BOX WITH CHECK}"
            words = Text(f"{box}\N{NO-BREAK SPACE}{text[found.end() :]}")
            return (Paragraph((words, *rest), line), *more)
    return item


def _as_note(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Read `[!NOTE]` at the head of a quote: what kind of note it is, in bold."""
    match blocks:
        case (Paragraph((Text(text), *rest), line), *more) if found := _NOTE.match(text):
            label = Strong((Text(found[1].capitalize()),))
            words = text[found.end() :].lstrip()
            body = (Text(f": {words}"), *rest) if words or rest else ()
            return (Paragraph((label, *body), line), *more)
    return blocks
