"""What a digest holds at a glance: stories, reading time, the entries of a table of contents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from newsletter.digest.model import (
    Block,
    Citation,
    CodeBlock,
    Digest,
    Emphasis,
    Heading,
    Image,
    Inline,
    Link,
    ListBlock,
    Paragraph,
    Quote,
    Rule,
    Strong,
    Struck,
    Table,
    is_blank,
    plain_text,
)

WORDS_A_MINUTE = 230
"""How fast people read prose that is set in words."""
CHARACTERS_A_MINUTE = 500
"""How fast people read scripts that set no spaces: Chinese, Japanese."""

_DENSE = re.compile("[\u3041-\u30ff\u3400-\u9fff\U00020000-\U000323af]")
"""Kana and Han ideographs."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One story in the contents; `anchor` is the id of its heading."""

    anchor: str
    title: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class EntryGroup:
    """The stories under one section; `title` is None where they stand under none."""

    title: tuple[Inline, ...] | None
    anchor: str | None
    stories: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """A digest at a glance; `minutes` is at least 1."""

    stories: int
    minutes: int
    entries: tuple[EntryGroup, ...]

    def shows_contents(self, contents_from: int) -> bool:
        """Return whether a table of contents helps: from so many stories on; 0 means never."""
        return contents_from > 0 and self.stories >= max(contents_from, 2)


def outline_of(digest: Digest) -> Outline:
    """Return a digest at a glance; the reading time leaves out sources and code."""
    groups = tuple(
        EntryGroup(
            section.title,
            section.anchor,
            tuple(
                Entry(story.anchor, story.title)
                for story in section.stories
                if has_words(story.title)
            ),
        )
        for section in digest.sections
        if any(has_words(story.title) for story in section.stories)
    )
    words = letters = 0
    for text in _texts(digest):
        some_words, some_letters = _measure(text)
        words += some_words
        letters += some_letters
    minutes = words / WORDS_A_MINUTE + letters / CHARACTERS_A_MINUTE
    return Outline(len(digest.stories), max(1, round(minutes)), groups)


def has_words(title: tuple[Inline, ...]) -> bool:
    """Return whether a title says anything in a list of titles, without its pictures and marks."""
    for node in title:
        match node:
            case Emphasis(children) | Strong(children) | Struck(children) | Link(children=children):
                if has_words(children):
                    return True
            case Image(alt=alt):
                if alt.strip():
                    return True
            case Citation():
                pass
            case _:
                if not is_blank((node,)):
                    return True
    return False


def _measure(text: str) -> tuple[int, int]:
    """Return how many words a text has, and how many characters of scripts without spaces."""
    if text.isascii():
        return len(text.split()), 0
    rest, dense = _DENSE.subn(" ", text)
    return len(rest.split()), dense


def _texts(digest: Digest) -> Iterator[str]:
    yield plain_text(digest.title)
    yield from _block_texts(digest.lede)
    for section in digest.sections:
        yield plain_text(section.title or ())
        yield from _block_texts(section.blocks)
        for story in section.stories:
            yield plain_text(story.title)
            yield from _block_texts(story.blocks)
            yield from _block_texts(story.why_it_matters)


def _block_texts(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Paragraph(children) | Heading(children=children):
                yield plain_text(children)
            case Quote(inner):
                yield from _block_texts(inner)
            case ListBlock(items=items):
                for item in items:
                    yield from _block_texts(item)
            case Table(header, rows):
                for row in (header, *rows):
                    yield from (plain_text(cell) for cell in row)
            case CodeBlock() | Rule():
                pass


def first_words(digest: Digest, most: int) -> str:
    """Return the first words of a digest behind its title, cut at a word to `most` characters."""
    blocks = [*digest.lede]
    for section in digest.sections:
        blocks += section.blocks
        for story in section.stories:
            blocks += story.blocks
    words = " ".join(plain_text(b.children) for b in blocks if isinstance(b, Paragraph)).split()
    text = ""
    for word in words:
        if len(text) + 1 + len(word) > most - 2:
            return f"{text} …" if text else word[: most - 1] + "…"
        text = f"{text} {word}".strip()
    return text
