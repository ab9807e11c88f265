"""Finds merge fields in text: `{{ name }}` and `{{ name | default("words") }}`, nothing else.

There is no expression language here on purpose (A10): what is not one of the two forms is a
finding and stays literal text. Values are filled in by rendering and delivery, not here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from newsletter.digest.findings import Findings, excerpt
from newsletter.digest.model import MergeField, Text

SYSTEM_MERGE_FIELDS = ("unsubscribe_url", "preferences_url")
"""Fields that the program fills itself, for every recipient: they need no default."""

LONGEST_FIELD = 500
"""Characters from `{{` to `}}` beyond which the braces count as never closed."""

_STRING = r"""(?:"(?P<double>(?:[^"\\]|\\["'\\])*)"|'(?P<single>(?:[^'\\]|\\["'\\])*)')"""
_FIELD = re.compile(
    r"\{\{\s*(?P<name>[a-z_][a-z0-9_]*)\s*"
    rf"(?:\|\s*default\s*\(\s*{_STRING}\s*\)\s*)?\}}\}}",
    re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_OPENING = re.compile(r"\\\{|\{[{%#]")
_CURLY_QUOTES = re.compile("[“”„‟«»‘’‚‛]")
_NAME_IN_CAPITALS = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(\|.*)?", re.DOTALL)
_OTHER_FILTER = re.compile(r"\s*[a-z_][a-z0-9_]*\s*\|\s*(\w+)", re.ASCII)

ALLOWED = 'only {{ name }} and {{ name | default("words") }} are allowed'
_LITERAL = "write \\{{ to show the braces themselves"


@dataclass(frozen=True, slots=True)
class Tag:
    """What starts at a `{{`, `{%` or `{#`: a merge field when `name` is set, else a problem.

    `end` is the position behind it; `code`, `problem` and `fix` make the finding.
    """

    end: int
    name: str | None = None
    default: str | None = None
    code: str = ""
    problem: str = ""
    fix: str = ""


def read_tag(text: str, start: int, end: int | None = None) -> Tag | None:
    """Read what starts at `start`; None when no `{{`, `{%` or `{#` starts there.

    Looks no further than `LONGEST_FIELD` characters and never behind `end`.
    """
    end = min(len(text) if end is None else end, start + LONGEST_FIELD)
    opening = text[start : min(start + 2, end)]
    if opening == "{{":
        if match := _FIELD.match(text, start, end):
            return Tag(match.end(), match["name"], _default(match))
        close = text.find("}}", start + 2, end)
        inner = text[start + 2 : close] if close >= 0 else ""
        if close < 0 or "{{" in inner:
            return _unclosed(start)
        return _malformed(inner, close + 2)
    if opening in ("{%", "{#"):
        close = text.find(f"{opening[1]}}}", start + 2, end)
        after = close + 2 if close >= 0 else start + 2
        return Tag(
            after,
            code="template-tag",
            problem=f"'{excerpt(text[start:after])}' is a template tag, which a digest cannot use",
            fix=f"take it out ({ALLOWED}), or write \\{opening} to show the characters themselves",
        )
    return None


def scan(text: str, findings: Findings, *, line: int = 1) -> tuple[Text | MergeField, ...]:
    """Split plain text (a subject, say) at its merge fields; `\\{{` is literal.

    `line` is the line of the text's first character. Problems go to `findings` and stay as text.
    """
    parts: list[Text | MergeField] = []
    words: list[str] = []
    done = 0
    for match in _OPENING.finditer(text):
        if match.start() < done:
            continue
        words.append(text[done : match.start()])
        if match[0] == "\\{":
            words.append("{")
            done = match.end()
            continue
        tag = read_tag(text, match.start())
        if tag is None:  # cannot be: the pattern found an opening
            done = match.start()
            continue
        at = line + text.count("\n", 0, match.start())
        if tag.name is None:
            findings.add(tag.code, tag.problem, tag.fix, at)
            words.append(text[match.start() : tag.end])
        else:
            if "".join(words):
                parts.append(Text("".join(words)))
            words = []
            parts.append(MergeField(tag.name, tag.default, at))
        done = tag.end
    words.append(text[done:])
    if "".join(words):
        parts.append(Text("".join(words)))
    return tuple(parts)


def with_defaults(text: str) -> str:
    """Return plain text as somebody of whom nothing is known reads it."""
    parts = scan(text, Findings())
    return "".join(part.text if isinstance(part, Text) else part.default or "" for part in parts)


def _default(match: re.Match[str]) -> str | None:
    quoted = match["double"] if match["double"] is not None else match["single"]
    return None if quoted is None else " ".join(_ESCAPE.sub(r"\1", quoted).split("\n"))


def _unclosed(start: int) -> Tag:
    return Tag(
        start + 2,
        code="merge-field-unclosed",
        problem="'{{' is never closed by '}}'",
        fix=f"close it ({ALLOWED}; a '|' in a table is written \\|), or {_LITERAL}",
    )


def _malformed(inner: str, end: int) -> Tag:
    problem = f"'{{{{{excerpt(inner)}}}}}' is not a merge field"
    fix = f"{ALLOWED}; {_LITERAL}"
    name = _NAME_IN_CAPITALS.fullmatch(inner)
    other = _OTHER_FILTER.match(inner)
    if not inner.strip():
        problem = "'{{ }}' names no merge field"
    elif name and name[1] != name[1].lower():
        problem = f"the merge field '{excerpt(name[1])}' is not written in small letters"
        fix = f"write {{{{ {excerpt(name[1].lower())} }}}}"
    elif other and other[1] != "default":
        problem = f"a merge field knows no '{excerpt(other[1])}', only default"
    elif other and _CURLY_QUOTES.search(inner):
        problem = "the default's words stand in typographic quotation marks"
        fix = 'use straight ones: default("words")'
    elif other:
        problem = 'the default of a merge field is not written as default("words")'
        fix = 'write {{ name | default("words") }}, with \\" for a quotation mark in the words'
    return Tag(end, code="merge-field-syntax", problem=problem, fix=fix)
