"""A digest becomes an email, once for a campaign: Jinja2 → MJML → HTML, and text beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

from newsletter.digest.findings import Findings
from newsletter.digest.merge_fields import scan
from newsletter.digest.model import (
    Digest,
    Inline,
    MergeField,
    Section,
    Story,
    Text,
    plain_text,
)
from newsletter.rendering.content import (
    PREFERENCES_URL,
    UNSUBSCRIBE_URL,
    EmailContent,
    ListIdentity,
    SlotContext,
)
from newsletter.rendering.html import HtmlWriter
from newsletter.rendering.merge import SlotAllocator, clean_value, cut
from newsletter.rendering.outline import Outline, first_words, outline_of
from newsletter.rendering.styles import InlineStyles, dark_rules, word_font
from newsletter.rendering.templates import PREHEADER_PADDING, fill_template, to_html
from newsletter.rendering.text.writer import TextWriter
from newsletter.rendering.theme import PAPER, Theme
from newsletter.rendering.words import direction_of, format_date, words_of

TEMPLATE = "digest.mjml.j2"
PREHEADER_MOST = 110
PREHEADER_LEAST = 40


def render(
    digest: Digest, identity: ListIdentity, *, templates: Path, theme: Theme = PAPER
) -> EmailContent:
    """Render a digest for a list, with slots where merge values go.

    `templates` is the operator's folder; files it lacks are the program's. Raises `TemplateError`
    with the template's own line.
    """
    language = digest.language or identity.language
    direction = direction_of(language)
    words = words_of(language)
    start = "right" if direction == "rtl" else "left"
    slots = SlotAllocator(digest.content_hash, _occurrence(digest, identity))
    subject = _header(digest.subject, digest.title, slots)
    if digest.preheader:
        preheader = _slotted(digest.preheader, slots, SlotContext.HTML)
    else:
        preheader = first_words(digest, PREHEADER_MOST)
    styles = InlineStyles(theme, start, spaced=words.spaced)
    html = HtmlWriter(slots, digest.sources, styles, words, start=start)
    outline = outline_of(digest)
    mjml = fill_template(
        templates,
        TEMPLATE,
        {
            **look(theme, styles, identity),
            "language": language,
            "direction": direction,
            "start": start,
            "words": words,
            "subject": plain_text(digest.title),
            "preheader": preheader,
            "preheader_padding": PREHEADER_PADDING,
            **_facts(digest, outline, language, theme),
            **_body(digest, html),
            "contents": _contents(outline, html, theme),
            **sender_values(identity),
            "reason": identity.reason or words.reason(identity.title),
            "preferences_url": slots.tag(PREFERENCES_URL, "", SlotContext.HTML),
            "unsubscribe_url": slots.tag(UNSUBSCRIBE_URL, "", SlotContext.HTML),
            "archive_url": identity.archive_url or "",
        },
        theme=theme.name,
    )
    text = TextWriter(
        slots,
        digest.sources,
        words,
        contents_from=theme.contents_from,
        reading_time=theme.reading_time,
        masthead=theme.masthead,
    )
    return EmailContent(
        subject=subject,
        preheader=preheader,
        html=to_html(mjml, name=TEMPLATE),
        text=text.write(digest, identity, language=language, outline=outline),
        slots=slots.slots,
        language=language,
        direction=direction,
    )


def look(theme: Theme, styles: InlineStyles, identity: ListIdentity) -> dict[str, object]:
    """Return what every template needs of a theme: its values, styles by role, the name on top."""
    return {
        "theme": theme,
        "style": styles.attributes,
        "dark_rules": dark_rules(theme),
        "word_font": word_font(theme.body_font, "Arial"),
        "masthead": theme.masthead or identity.title,
    }


def sender_values(identity: ListIdentity) -> dict[str, object]:
    """Return who sends a mail, as the foot of every template names them (B7)."""
    return {
        "sender": identity.from_name or identity.title,
        "postal_address": " ".join(identity.postal_address.split()),
        "contact": identity.contact or "",
    }


def _facts(digest: Digest, outline: Outline, language: str, theme: Theme) -> dict[str, object]:
    """Return the line under the masthead: the date, how long it takes, how many stories."""
    day, words = digest.byline.day, words_of(language)
    facts = [words.minutes(outline.minutes)] if theme.reading_time else []
    if outline.stories > 1:
        facts.append(words.stories(outline.stories))
    return {
        "date": format_date(day, language) if day else "",
        "iso_date": day.isoformat() if day else "",
        # No line breaks inside of a fact.
        "facts": [fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in facts],
        "author": digest.byline.author or "",
    }


def _body(digest: Digest, html: HtmlWriter) -> dict[str, object]:
    """Return the digest's own words in reading order, which the headings are counted by."""
    return {
        "title": html.heading(1, digest.title),
        "lede": html.blocks(digest.lede, boxed=True),
        "sections": [_section(section, html) for section in digest.sections],
        "sources": html.sources(digest.sources),
    }


