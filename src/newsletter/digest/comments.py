"""Comments in a digest, `<!-- … -->`: notes of its makers, which no reader ever sees.

A comment that stands on lines of its own is a block of its own (CommonMark, HTML block 2), also
across empty lines; one within a text is left out there. Within code a comment is code.
"""

from __future__ import annotations

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from newsletter.digest.findings import Findings

OPENING, CLOSING = "<!--", "-->"


def comment_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take a comment that begins a line: to its end, across empty lines, or to the very last."""
    if state.is_code_block(start):
        return False
    begin = state.bMarks[start] + state.tShift[start]
    if not state.src.startswith(OPENING, begin):
        return False
    last, close = _end_of(state, start, end, begin + len(OPENING))
    if silent:
        # Within a paragraph only one that an empty line would cut in two.
        return close < 0 or any(state.isEmpty(line) for line in range(start, last))
    rest = ""
    if close >= 0:
        rest = state.src[close + len(CLOSING) : state.eMarks[last]].strip()
        if rest and not any(state.isEmpty(line) for line in range(start, last)):
            return False  # a text that begins with a comment
    token = state.push("comment", "", 0)
    token.map = [start, last + 1]
    token.meta = {"unclosed": close < 0}
    state.line = last + 1
    if rest:
        opening = state.push("paragraph_open", "p", 1)
        opening.map = [last, last + 1]
        inline = state.push("inline", "", 0)
        inline.content, inline.map, inline.children = rest, [last, last + 1], []
        state.push("paragraph_close", "p", -1)
    return True


def _end_of(state: StateBlock, start: int, end: int, begin: int) -> tuple[int, int]:
    """Return the line in which a comment ends and where; the last line and -1 for an open one."""
    for line in range(start, end):
        at = begin if line == start else state.bMarks[line]
        close = state.src.find(CLOSING, at, state.eMarks[line])
        if close >= 0:
            return line, close
        if line > start and not state.isEmpty(line) and state.sCount[line] < state.blkIndent:
            return line - 1, -1  # the list or quote that holds it ends
    return end - 1, -1


def comment_inline(state: StateInline, silent: bool) -> bool:
    """Take a comment within a text; one that is never closed runs to the end of it."""
    if not state.src.startswith(OPENING, state.pos, state.posMax):
        return False
    close = state.src.find(CLOSING, state.pos + len(OPENING), state.posMax)
    if not silent:
        token = state.push("comment", "", 0)
        token.meta = {"offset": state.pos, "unclosed": close < 0}
    state.pos = state.posMax if close < 0 else close + len(CLOSING)
    return True


def tell_unclosed_comment(findings: Findings, line: int) -> None:
    """Tell of a comment without an end."""
    findings.add(
        "unclosed-comment",
        "a comment begins here and is never closed",
        "close it with '-->', or write '\\<!--' when it is meant to be shown",
        line,
    )
