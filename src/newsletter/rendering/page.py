"""A digest as a public page: semantic HTML in parts, classes for the site's own style sheet.

Everything personal is gone: merge fields are their defaults. Nothing here knows a campaign, the
frame around the page, or where it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from newsletter.digest.merge_fields import with_defaults
from newsletter.digest.model import (
    Block,
    Digest,
    Image,
    Inline,
    Section,
    Source,
    Story,
    is_blank,
    plain_text,
)
from newsletter.rendering.content import SlotContext
from newsletter.rendering.html import HtmlWriter, host_of
from newsletter.rendering.merge import SlotAllocator
from newsletter.rendering.outline import first_words, has_words, outline_of
from newsletter.rendering.styles import ClassStyles
from newsletter.rendering.words import direction_of, words_of

DESCRIPTION_MOST = 200
"""Characters of what search engines and previews show of a page."""
_TAKEN = re.compile(r"content|contents|sources|join|email|email-hint|(source|cited)-[0-9-]+")


@dataclass(frozen=True, slots=True)
class ContentsLine:
    """One story in the table of contents."""

    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of a page; `sources` are the items of the numbered list of sources."""

    title: str
    heading: Markup
    author: str | None
    day: date | None
    description: str
    language: str
    direction: str
    contents: tuple[ContentsLine, ...]
    lede: Markup
    body: Markup
    sources: Markup
    sources_title: str
    contents_title: str
    reading_time: str


def write_page(digest: Digest, language: str, *, home: str, back: str) -> Page:
    """Write a digest as a page; `language` is what it is written in unless it says so itself.

    `home` is the origin whose pictures are shown, such as `https://news.example.org`: a page loads
    nothing from anybody else, so other pictures become links to them. `back` is said of a link from
    a source to where it is cited.
    """
    language = digest.language or language
    words = words_of(language)
    writer = _PageWriter(digest, language, home, back)
    return Page(
        title=plain_text(digest.title).strip(),
        heading=writer.inlines(digest.title),
        author=digest.byline.author,
        day=digest.byline.day,
        description=description_of(digest),
        language=language,
        direction=direction_of(language),
        contents=tuple(
            ContentsLine(_anchor(story.anchor), plain_text(story.title))
            for story in digest.stories
            if has_words(story.title)
        ),
        lede=writer.blocks(digest.lede),
        body=Markup("\n").join(writer.section(section) for section in digest.sections),
        sources=writer.items(digest.sources),
        sources_title=words.sources,
        contents_title=words.contents,
        reading_time=words.minutes(outline_of(digest).minutes),
    )


def description_of(digest: Digest) -> str:
    """Return what a digest is about in a sentence or two: its preheader, else its first words."""
    if digest.preheader:
        return with_defaults(digest.preheader)
    return first_words(digest, DESCRIPTION_MOST)


class Defaults(SlotAllocator):
    """Gives each merge field its default at once: what is public is the same for everybody."""

    def tag(self, name: str, default: str, context: SlotContext) -> str:
        """Return the default, escaped; what only the program fills in is nothing here."""
        return str(escape(default))


