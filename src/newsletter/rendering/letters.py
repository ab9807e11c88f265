"""A letter becomes an email: what is the same for all readers once, links and dates as slots.

Nothing that a stranger typed into a form stands in a letter: no name, no message (C11).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from markupsafe import Markup, escape

from newsletter.clock import zone_of
from newsletter.errors import Place, TemplateError
from newsletter.rendering.content import (
    ACTION_URL,
    PREFERENCES_URL,
    UNSUBSCRIBE_URL,
    EmailContent,
    ListIdentity,
    SlotContext,
)
from newsletter.rendering.letter_words import (
    CommonWords,
    LetterForm,
    LetterWords,
    letter_words,
    spoken,
)
from newsletter.rendering.merge import SlotAllocator
from newsletter.rendering.render import clean_subject, look, sender_values
from newsletter.rendering.styles import InlineStyles
from newsletter.rendering.templates import PREHEADER_PADDING, fill_template, to_html
from newsletter.rendering.text.writer import COLUMNS, wrap
from newsletter.rendering.theme import PAPER, Theme
from newsletter.rendering.words import direction_of, format_date, words_of

TEMPLATE = "letter.mjml.j2"

UNTIL = "link_until"
"""Merge field: when the link stops working, as `format_until` writes it."""
NEW_ADDRESS = "new_address"
"""Merge field: the address that mail goes to from now on, masked."""

_BUTTON_FIELD = {
    LetterForm.CONFIRM: ACTION_URL,
    LetterForm.NEW_ADDRESS: ACTION_URL,
    LetterForm.MANAGE: ACTION_URL,
    LetterForm.ALREADY: PREFERENCES_URL,
}


def render_letter(
    form: LetterForm,
    identity: ListIdentity,
    *,
    templates: Path,
    language: str | None = None,
    theme: Theme = PAPER,
) -> EmailContent:
    """Render a letter for a list, the same for each of its readers.

    `language` is the reader's, where it is known; else the list's. Values to merge: `action_url`
    (confirm, new address, manage), `preferences_url` and `unsubscribe_url` (already), `link_until`
    (with `action_url`), `new_address` (moved). `templates` is the operator's folder; what it
    lacks is the program's. Raises `TemplateError`, also for a template without the link.
    """
    language = language or identity.language
    words, common = letter_words(form, language)
    slots = SlotAllocator(_seed(form, identity, language), _occurrence(identity))
    draft = _Draft(form, identity, words, common, slots, language, theme)
    subject = clean_subject(words.subject.format(list=identity.title))
    mjml = fill_template(templates, TEMPLATE, draft.html_values(subject), theme=theme.name)
    html = to_html(mjml, name=TEMPLATE)
    text = draft.text()
    _refuse_without_link(html, draft)
    return EmailContent(
        subject=subject,
        preheader=words.preheader,
        html=html,
        text=text,
        slots=slots.slots,
        language=language,
        direction=direction_of(language),
    )


def format_until(at: datetime, zone: str, language: str) -> str:
    """Return an instant as a letter names it, in a zone: `Tuesday, 1 December 2026, 07:00 (UTC)`.

    `language` is the letter's; where we do not speak it, the words around are English.
    """
    local = at.astimezone(zone_of(zone))
    return f"{format_date(local.date(), spoken(language))}, {local:%H:%M} ({zone})"


@dataclass(frozen=True, slots=True)
class _Draft:
    """One letter while it is written, for both of its parts."""

    form: LetterForm
    identity: ListIdentity
    words: LetterWords
    common: CommonWords
    slots: SlotAllocator
    language: str
    theme: Theme

    def html_values(self, subject: str) -> dict[str, object]:
        """Return what the template is filled with; paragraphs are safe HTML."""
        identity, direction = self.identity, direction_of(self.language)
        start = "right" if direction == "rtl" else "left"
        styles = InlineStyles(self.theme, start, spaced=words_of(self.language).spaced)
        leaving = self._tag(UNSUBSCRIBE_URL, SlotContext.HTML) if self._may_leave else ""
        return {
            **look(self.theme, styles, identity),
            "language": self.language,
            "direction": direction,
            "start": start,
            "spoken": self._spoken_mark(),
            "words": self.common,
            "subject": subject,
            "preheader": self.words.preheader,
            "preheader_padding": PREHEADER_PADDING,
            "title": self.words.title,
            "before": [self._markup(paragraph, styles) for paragraph in self.words.before],
            "button": self.words.button,
            "button_url": self.button_url(SlotContext.HTML),
            "until": self._markup(self._until, styles) if self._ends else "",
            "after": [self._markup(paragraph, styles) for paragraph in self.words.after],
            "unsubscribe": self.common.unsubscribe.format(list=identity.title),
            "unsubscribe_url": leaving,
            "reason": self.words.reason.format(list=identity.title),
            **sender_values(identity),
        }

    def text(self) -> str:
        """Return the text part: at most 76 columns, each link alone on its line (A8)."""
        identity = self.identity
        parts = [identity.title, wrap(self.words.title.upper())]
        parts += [self._plain(paragraph) for paragraph in self.words.before]
        if self.words.button:
            parts.append(f"{self.words.button}:\n{self.button_url(SlotContext.TEXT)}")
        if self._ends:
            parts.append(self._plain(self._until))
        parts += [self._plain(paragraph) for paragraph in self.words.after]
        if self._may_leave:
            leave = wrap(f"{self.common.unsubscribe.format(list=identity.title)}:")
            parts.append(f"{leave}\n{self._tag(UNSUBSCRIBE_URL, SlotContext.TEXT)}")
        about = (identity.from_name or identity.title, identity.postal_address, identity.contact)
        foot = [
            "-" * COLUMNS,
            self._plain(self.words.reason),
            wrap(" · ".join(" ".join(part.split()) for part in about if part)),
        ]
        parts.append("\n".join(foot))
        return "\n\n".join(parts) + "\n"

    @property
    def _ends(self) -> bool:
        return _BUTTON_FIELD.get(self.form) == ACTION_URL

    @property
    def _until(self) -> str:
        many_times = self.form is LetterForm.MANAGE
        return self.common.until_then if many_times else self.common.until

    @property
    def _may_leave(self) -> bool:
        return self.form is LetterForm.ALREADY

    @property
    def _contact(self) -> str:
        return self.identity.contact or self.identity.reply_to or self.identity.from_email

    def _spoken_mark(self) -> Markup:
        """Say of words that are English in a letter of another language that they are (A9)."""
        words = spoken(self.language)
        if words == self.language.lower().partition("-")[0]:
            return Markup("")
        return Markup(' lang="{}" dir="{}"').format(words, direction_of(words))

    def button_url(self, context: SlotContext) -> str:
        """Return the slot of what the button leads to; empty for a letter without one."""
        field = _BUTTON_FIELD.get(self.form)
        return self._tag(field, context) if field else ""

    def _tag(self, field: str, context: SlotContext) -> str:
        return self.slots.tag(field, "", context)

    def _markup(self, words: str, styles: InlineStyles) -> Markup:
        contact = Markup('<a href="mailto:{0}"{1}>{0}</a>').format(
            self._contact, styles.attribute("link")
        )
        return escape(words).format(
            list=self.identity.title,
            contact=contact,
            until=self._tag(UNTIL, SlotContext.HTML) if "{until}" in words else "",
            address=self._tag(NEW_ADDRESS, SlotContext.HTML) if "{address}" in words else "",
        )

    def _plain(self, words: str) -> str:
        """Return a paragraph of the text part; a value that may be long stands on its own line."""
        lines = []
        for field, name in ((UNTIL, "{until}"), (NEW_ADDRESS, "{address}")):
            if name in words:
                words = words.replace(name, f"\n{self._tag(field, SlotContext.TEXT)}")
        for line in words.format(list=self.identity.title, contact=self._contact).split("\n"):
            lines.append(wrap(line))
        return "\n".join(lines)


def _seed(form: LetterForm, identity: ListIdentity, language: str) -> str:
    whole = json.dumps([form, language, identity.to_json()], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def _occurrence(identity: ListIdentity) -> Callable[[str], bool]:
    """Tell whether a text stands anywhere in a list's words; ours hold no slot."""
    everything = "\n".join(_strings(identity))
    return lambda text: text in everything


def _strings(identity: ListIdentity) -> Iterator[str]:
    yield from (value for value in identity.to_json().values() if isinstance(value, str))


def _refuse_without_link(html: str, draft: _Draft) -> None:
    """Raise `TemplateError` for an operator's template that left out what the letter is for."""
    link = draft.button_url(SlotContext.HTML)
    if link and link not in html:
        raise TemplateError(
            "the letter has no link to press",
            where=Place(TEMPLATE),
            fix="put {{ button_url }} back into the template",
        )
