"""Checks of a digest's links and images: what their words say, and how they travel.

Nothing is fetched; whether a link is dead is asked in `delivery.link_checks`.
"""

from __future__ import annotations

from collections.abc import Sequence

from newsletter.digest.findings import Findings, excerpt
from newsletter.digest.link_words import is_meaningless, other_site
from newsletter.digest.model import (
    Emphasis,
    Image,
    Inline,
    Link,
    Source,
    Strong,
    Struck,
    Text,
    plain_text,
)


def check_link(link: Link, line: int, findings: Findings) -> None:
    """Add what is wrong with a link's words and its address."""
    words = plain_text(link.children).strip()
    _check_words(words, link.url, line, findings)


def check_source_link(source: Source, findings: Findings) -> None:
    """Add what is wrong with a source's link and its label."""
    if source.url is not None:
        _check_words(source.label.strip(), source.url, source.line, findings)


def check_image(image: Image, line: int, findings: Findings) -> None:
    """Add what is wrong with an image: its words, its size, its address."""
    line = image.line or line
    if not image.alt:
        findings.add(
            "image-without-alt",
            f"the image {excerpt(image.url)} has no alternative text",
            "say in words what it shows: ![words](address)",
            line,
        )
    if not (image.width and image.height):
        findings.add(
            "image-without-size",
            f"the size of the image {excerpt(image.url)} is not known",
            "write it right behind the image: {width=600 height=400}",
            line,
        )
    if image.url.startswith("http:"):
        findings.add(
            "insecure-image",
            f"the image {excerpt(image.url)} comes over http",
            "use its https:// address",
            line,
        )


def check_neighbours(inlines: Sequence[Inline], line: int, findings: Findings) -> None:
    """Add where two links to the same address follow each other, with nothing but space between."""
    before: Link | None = None
    for node in inlines:
        match node:
            case Link(url=url):
                if before is not None and before.url == url:
                    findings.add(
                        "duplicate-link",
                        f"two links to {excerpt(url)} follow each other",
                        "make one link of both",
                        line,
                    )
                before = node
            case Text(text) if not text.strip():
                pass
            case Emphasis(children) | Strong(children) | Struck(children):
                check_neighbours(children, line, findings)
                before = None
            case _:
                before = None


def _check_words(words: str, url: str, line: int, findings: Findings) -> None:
    if is_meaningless(words):
        findings.add(
            "meaningless-link-text",
            f"the words '{excerpt(words, 30)}' do not say where the link to {excerpt(url)} leads",
            "let the link's words name what is there",
            line,
        )
    elif named := other_site(words, url):
        findings.add(
            "deceptive-link-text",
            f"a link's words name {excerpt(named, 40)}, but it leads to {excerpt(url)}",
            "let the words say what is there, or name the site it leads to",
            line,
        )
    if url.startswith("http:"):
        findings.add(
            "insecure-link",
            f"the link {excerpt(url)} is not encrypted",
            f"try https:{excerpt(url[5:])}, and use it if it works",
            line,
        )
