"""Brings the definitions of sources to the one form that the parser reads, line for line.

People and tools write `[^1]: …` in lists, indented, with its words on the next line, or as `[1] …`
below the heading of the sources. No line is added or taken out, so that numbers of lines stay.
"""

from __future__ import annotations

import re

from newsletter.digest.source_headings import is_sources_heading

_LONGEST_HEADING = 100
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")
_BULLET = r"(?:(?:[-*+•]|[0-9]{1,4}[.)])[ \t]+)?"
_LABEL = r"\[\^[ \t]*(?P<label>[0-9]{1,4}|[^\s\[\]^]{1,100})[ \t]*\]"
_COLON = r"(?:\*\*|__)?[ \t]{0,3}[:：](?:\*\*|__)?"
_DEFINITION = re.compile(rf" {{0,3}}{_BULLET}(?:\*\*|__)?{_LABEL}{_COLON}(?P<rest>.*)")
_INDENTED = re.compile(rf"[ \t]+{_BULLET}(?:\*\*|__)?{_LABEL}{_COLON}(?P<rest>.*)")
_TITLED = re.compile(r"""<?(?P<url>https?://[^\s<>()]+)>?\s+["'](?P<title>[^"'\[\]]+)["']""")
"""An address with its title behind it, as in a link reference of Markdown."""
_REFERENCE = re.compile(r" {0,3}\[(?P<number>[0-9]{1,4})\]:[ \t]+(?P<rest><?https?://.*)")
_REFERRING = re.compile(r"\[[^\[\]\n]{0,200}[^\s0-9,\[\]\n][^\[\]\n]{0,200}\]\[[0-9]{1,4}\]")
"""A link of Markdown whose address stands elsewhere under a number: `[words][1]`."""
_WITHOUT_COLON = re.compile(
    rf" {{0,3}}{_BULLET}(?:{_LABEL}[ \t]*(?:[-–—.][ \t]+|[ \t])"
    r"|\[(?P<number>[0-9]{1,4})\](?:[ \t]*[:：.–—-][ \t]*|[ \t]+))(?=\S)(?![(\[:]\^)(?P<rest>.*)"
)


def with_plain_definitions(source: str) -> str:
    """Return a document whose definitions of sources stand at the start of their lines."""
    lines: list[str] = []
    links = "][" in source and _REFERRING.search(source) is not None
    fence = ""
    in_sources = False
    open_definition = empty = blank = False
    for line in source.split("\n"):
        if fence:
            stripped = line.strip()
            if stripped.startswith(fence) and not stripped.strip(fence[0]):
                fence = ""
            lines.append(line)
            continue
        definition = None
        if match := _FENCE.match(line):
            fence, open_definition = match[1], False
        elif _HEADING.match(line) or _is_sources_line(line):
            in_sources, open_definition = _is_sources_line(line), False
        else:
            definition = _definition(line, links, in_sources=in_sources)
        if definition is not None:
            lines.append(definition)
            open_definition, empty, blank = True, definition.endswith(":"), False
            continue
        if open_definition and line.strip():
            indent = len(line) - len(line.lstrip(" "))
            if 0 < indent < 4 or (empty and not blank and _is_words(line)):
                line = "    " + line.lstrip(" ")
            open_definition = not blank or indent > 0 or line.startswith("\t")
            empty = False
        blank = not line.strip()
        lines.append(line)
    return "\n".join(lines)


def _definition(line: str, links: bool, *, in_sources: bool) -> str | None:
    """Return a line that defines a source in the plain form; None for any other.

    `[1]: address` is one unless links of the text go by such numbers.
    """
    if "[" not in line[:40]:
        return None
    match = _DEFINITION.match(line) or _REFERENCE.match(line)
    if match is None and in_sources:
        match = _INDENTED.match(line) or _WITHOUT_COLON.match(line)
    if match is None:
        return None
    found = match.groupdict()
    if links and found.get("number"):
        return None
    rest = found["rest"].strip()
    if titled := _TITLED.fullmatch(rest):
        rest = f"[{titled['title']}]({titled['url']})"
    return f"[^{found.get('label') or found.get('number')}]: {rest}".rstrip()


def _is_sources_line(line: str) -> bool:
    return len(line) <= _LONGEST_HEADING and is_sources_heading(line)


def _is_words(line: str) -> bool:
    """Tell whether a line is running text, no beginning of another block."""
    return re.match(r"(?:[-*+>]|[0-9]{1,9}[.)])\s|[-*_=]{3,}\s*$|\|", line) is None
