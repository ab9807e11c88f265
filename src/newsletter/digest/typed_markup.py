"""Markup that other programs know and Markdown does not, or that a slip kept from being read.

Readers would see it as it was typed. Here it is only told; what is commonly written and has one
meaning is read by the parser instead.
"""

from __future__ import annotations

import re

from newsletter.digest.findings import Findings, excerpt

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), fix)
    for pattern, fix in (
        (r"==(?=\S)[^=\n]{1,200}?(?<=\S)==", "use **bold** for what shall stand out"),
        (r"\+\+(?=\w)[^+\n]{1,200}?(?<=\w)\+\+", "use **bold** or say that it is new"),
        (r"!?\[\[[^\[\]\n]{1,200}\]\]", "write a link: [words](https://…)"),
        (r"%%[^%\n]{1,500}%%", "take the note out, or write it as <!-- note -->"),
        (r"\$\$[^$\n]{1,300}\$\$", "say the formula in words or show a picture of it"),
        (r"(?<!\w):[a-z][a-z0-9_+-]{2,30}:(?!\w)", "write the emoji itself"),
        (r"^:::+\s*\w*", "take it out, or write a quote with '>'"),
        (r"\{[.#:][A-Za-z][\w.#= \"-]{0,60}\}", "take it out: a digest has no classes"),
        (r"\^\[[^\[\]\n]{1,300}\]", "cite a source: [^1]"),
        (r"!?\[[^\[\]\n]{1,200}\]\([^()\n]{0,200}\)", "write a link: [words](https://…)"),
        (
            r"(?<!\w)\[(?!\s)[^\[\]\n\^]{2,100}\]\[[^\[\]\n]{0,60}\]",
            "give the link an address: [words](https://…)",
        ),
        (
            r"(?<![*\w])\*\*(?=\w)[^*\n]{1,300}$|(?<!\*)\*\*\s+\w[^*\n]{0,200}?\s\*\*(?!\*)|"
            r"^[^*\n]{0,300}\w\*\*(?![*\w])[^*\n]{0,300}$",
            "close what is bold: **words**, without spaces inside",
        ),
        (r"^\|.{0,200}\|\s*$", "put a row of dashes below the table's head: | --- | --- |"),
        (r"(?<![\w~])~~(?=\S)[^~\n]{1,200}$", "close what is struck out: ~~words~~"),
        (r"^#{2,6}\S[^\n]{0,80}|^#[A-Z][a-z]+ [^\n#]{3,80}$", "put a space behind the '#'"),
    )
)


def tell_typed_markup(typed: str, content: str, line: int, findings: Findings) -> None:
    """Tell of markup in what a reader sees as typed, each kind once for a paragraph.

    `typed` holds the paragraph's plain text, with a NUL for each thing that was read as markup or
    escaped; `content` is its source, which begins at `line`.
    """
    if len(typed) > 20_000:
        typed = typed[:20_000]
    for pattern, fix in _PATTERNS:
        match = pattern.search(typed)
        if match is None or "\0" in match[0]:
            continue
        at = content.find(match[0].splitlines()[0][:20])
        written = content[at : at + 60].splitlines()[0] if len(match[0]) < 3 <= at else match[0]
        findings.add(
            "markup-as-typed",
            f"'{excerpt(written, 40)}' is no Markdown and will be shown as it is typed",
            f"{fix}; write \\ before a mark that is meant as it is",
            line + (content.count("\n", 0, at) if at > 0 else 0),
        )
