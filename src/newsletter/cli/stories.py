"""The story of one address as lines of text: what `newsletter subscribers show` prints."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.audience.story import Event, Membership, Story

_NARROWEST = 40


def story_lines(story: Story, *, width: int) -> Iterator[str]:
    """Say who it is, whether they may be mailed, where they stand and what they agreed to."""
    yield f"{story.address}  {_plain(story.name or '')}".rstrip()
    if story.subscriber is None:
        yield "  no subscriber has this address"
    if story.suppression is None:
        yield "  suppressed: no"
    else:
        suppression = story.suppression
        yield f"  suppressed: {suppression.reason} since {_moment(suppression.since)} UTC"
        if suppression.note:
            yield from _wrapped(f"evidence: {suppression.note}", width, indent=4)
        person = suppression.needs_the_person
        only = "only the person can lift it, asked by" if person else "to lift it"
        yield f"    {only}: {lifting_command(story)}"
    if story.tags:
        yield f"  tags: {', '.join(story.tags)}"
    for membership in story.memberships:
        yield from _membership_lines(story, membership, width)
    for consent in story.consents:
        yield (
            f"  {_moment(consent.at)} {consent.act} ({consent.how}, {consent.list}): "
            f"{_plain(consent.wording or 'not stated')}"
        )


def lifting_command(story: Story) -> str:
    """Return the command that lifts the suppression of an address, or asks the person (C10)."""
    ask = story.suppression is not None and story.suppression.needs_the_person
    return (
        f"newsletter suppressions lift {shlex.quote(story.address)}"
        f"{' --ask --list NAME' if ask else ''}"
    )


def _membership_lines(story: Story, membership: Membership, width: int) -> Iterator[str]:
    until = f", until {membership.paused_until:%Y-%m-%d}" if membership.paused_until else ""
    yield (
        f"  {membership.list}: {membership.status} since {membership.changed_at:%Y-%m-%d}{until}"
    )
    if membership.paused_because:
        cause = membership.paused_because.replace("_", " ")
        yield from _wrapped(f"{cause}: {membership.evidence or 'see below'}", width, indent=4)
        address = shlex.quote(story.address)
        yield f"    to resume: newsletter subscribers resume {address} --list {membership.list}"


def event_lines(events: Iterable[Event], *, width: int) -> Iterator[str]:
    """Say what came back, each with what it rests on and whether anything followed."""
    for number, event in enumerate(events):
        if number == 0:
            yield ""
            yield "what came back, the newest first"
        words = (event.kind, event.bounce, event.reason, event.status)
        about = f" of delivery {event.delivery}" if event.delivery else ""
        told = " ".join(word for word in words if word and word != "undetermined")
        source = f", told by {event.source}" if event.source else ""
        happened = f"{_moment(event.at)} {told}{about}{source}{_followed(event)}"
        yield from _wrapped(happened, width, indent=2)
        if event.diagnostic:
            yield from _wrapped(event.diagnostic, width, indent=6)


def _followed(event: Event) -> str:
    matched = f" ({event.proof}: {event.why or 'matched'})" if event.proof else ""
    if not event.believed:
        return f"{matched}; not proven: nothing followed"
    if event.applied_at is None:
        return f"{matched}; waits to be counted in"
    return matched


def _wrapped(text: str, width: int, *, indent: int) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        max(width, _NARROWEST),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(text: str) -> str:
    from newsletter.feedback.report_text import one_line

    return one_line(text)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
