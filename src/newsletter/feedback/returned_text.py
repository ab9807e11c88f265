"""Finds where the words for people end and the returned message begins; makes markup readable."""

from __future__ import annotations

import html
import re

# A line that says that what follows is not the mail system's own.
_MARKERS = re.compile(
    r"[-=_*~ \t>]{0,60}(?:"
    r"(?:this is|below (?:this line )?is|here is|enclosed is)(?: also)? (?:a|the) copy of"
    r"|(?:the )?(?:text|header|body|content)s? of (?:your|the) (?:original )?(?:message|mail)"
    r"|(?:your |the )?original (?:message|mail|text)(?: headers?| follows| text| info)?"
    r"\b[^\n.]{0,20}$"
    r"|(?:unsent|returned|undelivered|bounced|failed|rejected) (?:message|mail)\b[^\n.]{0,30}$"
    r"|message headers? follows?|headers? of (?:the )?message"
    r"|received message headers|start of (?:the )?(?:original|returned)"
    r"|(?:en-t[êe]tes?|kopfzeilen|encabezados?) .{0,30}(?:message|nachricht|mensaje)"
    r"|included is a copy|-- ?copy of (?:your )?(?:message|mail))",
    re.IGNORECASE,
)
_HEADER_NAMES = re.compile(
    r"(?:return-path|received|from|to|subject|message-id|date|mime-version|delivered-to|sender"
    r"|reply-to|content-type|x-[a-z-]{2,40}|dkim-signature|cc|errors-to|user-agent|x-mailer"
    r"|content-transfer-encoding|authentication-results|references|in-reply-to|list-id) ?:",
    re.IGNORECASE,
)
_MOST_LINES = 2000
_ENOUGH = 3
"""Header lines, one below the other, that make a message."""


def split_returned(text: str) -> tuple[str, str]:
    """Return the words of the mail system, and the headers of the message it returned as text.

    The returned message begins where a line says so and header lines follow soon, or where three
    header lines stand below each other at the beginning of a paragraph.
    """
    lines = text.replace("\r\n", "\n").split("\n")[:_MOST_LINES]
    for number, line in enumerate(lines):
        if _MARKERS.match(line) and _headers_follow(lines, number + 1, within=4, enough=2):
            start = next(n for n in range(number + 1, len(lines)) if _HEADER_NAMES.match(lines[n]))
            # Some put a last word of theirs between.
            own = lines[:number] + [line for line in lines[number + 1 : start] if line.strip()]
            return "\n".join(own), "\n".join(lines[start:])
        opens = number == 0 or not lines[number - 1].strip()
        if (
            opens
            and number
            and _HEADER_NAMES.match(line)
            and _headers_follow(lines, number, within=1, enough=_ENOUGH)
        ):
            return "\n".join(lines[:number]), "\n".join(lines[number:])
    return "\n".join(lines), ""


def _headers_follow(lines: list[str], start: int, *, within: int, enough: int) -> bool:
    """Return whether so many header lines begin within so many lines that are not empty."""
    found = passed = 0
    for line in lines[start : start + 60]:
        if not line.strip():
            if found:
                break
            continue
        if _HEADER_NAMES.match(line):
            found += 1
            if found >= enough:
                return True
        elif found and line[:1] in (" ", "\t"):
            continue
        else:
            passed += 1
            if found or passed >= within:
                break
    return False


_BREAKS = re.compile(r"(?i)<(?:br|/?p|/?div|/?tr|/?li|/?h\d|/?table|/?td|/?pre)\b[^<>]{0,500}>")
_UNSEEN = re.compile(r"(?i)<(style|script|head|title)\b")
_TAGS = re.compile(r"<[/!?a-zA-Z][^<>@]{0,1000}>")


def strip_markup(text: str) -> str:
    """Return the words of an HTML part; line ends stand where a reader sees them."""
    text = _BREAKS.sub("\n", _without_unseen(text))
    return html.unescape(_TAGS.sub("", text))


def _without_unseen(text: str) -> str:
    """Drop style, script and head; one that never ends is left as it is."""
    lowered, kept, position = text.lower(), [], 0
    while found := _UNSEEN.search(text, position):
        end = lowered.find(f"</{found[1].lower()}", found.end())
        if end < 0 or len(lowered) != len(text):
            break
        kept.append(text[position : found.start()])
        position = end
    return "".join([*kept, text[position:]])
