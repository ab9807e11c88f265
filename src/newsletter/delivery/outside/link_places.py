"""Finds every link and image of a digest with the line it stands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from newsletter.digest.model import (
    Block,
    Digest,
    Emphasis,
    Heading,
    Image,
    Inline,
    Link,
    ListBlock,
    Paragraph,
    Quote,
    Strong,
    Table,
)


@dataclass(frozen=True, slots=True)
class LinkPlace:
    """An address of a digest; `line` is that of the block that holds it."""

    url: str
    line: int
    image: bool = False


def link_places(digest: Digest) -> tuple[LinkPlace, ...]:
    """Return the http and https addresses of a digest, each once, where it first stands."""
    found: dict[str, LinkPlace] = {}
    for place in _all(digest):
        if place.url.lower().startswith(("http://", "https://")):
            found.setdefault(place.url.partition("#")[0], place)
    return tuple(found.values())


def _all(digest: Digest) -> Iterator[LinkPlace]:
    yield from _inlines(digest.title, digest.title_line or 1)
    yield from _blocks(digest.lede)
    for section in digest.sections:
        yield from _inlines(section.title or (), section.line)
        yield from _blocks(section.blocks)
        for story in section.stories:
            yield from _inlines(story.title, story.line)
            yield from _blocks(story.blocks)
            yield from _blocks(story.why_it_matters)
    for source in digest.sources:
        if source.url is not None:
            yield LinkPlace(source.url, source.line)


def _blocks(blocks: Sequence[Block]) -> Iterator[LinkPlace]:
    for block in blocks:
        match block:
            case Paragraph(children, line) | Heading(_, children, line):
                yield from _inlines(children, line)
            case ListBlock(items=items):
                for item in items:
                    yield from _blocks(item)
            case Quote(inner):
                yield from _blocks(inner)
            case Table(header, rows, line=line):
                for row in (header, *rows):
                    for cell in row:
                        yield from _inlines(cell, line)
            case _:
                pass


def _inlines(inlines: Sequence[Inline], line: int) -> Iterator[LinkPlace]:
    for node in inlines:
        match node:
            case Link(url=url, children=children):
                yield LinkPlace(url, line)
                yield from _inlines(children, line)
            case Image(url=url):
                yield LinkPlace(url, node.line or line, image=True)
            case Emphasis(children) | Strong(children):
                yield from _inlines(children, line)
            case _:
                pass
