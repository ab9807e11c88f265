"""What holds of every text part, whatever a digest is made of (A8)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.mailings import a_mailing

from newsletter.digest.model import (
    Align,
    Block,
    Byline,
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
    Section,
    Source,
    Story,
    Strong,
    Table,
    Text,
)
from newsletter.rendering.content import SlotContext
from newsletter.rendering.merge import SlotAllocator, cut
from newsletter.rendering.text.writer import TextWriter, columns, wrap
from newsletter.rendering.theme import words_of

IDENTITY = replace(a_mailing().identity, archive_url="https://news.example.org/archive/7")
T = TypeVar("T")
LANGUAGES = ("en", "de", "ar", "he", "ja")
MOST = 76
CODE = "code that is kept"

LETTERS = (
    *("a", "be", "word", "é", "'", ",", ".", " – ", " ", " ", " ", "[1]", "<b>", "**", "_", "# "),
    *("漢字", "。", "、", "「", "」", "ー", "かな", "한국어", "שלום", "مرحبا", "ไทย"),
    *("👩‍🚒", "🇯🇵", "❤️", "\u00a0", "\u200b", "\u00ad", "x" * 30),
)
URLS = (
    "https://example.org/{}?a=1&b=2",
    f"http://example.net/{'path/' * 25}{{}}",
    "https://xn--e1afmkfd.example/({})_~",
)


class Author:
    """Writes digests of every shape; the same number makes the same digest.

    Strategies for whole documents take Hypothesis seconds each; a number takes it nothing.
    """

    def __init__(self, number: int) -> None:
        self._random = random.Random(number)

    def digest(self) -> Digest:
        return Digest(
            slug="x",
            title=self.inlines(),
            byline=Byline(self.maybe(self.prose), date(2026, 11, 24)),
            lede=self.blocks(),
            sections=self.several(self.section, most=2),
            sources=self.several(self.source),
            content_hash="hash",
        )

    def several(self, make: Callable[[], T], *, least: int = 0, most: int = 3) -> tuple[T, ...]:
        return tuple(make() for _ in range(self._random.randint(least, most)))

    def maybe(self, make: Callable[[], T]) -> T | None:
        return make() if self._random.random() < 0.7 else None

    def prose(self, most: int = 60) -> str:
        return "".join(self._random.choices(LETTERS, k=self._random.randint(1, most)))

    def url(self) -> str:
        return self._random.choice(URLS).format(self._random.randint(1, 999))

    def number(self) -> str:
        return self._random.choice(("1", "2", "7"))

    def source(self) -> Source:
        return Source(self.number(), self.prose(), self.maybe(self.url), self.maybe(self.prose), 1)

    def section(self) -> Section:
        return Section(self.maybe(self.inlines), self.blocks(), self.several(self.story), line=1)

    def story(self) -> Story:
        return Story(self.inlines(), self.blocks(), self.blocks(), "story", 1)

    def blocks(self, depth: int = 0) -> tuple[Block, ...]:
        return self.several(lambda: self.block(depth), most=2)

    def block(self, depth: int) -> Block:
        kinds: list[Callable[[], Block]] = [
            lambda: Paragraph(self.inlines()),
            lambda: Heading(4, self.inlines()),
            lambda: CodeBlock(f"{CODE} {'x' * 90}\n\n  {CODE}\n"),
            self.table,
            Rule,
        ]
        if depth < 16:
            kinds += [lambda: Quote(self.blocks(depth + 1)), lambda: self.list(depth + 1)] * 2
        return self._random.choice(kinds)()

    def list(self, depth: int) -> ListBlock:
        start = self._random.choice((1, 99, 999_999_999))
        items = self.several(lambda: self.blocks(depth), least=1, most=2)
        return ListBlock(self._random.random() < 0.5, items, start)

    def table(self) -> Table:
        width = self._random.randint(1, 7)

        def row() -> tuple[tuple[Inline, ...], ...]:
            # An empty cell is not read out, nor is the head of a column of such.
            return self.several(lambda: (Text("cell"), *self.inlines(2)), least=width, most=width)

        aligns = tuple(self._random.choices(list(Align), k=width))
        return Table(row(), self.several(row), aligns)

    def inlines(self, most: int = 5) -> tuple[Inline, ...]:
        return self.several(lambda: self.inline(0), least=1, most=most)

    def inline(self, depth: int) -> Inline:
        def within() -> tuple[Inline, ...]:
            return self.several(lambda: self.inline(depth + 1), least=1)

        kinds: list[Callable[[], Inline]] = [
            lambda: Text(self.prose()),
            lambda: Code(self.prose(9)),
            lambda: Citation(self.number(), 1),
            lambda: Image(self.url(), self.prose(9).strip() or "a boat"),
            lambda: MergeField(self._random.choice(("first_name", "name")), "you", 1),
            LineBreak,
            lambda: Link(self.url(), (Text(self.prose(9)),)),
            lambda: Link(url := self.url(), (Text(url),)),
        ]
        if depth < 3:
            kinds += [lambda: Emphasis(within()), lambda: Strong(within())]
        return self._random.choice(kinds)()


numbers = st.integers(0, 1_000_000)


def written(digest: Digest, language: str) -> tuple[str, SlotAllocator]:
    slots = SlotAllocator(digest.content_hash, lambda _text: False)
    writer = TextWriter(slots, digest.sources, words_of(language))
    return writer.write(digest, IDENTITY, language=language), slots


def urls(value: object) -> set[str]:
    """Return every address that a digest leads to; a picture that is a link leads where it does."""
    match value:
        case Link(url=url) | Image(url=url) | Source(url=str(url)):
            return {url}
        case tuple():
            return {url for item in value for url in urls(item)}
        case _ if hasattr(value, "__dataclass_fields__"):
            return {
                url for name in value.__dataclass_fields__ for url in urls(getattr(value, name))
            }
    return set()


def unbreakable(line: str) -> bool:
    """Tell whether a line holds no place where it could have ended."""
    content = re.sub(r"^(?:[\s|»•–·]|\[?\d+[\].] )*", "", line.strip("\u200e\u200f"))
    return " " not in content.replace("\u00a0", "x") or CODE in line


@given(numbers, st.sampled_from(LANGUAGES))
def test_no_line_is_too_long_but_what_cannot_be_broken(number: int, language: str) -> None:
    text, _ = written(Author(number).digest(), language)

    for line in text.split("\n"):
        assert columns(line) <= MOST or unbreakable(line), line


@given(numbers, st.sampled_from(LANGUAGES))
def test_every_address_stands_in_it_whole(number: int, language: str) -> None:
    digest = Author(number).digest()

    text, _ = written(digest, language)

    for url in urls(digest):
        assert url in text


@given(numbers, st.sampled_from(LANGUAGES))
def test_no_line_ends_in_a_space_and_no_mark_of_ours_is_left(number: int, language: str) -> None:
    text, _ = written(Author(number).digest(), language)

    assert not re.search(r"[ \t]\n", text)
    assert not re.search(r"\n{5}", text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert text.endswith("\n")


@given(numbers, st.sampled_from(LANGUAGES))
def test_every_slot_of_the_text_survives_and_can_be_filled(number: int, language: str) -> None:
    text, slots = written(Author(number).digest(), language)

    for slot in slots.slots:
        assert slot.context is SlotContext.TEXT
        assert slot.tag in text
    filled = cut(text, slots.slots).fill(
        {"unsubscribe_url": "https://news.example.org/u/1", "first_name": "Ada"}
    )
    assert "https://news.example.org/u/1" in filled
    assert "slot" not in filled


@given(numbers, st.integers(8, 72))
def test_wrapping_moves_spaces_only(number: int, width: int) -> None:
    text = Author(number).prose()
    wrapped = wrap(text, width)

    kept = re.compile("[\\s\u200b\u00ad]")
    assert kept.sub("", wrapped) == kept.sub("", text)


@given(numbers, st.integers(8, 72))
def test_no_line_begins_with_a_mark_that_closes(number: int, width: int) -> None:
    text = Author(number).prose()
    words = set(re.split(r"[ \u200b]+", text.replace("\u00ad", "")))

    for line in wrap(text, width).split("\n")[1:]:
        if line[:1] in "、。」ー,.":
            assert any(word.startswith(line[:1]) for word in words), line
