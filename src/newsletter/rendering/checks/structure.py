"""Whether the HTML can be read aloud and needs nothing from elsewhere (A9, B4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from newsletter.digest.model import Finding
from newsletter.rendering.checks.codes import found
from newsletter.rendering.checks.page import Element, Page

REFUSED = ("script", "form", "iframe", "object", "embed", "link", "base")
"""Elements that mail clients take out, or that fetch or run something."""

_HANDLER = re.compile(r"on[a-z]{3,}")
_REMOTE = re.compile(r"url\(\s*['\"]?\s*(?:https?:)?//", re.IGNORECASE)
_PRESENTATION = frozenset({"presentation", "none"})


def check_structure(page: Page) -> list[Finding]:
    """Return what keeps the HTML from being read aloud, or what it fetches or runs."""
    return [
        *_check_root(page),
        *_check_headings(page),
        *_check_tables(page),
        *_check_refused(page),
        *_check_styles(page),
    ]


def _check_root(page: Page) -> Iterator[Finding]:
    root = next((element for element in page.elements if element.tag == "html"), None)
    if root is None or not root.attribute("lang"):
        fix = 'write lang="{{ language }}" on <mjml>'
        yield found("no-language", "the HTML does not say its language", fix)
    if root is None or root.attribute("dir") not in ("ltr", "rtl", "auto"):
        fix = 'write dir="{{ direction }}" on <mjml>'
        yield found("no-direction", "the HTML does not say which way it is written", fix)


def _check_headings(page: Page) -> Iterator[Finding]:
    headings = page.named("h1", "h2", "h3", "h4", "h5", "h6")
    main = [heading for heading in headings if heading.tag == "h1"]
    if not main:
        yield found("no-main-heading", "the HTML has no <h1>", "set the digest's title as <h1>")
    if len(main) > 1:
        words = page.quote(main[1].words)
        fix = "keep the title's, and use <h2> for the others"
        yield found("several-main-headings", f"the HTML has a second <h1>, '{words}'", fix)
    level = 0
    for heading in headings:
        now = int(heading.tag[1])
        if level and now > level + 1:
            words = page.quote(heading.words)
            problem = f"'{words}' is <{heading.tag}> right below <h{level}>"
            yield found("heading-level-jump", problem, f"use <h{level + 1}>")
            return
        level = now


def _check_tables(page: Page) -> list[Finding]:
    bare = [
        table
        for table in page.named("table")
        if table.attribute("role") not in _PRESENTATION and not _is_data(table)
    ]
    if not bare:
        return []
    words = page.quote(bare[0].words)
    return [
        found(
            "layout-table-without-role",
            f"{len(bare)} layout tables lack a role, the first around '{words}'"
            if len(bare) > 1
            else f"the layout table around '{words}' lacks a role",
            'add role="presentation" in the template',
        )
    ]


def _is_data(table: Element) -> bool:
    return table.node.css_first("th, caption, thead") is not None


def _check_refused(page: Page) -> Iterator[Finding]:
    for tag in REFUSED:
        if page.named(tag):
            problem = f"the HTML has a <{tag}>, which mail clients refuse"
            yield found("remote-content", problem, "take it out of the templates")
    for meta in page.named("meta"):
        if meta.attribute("http-equiv").lower() == "refresh":
            problem = "the HTML has a <meta> that leads elsewhere by itself"
            yield found("remote-content", problem, "take it out of the templates")
    for element in page.elements:
        handler = next((name for name in element.attributes if _HANDLER.fullmatch(name)), None)
        if handler:
            problem = f"a <{element.tag}> of the HTML has '{handler}'"
            yield found("event-handler", problem, "take the attribute out of the template")
            return


def _check_styles(page: Page) -> Iterator[Finding]:
    for sheet, _ in page.sheets:
        for rule in sheet.at_rules:
            if rule.keyword == "import":
                problem = f"the HTML imports {page.quote(rule.prelude)}"
                yield found("remote-style", problem, "put the rules into the template")
            elif rule.keyword == "font-face" and "url(" in rule.content:
                problem = "the HTML asks for a web font"
                yield found("web-font", problem, "use fonts that readers have, such as Georgia")
    if backgrounds := list(_remote_backgrounds(page)):
        problem = f"the HTML has a background image from elsewhere ({backgrounds[0]})"
        yield found("remote-background", problem, "use a background colour")


def _remote_backgrounds(page: Page) -> Iterator[str]:
    for element in page.elements:
        if element.attribute("background"):
            yield f"<{element.tag} background>"
        for declaration in page.style(element):
            if declaration.name.startswith("background") and _REMOTE.search(declaration.text):
                yield f"<{element.tag}>"
    for sheet, _ in page.sheets:
        for rule in sheet.rules:
            for declaration in rule.declarations:
                if declaration.name.startswith("background") and _REMOTE.search(declaration.text):
                    yield page.quote(rule.selector)
