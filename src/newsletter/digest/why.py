"""Finds a story's why-it-matters: the paragraphs behind that label, whichever way it is set."""

from __future__ import annotations

import re
from collections.abc import Sequence

from newsletter.digest.blocks import Item, Title
from newsletter.digest.model import (
    Block,
    Emphasis,
    Heading,
    Inline,
    LineBreak,
    Paragraph,
    Strong,
    Text,
    plain_text,
)

LABELS = (
    "why it matters",
    "why this matters",
    "why that matters",
    "warum es wichtig ist",
    "warum das wichtig ist",
    "pourquoi c'est important",
    "por qué importa",
    "por que importa",
    "perché è importante",
    "perché conta",
    "waarom dit ertoe doet",
    "dlaczego to ważne",
    "لماذا هذا مهم",
    "למה זה חשוב",
    "なぜ重要か",
)
"""The words that open a why-it-matters, in small letters."""

_WORDS = "|".join(re.escape(label).replace(r"\ ", r"\s+").replace("'", "['’]") for label in LABELS)
_LABEL = re.compile(rf"\s*(?:{_WORDS})\s*(?P<mark>[:—–.?-]?)\s*", re.IGNORECASE)
_MARK = re.compile(r"\s*[:—–-]\s*|\s+")


def is_label(words: str) -> bool:
    """Tell whether words are the label and nothing else."""
    return _LABEL.fullmatch(words) is not None


def opens_why(markdown: str) -> bool:
    """Tell whether the label opens a line of Markdown, marks of emphasis around it or not."""
    bare = markdown.lstrip("*_ ")
    label = _LABEL.match(bare)
    return label is not None and (bare != markdown or label["mark"] in tuple(":—–"))


def after_label(children: tuple[Inline, ...]) -> tuple[Inline, ...] | None:
    """Return what follows the label that opens a paragraph; None when none does.

    The label is bold or emphasised, with its colon or dash inside or outside, or plain words
    with a colon or dash. It may share its bold with the text. An empty answer means that the
    text comes in the next blocks.
    """
    if children and isinstance(children[0], Text) and not children[0].text.strip():
        children = children[1:]
    match children:
        case (Text(text), *rest):
            label = _LABEL.match(text)
            if label is not None and label["mark"] in tuple(":—–"):
                return _without_mark((Text(text[label.end() :]), *rest))
        case (Strong(inner) | Emphasis(inner) as first, *rest):
            if is_label(plain_text(inner)):
                return _without_mark(tuple(rest))
            after = after_label(inner)
            if after is not None:
                return (type(first)(after), *rest) if after else _without_mark(tuple(rest))
    return None


def _without_mark(rest: tuple[Inline, ...]) -> tuple[Inline, ...]:
    """Take off the colon, dash, spaces and line breaks that separate the label from the text."""
    marks = 0
    while rest:
        first = rest[0]
        if isinstance(first, LineBreak):
            rest = rest[1:]
            continue
        if not isinstance(first, Text):
            break
        text = first.text.lstrip()
        if marks == 0 and (match := _MARK.match(text)):
            marks, text = 1, text[match.end() :]
        rest = (Text(text), *rest[1:]) if text else rest[1:]
        if text:
            break
    return rest


def split_story(items: Sequence[Item]) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Split what stands below a story's title into its body and its why-it-matters.

    A labelled paragraph is why-it-matters by itself; what follows it is body again. A label that
    stands alone (as a heading, or with nothing behind it) takes all blocks up to the next heading.
    """
    body: list[Block] = []
    why: list[Block] = []
    open_label = False
    for item in items:
        if isinstance(item, Title):
            open_label = is_label(item.words)
            if not open_label:
                body.append(as_heading(item))
            continue
        rest = after_label(item.children) if isinstance(item, Paragraph) else None
        if rest is not None:
            open_label = not rest
            if rest:
                why.append(Paragraph(rest, item.line))
        else:
            (why if open_label else body).append(item)
    return tuple(body), tuple(why)


def has_why(items: Sequence[Item]) -> bool:
    """Tell whether a why-it-matters is among the items."""
    return any(
        is_label(item.words)
        if isinstance(item, Title)
        else isinstance(item, Paragraph) and after_label(item.children) is not None
        for item in items
    )


def as_heading(title: Title) -> Heading:
    """Return a heading inside a story; levels above 4 belong to the document's outline."""
    return Heading(max(4, title.level), title.inlines, title.line)
