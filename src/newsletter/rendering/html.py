"""Parts of a digest as HTML fragments; everything that comes from a digest is escaped (A10).

How an element looks is `styles`' matter: inline in mail, class names on web pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from newsletter.digest.model import (
    Align,
    Block,
    Citation,
    Code,
    CodeBlock,
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
    Struck,
    Table,
    Text,
    is_blank,
    plain_text,
)
from newsletter.rendering.content import SlotContext
from newsletter.rendering.merge import SlotAllocator
from newsletter.rendering.styles import Styles
from newsletter.rendering.words import Words

IMAGE_WIDTH = 592
"""Widest an image is shown: the column less its margins, in CSS pixels."""
ICON_WIDTH = 240
"""Up to here an image between words fits the narrowest phone as it is."""
PHONE_WIDTH, CELL_PADDING = 284, 8
"""Room for a table on the narrowest phone, and what a cell takes of it, in CSS pixels."""
TABLE_CHARACTER, SMALL_CHARACTER = 8.4, 7.3
"""What a bold character takes at 15 and at 13 pixels."""
_WORD = re.compile(r"[^\s-]+")
"""What no browser breaks: it does so at spaces and hyphens."""
_NOTHING = Text("")


class HtmlWriter:
    """Writes fragments of one digest in reading order; knows its sources, for citations."""

    def __init__(
        self,
        slots: SlotAllocator,
        sources: Sequence[Source],
        styles: Styles,
        words: Words,
        *,
        start: str = "left",
    ) -> None:
        self._slots = slots
        self._sources: Mapping[str, tuple[int, Source]] = {
            source.number: (position, source) for position, source in enumerate(sources, start=1)
        }
        self._style = styles.attribute
        self._words = words
        self._start = start
        self._above: list[tuple[int, int]] = []

    # ------------------------------------------------------------ blocks

    def heading(
        self, level: int, inlines: Sequence[Inline], *, anchor: str | None = None
    ) -> Markup:
        """Return a heading; levels 1 to 3 are title, section and story.

        It looks like its level. Its tag is one below the heading it stands under, so that the
        order has no gaps: a story without a section is an `<h2>`. Without words it is nothing.
        """
        if is_blank(tuple(inlines)):
            return Markup("")
        name = f' id="{escape(anchor)}"' if anchor else ""
        tag, style = self._tag(level), self._style(f"heading-{min(level, 4)}")
        return _safe(f"<h{tag}{name}{style}>{self.inlines(inlines)}</h{tag}>")

    def _tag(self, level: int) -> int:
        """Return the level of a heading's tag, counted from the headings it stands under."""
        while self._above and self._above[-1][0] >= level:
            self._above.pop()
        tag = min(self._above[-1][1] + 1 if self._above else level, 6)
        self._above.append((level, tag))
        return tag

    def blocks(self, blocks: Sequence[Block], *, boxed: bool = False) -> Markup:
        """Return a sequence of blocks; in a box a paragraph or list at the end leaves no space."""
        last = blocks[-1:] if boxed else ()
        parts = [self._block(block) for block in blocks[: len(blocks) - len(last)]]
        match last:
            case [Paragraph(children)]:
                parts.append(self._paragraph(children, "last-paragraph"))
            case [ListBlock() as items]:
                parts.append(self._list(items, "last-list"))
            case [block]:
                parts.append(self._block(block))
        return _joined(parts)

    def _block(self, block: Block) -> Markup:
        match block:
            case Paragraph(children):
                return self._paragraph(children)
            case Heading(level, children):
                return self.heading(max(level, 4), children)
            case Quote(blocks):
                inner = self.blocks(blocks, boxed=True)
                return _safe(f"<blockquote{self._style('quote')}>{inner}</blockquote>")
            case CodeBlock(text):
                code = escape(text.rstrip("\n"))
                return _safe(f'<pre dir="ltr"{self._style("code-block")}>{code}</pre>')
            case ListBlock():
                return self._list(block)
            case Table():
                return self._table(block)
            case Rule():
                return _safe(f"<hr{self._style('rule')}>")

    def _paragraph(self, inlines: Sequence[Inline], role: str = "paragraph") -> Markup:
        if len(inlines) == 1 and isinstance(inlines[0], Image):
            return self._figure(inlines[0])
        return _safe(f"<p{self._style(role)}>{self.inlines(inlines)}</p>")

    def _figure(self, image: Image) -> Markup:
        """Return an image that stands alone, its title as the caption below."""
        caption = ""
        if image.title:
            caption = f"<p{self._style('caption')}>{escape(image.title)}</p>"
        picture = self._picture(image, "image" if image.width else "image-unsized")
        return _safe(
            f'<table role="presentation"{self._style("figure")}><tr>'
            f"<td{self._style('figure-box')}>{picture}{caption}</td></tr></table>"
        )

    def _list(self, block: ListBlock, role: str = "list") -> Markup:
        item_style = self._style("item")
        items = _joined(_safe(f"<li{item_style}>{self._item(item)}</li>") for item in block.items)
        tag = "ol" if block.ordered else "ul"
        first = f' start="{block.start:d}"' if block.ordered and block.start != 1 else ""
        return _safe(f"<{tag}{first}{self._style(role)}>{items}</{tag}>")

    def _item(self, blocks: Sequence[Block]) -> Markup:
        """Set an item of one paragraph, and lists below it, without a paragraph's space."""
        first, lists = blocks[:1], [block for block in blocks[1:] if isinstance(block, ListBlock)]
        if len(lists) + 1 == len(blocks) and isinstance(first[0], Paragraph):
            words = self.inlines(first[0].children)
            return words + _joined(self._list(block, "nested-list") for block in lists)
        return self.blocks(blocks, boxed=True)

    def _table(self, table: Table) -> Markup:
        head = self._row(table.header, table.aligns, "th")
        body = _joined(self._row(row, table.aligns, "td") for row in table.rows)
        body = _safe(f"<tbody>{body}</tbody>") if table.rows else body
        style = self._style(_table_role(table))
        return _safe(f"<table{style}><thead>{head}</thead>{body}</table>")

    def _row(self, cells: Sequence[Sequence[Inline]], aligns: Sequence[Align], tag: str) -> Markup:
        role, scope = ("header-cell", ' scope="col"') if tag == "th" else ("cell", "")
        parts = []
        for cell, align in zip(cells, aligns, strict=False):
            style = self._style(role if align is Align.LEFT else f"{role}-{align.value}")
            parts.append(_safe(f"<{tag}{scope}{style}>{self.inlines(cell)}</{tag}>"))
        return _safe(f"<tr>{_joined(parts)}</tr>")

    # ------------------------------------------------------------ running text

    def inlines(self, inlines: Sequence[Inline]) -> Markup:
        """Return running text; a citation stands close to the word it follows."""
        parts: list[Markup] = []
        before: Inline | None = None
        for node, after in zip(inlines, [*inlines[1:], None], strict=False):
            if isinstance(node, Text) and isinstance(after, Citation):
                node = Text(node.text.rstrip())
            if isinstance(node, Citation):
                parts.append(self._citation(node.number, apart=_would_merge(before)))
            elif node != _NOTHING:
                parts.append(self._inline(node))
            before = before if node == _NOTHING else node
        return _joined(parts)

    def label(self, inlines: Sequence[Inline]) -> Markup:
        """Return running text for the inside of a link: no links, marks or images of its own."""
        parts: list[Markup] = []
        for node in inlines:
            match node:
                case Link(children=children):
                    parts.append(self.label(children))
                case Emphasis(children):
                    parts.append(_safe(f"<em>{self.label(children)}</em>"))
                case Strong(children):
                    parts.append(_safe(f"<strong>{self.label(children)}</strong>"))
                case Struck(children):
                    parts.append(_safe(f"<s>{self.label(children)}</s>"))
                case Image(alt=alt):
                    parts.append(escape(alt))
                case Citation():
                    pass
                case LineBreak():
                    parts.append(Markup(" "))
                case _:
                    parts.append(self._inline(node))
        return _joined(parts)

    def _inline(self, node: Inline) -> Markup:
        match node:
            case Text(text):
                return escape(text)
            case Emphasis(children):
                return _safe(f"<em>{self.inlines(children)}</em>")
            case Strong(children):
                return _safe(f"<strong>{self.inlines(children)}</strong>")
            case Struck(children):
                return _safe(f"<s>{self.inlines(children)}</s>")
            case Code(text):
                return _safe(f"<code{self._style('code')}>{escape(text)}</code>")
            case Link(url, children):
                words = self.inlines(children)
                return _safe(f'<a href="{escape(url)}"{self._style("link")}>{words}</a>')
            case Image():
                return self._image(node)
            case Citation(number):
                return self._citation(number, apart=False)
            case MergeField(name, default):
                # A tag is letters and digits: safe as it is.
                return _safe(self._slots.tag(name, default or "", SlotContext.HTML))
            case LineBreak():
                return _safe("<br>")

    def _image(self, image: Image) -> Markup:
        """Return an image between words."""
        narrow = (image.width or IMAGE_WIDTH) <= ICON_WIDTH
        return self._picture(image, "image-icon" if narrow else "image-inline")

    def _picture(self, image: Image, role: str) -> Markup:
        """Return an image with the attributes that keep its place where pictures are off (A9)."""
        width = min(image.width or IMAGE_WIDTH, IMAGE_WIDTH)
        height = ""
        if image.width and image.height:
            height = f' height="{round(image.height * width / image.width)}"'
        return _safe(
            f'<img src="{escape(image.url)}" alt="{escape(image.alt)}" width="{width}"{height}'
            f"{self._style(role)}>"
        )

    def _citation(self, number: str, *, apart: bool) -> Markup:
        """Return a mark; `apart` keeps it from running into the number before it."""
        if number not in self._sources:
            return escape(f"[{number}]")
        position, source = self._sources[number]
        target = escape(source.url or f"#source-{position}")
        spoken = escape(f"{self._words.source} {position}: {source.label}")
        space = "&nbsp;" if apart else ""
        return _safe(
            f'<sup{self._style("citation")}>{space}<a href="{target}" aria-label="{spoken}"'
            f"{self._style('citation-link')}>{position}</a></sup>"
        )

    # ------------------------------------------------------------ sources

    def sources(self, sources: Sequence[Source]) -> Markup:
        """Return the numbered list of sources under its heading; empty without any."""
        if not sources:
            return Markup("")
        item_style = self._style("source")
        items = _joined(
            _safe(f'<li id="source-{position}"{item_style}>{self._source(source)}</li>')
            for position, source in enumerate(sources, start=1)
        )
        title = self.heading(2, (Text(self._words.sources),))
        return _safe(f"{title}<ol{self._style('sources')}>{items}</ol>")

    def _source(self, source: Source) -> Markup:
        """Return one source, all of it to tap; where it leads stands quietly behind."""
        note = ""
        if source.note:
            note = f"<span{self._style('source-note')}> — {escape(source.note)}</span>"
        if not source.url:
            return _safe(f"<span{self._style('source-text')}>{escape(source.label)}{note}</span>")
        label = f"<span{self._style('source-label')}>{escape(source.label)}</span>"
        host, shown = host_of(source.url), ""
        if host and host not in source.label.casefold():
            shown = f' &nbsp;<span dir="ltr"{self._style("source-host")}>{escape(host)}</span>'
        return _safe(
            f'<a href="{escape(source.url)}"{self._style("source-link")}>{label}{note}{shown}</a>'
        )


