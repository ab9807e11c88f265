"""Sets up the Markdown parser: CommonMark, tables, footnotes and three rules of our own.

Tokens of ours: `merge_field` and `raw_html` (inline), `too_deep` (block). Inline tokens that a
finding may name carry their `offset` in the paragraph. What tokens mean is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, image, link
from mdit_py_plugins.footnote import footnote_plugin

from newsletter.digest.citations import PLAIN, SPELLED, numbers_in
from newsletter.digest.comments import comment_block, comment_inline, tell_unclosed_comment
from newsletter.digest.merge_fields import read_tag
from newsletter.digest.setext import without_accidents
from newsletter.digest.source_places import mark_sources
from newsletter.digest.web_addresses import bare_address

DEEPEST_BLOCK = 24
"""Lists and quotes in one another (a list counts twice: list and item)."""

_DEEPEST_INLINE = 40
_CITATION = re.compile(r"\[\^([^\s\[\]^]{1,100})\]")
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?:[\s/][^<>]{0,500})?>")
_SIZE = re.compile(
    r"""\{\s*width=["']?([1-9][0-9]{0,3})(?:px)?["']?"""
    r"""\s+height=["']?([1-9][0-9]{0,3})(?:px)?["']?\s*\}"""
)
_LONGEST_HTML = 500
_TIGHT = re.compile(r"(#{2,6})(?![#\s\d])(.{1,300}?)(?:\s+#+)?\s*$")
_SPACED_LINK = re.compile(
    r"\[([^\[\]\n]{1,300})\]\((https?://[^\s()<>\"']{1,500}(?: [^\s()<>\"']{1,200}){1,20})\)"
)


@cache
def markdown() -> MarkdownIt:
    """Return the one parser; it keeps no state between documents, so threads may share it."""
    md = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST_INLINE})
    md.enable(["table", "strikethrough"]).use(footnote_plugin, inline=False, move_to_end=False)
    # Left off: HTML, which shall come out as typed, and the joining of text, which would hide
    # what was escaped; we join it ourselves.
    md.disable(["html_block", "html_inline", "text_join", "fragments_join"])
    md.block.ruler.before("table", "too_deep", _too_deep)
    # The footnote plugin's own reference rule takes quadratic time on '[^[^[^…'.
    md.inline.ruler.at("footnote_ref", _citation)
    md.inline.ruler.at("link", _placed(link, "link_open"))
    md.inline.ruler.at("image", _image)
    md.core.ruler.after("block", "outline", _outline)
    md.inline.ruler.before("escape", "merge_field", _merge_field)
    md.inline.ruler.after("autolink", "raw_html", _raw_html)
    md.inline.ruler.before("raw_html", "comment", comment_inline)
    md.inline.ruler.before("emphasis", "bare_address", bare_address)
    md.inline.ruler.before("link", "spaced_link", _spaced_link)
    md.block.ruler.before(
        "fence", "comment", comment_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    md.block.ruler.before("heading", "tight_heading", _tight_heading, {"alt": ["paragraph"]})
    # Addresses are judged by `links`, which can name a line; here every one passes as written.
    md.validateLink = _any_address  # type: ignore[method-assign]
    md.normalizeLink = _as_written  # type: ignore[method-assign]
    md.normalizeLinkText = _as_written  # type: ignore[method-assign, assignment]
    return md


def _outline(state: StateCore) -> None:
    """Settle what is a heading and what holds sources, before any citation is read.

    Comments are gone by then, and what was spelled oddly is told.
    """
    findings = state.env["findings"]
    for token in state.tokens:
        line = token.map[0] + 1 if token.map else 0
        if token.type == "comment" and token.meta["unclosed"]:
            tell_unclosed_comment(findings, line)
        elif token.meta.get("tight"):
            marks = token.markup
            findings.add(
                "heading-spelling",
                f"a heading has no space behind its '{marks}'",
                f"write '{marks} Heading'",
                line,
            )
    state.tokens = [token for token in state.tokens if token.type != "comment"]
    state.tokens = without_accidents(state.tokens, state.env["findings"])
    state.env["sources"] = mark_sources(state.tokens)


def _tight_heading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read `##Heading`: a hash mark of other programs has one '#' and no more."""
    if state.is_code_block(start):
        return False
    begin = state.bMarks[start] + state.tShift[start]
    match = _TIGHT.match(state.src, begin, state.eMarks[start])
    if match is None:
        return False
    if silent:
        return True
    level = len(match[1])
    opening = state.push("heading_open", f"h{level}", 1)
    opening.markup, opening.map, opening.meta = match[1], [start, start + 1], {"tight": True}
    inline = state.push("inline", "", 0)
    inline.content, inline.map, inline.children = match[2].strip(), [start, start + 1], []
    state.push("heading_close", f"h{level}", -1).markup = match[1]
    state.line = start + 1
    return True


def _spaced_link(state: StateInline, silent: bool) -> bool:
    """Read a link whose address holds spaces, which CommonMark leaves as it is typed."""
    if state.src[state.pos] != "[" or state.linkLevel:
        return False
    match = _SPACED_LINK.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        opening = state.push("link_open", "a", 1)
        opening.attrs = {"href": match[2].replace(" ", "%20")}
        opening.meta = {"offset": state.pos, "spaced": True}
        words = state.push("text", "", 0)
        words.content = match[1]
        state.push("link_close", "a", -1)
    state.pos = match.end()
    return True


def _any_address(url: str) -> bool:
    return True


def _as_written(url: str) -> str:
    return url


def _too_deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take what is nested too deeply as literal text; markdown-it would drop it unsaid."""
    if silent or state.level < DEEPEST_BLOCK:
        return False
    line = start
    while line < end and (state.isEmpty(line) or state.sCount[line] >= state.blkIndent):
        line += 1
    token = state.push("too_deep", "", 0)
    token.content = state.getLines(start, line, state.blkIndent, False).strip()
    token.map = [start, line]
    state.line = line
    return True


def _citation(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "[":
        return False
    if match := _CITATION.match(state.src, state.pos, state.posMax):
        label = match[1]
    elif match := SPELLED.match(state.src, state.pos, state.posMax):
        label = (match["group"] or match["range"]).strip()
    elif (
        # Within the words of a link, which are skipped silently first, brackets stay brackets.
        not (silent or state.linkLevel or _in_address(state))
        and (match := PLAIN.match(state.src, state.pos, state.posMax))
        and all(n in state.env["sources"] for n in numbers_in(match["group"], ()))
    ):
        label = match["group"]
    else:
        return False
    if not silent:
        token = state.push("footnote_ref", "", 0)
        token.content = match[0]
        token.meta = {"label": label, "offset": state.pos}
    state.pos = match.end()
    return True


def _in_address(state: StateInline) -> bool:
    """Tell whether a bare web address runs up to here."""
    before = state.src[max(0, state.pos - _LONGEST_HTML) : state.pos]
    return not before[-1:].isspace() and "://" in "".join(before.rsplit(maxsplit=1)[-1:])


def _merge_field(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "{":
        return False
    tag = read_tag(state.src, state.pos, state.posMax)
    if tag is None:
        return False
    if not silent:
        token = state.push("merge_field", "", 0)
        token.content = state.src[state.pos : tag.end]
        token.meta = {"tag": tag, "offset": state.pos}
    state.pos = tag.end
    return True


def _raw_html(state: StateInline, silent: bool) -> bool:
    start = state.pos
    if state.src[start] != "<":
        return False
    end = -1
    if match := _TAG.match(state.src, start, state.posMax):
        end = match.end()
    else:
        for opening, closing in (("<![CDATA[", "]]>"), ("<?", "?>")):
            if state.src.startswith(opening, start, state.posMax):
                inner = start + len(opening)
                found = state.src.find(closing, inner, min(state.posMax, inner + _LONGEST_HTML))
                end = found + len(closing) if found >= 0 else inner
    if end < 0:
        return False
    if not silent:
        token = state.push("raw_html", "", 0)
        token.content = state.src[start:end]
        token.meta = {"offset": start}
    state.pos = end
    return True


def _placed(
    rule: Callable[[StateInline, bool], bool], kind: str
) -> Callable[[StateInline, bool], bool]:
    """Let a rule of markdown-it note the offset of the token it makes."""

    def placed(state: StateInline, silent: bool) -> bool:
        start, before = state.pos, len(state.tokens)
        if not rule(state, silent):
            return False
        if not silent:
            # Pending text may have been pushed before our token.
            token = next(token for token in state.tokens[before : before + 2] if token.type == kind)
            token.meta["offset"] = start
        return True

    return placed


_placed_image = _placed(image, "image")


def _image(state: StateInline, silent: bool) -> bool:
    """Read an image, and its size when `{width=600 height=400}` stands right behind it."""
    if not _placed_image(state, silent):
        return False
    if size := _SIZE.match(state.src, state.pos, state.posMax):
        state.pos = size.end()
        if not silent:
            state.tokens[-1].meta["size"] = (int(size[1]), int(size[2]))
    return True
