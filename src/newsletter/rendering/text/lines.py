"""Lines of plain text: how wide they are, where they may break, and which way they run.

It knows no digest; what a paragraph or a table is, `blocks` and `tables` know.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

COLUMNS = 72
"""Width of the text; the rule asks for at most 76 (A8)."""
SLOT_WIDTH = 16
"""What a merge value is taken to be wide when lines are broken before it is known."""
GLUE = "\x02"
"""A space that holds its two words on one line; no digest has this character."""
VERBATIM = "\x03"
"""Stands in a line that is not to be touched, such as one of code."""

_SLOT = re.compile(r"slot[0-9a-f]{10}x\d{4}x")
_HARD_SPACES = re.compile("[\u00a0\u2007\u202f]")
_SOFT_SPACES = re.compile(r"[^\S\u00a0\u2007\u202f]+")

# Letters and marks that everybody shows one column wide; for speed alone.
_NARROW = re.compile(
    "[\x02\x20-\x7e\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f\u05d0-\u05ea\u0620-\u064a"
    "\u066e\u066f\u0671-\u06d3\u1e00-\u1fff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u21ff]*"
)
_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")

# One character as a reader sees it: a flag, or a base with its marks and what a joiner adds.
_EXTENDED = (
    r"[\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    r"\u102b-\u103e\u1160-\u11ff\u17b4-\u17d3\u20d0-\u20ff\u3099\u309a\ufe00-\ufe0f"
    r"\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\U000e0100-\U000e01ef]"
)
_CLUSTER = re.compile(
    rf"[\U0001f1e6-\U0001f1ff]{{2}}|.{_EXTENDED}*(?:{_JOINER}.{_EXTENDED}*)*", re.DOTALL
)

# Written without spaces, so a line may end behind any character (UAX 14, class ID).
_IDEOGRAPHIC = re.compile(
    "[\u2e80-\u312f\u3190-\u9fff\ua000-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6"
    "\U00016fe0-\U0001b2ff\U00020000-\U0003fffd]"
)
# Where else a word that fills more than a line may be broken: Hangul, Thai and its like, emoji.
_IN_NEED = re.compile(
    _IDEOGRAPHIC.pattern[:-1]
    + "\u0e00-\u0eff\u1000-\u109f\u1100-\u115f\u1780-\u17ff\u2600-\u27bf\u3130-\u318f"
    "\uac00-\ud7af\U0001f000-\U0001faff]"
)
_NOT_FIRST = frozenset(
    "、。，．・：；？！ー々〻ゝゞヽヾ゛゜」』）】》〉〕］｝〗〙〛｠〟’”»›…‥％‰℃〜～"
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ"
    ".,:;!?)]}%'\"[ะาำๅๆฯ" + GLUE
)
"""What does not begin a line (JIS X 4051), and `[`, which opens a citation."""
_NOT_LAST = frozenset("「『（【《〈〔［｛〖〘〚｟〝‘“«‹￥＄￡＃(['\"{เแโใไ" + GLUE)
_BETWEEN_CITATIONS = re.compile(rf"(?<=\])(?=\u200f?\[)|{GLUE}")


def wrap(text: str, width: int = COLUMNS) -> str:
    """Return a text on lines of at most `width` columns; words (so URLs too) are never broken.

    Only what is written without spaces is broken between its characters, where its readers
    expect it. Line breaks in the text stay, but no two empty lines follow each other.
    """
    if len(text) <= width and text.isascii() and "slot" not in text and "\n" not in text:
        return " ".join(text.split())
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, used = "", 0
        for space, piece, size in _pieces(paragraph, width):
            if line and used + space + size > width:
                lines.append(line)
                line, used = piece, size
            elif line and space:
                line, used = f"{line} {piece}", used + 1 + size
            else:
                line, used = line + piece, used + size
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")


def columns(text: str) -> int:
    """Return how many columns a text takes: wide characters two, marks none, a slot its guess."""
    slots = 0
    if "slot" in text:
        text, slots = _SLOT.subn("", text)
    if text.isascii() or _NARROW.fullmatch(text):
        return len(text) + slots * SLOT_WIDTH
    return _measured(text) + slots * SLOT_WIDTH


def indented(text: str, first: str, others: str | None = None) -> str:
    """Return a text with `first` before its first line and `others` before the rest."""
    rest = first if others is None else others
    return "\n".join(
        ((first if number == 0 else rest) + line).rstrip()
        for number, line in enumerate(text.split("\n"))
    )


def underlined(text: str, sign: str, width: int = COLUMNS, *, above: bool = False) -> str:
    """Return a heading with a line of signs below (and above), as long as its longest line."""
    wrapped = wrap(text, width)
    if not wrapped:
        return ""
    rule = sign * min(max(columns(line) for line in wrapped.split("\n")), width)
    return f"{rule}\n{wrapped}\n{rule}" if above else f"{wrapped}\n{rule}"


def finished(text: str, direction: str) -> str:
    """Return a whole text with every line running the way of its language.

    A reader of plain text takes the direction of each line from its first strong letter (UAX 9,
    P2 and P3). A line that would turn is begun with a direction mark, unless it is code, nothing
    but a link, or a rule across the page.
    """
    text = text.replace(GLUE, " ")
    if direction == "ltr" and (text.isascii() or not _RIGHT_TO_LEFT.search(text)):
        return text.replace(VERBATIM, "")
    return "\n".join(_sided(line, direction) for line in text.split("\n"))


# ---------------------------------------------------------------- widths


def _measured(text: str) -> int:
    total = last = 0
    joined = False
    for sign in text:
        if sign == _JOINER:
            joined = last == 2
        elif sign == _EMOJI_STYLE:
            total += last == 1
            last = 2
        elif (joined or _SKIN.match(sign)) and last == 2:
            joined = False
        elif size := _size(sign):
            total += size
            last, joined = size, False
    return total


def _size(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf", "Cc") and sign != GLUE:
        return 0
    if "\u1160" <= sign <= "\u11ff":  # the later parts of a decomposed Hangul syllable
        return 0
    return 2 if unicodedata.east_asian_width(sign) in ("W", "F") else 1


# ---------------------------------------------------------------- where lines break


def _pieces(paragraph: str, width: int) -> Iterable[tuple[bool, str, int]]:
    """Return what stays on one line: whether a space stands before it, itself, its columns."""
    if not paragraph.isascii():
        paragraph = paragraph.replace("\u00ad", "")
    if "slot" not in paragraph and _NARROW.fullmatch(paragraph):
        # Nearly all text is like this, and here each character is a column.
        words = _words(paragraph)
        if max(map(len, words), default=0) <= width:
            return [(True, word, len(word)) for word in words]
    return _measured_pieces(paragraph, width)


def _words(paragraph: str) -> list[str]:
    if _HARD_SPACES.search(paragraph):
        return [word for word in _SOFT_SPACES.split(paragraph) if word]
    return paragraph.split()


def _measured_pieces(paragraph: str, width: int) -> Iterator[tuple[bool, str, int]]:
    for word in _words(paragraph):
        size = columns(word)
        if size > width or "\u200b" in word or _IDEOGRAPHIC.search(word):
            yield from _broken(word, width)
        else:
            yield True, word, size


def _broken(word: str, width: int) -> Iterator[tuple[bool, str, int]]:
    space = True
    for part in word.split("\u200b"):
        breakable = _IDEOGRAPHIC if columns(part) <= width else _IN_NEED
        for piece in _split(part, breakable):
            size = columns(piece)
            if size <= width:
                yield space, piece, size
                space = False
                continue
            glued = piece.count(GLUE)
            for run in _BETWEEN_CITATIONS.split(piece):
                yield space or glued > 0, run, columns(run)
                space, glued = False, max(glued - 1, 0)


def _split(word: str, breakable: re.Pattern[str]) -> list[str]:
    """Split a word wherever a line may end in it; characters that belong together stay so."""
    if not breakable.search(word):
        return [word] if word else []
    pieces: list[str] = []
    before = ""
    for cluster in _CLUSTER.findall(word):
        may_break = (
            before
            and (breakable.match(cluster) or breakable.match(before))
            and cluster[0] not in _NOT_FIRST
            and before[0] not in _NOT_LAST
        )
        if may_break or not pieces:
            pieces.append(cluster)
        else:
            pieces[-1] += cluster
        before = cluster
    return pieces


# ---------------------------------------------------------------- directions

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff]")
_LINK_ALONE = re.compile(r"\s*(?:https?://|mailto:|slot)\S+")
_RULE = re.compile(rf"(\S)\1{{{COLUMNS - 1}}}")
_STRONG = ("L", "R", "AL")
_MARKS = {"ltr": "\u200e", "rtl": "\u200f"}


def _sided(line: str, direction: str) -> str:
    if VERBATIM in line:
        return line.replace(VERBATIM, "")
    ways = map(unicodedata.bidirectional, line)
    first = next((way for way in ways if way in _STRONG), "")
    if direction == "ltr":
        turned = first in ("R", "AL")
    else:
        turned = first not in ("R", "AL") and bool(line.strip())
        turned = turned and not (_LINK_ALONE.fullmatch(line) or _RULE.fullmatch(line))
    return _MARKS[direction] + line if turned else line
