"""A digest as feed readers show it: plain HTML with whole addresses, without anybody's name."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from newsletter.digest.model import Block, Digest, Inline, Section, Source, is_blank
from newsletter.rendering.html import HtmlWriter
from newsletter.rendering.page import Defaults
from newsletter.rendering.words import direction_of, words_of


def write_entry(digest: Digest, language: str, *, page_url: str) -> Markup:
    """Write a digest as the content of a feed's entry; its title stands in the feed.

    Sources without an address of their own are linked to on the page of the digest, `page_url`.
    """
    language = digest.language or language
    writer = _EntryWriter(digest, language, page_url)
    parts = [writer.blocks(digest.lede), *map(writer.section, digest.sections)]
    parts.append(writer.sources(digest.sources))
    html = Markup("\n").join(part for part in parts if part)
    if direction_of(language) == "rtl":
        return Markup('<div lang="{}" dir="rtl">{}</div>').format(language, html)
    return html


class _Unstyled:
    """No look of our own: the reader's program has one."""

    def attribute(self, role: str) -> Markup:
        """Return nothing, whatever the element."""
        return Markup("")


class _EntryWriter(HtmlWriter):
    """Writes without names for places: the entries of many digests stand on one page."""

    def __init__(self, digest: Digest, language: str, page_url: str) -> None:
        super().__init__(
            Defaults(digest.content_hash, lambda _text: False),
            digest.sources,
            _Unstyled(),
            words_of(language),
        )
        self._page_url = page_url
        self._tag(1)

    def heading(
        self, level: int, inlines: Sequence[Inline], *, anchor: str | None = None
    ) -> Markup:
        """Return a heading without a name; nothing without words."""
        if is_blank(tuple(inlines)):
            return Markup("")
        return Markup("<h{0}>{1}</h{0}>").format(self._tag(level), self.inlines(inlines))

    def section(self, section: Section) -> Markup:
        """Return a section with its stories."""
        parts = [self.heading(2, section.title)] if section.title else []
        parts.append(self.blocks(section.blocks))
        for story in section.stories:
            parts += [self.heading(3, story.title), self.blocks(story.blocks)]
            parts.append(self._why(story.why_it_matters))
        return Markup("\n").join(part for part in parts if part)

    def _why(self, blocks: Sequence[Block]) -> Markup:
        if not blocks:
            return Markup("")
        return Markup("<blockquote><p><strong>{}</strong></p>{}</blockquote>").format(
            self._words.why, self.blocks(blocks)
        )

    def _citation(self, number: str, *, apart: bool) -> Markup:
        if number not in self._sources:
            return escape(f"[{number}]")
        place, source = self._sources[number]
        target = source.url or f"{self._page_url}#source-{place}"
        return Markup('<sup><a href="{}">[{}]</a></sup>').format(target, place)

    def sources(self, sources: Sequence[Source]) -> Markup:
        """Return the numbered list of sources under its heading; empty without any."""
        if not sources:
            return Markup("")
        items = Markup("").join(Markup("<li>{}</li>").format(_item(source)) for source in sources)
        return Markup("<h2>{}</h2><ol>{}</ol>").format(self._words.sources, items)


def _item(source: Source) -> Markup:
    label = escape(source.label)
    if source.url:
        label = Markup('<a href="{}">{}</a>').format(source.url, source.label)
    return label + (Markup(" — {}").format(source.note) if source.note else Markup(""))
