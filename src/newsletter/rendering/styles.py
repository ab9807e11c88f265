"""How the elements of a digest get their look: inline styles in mail, class names on web pages.

A writer asks for a role and puts the attribute into the tag; it knows no colour and no font.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Protocol

from markupsafe import Markup

from newsletter.rendering.style_rules import RULES
from newsletter.rendering.theme import Palette, Theme

ROLES: tuple[str, ...] = tuple(RULES)
"""Every kind of element that can be asked for."""

_SELECTORS: Mapping[str, str] = {
    "link": "a",
    "citation-link": "a",
    "leave-link": "a",
    "code": "code",
    "code-block": "pre",
    "quote": "blockquote",
    "rule": "hr",
    "header-cell": ".data th",
    "header-cell-center": ".data th",
    "header-cell-right": ".data th",
    "cell": ".data td",
    "cell-center": ".data td",
    "cell-right": ".data td",
}
"""Roles whose elements are many: found on dark screens by their tag, not a class on each."""

_COLOURED = re.compile(
    r"(?:^|;)(color|background-color|border[a-z{}-]*):[^;]*\{"
    r"(ink|quiet|paper|ground|tint|accent|label|link|line)\}"
)


class Styles(Protocol):
    """What gives an element its look."""

    def attribute(self, role: str) -> Markup:
        """Return the attributes of an element of one of `ROLES`, with a leading space."""


class InlineStyles:
    """Styles on the elements themselves, so that mail reads with `<style>` removed (B1).

    `start` is the side where lines begin, `spaced` whether labels may be letter-spaced.
    """

    def __init__(self, theme: Theme, start: str = "left", *, spaced: bool = True) -> None:
        self._attributes = _inline(theme, start, spaced)

    def attribute(self, role: str) -> Markup:
        """Return ` style="…"`, with a class where dark screens need another colour."""
        return self._attributes[role]

    @property
    def attributes(self) -> Mapping[str, Markup]:
        """Return the attributes of all roles, for templates."""
        return self._attributes


class ClassStyles:
    """Class names alone, for pages whose policy allows no inline style (E5)."""

    def attribute(self, role: str) -> Markup:
        """Return ` class="digest-ROLE"`."""
        return _CLASSES[role]


_CLASSES: Mapping[str, Markup] = {role: Markup(' class="digest-{}"').format(role) for role in ROLES}


@functools.lru_cache(maxsize=32)
def _inline(theme: Theme, start: str, spaced: bool) -> Mapping[str, Markup]:
    values = {
        **asdict(theme.light),
        "line": theme.light.line,
        "plate": theme.light.paper,
        "plate_ink": theme.light.ink,
        "heading_font": theme.heading_font,
        "body_font": theme.body_font,
        "label_font": theme.label_font,
        "mono_font": theme.mono_font,
        "start": start,
        "end": "left" if start == "right" else "right",
        "tracking": "0.03em" if spaced else "normal",
        "tight": "-0.01em" if spaced else "normal",
    }
    attributes = {}
    for role, rule in rules_of(theme).items():
        classes = [role] if _needs_class(role, rule) else []
        classes += ["data"] if role.startswith("table") else []
        name = f' class="{" ".join(classes)}"' if classes else ""
        # Rules are ours; colours and fonts are checked by the settings or are ours.
        attributes[role] = Markup(f'{name} style="{rule.format_map(values)}"')  # noqa: S704
    return attributes


def rules_of(theme: Theme) -> Mapping[str, str]:
    """Return the rules of a theme: its own, else those that all share."""
    return {**RULES, **dict(theme.rules)}


@functools.lru_cache(maxsize=32)
def dark_rules(theme: Theme) -> tuple[tuple[tuple[str, ...], str, str], ...]:
    """Return what dark screens change, as (selectors, property, colour); complete by construction.

    Each colour in a rule is answered by the same key of the dark palette, so nothing that is
    coloured inline keeps its light colour.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for role, rule in rules_of(theme).items():
        for kind, key in _colours(rule):
            selectors = found.setdefault((kind, key), [])
            if (selector := _SELECTORS.get(role, f".{role}")) not in selectors:
                selectors.append(selector)
    return tuple(
        (tuple(selectors), kind, _colour(theme.dark, key))
        for (kind, key), selectors in found.items()
    )


def word_font(stack: str, otherwise: str) -> str:
    """Return the first font of a stack that Word has: it takes no second one (B1)."""
    names = (name.strip().strip("'") for name in stack.split(","))
    return next((name for name in names if name.casefold() in _WORD_FONTS), otherwise)


_WORD_FONTS = frozenset(
    {"arial", "calibri", "cambria", "consolas", "courier new", "georgia", "palatino linotype"}
    | {"segoe ui", "tahoma", "times new roman", "trebuchet ms", "verdana"}
)


def _needs_class(role: str, rule: str) -> bool:
    return role not in _SELECTORS and _COLOURED.search(rule) is not None


def _colours(rule: str) -> Iterator[tuple[str, str]]:
    for kind, key in _COLOURED.findall(rule):
        yield ("border-color" if kind.startswith("border") else kind), key


def _colour(palette: Palette, key: str) -> str:
    colour: str = getattr(palette, key)
    return colour
