"""The text part of an email as a page: its lines become paragraphs again, its underlines headings.

It knows the forms that `rendering.text.writer` writes; what it does not know stays as it is.
"""

from __future__ import annotations

import itertools
import re

from markupsafe import Markup, escape

from newsletter.rendering.text.writer import COLUMNS, columns

_URL = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]]")
_UNDERLINE = re.compile(r"(=+|-+|~+)")
_LEVELS = {"=": 2, "-": 3, "~": 4}
_MARK = re.compile(r"(?:[•–·] |\d+\. |\[\d+\] +|»   |>>  |\| )")
_WHY = re.compile(r"(?:»   |>>  )")
"""The mark of why-it-matters; the second form stands in campaigns that were frozen long ago."""


def readable(text: str, title: str = "") -> Markup:
    """Return a text part as safe HTML; nothing in it is markup but what is made here.

    What stands above the title, and the title, are left out: the page says them itself. So is the
    foot, which speaks to a subscriber.
    """
    text = text.rpartition("\n" + "-" * COLUMNS + "\n")[0] or text
    blocks = re.split(r"\n{2,}", text.strip("\n"))
    for number, block in enumerate(blocks[:2]):
        words = [word for word in block.split() if not _UNDERLINE.fullmatch(word)]
        if title and " ".join(words).casefold() == title.casefold():
            blocks = blocks[number + 1 :] or [""]
            break
    return Markup("\n").join(_block(block.split("\n")) for block in blocks)


def _block(lines: list[str]) -> Markup:
    if len(lines) > 1 and _UNDERLINE.fullmatch(lines[-1]):
        words = " ".join(line for line in lines if not _UNDERLINE.fullmatch(line))
        return Markup("<h{0}>{1}</h{0}>").format(_LEVELS[lines[-1][0]], words)
    if all(line.startswith("| ") for line in lines):
        return Markup("<blockquote>{}</blockquote>").format(_block([line[2:] for line in lines]))
    if lines[0].startswith("    ") and not _MARK.match(lines[0].lstrip()):
        return Markup("<pre>{}</pre>").format(
            "\n".join(line.removeprefix("    ") for line in lines)
        )
    kind = Markup(' class="why"') if _WHY.match(lines[0]) else ""
    first, *others = _unwrapped([_WHY.sub("    ", lines[0], count=1), *lines[1:]])
    body = Markup("<br>\n").join(map(_linked, [first, *others]))
    return Markup("<p{}>{}</p>").format(kind, body)


def _unwrapped(lines: list[str]) -> list[str]:
    """Join the lines that were cut for their length alone; others were ended on purpose."""
    joined = [lines[0].strip()]
    for before, line in itertools.pairwise(lines):
        words = line.split()
        if not words:
            continue
        room = COLUMNS - columns(before.rstrip())
        if _MARK.match(line.lstrip()) or columns(words[0]) + 1 <= room:
            joined.append(line.strip())
        else:
            joined[-1] += " " + line.strip()
    return joined


def _linked(text: str) -> Markup:
    parts, last = [], 0
    for match in _URL.finditer(text):
        parts.append(escape(text[last : match.start()]))
        parts.append(Markup('<a href="{0}" rel="nofollow noreferrer">{0}</a>').format(match[0]))
        last = match.end()
    return Markup("").join([*parts, escape(text[last:])])
