"""Makes a digest of an outline: title, byline, lede, sections, stories.

The rules, in order:

1. The first level-1 heading is the title; a later one is treated as level 2.
2. The paragraph below the title may be the byline (`byline`), or the one below it; else it belongs
   to the lede. A heading that is a date is the byline too. The lede reaches to the first heading.
3. Headings that hold sources (`source_places`) are no sections. What stands behind the sources
   ends the digest.
4. With any level-3 heading, level 2 makes sections and level 3 stories; a level-2 heading that
   has no story but a why-it-matters is itself a story. Without level 3, level-2 headings are
   stories when there are several of them or one says why it matters, else the one is a section.
   With deeper headings only, the highest of them makes stories.
5. Other headings stay inside their story. Rules at the edge of a part are dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from newsletter.digest.blocks import Item, Outline, Title
from newsletter.digest.byline import Settle, looks_like_byline, read_byline
from newsletter.digest.dates import DateReading, find_date, read_date, tell_date
from newsletter.digest.findings import Findings, excerpt
from newsletter.digest.front_matter import FrontMatter
from newsletter.digest.merge_fields import scan
from newsletter.digest.model import (
    Block,
    Byline,
    Inline,
    LineBreak,
    ListBlock,
    Paragraph,
    Quote,
    Rule,
    Section,
    Source,
    Story,
    is_blank,
    plain_text,
)
from newsletter.digest.sources import read_sources
from newsletter.digest.why import as_heading, has_why, is_label, split_story

_LONGEST_ANCHOR = 60


@dataclass(frozen=True, slots=True)
class Structure:
    """The parts of a digest, ready for the model."""

    title: tuple[Inline, ...]
    title_line: int | None
    byline: Byline
    lede: tuple[Block, ...]
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]


def build(
    outline: Outline, front: FrontMatter, findings: Findings, *, named: date | None = None
) -> Structure:
    """Return the parts of a digest; what is odd about them goes to the findings.

    `named` is the day that the digest's name says: it counts where the text says none.
    """
    title, before, items = _cut_title(outline.items)
    _look_at_headings(title, items, findings)
    items = [
        replace(item, level=2) if isinstance(item, Title) and item.level == 1 else item
        for item in items
    ]
    byline, before, items = _cut_byline(before, items, front, findings, named)
    first = next((n for n, item in enumerate(items) if isinstance(item, Title)), len(items))
    lede = _blocks([*before, *items[:first]])
    inlines = title.inlines if title else ()
    title_line = title.line if title else None
    if written := front.get("title"):
        title_line = title_line or front.lines["title"]
        inlines = scan(written, findings, line=front.lines["title"])
    if byline.day is None and not findings.has("ambiguous-date", "unreadable-date"):
        byline = replace(
            byline, day=_day_elsewhere(plain_text(inlines), title_line, named, findings)
        )
    return Structure(
        inlines,
        title_line,
        byline,
        lede,
        (*_sections(items[first:]), *_closing(outline.closing)),
        read_sources(outline.definitions, outline.below, findings),
    )


# ---------------------------------------------------------------- cutting parts off


def _cut_title(items: list[Item]) -> tuple[Title | None, list[Item], list[Item]]:
    for index, item in enumerate(items):
        if isinstance(item, Title) and item.level == 1:
            before = [as_heading(i) if isinstance(i, Title) else i for i in items[:index]]
            return item, list(before), items[index + 1 :]
    return None, [], items


def _cut_byline(
    before: list[Item],
    items: list[Item],
    front: FrontMatter,
    findings: Findings,
    named: date | None,
) -> tuple[Byline, list[Item], list[Item]]:
    """Read author and day from what stands around the title and the front matter, which wins."""

    def settle(reading: DateReading) -> DateReading:
        return reading.settled(named)

    # When the front matter gives the day, a byline's own date needs no correction.
    told = Findings() if front.get("date") else findings
    byline, items = _written_byline(items, told, settle)
    if byline.day is None and byline.author is None and before:
        byline, before = _written_byline(before, told, settle)
    if author := front.get("author"):
        byline = replace(byline, author=author, line=byline.line or front.lines["author"])
    if written := front.get("date"):
        line = front.lines["date"]
        reading = read_date(written)
        if reading is None:
            findings.add(
                "unreadable-date",
                f"the front matter's date '{excerpt(written)}' cannot be read",
                "write it as 2026-05-07",
                line,
            )
        else:
            reading = settle(reading)
            tell_date(reading, findings, line)
        byline = replace(byline, day=reading.day if reading else None, line=byline.line or line)
    return byline, before, items


def _written_byline(
    items: list[Item], findings: Findings, settle: Settle
) -> tuple[Byline, list[Item]]:
    """Read the byline: the first paragraph, or the one below a line that says neither."""
    at = 0
    byline = _byline_of(items, 0, findings, settle)
    if byline is None and (second := _byline_of(items, 1, Findings(), settle)) and second.day:
        # A line such as a motto may stand between the title and the byline.
        at, byline = 1, _byline_of(items, 1, findings, settle)
    if byline is None:
        return Byline(None, None), items
    items = [*items[:at], *items[at + 1 :]]
    if byline.day is None or byline.author is None:
        # Author and date may stand in two paragraphs.
        more = _byline_of(items, at, Findings(), settle)
        if more is not None and (more.day is None or byline.day is None):
            more = _byline_of(items, at, findings, settle) or more
            author, day = byline.author or more.author, byline.day or more.day
            byline = Byline(author, day, f"{byline.text} • {more.text}", byline.line)
            items = [*items[:at], *items[at + 1 :]]
    return byline, items


def _byline_of(
    items: Sequence[Item], index: int, findings: Findings, settle: Settle
) -> Byline | None:
    """Return what an item says as a byline; a heading is one when it is a date alone."""
    match items[index : index + 1]:
        case [Paragraph(children, line)] | [Quote((Paragraph(children, line),))]:
            return read_byline(children, line, findings, settle=settle)
        case [ListBlock(items=entries, line=line)]:
            # Author and date may be listed, each with its label.
            joined: tuple[Inline, ...] = ()
            for entry in entries:
                if len(entry) != 1 or not isinstance(entry[0], Paragraph):
                    return None
                joined += (*entry[0].children, LineBreak())
            byline = read_byline(joined, line, Findings(), settle=settle)
            return byline if byline is not None and byline.day else None
        case [Title(inlines=inlines, line=line, words=words)] if index == 0:
            if not looks_like_byline(words):
                return None
            byline = read_byline(inlines, line, Findings(), settle=settle)
            return byline if byline is not None and byline.day else None
    return None


def _day_elsewhere(
    title: str, line: int | None, named: date | None, findings: Findings
) -> date | None:
    """Return the day of the digest's name, else of its title, which may tell of another."""
    if named is not None:
        return named
    found = find_date(title)
    if found is None:
        return None
    tell_date(found[0], findings, line)
    return found[0].day


