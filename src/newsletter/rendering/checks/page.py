"""The HTML part read once, for all checks: its elements, its style sheets, its words.

What stands in conditional comments for Outlook alone is left out: no other client sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from newsletter.digest.findings import excerpt
from newsletter.rendering.checks.css import Declaration, Sheet, read_declarations, read_sheet
from newsletter.rendering.content import Slot


@dataclass(frozen=True, slots=True)
class Element:
    """An element with its attributes; `in_outlook` is whether classic Outlook sees it."""

    node: LexborNode
    tag: str
    attributes: Mapping[str, str | None]
    in_outlook: bool

    def attribute(self, name: str) -> str:
        """Return an attribute's value; empty where it is missing or has none."""
        return self.attributes.get(name) or ""

    @property
    def words(self) -> str:
        """Return the text in it, on one line."""
        return " ".join((self.node.text(deep=True) or "").split())


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML part; `nodes` are elements and text nodes in reading order."""

    tree: LexborHTMLParser
    elements: tuple[Element, ...]
    sheets: tuple[tuple[Sheet, bool], ...]
    slots: Sequence[Slot] = ()

    def style(self, element: Element) -> tuple[Declaration, ...]:
        """Return the declarations of an element's `style` attribute."""
        text = element.attribute("style")
        return read_declarations(text) if text else ()

    def named(self, *tags: str) -> list[Element]:
        """Return the elements of some tags."""
        return [element for element in self.elements if element.tag in tags]

    def quote(self, text: str, most: int = 40) -> str:
        """Return words of the page to be quoted, with merge fields as `{first_name}`."""
        for slot in self.slots:
            if slot.tag in text:
                text = text.replace(slot.tag, f"{{{slot.field}}}")
        return excerpt(text, most)


def read_page(html: str, slots: Sequence[Slot] = ()) -> Page:
    """Read an HTML part; whatever it holds, browsers' rules make elements of it."""
    tree = LexborHTMLParser(html)
    elements: list[Element] = []
    sheets: list[tuple[Sheet, bool]] = []
    in_outlook = True
    root = tree.root
    for node in root.traverse(include_text=True) if root is not None else ():
        if node.is_comment_node:
            said = (node.comment_content or "").strip()
            if said.startswith("[if !mso"):
                in_outlook = False
            elif "<![endif]" in said and not said.startswith("[if"):
                in_outlook = True
        elif node.is_element_node:
            tag = node.tag or ""
            element = Element(node, tag, node.attributes, in_outlook)
            elements.append(element)
            if tag == "style":
                sheet = read_sheet(node.text(deep=True) or "", element.attribute("media"))
                sheets.append((sheet, in_outlook))
    return Page(tree, tuple(elements), tuple(sheets), slots)
