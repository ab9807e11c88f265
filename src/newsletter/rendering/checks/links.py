"""The links and images of the HTML that come from templates (A9, B4).

Those that a digest's author wrote are judged by `digest.checks_links`, with their line; here they
are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from newsletter.digest.findings import excerpt
from newsletter.digest.link_words import is_meaningless, other_site
from newsletter.digest.model import Finding
from newsletter.rendering.checks.codes import found
from newsletter.rendering.checks.page import Element, Page

MANY_IMAGES = 40
DATA_MOST = 2_000
"""Characters of an image that stands in the HTML itself: a dot or a line is smaller."""

_SAFE_SCHEMES = ("https:", "http:", "mailto:", "tel:", "#")


def check_links(page: Page, written: Collection[str] = ()) -> list[Finding]:
    """Return what is wrong with the links; `written` are the addresses of the digest itself."""
    tags = {slot.tag for slot in page.slots}
    findings: list[Finding] = []
    before: Element | None = None
    for link in page.named("a"):
        href = link.attribute("href").strip()
        if href and href not in written:
            findings += _check_link(page, link, href, is_slot=href in tags)
            if before is not None and _follows(before, link) and before.attribute("href") == href:
                problem = f"two links to {page.quote(href)} follow each other"
                findings.append(found("duplicate-link", problem, "make one link of both"))
        before = link
    return findings


def _check_link(page: Page, link: Element, href: str, *, is_slot: bool) -> Iterator[Finding]:
    words = _name(link)
    shown = page.quote(href)
    if not words:
        fix = "give it words, or its image an alternative text"
        yield found("empty-link-text", f"the link to {shown} has no words", fix)
    elif is_meaningless(words):
        problem = f"the words '{page.quote(words)}' do not say where the link to {shown} leads"
        yield found("meaningless-link-text", problem, "let them name what is there")
    if is_slot:
        return
    if not href.lower().startswith(_SAFE_SCHEMES):
        problem = f"the link address '{shown}' is neither https nor mailto"
        yield found("unsafe-link", problem, "correct it in the template")
    elif href.lower().startswith("http:"):
        problem = f"the link {shown} is not encrypted"
        yield found("insecure-link", problem, "use its https:// address")
    if named := other_site(words, href):
        problem = f"a link's words name {excerpt(named, 40)}, but it leads to {shown}"
        yield found("deceptive-link-text", problem, "name the site that it leads to")


def _name(link: Element) -> str:
    """Return what a link is called: its label, else its words and those of its images."""
    if label := link.attribute("aria-label").strip():
        return label
    images = [image.attributes.get("alt") or "" for image in link.node.css("img")]
    return " ".join(f"{link.words} {' '.join(images)}".split())


def _follows(first: Element, second: Element) -> bool:
    between = first.node.next
    while between is not None and between.is_text_node and not (between.text() or "").strip():
        between = between.next
    return between is not None and between.mem_id == second.node.mem_id


def check_images(page: Page, written: Collection[str] = ()) -> list[Finding]:
    """Return what is wrong with the images; `written` as in `check_links`."""
    images = page.named("img")
    findings = [
        finding
        for image in images
        if image.attribute("src") not in written
        for finding in _check_image(page, image, image.attribute("src"))
    ]
    if len(images) > MANY_IMAGES:
        problem = f"the email has {len(images)} images"
        findings.append(found("many-images", problem, "keep those that say something"))
    return findings


def _check_image(page: Page, image: Element, source: str) -> Iterator[Finding]:
    shown = page.quote(source)
    if image.attributes.get("alt") is None and "alt" not in image.attributes:
        fix = 'add alt="…", or alt="" for decoration'
        yield found("image-without-alt", f"the image {shown} has no alternative text", fix)
    if not (image.attribute("width") and image.attribute("height")):
        fix = "add width and height in pixels"
        yield found("image-without-size", f"the image {shown} lacks its width or height", fix)
    if source.lower().startswith("http:"):
        problem = f"the image {shown} comes over http"
        yield found("insecure-image", problem, "use its https:// address")
    if source.lower().startswith("data:") and len(source) > DATA_MOST:
        problem = f"an image of {len(source):,} bytes stands in the HTML itself"
        yield found("large-inlined-image", problem, "put it on a web server and link to it")
