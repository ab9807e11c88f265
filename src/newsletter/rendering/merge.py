"""Slots: where they come from, how their values are made safe, and how they are filled.

Filling is one pass over prepared pieces: a value that looks like another slot's tag, or like a
template, comes out literally.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from newsletter.one_line import one_line
from newsletter.rendering.content import SYSTEM_FIELDS, EmailContent, Slot, SlotContext

LONGEST_VALUE = 200
"""Characters of a merge value; the rest is cut: a name is not a story."""

# Only the scheme ignores case: a whole expression that does is several times slower.
_URL = re.compile(r"(?i:https?://|mailto:)[\x21-\x7e]+")


def clean_value(value: str) -> str:
    """Return a merge value as `one_line` has it, cut to what a value may have."""
    return one_line(value)[:LONGEST_VALUE].rstrip()


def slot_value(slot: Slot, values: Mapping[str, str]) -> str:
    """Return what fills a slot, escaped for where it stands; an empty value takes the default."""
    raw = values.get(slot.field) or ""
    if slot.field in SYSTEM_FIELDS:
        # Made by the program itself: never cut, but never trusted to be a URL either.
        value = raw if _URL.fullmatch(raw) else ""
    else:
        value = clean_value(raw) or slot.default
    return html.escape(value, quote=True) if slot.context is SlotContext.HTML else value


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text cut at its slot tags: text, slot, text, slot … text."""

    texts: tuple[str, ...]
    slots: tuple[Slot, ...]

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text with every slot filled."""
        parts = [self.texts[0]]
        for slot, text in zip(self.slots, self.texts[1:], strict=True):
            parts += (slot_value(slot, values), text)
        return "".join(parts)


def cut(text: str, slots: Sequence[Slot]) -> Pieces:
    """Cut a text at the tags of the slots that occur in it."""
    by_tag = {slot.tag: slot for slot in slots}
    if not by_tag:
        return Pieces((text,), ())
    parts = re.split("(" + "|".join(map(re.escape, by_tag)) + ")", text)
    return Pieces(tuple(parts[::2]), tuple(by_tag[tag] for tag in parts[1::2]))


@dataclass(frozen=True, slots=True)
class Merged:
    """An email as one reader gets it."""

    subject: str
    html: str
    text: str


def merge(content: EmailContent, values: Mapping[str, str]) -> Merged:
    """Fill every slot of an email for one reader."""
    return Merged(
        cut(content.subject, content.slots).fill(values),
        cut(content.html, content.slots).fill(values),
        cut(content.text, content.slots).fill(values),
    )


@dataclass(slots=True)
class SlotAllocator:
    """Hands out slot tags that occur nowhere in a digest.

    `occurs` tells whether a text stands somewhere in the digest; tags are the same each time the
    same digest is rendered, of one length, so that none is a prefix of another.
    """

    seed: str
    occurs: Callable[[str], bool]
    _stem: str = field(init=False)
    _slots: dict[tuple[str, str, SlotContext], Slot] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stem, round_ = "", 0
        while not stem or self.occurs(stem):
            digest = hashlib.sha256(f"{self.seed}/{round_}".encode()).hexdigest()
            stem, round_ = f"slot{digest[:10]}", round_ + 1
        self._stem = stem

    def tag(self, name: str, default: str, context: SlotContext) -> str:
        """Return the tag of a field in a context, the same one each time it is asked."""
        key = (name, default, context)
        if key not in self._slots:
            number = len(self._slots)
            self._slots[key] = Slot(f"{self._stem}x{number:04d}x", name, default, context)
        return self._slots[key].tag

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Return every slot that was handed out."""
        return tuple(self._slots.values())
