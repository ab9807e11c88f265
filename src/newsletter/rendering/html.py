"""Parts of a digest as HTML fragments with inline styles; everything from a digest is escaped.

Styles stand on the elements, so that the mail reads with `<style>` removed (B1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    Table,
    Text,
)
from newsletter.rendering.content import SlotContext
from newsletter.rendering.merge import SlotAllocator
from newsletter.rendering.theme import Theme, Words

IMAGE_WIDTH = 592
"""Widest an image is shown: the column less its margins, in CSS pixels."""


class HtmlWriter:
    """Writes fragments of one digest; knows its sources, for citations."""

    def __init__(
        self,
        slots: SlotAllocator,
        sources: Sequence[Source],
        theme: Theme,
        words: Words,
        *,
        start: str = "left",
    ) -> None:
        self._slots = slots
        self._sources: Mapping[str, tuple[int, Source]] = {
            source.number: (position, source) for position, source in enumerate(sources, start=1)
        }
        self._theme = theme
        self._words = words
        self._start = start

    def heading(
        self, level: int, inlines: Sequence[Inline], *, anchor: str | None = None
    ) -> Markup:
        """Return a heading; levels 1 to 3 are title, section and story."""
        size, css, space = {
            1: ("34px", "title", "0"),
            2: ("24px", "head", "12px 0 6px"),
            3: ("21px", "head", "8px 0 8px"),
        }.get(level, ("17px", "head", "8px 0"))
        name = Markup(' id="{}"').format(anchor) if anchor else ""
        return Markup(
            '<h{0}{1} class="{2}" style="margin:{3};font-family:{4};font-size:{5};line-height:1.25;'
            'font-weight:700;color:{6};">{7}</h{0}>'
        ).format(
            min(level, 6),
            name,
            css,
            space,
            self._theme.serif,
            size,
            self._theme.ink,
            self.inlines(inlines),
        )

    def blocks(self, blocks: Sequence[Block], *, boxed: bool = False) -> Markup:
        """Return a sequence of blocks; in a box the last paragraph leaves no space below."""
        parts = [self._block(block) for block in blocks]
        if boxed and blocks and isinstance(blocks[-1], Paragraph):
            words = self.inlines(blocks[-1].children)
            parts[-1] = Markup('<p style="margin:0;">{}</p>').format(words)
        return Markup("").join(parts)

    def _block(self, block: Block) -> Markup:
        match block:
            case Paragraph(children):
                return Markup('<p style="margin:0 0 14px;">{}</p>').format(self.inlines(children))
            case Heading(level, children):
                return self.heading(max(level, 4), children)
            case Quote(blocks):
                return Markup(
                    '<blockquote style="margin:0 0 14px;padding:0 16px;border-{}:3px solid {};'
                    'font-style:italic;">{}</blockquote>'
                ).format(self._start, self._theme.accent, self.blocks(blocks))
            case CodeBlock(text):
                return Markup(
                    '<pre dir="ltr" style="margin:0 0 14px;padding:12px;background-color:{};'
                    "font-family:{};font-size:14px;line-height:1.5;white-space:pre-wrap;"
                    'overflow-wrap:anywhere;text-align:left;">{}</pre>'
                ).format(self._theme.tint, self._theme.mono, text.rstrip("\n"))
            case ListBlock():
                return self._list(block)
            case Table():
                return self._table(block)
            case Rule():
                return Markup(
                    '<hr style="border:0;border-top:1px solid {};margin:18px 0;">'
                ).format(self._theme.accent)

    def _list(self, block: ListBlock) -> Markup:
        items = Markup("").join(
            Markup('<li style="margin:0 0 6px;">{}</li>').format(self._item(item))
            for item in block.items
        )
        style = Markup(' style="margin:0 0 14px;padding-{}:24px;"').format(self._start)
        if block.ordered:
            first = Markup(' start="{}"').format(block.start) if block.start != 1 else ""
            return Markup("<ol{}{}>{}</ol>").format(first, style, items)
        return Markup("<ul{}>{}</ul>").format(style, items)

    def _item(self, blocks: Sequence[Block]) -> Markup:
        """Set an item without a paragraph's space when it is a single one."""
        if len(blocks) == 1 and isinstance(blocks[0], Paragraph):
            return self.inlines(blocks[0].children)
        return self.blocks(blocks)

    def _table(self, table: Table) -> Markup:
        def row(cells: Sequence[Sequence[Inline]], tag: str) -> Markup:
            scope = Markup(' scope="col"') if tag == "th" else ""
            return Markup("<tr>{}</tr>").format(
                Markup("").join(
                    Markup(
                        '<{0}{1} style="padding:6px 8px;border-bottom:1px solid {2};'
                        'text-align:{3};vertical-align:top;">{4}</{0}>'
                    ).format(tag, scope, self._theme.accent, self._side(align), self.inlines(cell))
                    for cell, align in zip(cells, table.aligns, strict=False)
                )
            )

        return Markup(
            '<table style="width:100%;margin:0 0 14px;border-collapse:collapse;font-size:15px;'
            'line-height:1.5;"><thead>{}</thead><tbody>{}</tbody></table>'
        ).format(row(table.header, "th"), Markup("").join(row(r, "td") for r in table.rows))

    def _side(self, align: Align) -> str:
        return self._start if align is Align.LEFT else align.value

    def inlines(self, inlines: Sequence[Inline]) -> Markup:
        """Return running text."""
        return Markup("").join(self._inline(node) for node in inlines)

    def _inline(self, node: Inline) -> Markup:
        match node:
            case Text(text):
                return escape(text)
            case Emphasis(children):
                return Markup("<em>{}</em>").format(self.inlines(children))
            case Strong(children):
                return Markup("<strong>{}</strong>").format(self.inlines(children))
            case Code(text):
                return Markup(
                    '<code style="font-family:{};font-size:0.9em;background-color:{};">{}</code>'
                ).format(self._theme.mono, self._theme.tint, text)
            case Link(url, children):
                return Markup('<a href="{}" style="color:{};">{}</a>').format(
                    url, self._theme.link, self.inlines(children)
                )
            case Image():
                return self._image(node)
            case Citation(number):
                return self._citation(number)
            case MergeField(name, default):
                # A tag is letters and digits: safe as it is.
                return Markup(self._slots.tag(name, default or "", SlotContext.HTML))  # noqa: S704
            case LineBreak():
                return Markup("<br>")

    def _image(self, image: Image) -> Markup:
        width = min(image.width or IMAGE_WIDTH, IMAGE_WIDTH)
        height = ""
        if image.width and image.height:
            height = Markup(' height="{}"').format(round(image.height * width / image.width))
        return Markup(
            # width:100% lets the column shrink on phones; max-width keeps small images small.
            '<img src="{}" alt="{}" width="{}"{} style="display:block;width:100%;max-width:{}px;'
            'height:auto;border:0;">'
        ).format(image.url, image.alt, width, height, width)

    def _citation(self, number: str) -> Markup:
        if number not in self._sources:
            return escape(f"[{number}]")
        position, source = self._sources[number]
        return Markup(
            '<sup style="font-size:0.72em;line-height:0;"><a href="{}" aria-label="{} {}: {}" '
            'style="color:{};text-decoration:none;">[{}]</a></sup>'
        ).format(
            source.url or f"#source-{position}",
            self._words.source,
            position,
            source.label,
            self._theme.link,
            position,
        )

    def sources(self, sources: Sequence[Source]) -> Markup:
        """Return the numbered list of sources; empty without any."""
        if not sources:
            return Markup("")
        items = []
        for position, source in enumerate(sources, start=1):
            label: Markup = escape(source.label)
            if source.url:
                label = Markup('<a href="{}" style="color:{};">{}</a>').format(
                    source.url, self._theme.link, source.label
                )
            note = Markup(" — {}").format(source.note) if source.note else ""
            items.append(
                Markup('<li id="source-{}" style="margin:0;padding:6px 0;">{}{}</li>').format(
                    position, label, note
                )
            )
        title = self.heading(2, (Text(self._words.sources),))
        return title + Markup(
            '<ol style="margin:0;padding-{}:28px;font-size:15px;line-height:1.5;'
            'overflow-wrap:anywhere;">{}</ol>'
        ).format(self._start, Markup("").join(items))