def _closing(blocks: Sequence[Block]) -> tuple[Section, ...]:
    """Return what stands behind the sources: it ends the digest, apart by a rule."""
    kept = _trimmed(blocks)
    if not kept:
        return ()
    line = kept[0].line
    return (Section(None, (Rule(line), *kept), (), None, line),)


# ---------------------------------------------------------------- headings


def _look_at_headings(title: Title | None, items: Sequence[Item], findings: Findings) -> None:
    titles = [item for item in items if isinstance(item, Title)]
    levels = {item.level for item in titles}
    floor = 1
    if levels and 2 not in levels and 1 not in levels:
        floor = min(3, *levels)
    previous = floor
    for item in [*([title] if title else []), *titles]:
        if not item.words or is_blank(item.inlines):
            findings.add("empty-heading", "a heading has no words", "write them", item.line)
        if is_label(item.words):
            continue
        if item.level == 1 and item is not title:
            findings.add(
                "second-title",
                f"'{excerpt(item.words, 40)}' is a second title",
                "write '##' for a section and '###' for a story",
                item.line,
            )
        if item.level > previous + 1:
            findings.add(
                "heading-level-jump",
                f"'{excerpt(item.words, 40)}' is a level-{item.level} heading"
                f" below one of level {previous}",
                f"write '{'#' * (previous + 1)}' instead of '{'#' * item.level}'",
                item.line,
            )
        # Stories may stand under no section: right below the title they jump nothing.
        previous = max(item.level, floor)


