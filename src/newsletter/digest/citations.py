"""Finds what looks like a citation and is none, and what programs leave of theirs.

It looks at Markdown as written, code and addresses aside, so that each finding has its line; what
a backslash stands before is meant as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from markdown_it.token import Token

from newsletter.digest.findings import Findings, excerpt

_GROUP = r"[0-9]{1,4}(?:\s*(?:[,;&+]|and)\s*\^?\s*[0-9]{1,4}){0,20}"
SPELLED = re.compile(
    rf"\[\s*\^\s*(?P<group>{_GROUP})\s*\^?\s*\]|\[\^(?P<range>[0-9]{{1,4}}\s*[-–]\s*\^?\s*[0-9]{{1,4}})\]"
)
"""Citations written in a way of their own: `[^1, 2]`, `[^1,^2]`, `[^ 1]`, `[^1^]`, `[^1-3]`."""
PLAIN = re.compile(
    r"\[(?P<group>[1-9][0-9]{0,2}(?:\s*(?:[,;]|[-–])\s*[1-9][0-9]{0,2}){0,20})\](?![(^])"
)
"""`[1]` and `[1, 2]`, which are citations where the digest has such sources."""
_LONGEST_RANGE = 20

_LINE_OF_CODE = re.compile(r"(?<!`)(`+)(?!`).{1,2000}?(?<!`)\1(?!`)", re.DOTALL)
_TARGET = re.compile(
    r"\]\([^()\s]{0,2000}(?:\([^()\s]{0,200}\)[^()\s]{0,2000})?|<[a-z]+:[^<>\s]{1,2000}>|https?://[^\s<>]{1,2000}"
)

_PRIVATE = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
_MARKERS = re.compile(
    rf"[{_PRIVATE}][^\s{_PRIVATE}]{{0,80}}(?:[{_PRIVATE}]+[^\s{_PRIVATE}]{{0,80}}[{_PRIVATE}])*|[{_PRIVATE}]+"
    r"|【[^【】\n]{0,60}†[^【】\n]{0,80}】|【[0-9][0-9:, ]{0,30}】"
    r"|【(?:sources?|cite[^【】\n]{0,60}|(?:turn|file)[^【】\n]{0,60})】"
    r"|\[[0-9:]{1,12}†[^\[\]\n]{0,60}\]|\[†[^\[\]\n]{0,60}\]"
    r"|:?contentReference(?:\[[^\[\]\n]{0,60}\])?(?:\{[^{}\n]{0,60}\})?|\[?oaicite:[0-9]{1,4}\]?"
    r"|\[/?(?:cite|cite_start|cite_end|cite-start|cite-end|citation)(?:\s?[:_][^\[\]\n]{0,80}|\s[0-9][^\[\]\n]{0,40})?\]"
    r"|\[(?:web|page|file|attached_file|attachment|memory|image|video|chart|news|academic|social"
    r"|conversation_history|calculator|search|result|doc|document|ref|source|src|context|citation"
    r"|footnote|note|quelle)s?[:#]?\s?(?<![a-z.]\s)[0-9]{1,4}(?:\s?[,;:]\s?(?:[a-z_]+:)?[0-9]{1,4}){0,10}\]"
    r"|(?:file)?cite(?:turn[0-9]{1,3}[a-z]{2,12}[0-9]{1,3})+"
    r"|\bturn[0-9]{1,3}(?:search|news|view|fetch|image|file|academia|forecast|finance|product|reddit|open|click)[0-9]{1,3}"
    r"|\{\{?cite[^{}\n]{0,80}\}?\}"
    r"|\\cite[pt]?\{[^{}\n]{0,80}\}|\[@[A-Za-z][\w:.-]{1,60}\]",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"\[\s?\^(?![^\[\]]{0,100}\])\s?[^\s\[\]]{0,20}"
    r"|\[\s{0,2}\^[^\[\]\n]{0,100}\]|\(\^[0-9]{1,4}\)|\^\[[^\[\]\n]{0,100}\]|［[\^＾]?[0-9０-９]{1,3}］"
    r"|\[＾[0-9]{1,4}\]|(?<![\[\w^])(?:(?<=[^\W\d_]{2})|(?<=[.,;:!?\"”’)])|(?<=\s)|^)\^[0-9]{1,3}\^?(?![\w^.])"
    r"|(?<=[^\W\d_]{3})\^[0-9]{1,3}\^?(?![\w^])"
)
_READ = re.compile(r"\[\^[^\s\[\]^]{1,100}\]")
_SPOKEN = re.compile(
    r"\[(?:citation needed|(?:sources?|refs?|references?|notes?|footnotes?|citations?|docs?"
    r"|results?|quellen?)\.?\s(?P<number>[0-9]{1,4})(?:\s?[,;]\s?[0-9]{1,4}){0,20})\](?![(])",
    re.IGNORECASE,
)
_RAISED = re.compile(r"(?:(?<=[^\W\d_]{4})|(?<=[.,;:!?\"”’)])|(?<=[¹²³⁴-⁹]\s))[¹²³⁴-⁹⁰]{1,3}(?!\w)")
_LONG_UNITS = tuple(
    unit + ending
    for unit in ("inch", "feet", "foot", "yard", "mile", "acre", "meter", "metre")
    for ending in ("", "s")
)
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹０１２３４５６７８９", "01234567890123456789")


def numbers_in(label: str, known: Collection[str]) -> tuple[str, ...]:
    """Return the numbers that one citation names; the label itself where it is a source's own."""
    if label in known:
        return (label,)
    if match := re.fullmatch(r"([0-9]{1,4})\s*[-–]\s*\^?\s*([0-9]{1,4})", label):
        first, last = int(match[1]), int(match[2])
        if first < last <= first + _LONGEST_RANGE:
            return tuple(str(number) for number in range(first, last + 1))
        return (label,)
    if re.fullmatch(_GROUP, label):
        return tuple(re.findall("[0-9]+", label))
    return (label,)


