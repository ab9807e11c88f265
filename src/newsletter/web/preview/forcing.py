"""The HTML of a message as one mail client would show it, made for a frame in which nothing acts.

A browser shows a page in the colours of its own machine. Here the server decides instead: it
replaces each `prefers-color-scheme` by a condition that always or never holds.
"""

from __future__ import annotations

from collections.abc import Iterable

import tinycss2
from selectolax.lexbor import LexborHTMLParser, LexborNode
from tinycss2.ast import IdentToken, Node, ParenthesesBlock, WhitespaceToken

from newsletter.web.preview.looks import Look, Scheme

_ALWAYS, _NEVER = "min-width", "max-width"
"""Of 0 pixels: every frame is at least so wide, and none at most."""

_INVERSION = """
html { background: #ffffff; filter: invert(1) hue-rotate(180deg); }
img[src], video, svg { filter: invert(1) hue-rotate(180deg); }
"""
"""What clients do that turn colours round by themselves: lightness changes, the hue stays."""

NOWHERE = "#nowhere"
"""Where links of the frame lead: a place that is not there, so that nothing moves or is fetched."""


def framed_html(html: str, look: Look) -> str:
    """Return the HTML of a message for the frame of one look.

    Links keep where they lead in `title`; those within the message work.
    """
    tree = LexborHTMLParser(html)
    if look.styles:
        for style in tree.css("style"):
            _force_style(style, look.scheme)
    else:
        for style in tree.css("style"):
            style.decompose()
    for meta in tree.css('meta[name="color-scheme"], meta[name="supported-color-schemes"]'):
        _force_meta(meta, look)
    for link in tree.css("a[href], area[href]"):
        _lead_nowhere(link)
    if not look.images:
        _hide_images(tree)
    if look.scheme is Scheme.INVERTED and tree.head is not None:
        tree.head.insert_child(_element(f"<style>{_INVERSION}</style>", "style"))
    return tree.html or ""


def force_scheme(css: str, scheme: Scheme) -> str:
    """Return a style sheet that looks as in one colour scheme, whatever the browser's own is.

    Works on the tokens, so that a query may stand anywhere and be joined to others. An inverting
    client asks for no scheme: it gets the light one, as such clients do.
    """
    nodes = tinycss2.parse_component_value_list(css)
    _force(nodes, "dark" if scheme is Scheme.DARK else "light")
    return str(tinycss2.serialize(nodes))


def _force(nodes: Iterable[Node], wanted: str) -> None:
    nodes = list(nodes)
    for at, node in enumerate(nodes):
        if isinstance(node, ParenthesesBlock) and _asks_for_scheme(node):
            asked = _words(node.content)[-1]
            node.content = tinycss2.parse_component_value_list(
                f"{_ALWAYS if asked == wanted else _NEVER}: 0px"
            )
        elif isinstance(node, IdentToken) and node.lower_value.endswith("color-scheme"):
            _force_declaration(nodes[at + 1 :], wanted)
        elif (content := getattr(node, "content", None)) is not None:
            _force(content, wanted)


def _asks_for_scheme(block: ParenthesesBlock) -> bool:
    words = _words(block.content)
    return len(words) > 1 and words[0] == "prefers-color-scheme"


def _words(nodes: Iterable[Node]) -> list[str]:
    return [node.lower_value for node in nodes if isinstance(node, IdentToken)]


def _force_declaration(following: list[Node], wanted: str) -> None:
    """Leave one scheme in a declaration such as `color-scheme: light dark`."""
    value: list[IdentToken] = []
    for node in following:
        if isinstance(node, IdentToken):
            value.append(node)
        elif not (isinstance(node, WhitespaceToken) or node == ":"):
            break
    if any(node.lower_value == wanted for node in value):
        for node in value:
            node.value = wanted


def _force_style(style: LexborNode, scheme: Scheme) -> None:
    style.inner_html = force_scheme(style.text(), scheme)
    if media := style.attributes.get("media"):
        style.attrs["media"] = force_scheme(media, scheme)


def _force_meta(meta: LexborNode, look: Look) -> None:
    wanted = "dark" if look.scheme is Scheme.DARK else "light"
    offered = (meta.attributes.get("content") or "").split()
    meta.attrs["content"] = wanted if wanted in offered else "light"


def _lead_nowhere(link: LexborNode) -> None:
    target = link.attributes.get("href") or ""
    if not target.startswith("#"):
        link.attrs["href"] = NOWHERE
        link.attrs["title"] = target
    for name in ("target", "ping", "download"):
        if name in link.attributes:
            del link.attrs[name]


def _hide_images(tree: LexborHTMLParser) -> None:
    for node in tree.css("img, source, [background]"):
        for name in ("src", "srcset", "background"):
            if name in node.attributes:
                del node.attrs[name]


def _element(html: str, name: str) -> LexborNode:
    found = LexborHTMLParser(html).css_first(name)
    if found is None:
        raise ValueError(f"no <{name}> in its own source")
    return found
