"""Bare web addresses in running text: where one begins, where it ends, what is linked.

They are taken before emphasis is read, so that `_`, `*` and `~` within an address are its own (GFM,
extended autolinks).
"""

from __future__ import annotations

import re

from markdown_it.rules_inline import StateInline

LONGEST = 2_000
_SCHEME = re.compile(r"(?<![\w/])(?:https?)$", re.IGNORECASE)
_WWW = re.compile(r"(?<![\w./@:-])www\.[^\s<>]*$", re.IGNORECASE)
_STOPS = '<>"“”«»`\u3001\u3002\uff0c\uff1a\uff1b\uff01\uff1f\u300c\u300d\u300e\u300f\uff08\uff09'
_REST = re.compile(rf"(?:(?!\{{\{{|\[\^)[^\s{_STOPS}])+")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_NOT_OF_IT = ".,:;!?'*_~…’|"
_BARE_WWW = re.compile(
    rf"(?<![\w./@:-])www\.[a-z0-9-]+\.[^\s{_STOPS}]{{1,{LONGEST}}}", re.IGNORECASE
)


def bare_address(state: StateInline, silent: bool) -> bool:
    """Read `https://…` as one link, or inside of a link's words as one piece of text.

    A rule for the character at which plain text is interrupted: `:` behind a scheme, or a mark of
    emphasis within an address that begins with `www.`.
    """
    char = state.src[state.pos]
    if char == ":":
        begun = _SCHEME.search(state.pending) if state.src.startswith("://", state.pos) else None
    elif char in "_*~":
        begun = _WWW.search(state.pending)
    else:
        return False
    if begun is None:
        return False
    rest = _REST.match(state.src, state.pos, min(state.posMax, state.pos + LONGEST))
    if rest is None:
        return False
    whole = begun[0] + rest[0]
    written = trimmed(whole)
    if len(written) <= len(begun[0]) + (3 if char == ":" else 0):
        return False
    if not silent:
        state.pending = state.pending[: begun.start()]
        _push(state, begun.start(), written)
    state.pos += len(written) - len(begun[0])
    return True


def _push(state: StateInline, start: int, written: str) -> None:
    shown = _ESCAPED.sub(r"\1", written).replace("&amp;", "&")
    if state.linkLevel > 0:
        # The words of a link: no link within a link, and no emphasis within an address.
        token = state.push("text", "", 0)
        token.content = shown
        return
    opening = state.push("link_open", "a", 1)
    opening.attrs = {"href": shown if "://" in shown else f"http://{shown}"}
    opening.markup = "linkify"
    opening.info = "auto"
    token = state.push("text", "", 0)
    token.content = shown
    closing = state.push("link_close", "a", -1)
    closing.markup = "linkify"
    closing.info = "auto"


def trimmed(url: str) -> str:
    """Take off what ends the sentence rather than the address."""
    while url:
        if url[-1] in _NOT_OF_IT:
            url = url.rstrip(_NOT_OF_IT)
        elif (url[-1] == ")" and url.count(")") > url.count("(")) or (
            url[-1] == "]" and url.count("]") > url.count("[")
        ):
            url = url[:-1]
        else:
            break
    return url


def www_in(text: str) -> list[tuple[int, str]]:
    """Return where addresses that begin with `www.` stand in plain text, and each as written."""
    found = ((match.start(), trimmed(match[0])) for match in _BARE_WWW.finditer(text))
    return [(start, shown) for start, shown in found if shown.count(".") > 1]