class _PageWriter(HtmlWriter):
    """Writes for a page that one walks about in: citations lead to the sources, and back."""

    def __init__(self, digest: Digest, language: str, home: str, back: str) -> None:
        super().__init__(
            Defaults(digest.content_hash, lambda _text: False),
            digest.sources,
            ClassStyles(),
            words_of(language),
            start="right" if direction_of(language) == "rtl" else "left",
        )
        self._cited: dict[int, int] = {}
        self._home = home
        self._back = back
        # The page has its title as the one heading that all others stand under.
        self._tag(1)

    def section(self, section: Section) -> Markup:
        """Return a section with its stories; one without a title is its stories alone."""
        heading = Markup("")
        if section.title is not None:
            heading = self._headline(2, section.title, _anchor(section.anchor or "section"))
        inside = [self.blocks(section.blocks), *map(self._story, section.stories)]
        body = _lines([heading, *inside])
        if section.title is None:
            return body
        return Markup('<section class="digest-section">\n{}\n</section>').format(body)

    def _story(self, story: Story) -> Markup:
        parts = [
            self._headline(3, story.title, _anchor(story.anchor)),
            self.blocks(story.blocks),
            self._why(story.why_it_matters),
        ]
        return Markup('<section class="digest-story">\n{}\n</section>').format(_lines(parts))

    def _why(self, blocks: Sequence[Block]) -> Markup:
        if not blocks:
            return Markup("")
        return Markup(
            '<div class="digest-why"><p class="digest-why-label">{}</p>\n{}</div>'
        ).format(self._words.why, self.blocks(blocks, boxed=True))

    def _headline(self, level: int, title: Sequence[Inline], name: str) -> Markup:
        if is_blank(tuple(title)):
            return Markup("")
        return Markup(
            '<h{0} id="{1}" class="digest-heading-{2}"><a class="anchor" href="#{1}" '
            'aria-hidden="true" tabindex="-1">#</a>{3}</h{0}>'
        ).format(self._tag(level), name, level, self.inlines(title))

    def _citation(self, number: str, *, apart: bool) -> Markup:
        if number not in self._sources:
            return escape(f"[{number}]")
        place, source = self._sources[number]
        time = self._cited[place] = self._cited.get(place, 0) + 1
        return Markup(
            '<sup class="digest-citation">{4}<a id="cited-{0}-{1}" href="#source-{0}" '
            'aria-label="{2} {0}: {3}">{0}</a></sup>'
        ).format(place, time, self._words.source, source.label, Markup("&nbsp;") if apart else "")

    def _figure(self, image: Image) -> Markup:
        caption = Markup("")
        if image.title:
            caption = Markup("<figcaption>{}</figcaption>").format(image.title)
        return Markup('<figure class="digest-figure">{}{}</figure>').format(
            self._image(image), caption
        )

    def _image(self, image: Image) -> Markup:
        if origin_of(image.url) == self._home:
            size = Markup(' width="{}" height="{}"').format(image.width, image.height)
            return Markup('<img class="digest-image" src="{}" alt="{}"{} loading="lazy">').format(
                image.url, image.alt, size if image.width and image.height else ""
            )
        host = host_of(image.url)
        return Markup(
            '<a class="digest-picture" href="{}"><span>{}</span> <small dir="ltr">{}</small></a>'
        ).format(image.url, image.alt or host, host if image.alt else "")

    def items(self, sources: Sequence[Source]) -> Markup:
        """Return the items of the list of sources, each with the ways back to where it is cited.

        To be asked when everything else is written.
        """
        return _lines([self._listed(n, source) for n, source in enumerate(sources, start=1)])

    def _listed(self, place: int, source: Source) -> Markup:
        label, host = escape(source.label), host_of(source.url or "")
        if source.url:
            label = Markup('<a href="{}">{}</a>').format(source.url, source.label)
        if source.note:
            label += Markup(' <span class="digest-source-note">{}</span>').format(source.note)
        foot = self._ways_back(place)
        if host and host != source.label:
            foot = Markup('<span class="digest-source-host" dir="ltr">{}</span> {}').format(
                host, foot
            )
        if foot:
            label += Markup(' <span class="digest-source-foot">{}</span>').format(foot)
        return Markup('<li id="source-{}" class="digest-source">{}</li>').format(place, label)

    def _ways_back(self, place: int) -> Markup:
        ways = [
            Markup('<a href="#cited-{0}-{1}" aria-label="{2} ({0}.{1})">↩</a>').format(
                place, time, self._back
            )
            for time in range(1, self._cited.get(place, 0) + 1)
        ]
        if not ways:
            return Markup("")
        return Markup('<span class="digest-back">{}</span>').format(Markup(" ").join(ways))


def origin_of(url: str) -> str | None:
    """Return the scheme and host that a browser calls one origin; None for what has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else None


def _anchor(name: str) -> str:
    """Return a name for links within the page that the page itself does not take."""
    return f"{name}-story" if _TAKEN.fullmatch(name) else name


def _lines(parts: Sequence[Markup]) -> Markup:
    return Markup("\n").join(part for part in parts if part)
