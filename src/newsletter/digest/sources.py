"""Reads the sources of a digest: footnote definitions, and the list below a "Sources" heading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from newsletter.digest.blocks import Definition
from newsletter.digest.findings import Findings, excerpt
from newsletter.digest.model import (
    Block,
    CodeBlock,
    Emphasis,
    Heading,
    Inline,
    Link,
    ListBlock,
    MergeField,
    Paragraph,
    Quote,
    Rule,
    Source,
    Strong,
    Table,
    plain_text,
)

_SEPARATOR = re.compile(r"^[\s,;:.|·•—–-]+|[\s,;:|·•—–-]+$")


def read_sources(
    definitions: Sequence[Definition], below: Sequence[Block], findings: Findings
) -> tuple[Source, ...]:
    """Return all sources in the digest's order; `below` is what stands under their headings.

    A source that is defined twice stays twice, so that nothing is lost, and is an error. Items
    of a bulleted list get the next free numbers.
    """
    found = [(d.label, d.blocks, d.line, f"[^{excerpt(d.label)}]") for d in definitions]
    taken = [int(label) for label, *_ in found if re.fullmatch("[0-9]{1,9}", label)]
    free = max(taken, default=0) + 1
    for block in below:
        if isinstance(block, ListBlock):
            first = block.start if block.ordered else free
            found += [
                (
                    str(first + index),
                    item,
                    _line(item) or block.line,
                    f"number {first + index} of the list",
                )
                for index, item in enumerate(block.items)
            ]
            free = max(free, first + len(block.items))
        elif block_text(block).strip():
            findings.add(
                "text-under-sources",
                f"'{excerpt(block_text(block), 40)}' stands under Sources but is no source",
                "move it above Sources, or write it as '[^1]: [label](https://…)'",
                block.line,
            )
    sources: list[Source] = []
    lines: dict[str, int] = {}
    for number, blocks, line, shown in found:
        if number in lines:
            findings.add(
                "duplicate-source",
                f"source {shown} is given twice, first on line {lines[number]}",
                "give each source its own number",
                line,
            )
        lines.setdefault(number, line)
        sources.append(_source(number, blocks, line, shown, findings))
    return tuple(sources)


def _line(blocks: Sequence[Block]) -> int | None:
    return blocks[0].line if blocks else None


def _source(
    number: str, blocks: Sequence[Block], line: int, shown: str, findings: Findings
) -> Source:
    first = blocks[0] if blocks else None
    leaves = list(_leaves(first.children)) if isinstance(first, Paragraph) else []
    if any(isinstance(leaf, MergeField) for leaf in leaves):
        findings.add(
            "merge-field-in-source",
            f"source {shown} holds a merge field",
            "write the words in full; every reader gets the same sources",
            line,
        )
    at = next((n for n, leaf in enumerate(leaves) if isinstance(leaf, Link)), None)
    if at is None:
        texts = [block_text(block) for block in blocks]
        label, url, note = _clean(texts[0]) if texts else "", None, _clean(" ".join(texts[1:]))
    else:
        link = leaves[at]
        assert isinstance(link, Link)  # noqa: S101 - found as one
        before, words = plain_text(tuple(leaves[:at])), plain_text(link.children)
        is_bare = words.strip() in (link.url, link.url.removeprefix("mailto:")) or "://" in words
        label = _clean(before if is_bare and _clean(before) else before + words)
        rest = [plain_text(tuple(leaves[at + 1 :])), *(block_text(b) for b in blocks[1:])]
        url, note = link.url, _clean(" ".join(rest))
    if not label:
        label = url or ""
    if not label:
        findings.add(
            "empty-source",
            f"source {shown} says nothing",
            f"write '[^{excerpt(number)}]: [label](https://…)', or take it out",
            line,
        )
    return Source(number, label, url, note or None, line)


def _clean(text: str) -> str:
    """Collapse spaces and take off the marks that joined a label with its note."""
    text = _SEPARATOR.sub("", " ".join(text.split()))
    if text.startswith("(") and text.endswith(")") and "(" not in text[1:]:
        text = text[1:-1]
    return text


def _leaves(inlines: Sequence[Inline]) -> Iterator[Inline]:
    """Yield the inlines with emphasis taken off; its depth is bounded by the parser."""
    for node in inlines:
        if isinstance(node, Emphasis | Strong):
            yield from _leaves(node.children)
        else:
            yield node


def block_text(block: Block) -> str:
    """Return the words of a block, for lists of sources and messages."""
    match block:
        case Paragraph(children=children) | Heading(children=children):
            return plain_text(children)
        case Quote(blocks=blocks):
            return " ".join(block_text(inner) for inner in blocks)
        case ListBlock(items=items):
            return " ".join(block_text(inner) for item in items for inner in item)
        case CodeBlock(text=text):
            return text
        case Table(header=header, rows=rows):
            return " ".join(plain_text(cell) for row in (header, *rows) for cell in row)
        case Rule():
            return ""
