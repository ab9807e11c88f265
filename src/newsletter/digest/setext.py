"""Finds paragraphs that `---` or `===` right below them made headings by accident.

What can only be running text is made a paragraph again, with a rule below it; what may be a
heading stays one, and is told where it may be none. It works on tokens, before they are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it.token import Token

from newsletter.digest.byline import looks_like_byline
from newsletter.digest.findings import Findings, excerpt
from newsletter.digest.source_headings import is_sources_heading
from newsletter.digest.why import opens_why

_LONGEST = 100
_MOST_WORDS = 16
"""Beyond these a line is no heading that anybody means."""

_CITATION = re.compile(r"(?<!\\)\[\^[^\]\n]{1,100}\]")
_ADDRESS = re.compile(r"https?://\S+$", re.IGNORECASE)
_QUOTES = "\"'”’»)*_~`"
_SENTENCES = re.compile(r"[^\W\d_]{4,}[\"'”’»)]*\.[\"'”’»)]*\s+[\"'“‘«(]*[^\W\d_a-zà-ÿ]|[。！？]\S")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[^\W\d_]\.){1,3}[^\W\d_]|\b(?:inc|ltd|corp|co|jr|sr|bros|dept|ave))\.$", re.IGNORECASE
)
"""A stop that a title may end with."""


def without_accidents(tokens: Sequence[Token], findings: Findings) -> list[Token]:
    """Return the tokens with accidental headings as paragraphs; each is told with its line."""
    # Headings below the second level cannot be underlined, so those say nothing of the others.
    written = any(token.type == "heading_open" and token.markup in ("#", "##") for token in tokens)
    kept: list[Token] = []
    headings = 0
    index = 0
    while index < len(tokens):
        token = tokens[index]
        index += 1
        kept.append(token)
        if token.type != "heading_open":
            continue
        headings += 1
        if token.markup not in ("-", "="):
            continue
        inline = tokens[index]
        title = headings == 1 and token.markup == "=" and token.level == 0
        running = _is_running(inline.content, title=title, second=headings == 2) or (
            written and token.markup == "-" and _is_over_nothing(tokens[index + 2 : index + 3])
        )
        if running:
            kept.pop()
            kept += _paragraph(token, inline)
            index += 2
            headings -= 1
        odd = written and token.markup == "-" and not is_sources_heading(inline.content)
        if running or odd or _has_lines(inline.content):
            _tell(token, inline.content, findings, running=running)
    return kept


def _is_running(content: str, *, title: bool, second: bool) -> bool:
    """Tell whether text above `---` or `===` can only be running text.

    The first heading, over `===`, is the digest's title: it may be of several lines, and end in
    a stop. Right below it a byline may stand.
    """
    words = " ".join(content.split()).strip()
    if _CITATION.search(words) or opens_why(words) or _ADDRESS.search(words):
        return True
    if len(words) > _LONGEST or len(words.split()) > _MOST_WORDS:
        return True
    if title:
        return False
    if second and looks_like_byline(words.strip("*_ ")):
        return True
    bare = words.rstrip(_QUOTES)
    if bare.endswith(("?", "!", "？", "！")):
        return len(words.split()) > _MOST_WORDS // 2
    if bare.endswith(".") and _ABBREVIATION.search(bare):
        return _has_lines(content) or len(words.split()) > _MOST_WORDS // 2
    return (
        _has_lines(content)
        or bare.endswith((".", "…", "。", ",", ";", "，", "؛", "،", "۔"))
        or _SENTENCES.search(words) is not None
    )


def _is_over_nothing(following: Sequence[Token]) -> bool:
    """Tell whether a heading ends the document or its next one is no deeper."""
    return not following or (following[0].type == "heading_open" and following[0].tag <= "h2")


def _has_lines(content: str) -> bool:
    return "\n" in content.strip()


def _paragraph(heading: Token, inline: Token) -> list[Token]:
    """Return a paragraph and the rule below it in place of a heading."""
    start, end = heading.map or [0, 1]
    opening = Token("paragraph_open", "p", 1, map=[start, max(end - 1, start + 1)], block=True)
    closing = Token("paragraph_close", "p", -1, block=True)
    rule = Token("hr", "hr", 0, map=[max(end - 1, start), end], block=True, markup="---")
    opening.level = closing.level = rule.level = heading.level
    return [opening, inline, closing, rule]


def _tell(heading: Token, content: str, findings: Findings, *, running: bool) -> None:
    start = (heading.map or [0, 1])[0]
    became = (
        "would be a heading because of the line below it, and is taken for text"
        if running
        else "became a heading because of the line below it"
    )
    sign = heading.markup * 3
    findings.add(
        "accidental-heading",
        f"'{excerpt(content, 40)}' {became}",
        f"put an empty line before the '{sign}' when it is meant as a rule;"
        " write '##' before the words when they are a heading",
        start + 1,
    )