def host_of(url: str) -> str:
    """Return the name of the site that a link leads to, as people say it; empty for mail."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


def _table_role(table: Table) -> str:
    """Return how to set a table so that its longest words stand side by side at 320 pixels."""
    columns = list(zip(table.header, *table.rows, strict=False))
    characters = sum(max(map(_longest_word, column), default=1) for column in columns)
    room = PHONE_WIDTH - CELL_PADDING * len(columns)
    if characters * TABLE_CHARACTER <= room:
        return "table"
    return "table-small" if characters * SMALL_CHARACTER <= room else "table-dense"


def _would_merge(before: Inline | None) -> bool:
    """Return whether a mark behind this would read as part of it: 11,400³, or ³⁴."""
    match before:
        case Text(text) | Code(text):
            return text[-1:].isdigit()
        case Emphasis(children) | Strong(children) | Struck(children) | Link(children=children):
            return _would_merge(children[-1] if children else None)
        case Citation():
            return True
        case _:
            return False


def _joined(parts: Iterable[Markup]) -> Markup:
    return _safe("".join(parts))


def _safe(html: str) -> Markup:
    """Vouch for HTML of this module, in which each value has been escaped."""
    return Markup(html)  # noqa: S704


def _longest_word(cell: Sequence[Inline]) -> int:
    """Return the characters of a cell's longest word; marks of citations hang on to theirs."""
    words = max(map(len, _WORD.findall(plain_text(tuple(cell)))), default=1)
    return words + sum(len(node.number) + 1 for node in cell if isinstance(node, Citation))
