"""Reads the CSS of an email as far as the checks ask: rules, declarations, conditions.

No cascade of its own beyond specificity; what the rules mean is decided by who asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tinycss2

_SIMPLE = re.compile(r"(#[\w-]+)|(\.[\w-]+|\[[^\]]*\]|:(?!:)[\w-]+)|([A-Za-z][\w-]*)")


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `name: value`; `tokens` are tinycss2's, `text` the value in small letters."""

    name: str
    tokens: tuple[Any, ...]
    text: str
    important: bool


@dataclass(frozen=True, slots=True)
class StyleRule:
    """Declarations for a selector; `condition` is the `@media` (or other) prelude around it."""

    selector: str
    declarations: tuple[Declaration, ...]
    condition: str = ""

    @property
    def is_dark(self) -> bool:
        """Tell whether it holds only where the reader's device is dark."""
        return "prefers-color-scheme" in self.condition and "dark" in self.condition

    @property
    def specificity(self) -> tuple[int, int, int]:
        """How strong the selector is: ids, classes, elements."""
        parts = _SIMPLE.findall(self.selector)
        return (
            sum(1 for i, _, _ in parts if i),
            sum(1 for _, c, _ in parts if c),
            sum(1 for _, _, e in parts if e),
        )


@dataclass(frozen=True, slots=True)
class AtRule:
    """An at-rule as it stands: `media` with its prelude, `font-face` with its content."""

    keyword: str
    prelude: str
    content: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a style sheet says."""

    rules: tuple[StyleRule, ...]
    at_rules: tuple[AtRule, ...]


@lru_cache(maxsize=2048)
def read_declarations(text: str) -> tuple[Declaration, ...]:
    """Return the declarations of a `style` attribute; what is no declaration is left out."""
    nodes = tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True)
    return _declarations(nodes)


@lru_cache(maxsize=32)
def read_sheet(text: str, media: str = "") -> Sheet:
    """Return the rules of a `<style>`; each selector of a group is a rule of its own.

    `media` is the attribute of that name, which holds for all of them.
    """
    at_rules: list[AtRule] = []
    nodes = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
    return Sheet(tuple(_rules(nodes, media, at_rules)), tuple(at_rules))


def _rules(nodes: Sequence[Any], condition: str, at_rules: list[AtRule]) -> Iterator[StyleRule]:
    for node in nodes:
        if node.type == "qualified-rule":
            inside = tinycss2.parse_blocks_contents(
                node.content, skip_comments=True, skip_whitespace=True
            )
            declarations = _declarations(inside)
            for selector in _selectors(node.prelude):
                yield StyleRule(selector, declarations, condition)
        elif node.type == "at-rule":
            keyword = node.lower_at_keyword
            prelude = " ".join(tinycss2.serialize(node.prelude).lower().split())
            content = tinycss2.serialize(node.content or ())
            at_rules.append(AtRule(keyword, prelude, content))
            if keyword in ("media", "supports", "layer", "container"):
                inner = tinycss2.parse_rule_list(
                    node.content or (), skip_comments=True, skip_whitespace=True
                )
                yield from _rules(inner, f"{condition} @{keyword} {prelude}".strip(), at_rules)


def _selectors(prelude: Sequence[Any]) -> Iterator[str]:
    group: list[Any] = []
    for token in [*prelude, None]:
        if token is None or (token.type == "literal" and token.value == ","):
            if text := tinycss2.serialize(group).strip():
                yield text
            group = []
        else:
            group.append(token)


def _declarations(nodes: Sequence[Any]) -> tuple[Declaration, ...]:
    return tuple(
        Declaration(
            node.lower_name,
            tuple(node.value),
            " ".join(tinycss2.serialize(node.value).lower().split()),
            node.important,
        )
        for node in nodes
        if node.type == "declaration"
    )
