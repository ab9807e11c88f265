"""The text part, written from the digest and not from its HTML (A8): it reads well aloud.

What stands where is decided here: masthead, title, contents, stories, sources, foot. Paragraphs
and lists are those of `blocks`, words and links of `running`, lines of `lines`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from newsletter.digest.model import Block, Digest, Paragraph, Section, Source, Text
from newsletter.rendering.content import PREFERENCES_URL, UNSUBSCRIBE_URL, ListIdentity
from newsletter.rendering.merge import SlotAllocator
from newsletter.rendering.outline import Outline, has_words, outline_of
from newsletter.rendering.text.blocks import BlockText
from newsletter.rendering.text.lines import (
    COLUMNS,
    columns,
    finished,
    indented,
    underlined,
    wrap,
)
from newsletter.rendering.text.running import Links, RunningText, uncited
from newsletter.rendering.words import Words, direction_of, format_date

__all__ = ["COLUMNS", "TextWriter", "columns", "wrap"]

CONTENTS_FROM = 4
"""How many stories a digest has at least when it opens with a list of them."""

_WHY = "»   "
_IMAGE = {
    "en": "Image",
    "de": "Bild",
    "fr": "Image",
    "es": "Imagen",
    "it": "Immagine",
    "pt": "Imagem",
    "nl": "Afbeelding",
    "pl": "Obraz",
    "ar": "صورة",
    "he": "תמונה",
    "ja": "画像",
}


class TextWriter:
    """Writes the text part of one digest.

    `contents_from`, `reading_time` and `masthead` are the theme's: from how many stories on there
    are contents (0: never), and what stands on top instead of the list's name.
    """

    def __init__(
        self,
        slots: SlotAllocator,
        sources: Sequence[Source],
        words: Words,
        *,
        contents_from: int = CONTENTS_FROM,
        reading_time: bool = True,
        masthead: str = "",
    ) -> None:
        self._slots = slots
        self._numbers = {source.number: n for n, source in enumerate(sources, start=1)}
        self._words = words
        self._contents_from = contents_from
        self._reading_time = reading_time
        self._masthead = masthead

    def write(
        self,
        digest: Digest,
        identity: ListIdentity,
        *,
        language: str,
        outline: Outline | None = None,
    ) -> str:
        """Return the whole text part, with `\\n` line ends and lines of at most `COLUMNS`.

        Longer are only URLs, code and words that cannot be broken. `outline` spares making it
        anew.
        """
        outline = outline or outline_of(digest)
        image = _IMAGE.get(self._words.language, _IMAGE["en"])
        running = RunningText(self._slots, self._numbers, image, direction_of(language))
        parts = _Parts(self._words, running)
        facts = [format_date(digest.byline.day, language)] if digest.byline.day else []
        if self._reading_time:
            facts.append(self._words.minutes(outline.minutes))
        if outline.stories > 1:
            facts.append(self._words.stories(outline.stories))
        numbered = outline.shows_contents(self._contents_from)
        whole = [
            parts.masthead(self._masthead or identity.title, facts, identity.archive_url),
            *parts.opening(digest),
            *(parts.contents(outline) if numbered else ()),
            *parts.sections(digest.sections, numbered=numbered),
            *parts.sources(digest.sources),
            parts.foot(identity),
        ]
        return finished("\n\n".join(part for part in whole if part) + "\n", running.direction)


class _Parts:
    """The parts from top to bottom; one that begins with a line break has more air above it."""

    def __init__(self, words: Words, running: RunningText) -> None:
        self._words = words
        self._running = running
        self._blocks = BlockText(running)

    def masthead(self, title: str, facts: Sequence[str], archive_url: str | None) -> str:
        """Return what the mail is, of when, how long, and where to read it online."""
        lines = [wrap(title), wrap(" · ".join(facts))]
        if archive_url:
            lines += self._running.address(self._words.read_online, archive_url, COLUMNS)
        return "\n".join(line for line in lines if line)

    def opening(self, digest: Digest) -> Iterator[str]:
        """Yield the title, the author and the lede."""
        links: Links = {}
        title = self._running.inlines(digest.title, links)
        if heading := underlined(title, "=", above=True):
            yield "\n" + heading
        yield "\n".join(self._running.addresses(links, COLUMNS))
        if digest.byline.author:
            yield wrap(f"{self._words.by} {digest.byline.author}")
        yield from self._blocks.blocks(digest.lede)

    def contents(self, outline: Outline) -> Iterator[str]:
        """Yield the stories' titles with their numbers, below their sections where several are."""
        yield "\n" + underlined(self._words.contents, "=")
        grouped = sum(group.title is not None for group in outline.entries) > 1
        room = len(f"{outline.stories}. ")
        inset = "  " if grouped else ""
        number = 0
        for group in outline.entries:
            lines = []
            if grouped and group.title:
                lines.append(wrap(self._running.inlines(uncited(group.title), {})))
            for entry in group.stories:
                number += 1
                mark = inset + f"{number}. ".rjust(room)
                title = self._running.inlines(uncited(entry.title), {})
                lines.append(indented(wrap(title, COLUMNS - len(mark)), mark, " " * len(mark)))
            yield "\n".join(lines)

    def sections(self, sections: Sequence[Section], *, numbered: bool) -> Iterator[str]:
        """Yield all sections with their stories, numbered throughout where there are contents."""
        number = 0
        for section in sections:
            close = False
            if section.title and (heading := self._blocks.heading(section.title, "=")):
                yield "\n" + heading
                close = not section.blocks
            yield from self._blocks.blocks(section.blocks)
            for story in section.stories:
                titled = has_words(story.title)
                number += titled
                mark = f"{number}. " if numbered and titled else ""
                if heading := self._blocks.heading(story.title, "-", mark=mark):
                    yield heading if close else f"\n{heading}"
                yield from self._blocks.blocks(story.blocks)
                if story.why_it_matters:
                    yield from self._why(story.why_it_matters)
                close = False

    def _why(self, blocks: Sequence[Block]) -> Iterator[str]:
        first, *rest = blocks
        width = COLUMNS - len(_WHY)
        label = f"{self._words.why}:"
        if isinstance(first, Paragraph):
            text = self._running.paragraph((Text(f"{label} "), *first.children), width)
            yield indented(text, _WHY, " " * len(_WHY))
        else:
            yield _WHY + label
            rest = list(blocks)
        for text in self._blocks.blocks(rest, width):
            yield indented(text, " " * len(_WHY))

    def sources(self, sources: Sequence[Source]) -> Iterator[str]:
        """Yield the numbered sources, the address of each on a line of its own."""
        if not sources:
            return
        yield "\n" + underlined(self._words.sources, "=")
        room = len(f"[{len(sources)}] ")
        lines = []
        for number, source in enumerate(sources, start=1):
            words = source.label + (f" — {source.note}" if source.note else "")
            mark = f"[{number}] ".ljust(room)
            lines.append(indented(wrap(words, COLUMNS - room), mark, " " * room))
            if source.url and source.url != source.label:
                lines.append(" " * room + source.url.removeprefix("mailto:"))
        yield "\n".join(lines)

    def foot(self, identity: ListIdentity) -> str:
        """Return why the reader gets it, how to change that, and who sends it (B7)."""
        about = (identity.from_name or identity.title, identity.postal_address)
        sender = wrap(" · ".join(" ".join(part.split()) for part in about if part))
        links = {
            self._words.preferences: self._running.tag(PREFERENCES_URL),
            self._words.unsubscribe: self._running.tag(UNSUBSCRIBE_URL),
            self._words.read_online: identity.archive_url,
        }
        parts = [
            wrap(identity.reason or self._words.reason(identity.title)),
            *(f"{words}:\n{address}" for words, address in links.items() if address),
            "\n".join(filter(None, [sender, identity.contact])),
        ]
        return f"\n{'-' * COLUMNS}\n" + "\n\n".join(part for part in parts if part)
