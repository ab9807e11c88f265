"""Which features of HTML and CSS an email uses, by the names that caniemail.com gives them.

Declarations inside `@media` or `@supports` are left out: what stands outside of them holds where
they are not known. So are those that repeat a property which was set before in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from newsletter.rendering.checks.css import Declaration
from newsletter.rendering.checks.page import Element, Page

_SAME_PROPERTY = {
    **dict.fromkeys(("column-gap", "row-gap"), "css-gap"),
    **dict.fromkeys(("left", "right", "top", "bottom"), "css-left-right-top-bottom"),
    **dict.fromkeys(("block-size", "inline-size"), "css-block-inline-size"),
    **dict.fromkeys(("columns", "column-width", "column-rule"), "css-column-layout-properties"),
    **dict.fromkeys(("margin-inline-start", "margin-inline-end"), "css-margin-inline-start-end"),
    **dict.fromkeys(("margin-block-start", "margin-block-end"), "css-margin-block-start-end"),
    **dict.fromkeys(("margin-inline", "margin-block"), "css-margin-inline-block"),
    **dict.fromkeys(("padding-inline-start", "padding-inline-end"), "css-padding-inline-start-end"),
    **dict.fromkeys(("padding-block-start", "padding-block-end"), "css-padding-block-start-end"),
    **dict.fromkeys(("padding-inline", "padding-block"), "css-padding-inline-block"),
    **dict.fromkeys(("border-inline", "border-block"), "css-border-inline-block"),
    **dict.fromkeys(
        ("grid-template", "grid-template-columns", "grid-template-rows", "grid-template-areas"),
        "css-grid-template",
    ),
}
_FUNCTIONS = {
    **{name: f"css-function-{name}" for name in ("clamp", "light-dark", "max", "min")},
    **dict.fromkeys(("lab", "lch", "oklab", "oklch"), "css-modern-color"),
    **{name: f"css-{name}" for name in ("linear-gradient", "radial-gradient", "conic-gradient")},
    "calc": "css-unit-calc",
    "rgba": "css-rgba",
    "var": "css-variables",
}
_VALUES = {
    ("display", "flex"): "css-display-flex",
    ("display", "inline-flex"): "css-display-flex",
    ("display", "grid"): "css-display-grid",
    ("display", "inline-grid"): "css-display-grid",
    ("flex-direction", "column"): "css-flex-direction",
    ("flex-wrap", "wrap"): "css-flex-wrap",
}
_UNITS = frozenset({"ch", "rem", "vh", "vmax", "vmin", "vw"})
_INTRINSIC = frozenset({"fit-content", "min-content", "max-content"})
_SEMANTIC = frozenset(
    {"article", "aside", "details", "figcaption", "figure", "footer", "header", "main", "mark"}
    | {"nav", "section", "summary", "time"}
)
_IMAGES = re.compile(r"apng|avif|bmp|gif|heif|ico|jpg|mp4|png|svg|tiff|webp")


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a feature: what it looks like; `in_outlook`: classic Outlook sees it too."""

    slug: str
    shown: str
    in_outlook: bool


def features_used(page: Page) -> dict[str, Use]:
    """Return every feature that a page uses, each with the first place of it."""
    uses: dict[str, Use] = {}
    for use in _uses(page):
        known = uses.get(use.slug)
        if known is None or (use.in_outlook and not known.in_outlook):
            uses[use.slug] = use
    return uses


def _uses(page: Page) -> Iterator[Use]:
    blocks: dict[tuple[str, bool], tuple[str, tuple[Declaration, ...], str]] = {}
    for element in page.elements:
        for slug, shown in _element(element):
            yield Use(slug, shown, element.in_outlook)
        if style := element.attribute("style"):
            ground = element.attribute("bgcolor")
            blocks.setdefault(
                (style + ground, element.in_outlook),
                (f"<{element.tag}>", page.style(element), ground),
            )
    for (_, in_outlook), (where, declarations, ground) in blocks.items():
        for slug, shown in _block(declarations, ground=bool(ground)):
            yield Use(slug, f"'{shown}' on a {where}", in_outlook)
    for sheet, in_outlook in page.sheets:
        for at_rule in sheet.at_rules:
            yield Use(f"css-at-{at_rule.keyword}", f"@{at_rule.keyword}", in_outlook)
        for rule in sheet.rules:
            if not rule.condition:
                for slug, shown in _block(rule.declarations, ground=False):
                    yield Use(slug, f"'{shown}' for {page.quote(rule.selector)}", in_outlook)


def _element(element: Element) -> Iterator[tuple[str, str]]:
    tag, shown = element.tag, f"<{element.tag}>"
    if tag in _SEMANTIC:
        yield "html-semantics", shown
    elif tag in ("button", "input"):
        kind = element.attribute("type") or ("submit" if tag == "button" else "text")
        yield f"html-{tag}-{kind}", f'<{tag} type="{kind}">'
    elif tag == "map":
        yield "html-image-maps", shown
    else:
        yield f"html-{tag}", shown
    for name in element.attributes:
        slug = {"sizes": "html-srcset", "inert": "css-inert-attribute"}.get(name, f"html-{name}")
        # 'width' and the like are attributes here, and not elements of the same name.
        if slug not in ("html-style", "html-class"):
            yield slug, f"'{name}' on a {shown}"
    if tag == "img" and (image := _image_kind(element.attribute("src"))):
        yield image


def _image_kind(source: str) -> tuple[str, str] | None:
    if source.startswith("data:"):
        return "image-base64", "an image in the HTML itself"
    try:
        suffix = PurePosixPath(urlsplit(source).path).suffix[1:].lower()
    except ValueError:
        return None
    kind = {"jpeg": "jpg", "tif": "tiff", "heic": "heif"}.get(suffix, suffix)
    return (f"image-{kind}", f"an image .{suffix}") if _IMAGES.fullmatch(kind) else None


def _block(declarations: Sequence[Declaration], *, ground: bool) -> Iterator[tuple[str, str]]:
    """Yield what a block of declarations uses without having said it in an older way before."""
    said: set[str] = {"background"} if ground else set()
    for declaration in declarations:
        name = declaration.name
        if name.startswith("--"):
            yield "css-variables", f"{name}: …"
            continue
        if name.startswith(("-", "mso-")):
            continue
        # A shorthand over a plain colour has that colour to fall back on.
        family = "background" if name.startswith("background") else name
        if family not in said:
            shown = f"{name}: {declaration.text[:40]}"
            yield _SAME_PROPERTY.get(name, f"css-{name}"), shown
            if (slug := _VALUES.get((name, declaration.text))) is not None:
                yield slug, shown
            for slug in _in_value(declaration.tokens):
                yield slug, shown
        said.add(family)


def _in_value(tokens: Sequence[Any]) -> Iterator[str]:
    for token in tokens:
        if token.type == "dimension" and token.lower_unit in _UNITS:
            yield f"css-unit-{token.lower_unit}"
        elif token.type == "ident" and token.lower_value in _INTRINSIC:
            yield "css-intrinsic-size"
        elif token.type == "function":
            if (slug := _FUNCTIONS.get(token.lower_name)) is not None:
                yield slug
            yield from _in_value(token.arguments)
