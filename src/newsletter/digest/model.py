"""What a digest is made of, as frozen values; knows no Markdown, no HTML and no file.

A reader of this module alone knows everything that rendering may meet. Lines count from 1 in the
digest's own file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TypeAlias

# ---------------------------------------------------------------- inline content


@dataclass(frozen=True, slots=True)
class Text:
    """Plain characters, never markup."""

    text: str


@dataclass(frozen=True, slots=True)
class Emphasis:
    """Stressed words (`*so*`)."""

    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Strong:
    """Weighty words (`**so**`)."""

    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Struck:
    """`~~words~~`: struck out, for they hold no more."""

    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Words of a program, verbatim."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link whose scheme is https, http or mailto (A10); others never become a Link."""

    url: str
    children: tuple[Inline, ...]
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: `alt` may be empty only for decoration; sizes in CSS pixels when known."""

    url: str
    alt: str
    title: str | None = None
    width: int | None = None
    height: int | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Citation:
    """`[^3]`: points to source 3. `known` is false when no such source is in the digest."""

    number: str
    line: int
    known: bool = True


@dataclass(frozen=True, slots=True)
class MergeField:
    """`{{ name | default("there") }}`: filled for each subscriber; `default` None means none."""

    name: str
    default: str | None
    line: int


@dataclass(frozen=True, slots=True)
class LineBreak:
    """A hard line break."""


Inline: TypeAlias = (
    Text | Emphasis | Strong | Struck | Code | Link | Image | Citation | MergeField | LineBreak
)

# ---------------------------------------------------------------- blocks


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    children: tuple[Inline, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below a story's own title (Markdown levels 4 to 6)."""

    level: int
    children: tuple[Inline, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class ListBlock:
    """A list of items, each a sequence of blocks; `start` is the first number when ordered."""

    ordered: bool
    items: tuple[tuple[Block, ...], ...]
    start: int = 1
    line: int = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """Somebody else's words."""

    blocks: tuple[Block, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Lines of a program, verbatim."""

    text: str
    language: str | None = None
    line: int = 0


class Align(StrEnum):
    """How a table's column is set."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of data: a header row, body rows, and one alignment for each column."""

    header: tuple[tuple[Inline, ...], ...]
    rows: tuple[tuple[tuple[Inline, ...], ...], ...]
    aligns: tuple[Align, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A thematic break inside a text."""

    line: int = 0


Block: TypeAlias = Paragraph | Heading | ListBlock | Quote | CodeBlock | Table | Rule

# ---------------------------------------------------------------- the document


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of the list of sources: what a citation points to.

    `number` is its label in the digest (`1` of `[^1]:`), `note` what follows the link.
    """

    number: str
    label: str
    url: str | None
    note: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Byline:
    """Who and when: `text` as written; `author` and `day` where they could be read from it."""

    author: str | None
    day: date | None
    text: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One story: a title, body blocks, and the why-it-matters text without its label."""

    title: tuple[Inline, ...]
    blocks: tuple[Block, ...]
    why_it_matters: tuple[Block, ...]
    anchor: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """Stories under one heading; `title` is None for stories that stand under no section."""

    title: tuple[Inline, ...] | None
    blocks: tuple[Block, ...]
    stories: tuple[Story, ...]
    anchor: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Digest:
    """One whole digest.

    `slug` names it (front matter `slug`, else the file's stem). `content_hash` is the SHA-256 of
    its bytes in hex: the revision. `subject` and `preheader` come from the front matter and are
    None when rendering shall choose. `language` is a BCP 47 tag or None for the list's own.
    """

    slug: str
    title: tuple[Inline, ...]
    byline: Byline
    lede: tuple[Block, ...]
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]
    content_hash: str
    path: str | None = None
    subject: str | None = None
    preheader: str | None = None
    language: str | None = None
    title_line: int | None = None

    @property
    def stories(self) -> tuple[Story, ...]:
        """All stories in reading order."""
        return tuple(story for section in self.sections for story in section.stories)


# ---------------------------------------------------------------- findings


class Severity(StrEnum):
    """`error` keeps a digest from being sent; `warning` is said and sent."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a check noticed: a stable code, what is wrong, where, why it matters, what to do.

    `line` is the digest's own; `place` names what is not a line of it ("HTML part", "DNS of
    example.org"). `why` says what comes of it when nobody mends it.
    """

    severity: Severity
    code: str
    problem: str
    fix: str
    line: int | None = None
    place: str | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A digest with what the parser noticed on the way; further checks add to the findings."""

    digest: Digest
    findings: tuple[Finding, ...] = field(default=())


def plain_text(inlines: tuple[Inline, ...]) -> str:
    """Return the characters a reader sees, without citations, with merge fields as defaults."""
    parts: list[str] = []
    for node in inlines:
        match node:
            case Text(text) | Code(text):
                parts.append(text)
            case Emphasis(children) | Strong(children) | Struck(children) | Link(children=children):
                parts.append(plain_text(children))
            case Image(alt=alt):
                parts.append(alt)
            case MergeField(default=default):
                parts.append(default or "")
            case LineBreak():
                parts.append(" ")
            case Citation():
                _take_space_before(parts)
    return "".join(parts)


def _take_space_before(parts: list[str]) -> None:
    """Take the space before a citation along that is left out: no stop shall stand alone."""
    while parts and not (kept := parts[-1].rstrip()):
        parts.pop()
    if parts:
        parts[-1] = kept


def is_blank(inlines: tuple[Inline, ...]) -> bool:
    """Tell whether a reader sees nothing of a text: no word, picture, mark or merge value."""
    for node in inlines:
        match node:
            case Text(text) | Code(text):
                if not all(c.isspace() or c in _UNSEEN for c in text):
                    return False
            case Emphasis(children) | Strong(children) | Struck(children) | Link(children=children):
                if not is_blank(children):
                    return False
            case Image() | MergeField() | Citation():
                return False
            case LineBreak():
                pass
    return True


_UNSEEN = "\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0f"