def _contents(outline: Outline, html: HtmlWriter, theme: Theme) -> list[dict[str, object]]:
    """Return the table of contents by section; empty where there are few stories."""
    if not outline.shows_contents(theme.contents_from):
        return []
    one = len(outline.entries) == 1
    return [
        {
            "title": "" if one else html.label(group.title or ()),
            "stories": [
                {"anchor": entry.anchor, "title": html.label(entry.title)}
                for entry in group.stories
            ],
        }
        for group in outline.entries
    ]


def _section(section: Section, html: HtmlWriter) -> dict[str, object]:
    return {
        "title": html.heading(2, section.title, anchor=section.anchor) if section.title else "",
        "body": html.blocks(section.blocks),
        "stories": [
            _story(story, html, position) for position, story in enumerate(section.stories)
        ],
    }


def _story(story: Story, html: HtmlWriter, position: int) -> dict[str, object]:
    return {
        "title": html.heading(3, story.title, anchor=story.anchor),
        "body": html.blocks(story.blocks),
        "why": html.blocks(story.why_it_matters, boxed=True),
        "first": position == 0,
    }


def _header(given: str | None, title: tuple[Inline, ...], slots: SlotAllocator) -> str:
    """Return the subject: the front matter's words, else the title, merge fields as slots."""
    if given is not None:
        return clean_subject(_slotted(given, slots, SlotContext.HEADER))
    parts = [
        slots.tag(node.name, node.default or "", SlotContext.HEADER)
        if isinstance(node, MergeField)
        else plain_text((node,))
        for node in title
    ]
    return clean_subject("".join(parts))


def _slotted(text: str, slots: SlotAllocator, context: SlotContext) -> str:
    """Return words of the front matter with slots for their merge fields."""
    return "".join(
        part.text if isinstance(part, Text) else slots.tag(part.name, part.default or "", context)
        for part in scan(text, Findings())
    )


def shown_preheader(content: EmailContent, values: Mapping[str, str] | None = None) -> str:
    """Return the preview line as one reader sees it, by default one of whom nothing is known."""
    pieces = cut(content.preheader, content.slots)
    plain = tuple(replace(slot, context=SlotContext.TEXT) for slot in pieces.slots)
    return replace(pieces, slots=plain).fill(values or {})


def clean_subject(text: str) -> str:
    """Return a subject on one line, without controls (A4), however long."""
    return " ".join(clean_value(word) for word in text.split())


def _occurrence(digest: Digest, identity: ListIdentity) -> Callable[[str], bool]:
    """Tell whether a text stands anywhere in a digest or its list's words."""
    everything = "\n".join([*_strings(digest), *_strings(identity)])
    return lambda text: re.search(re.escape(text), everything) is not None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _strings(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from _strings(getattr(value, part.name))
