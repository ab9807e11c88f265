"""A digest becomes an email, once for a campaign: Jinja2 → MJML → HTML, and text beside it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import jinja2
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup
from mjml import mjml2html

from newsletter.digest.model import (
    Digest,
    Inline,
    MergeField,
    Paragraph,
    Section,
    Story,
    plain_text,
)
from newsletter.errors import Place, TemplateError
from newsletter.rendering.content import (
    PREFERENCES_URL,
    UNSUBSCRIBE_URL,
    EmailContent,
    ListIdentity,
    SlotContext,
)
from newsletter.rendering.html import HtmlWriter
from newsletter.rendering.merge import SlotAllocator, clean_value
from newsletter.rendering.mjml_tags import refuse_unknown_tags
from newsletter.rendering.text import TextWriter
from newsletter.rendering.theme import Theme, direction_of, format_date, words_of
from newsletter.resources import bundled

TEMPLATE = "digest.mjml.j2"
PREHEADER_MOST = 110
PREHEADER_LEAST = 40

# Blank to the eye, and not folded away by clients: keeps body text out of the preview line.
_PADDING = Markup("&#847;&#8199;&#65279;") * 60


def render(digest: Digest, identity: ListIdentity, *, templates: Path) -> EmailContent:
    """Render a digest for a list, with slots where merge values go.

    `templates` is the operator's folder; files it lacks are the program's. Raises `TemplateError`
    with the template's own line.
    """
    language = digest.language or identity.language
    direction = direction_of(language)
    words, theme = words_of(language), Theme()
    start = "right" if direction == "rtl" else "left"
    slots = SlotAllocator(digest.content_hash, _occurrence(digest, identity))
    subject = _header(digest.subject, digest.title, slots)
    preheader = digest.preheader or _preheader(digest)
    html = HtmlWriter(slots, digest.sources, theme, words, start=start)
    day = digest.byline.day
    mjml = _fill_template(
        templates,
        {
            "language": language,
            "direction": direction,
            "start": start,
            "theme": theme,
            "words": words,
            "subject": plain_text(digest.title),
            "preheader": preheader,
            "preheader_padding": _PADDING,
            "masthead": identity.title,
            "date": format_date(day, language) if day else "",
            "iso_date": day.isoformat() if day else "",
            "title": html.heading(1, digest.title),
            "author": digest.byline.author or "",
            "lede": html.blocks(digest.lede),
            "sections": [_section(section, html) for section in digest.sections],
            "sources": html.sources(digest.sources),
            "reason": identity.reason or "",
            "sender": identity.from_name or identity.title,
            "postal_address": " ".join(identity.postal_address.split()),
            "contact": identity.contact or "",
            "preferences_url": slots.tag(PREFERENCES_URL, "", SlotContext.HTML),
            "unsubscribe_url": slots.tag(UNSUBSCRIBE_URL, "", SlotContext.HTML),
            "archive_url": identity.archive_url or "",
        },
    )
    text = TextWriter(slots, digest.sources, words).write(digest, identity, language=language)
    return EmailContent(
        subject=subject,
        preheader=preheader,
        html=_to_html(mjml),
        text=text,
        slots=slots.slots,
        language=language,
        direction=direction,
    )


def _section(section: Section, html: HtmlWriter) -> dict[str, object]:
    return {
        "title": html.heading(2, section.title, anchor=section.anchor) if section.title else "",
        "body": html.blocks(section.blocks),
        "stories": [_story(story, html) for story in section.stories],
    }


def _story(story: Story, html: HtmlWriter) -> dict[str, Markup]:
    return {
        "title": html.heading(3, story.title, anchor=story.anchor),
        "body": html.blocks(story.blocks),
        "why": html.blocks(story.why_it_matters, boxed=True),
    }


def _header(given: str | None, title: tuple[Inline, ...], slots: SlotAllocator) -> str:
    """Return the subject: the front matter's words, else the title, merge fields as slots."""
    if given is not None:
        return clean_subject(given)
    parts = [
        slots.tag(node.name, node.default or "", SlotContext.HEADER)
        if isinstance(node, MergeField)
        else plain_text((node,))
        for node in title
    ]
    return clean_subject("".join(parts))


def clean_subject(text: str) -> str:
    """Return a subject on one line, without controls (A4), however long."""
    return " ".join(clean_value(word) for word in text.split())


def _preheader(digest: Digest) -> str:
    """Return the first words of the digest behind its title, cut at a word (B4)."""
    blocks = [*digest.lede]
    for section in digest.sections:
        blocks += section.blocks
        for story in section.stories:
            blocks += story.blocks
    words = " ".join(plain_text(b.children) for b in blocks if isinstance(b, Paragraph)).split()
    text = ""
    for word in words:
        if len(text) + 1 + len(word) > PREHEADER_MOST - 2:
            return f"{text} …" if text else word[: PREHEADER_MOST - 1] + "…"
        text = f"{text} {word}".strip()
    return text


@functools.lru_cache(maxsize=8)
def _environment(templates: Path) -> SandboxedEnvironment:
    folders = [str(templates), str(bundled("templates/email"))]
    return SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _fill_template(templates: Path, values: dict[str, object]) -> str:
    try:
        return _environment(templates).get_template(TEMPLATE).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"the template does not parse: {error.message}",
            where=Place(error.filename or error.name, error.lineno),
            fix="correct the line; templates/email/README.md says what may be used",
        ) from None
    except jinja2.TemplateError as error:
        line, name = _template_line(error)
        raise TemplateError(
            f"the template does not render: {error.message or type(error).__name__}",
            where=Place(name, line),
            fix="correct the line; templates/email/README.md says what may be used",
        ) from None


def _template_line(error: BaseException) -> tuple[int | None, str]:
    """Find the template's own line: Jinja puts it into the traceback."""
    trace, line, name = error.__traceback__, None, TEMPLATE
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.endswith((".j2", ".css")):
            line, name = trace.tb_lineno, file
        trace = trace.tb_next
    return line, name


def _to_html(mjml: str) -> str:
    refuse_unknown_tags(mjml, name=TEMPLATE)
    try:
        # Without this, MJML fetches a web font for every family it knows (A9).
        return mjml2html(mjml, fonts={})
    except ValueError as error:
        raise TemplateError(
            f"MJML refuses what the template makes: {error}",
            where=Place(TEMPLATE),
            fix="check that every tag is closed",
        ) from None


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
