"""Whether text stands out from its ground, in light and in dark (B3, WCAG 2.2 1.4.3).

Colours come from style attributes and from the rules of `<style>`; dark adds those behind
`prefers-color-scheme: dark`. Where a colour or ground is not known, as over an image, nothing is
said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import tinycss2
from selectolax.lexbor import SelectolaxError
from tinycss2.color3 import parse_color

from newsletter.digest.model import Finding
from newsletter.rendering.checks.codes import HTML_PART, found
from newsletter.rendering.checks.css import Declaration, StyleRule
from newsletter.rendering.checks.page import Element, Page
from newsletter.rendering.contrast import LEAST_CONTRAST, contrast, mix

LEAST_LARGE = 3.0
"""What large text needs: from 24 pixels, or 18.66 in bold."""
MOST_PAIRS = 5
"""Pairs of colours told for each scheme; the rest is only counted."""

_ASKED = frozenset(
    {"color", "background", "background-color", "background-image", "font-size", "font-weight"}
    | {"display", "visibility", "opacity"}
)
_HEADINGS = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h4": 1.0, "h5": 0.83, "h6": 0.67}
_BOLD = frozenset({"b", "strong", "th", *_HEADINGS})
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(px|em|rem|%|pt)")
_UNSEEN = frozenset({"head", "title", "style", "script", "template", "noscript"})


@dataclass(frozen=True, slots=True)
class _Look:
    """How text looks in an element; None is a colour that cannot be known."""

    ink: str | None
    ground: str | None
    size: float = 16.0
    bold: bool = False
    hidden: bool = False

    @property
    def needs(self) -> float:
        large = self.size >= 24 or (self.bold and self.size >= 18.66)
        return LEAST_LARGE if large else LEAST_CONTRAST


_Styles = Mapping[int, Mapping[str, Declaration]]


def check_contrast(page: Page) -> list[Finding]:
    """Return text that cannot be read on its ground, each pair of colours once."""
    rules = [rule for sheet, _ in page.sheets for rule in sheet.rules]
    light = [rule for rule in rules if not rule.condition]
    dark = [rule for rule in rules if rule.is_dark]
    findings = _judge(page, _styles(page, light), _Look("#000000", "#ffffff"), "low-contrast")
    if dark:
        # What a dark client takes where nothing is said, differs from one to the next.
        styles = _styles(page, [*light, *dark])
        findings += _judge(page, styles, _Look(None, None), "low-contrast-dark")
    return findings


def _judge(page: Page, styles: _Styles, canvas: _Look, code: str) -> list[Finding]:
    dark = code == "low-contrast-dark"
    where = f"{HTML_PART}, {'dark' if dark else 'light'}"
    looks: dict[int, _Look] = {}
    pairs: dict[tuple[str, str], Finding] = {}
    for element in page.elements:
        parent = element.node.parent
        above = looks.get(parent.mem_id, canvas) if parent is not None else canvas
        look = looks[element.node.mem_id] = _look(element, above, styles[element.node.mem_id], dark)
        if look.hidden or look.ink is None or look.ground is None:
            continue
        ratio = contrast(look.ink, look.ground)
        if ratio >= look.needs or (look.ink, look.ground) in pairs:
            continue
        if not (words := _own_words(element)):
            continue
        pairs[look.ink, look.ground] = found(
            code,
            f"'{page.quote(words)}' is {look.ink} on {look.ground}: contrast {ratio:.2f}, "
            f"needed {look.needs}",
            "make one of the two darker or lighter",
            where,
        )
    kept = list(pairs.values())
    if (more := len(kept) - MOST_PAIRS) > 0:
        kept[MOST_PAIRS:] = [
            found(code, f"and {more} more pairs of colours", "mend the ones named here", where)
        ]
    return kept


def _look(element: Element, above: _Look, declared: Mapping[str, Declaration], dark: bool) -> _Look:
    if above.hidden:
        return above
    if element.tag in _UNSEEN or _is_hidden(declared):
        return replace(above, hidden=True)
    size = _size(declared.get("font-size"), above.size, _HEADINGS.get(element.tag))
    ground = above.ground
    attribute = _colour(element.attribute("bgcolor"), above.ground)
    ground = attribute if element.attribute("bgcolor") else ground
    if element.attribute("background"):
        ground = None
    for name in ("background", "background-image"):
        if (declaration := declared.get(name)) is not None:
            ground = _ground(declaration, ground, above.ground)
    ink = above.ink
    if (colour := declared.get("color")) is not None:
        ink = _colour(colour.text, ground, above.ink)
    elif element.tag == "a" and element.attribute("href"):
        ink = None if dark else "#0000ee"
    return _Look(
        ink=ink,
        ground=ground,
        size=size,
        bold=_bold(element.tag, declared.get("font-weight"), above.bold),
        hidden=size <= 2,
    )


def _own_words(element: Element) -> str:
    """Return the words that stand in an element itself, none for spaces and invisible padding."""
    words = " ".join((element.node.text(deep=False) or "").split())
    return words if any(c.isalnum() for c in words) else ""


# ---------------------------------------------------------------- the cascade


def _styles(page: Page, rules: list[StyleRule]) -> _Styles:
    """Return for each element the declarations that win, of those that are asked about."""
    winning: dict[int, dict[str, tuple[tuple[int, ...], Declaration]]] = {
        element.node.mem_id: {} for element in page.elements
    }

    def offer(node: int, declaration: Declaration, *weight: int) -> None:
        if declaration.name not in _ASKED or node not in winning:
            return
        strength = (int(declaration.important), *weight)
        # The shorthand sets the colour too, so the stronger of both decides.
        name = "background" if declaration.name == "background-color" else declaration.name
        known = winning[node].get(name)
        if known is None or strength >= known[0]:
            winning[node][name] = (strength, declaration)

    for rule in rules:
        asked = [d for d in rule.declarations if d.name in _ASKED]
        if not asked:
            continue
        for node in _matches(page, rule.selector):
            for declaration in asked:
                offer(node, declaration, 0, *rule.specificity)
    for element in page.elements:
        for declaration in page.style(element):
            offer(element.node.mem_id, declaration, 1, 0, 0, 0)
    return {node: {n: d for n, (_, d) in named.items()} for node, named in winning.items()}


def _matches(page: Page, selector: str) -> Iterator[int]:
    if "::" in selector:
        return
    try:
        for node in page.tree.css(selector):
            yield node.mem_id
    except SelectolaxError:
        return


# ---------------------------------------------------------------- values


def _is_hidden(declared: Mapping[str, Declaration]) -> bool:
    said = {name: declared[name].text for name in ("display", "visibility") if name in declared}
    opacity = declared.get("opacity")
    return (
        said.get("display") == "none"
        or said.get("visibility") == "hidden"
        or (opacity is not None and opacity.text in ("0", "0%", "0.0"))
    )


def _ground(declaration: Declaration, ground: str | None, behind: str | None) -> str | None:
    """Return the ground that a declaration makes; None over an image or a gradient."""
    text = declaration.text
    if "url(" in text or "gradient(" in text:
        return None
    if declaration.name == "background-image":
        return ground
    if text in ("inherit", "unset", "initial", "none", "transparent"):
        return behind
    if declaration.name == "background-color":
        return _colour(text, behind)
    for token in declaration.tokens:
        if token.type in ("ident", "hash", "function"):
            serialised = tinycss2.serialize([token]).lower()
            if _rgba(serialised) is not None:
                return _colour(serialised, behind)
    return behind


def _colour(text: str, behind: str | None, inherited: str | None = None) -> str | None:
    """Return `#rrggbb`; a half transparent colour is mixed with what is behind it."""
    if text in ("inherit", "currentcolor"):
        return inherited
    rgba = _rgba(text)
    if rgba is None:
        return None
    colour, alpha = rgba
    if alpha >= 1:
        return colour
    return mix(colour, behind, alpha) if behind is not None else None


@lru_cache(maxsize=512)
def _rgba(text: str) -> tuple[str, float] | None:
    parsed = parse_color(text)
    if parsed is None or isinstance(parsed, str):
        return None
    red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in parsed[:3])
    return f"#{red:02x}{green:02x}{blue:02x}", float(parsed[3])


def _size(declaration: Declaration | None, above: float, heading: float | None) -> float:
    if declaration is None:
        return above if heading is None else 16 * heading
    match = _LENGTH.fullmatch(declaration.text)
    if match is None:
        return above if declaration.text != "0" else 0.0
    number, unit = float(match[1]), match[2]
    factor = {"px": 1.0, "em": above, "rem": 16.0, "%": above / 100, "pt": 4 / 3}[unit]
    return number * factor


def _bold(tag: str, declaration: Declaration | None, above: bool) -> bool:
    if declaration is None:
        return above or tag in _BOLD
    weight = declaration.text
    return weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 700)
