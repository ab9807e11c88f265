"""Goes through all that is written in a digest, with its lines; judges nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from newsletter.digest.model import (
    Block,
    CodeBlock,
    Digest,
    Emphasis,
    Heading,
    Inline,
    Link,
    ListBlock,
    Paragraph,
    Quote,
    Rule,
    Strong,
    Struck,
    Table,
    plain_text,
)


def texts(digest: Digest) -> Iterator[tuple[Sequence[Inline], int]]:
    """Yield every run of inlines of a digest with its line."""
    yield digest.title, digest.title_line or 1
    yield from _block_texts(digest.lede)
    for section in digest.sections:
        yield section.title or (), section.line
        yield from _block_texts(section.blocks)
        for story in section.stories:
            yield story.title, story.line
            yield from _block_texts(story.blocks)
            yield from _block_texts(story.why_it_matters)


def _block_texts(blocks: Sequence[Block]) -> Iterator[tuple[Sequence[Inline], int]]:
    for block in blocks:
        match block:
            case Paragraph(children, line) | Heading(_, children, line):
                yield children, line
            case ListBlock(items=items):
                for item in items:
                    yield from _block_texts(item)
            case Quote(inner):
                yield from _block_texts(inner)
            case Table(header, rows, line=line):
                for row in (header, *rows):
                    for cell in row:
                        yield cell, line
            case CodeBlock() | Rule():
                pass


def walk(inlines: Sequence[Inline], *, whole: bool = False) -> Iterator[Inline]:
    """Yield inlines and what is in them; the words of a bare link only when `whole`."""
    for node in inlines:
        yield node
        match node:
            case Link(url=url, children=children):
                # They are no words to break.
                if whole or plain_text(children) != url:
                    yield from walk(children, whole=whole)
            case Emphasis(children) | Strong(children) | Struck(children):
                yield from walk(children, whole=whole)