def spelling(written: str, numbers: Sequence[str]) -> tuple[str, str]:
    """Return the problem and the fix of a citation that was read from a spelling of its own."""
    proper = "".join(f"[^{number}]" for number in numbers)
    return (
        f"'{excerpt(written, 30)}' is taken for the citation {excerpt(proper, 40)}",
        f"write {excerpt(proper, 40)}; or \\{excerpt(written, 30)} for the characters themselves",
    )


def check_citations(tokens: Sequence[Token], known: Collection[str], findings: Findings) -> None:
    """Tell of markers of programs and of citations that are not read, with their lines."""
    line = 1
    for token in tokens:
        if token.map:
            line = token.map[0] + 1
        if token.type == "inline":
            _look(token.content, line, known, findings)


def check_text(text: str, line: int | None, findings: Findings) -> None:
    """Tell of what programs leave of their citations in a text that is no Markdown."""
    for match in _MARKERS.finditer(text):
        _marker(match[0], line, findings)


def _look(content: str, line: int, known: Collection[str], findings: Findings) -> None:
    visible = _TARGET.sub(_blank, _LINE_OF_CODE.sub(_blank, content))
    for match, at in _found(_MARKERS, visible, line):
        _marker(match[0], at, findings)
    visible = _MARKERS.sub(_blank, visible)
    for match, at in _found(_BROKEN, visible, line):
        if _READ.fullmatch(match[0]) or SPELLED.fullmatch(match[0]):
            continue
        number = re.sub(r"[^0-9]", "", match[0].translate(_DIGITS)) or "1"
        findings.add(
            "malformed-citation",
            f"'{excerpt(match[0], 30)}' looks like a citation and is none",
            f"write [^{number[:4]}], or a backslash before it for the characters themselves",
            at,
        )
    for match, at in _found(PLAIN, visible, line):
        numbers = numbers_in(match["group"], known)
        if not all(number in known for number in numbers):
            _perhaps(match[0], numbers, at, findings)
    for match, at in _found(_SPOKEN, visible, line):
        _perhaps(match[0], [match["number"] or "1"], at, findings)
    for match, at in _found(_RAISED, visible, line):
        digits = match[0].translate(_DIGITS)
        if digits in known and not visible.endswith(_LONG_UNITS, 0, match.start()):
            _perhaps(match[0], [digits], at, findings)


def _found(pattern: re.Pattern[str], text: str, line: int) -> Iterator[tuple[re.Match[str], int]]:
    """Yield matches without a backslash before them, each with its line."""
    done = 0
    for match in pattern.finditer(text):
        line += text.count("\n", done, match.start())
        done = match.start()
        if text[done - 1 : done] != "\\":
            yield match, line


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _marker(written: str, line: int | None, findings: Findings) -> None:
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in excerpt(written, 40))
    findings.add(
        "citation-marker",
        f"'{shown}' is a mark of the program that wrote the text",
        "take it out, and cite a source with [^1] where the text needs one",
        line,
    )


def _perhaps(written: str, numbers: Sequence[str], line: int, findings: Findings) -> None:
    proper = "".join(f"[^{number}]" for number in numbers)
    findings.add(
        "perhaps-citation",
        f"'{excerpt(written, 30)}' may be meant as a citation and is shown as it is typed",
        f"write {excerpt(proper, 40)} and give it a source; or \\[ for the bracket itself",
        line,
    )