def _story_level(items: Sequence[Item]) -> int:
    titles = [i for i in items if isinstance(i, Title) and not is_label(i.words)]
    levels = {title.level for title in titles}
    if 3 in levels:
        return 3
    if 2 in levels:
        several = sum(title.level == 2 for title in titles) > 1
        return 2 if several or has_why(items) else 3
    return min(levels, default=3)


# ---------------------------------------------------------------- sections and stories


@dataclass
class _Part:
    """A heading and what stands below it, up to the next heading of its level or above."""

    title: Title | None
    items: list[Item] = field(default_factory=list)
    stories: list[_Part] = field(default_factory=list)


def _sections(items: Sequence[Item]) -> tuple[Section, ...]:
    story_level = _story_level(items)
    parts: list[_Part] = []
    current: _Part | None = None
    for item in items:
        is_title = isinstance(item, Title) and not (item.level > 2 and is_label(item.words))
        if is_title and isinstance(item, Title) and item.level < story_level:
            parts.append(_Part(item))
            current = parts[-1]
        elif is_title and isinstance(item, Title) and item.level == story_level:
            if not parts:
                parts.append(_Part(None))
            current = _Part(item)
            parts[-1].stories.append(current)
        else:
            if current is None:
                parts.append(_Part(None))
                current = parts[-1]
            current.items.append(item)
    return tuple(_with_anchors(_promoted(parts)))


def _promoted(parts: Sequence[_Part]) -> list[_Part]:
    """Make a story of a section that has none but says why it matters."""
    result: list[_Part] = []
    for part in parts:
        if part.title is not None and not part.stories and has_why(part.items):
            if not (result and result[-1].title is None and not result[-1].items):
                result.append(_Part(None))
            result[-1].stories.append(part)
        else:
            result.append(part)
    return result


def _with_anchors(parts: Sequence[_Part]) -> list[Section]:
    taken: dict[str, int] = {}
    sections: list[Section] = []
    for part in parts:
        anchor = _anchor(part.title, "section", taken) if part.title else None
        stories: list[Story] = []
        for story in part.stories:
            body, why = split_story(story.items)
            title = story.title or Title(3, (), 0)
            story_anchor = _anchor(title, "story", taken)
            stories.append(
                Story(title.inlines, _trimmed(body), _trimmed(why), story_anchor, title.line)
            )
        line = part.title.line if part.title else (stories[0].line if stories else 0)
        inlines = part.title.inlines if part.title else None
        sections.append(Section(inlines, _blocks(part.items), tuple(stories), anchor, line))
    return sections


def _anchor(title: Title, otherwise: str, taken: dict[str, int]) -> str:
    """Return a name for links within the digest: letters and digits of any script, unique."""
    plain = unicodedata.normalize("NFKC", title.words).lower()
    name = re.sub(r"[\W_]+", "-", plain).strip("-")[:_LONGEST_ANCHOR].strip("-") or otherwise
    anchor, number = name, taken.get(name, 0)
    while anchor in taken:
        number += 1
        anchor = f"{name}-{number}"
    # Where the next of the same name goes on counting.
    taken[name], taken[anchor] = max(number, 1), taken.get(anchor, 1)
    return anchor


def _blocks(items: Sequence[Item]) -> tuple[Block, ...]:
    return _trimmed([as_heading(i) if isinstance(i, Title) else i for i in items])


def _trimmed(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Drop rules at the start and the end, which only separated this part from the next."""
    start, end = 0, len(blocks)
    while start < end and isinstance(blocks[start], Rule):
        start += 1
    while end > start and isinstance(blocks[end - 1], Rule):
        end -= 1
    return tuple(blocks[start:end])
