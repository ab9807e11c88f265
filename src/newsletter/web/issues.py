"""Sent digests as the archive shows them; read only."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup
from sqlalchemy import Connection, Select, func, select

from newsletter.delivery.states import CampaignStatus
from newsletter.rendering.content import PREFERENCES_URL, UNSUBSCRIBE_URL, EmailContent, SlotContext
from newsletter.rendering.merge import cut
from newsletter.storage.tables import campaigns, digests, lists
from newsletter.web.readable import readable
from newsletter.web.shown_lists import ShownList

PAGE = 50
"""Issues on one page of a list."""
_SLUG = re.compile(r"[\w.-]{1,200}")
_SENT = campaigns.c.status == CampaignStatus.SENT.value


@dataclass(frozen=True, slots=True)
class ListWithIssues:
    """A public list and how many digests were sent to it."""

    name: str
    title: str
    count: int


@dataclass(frozen=True, slots=True)
class IssueLine:
    """One sent digest in a list of them."""

    slug: str
    title: str
    day: date


@dataclass(frozen=True, slots=True)
class Issue:
    """One sent digest; `text` is its text part as safe HTML."""

    title: str
    day: date
    language: str
    direction: str
    text: Markup


def lists_with_issues(connection: Connection) -> list[ListWithIssues]:
    """Return the public lists that something was sent to."""
    rows = connection.execute(
        select(lists.c.name, lists.c.title, func.count(func.distinct(digests.c.slug)))
        .join(campaigns, campaigns.c.list_id == lists.c.id)
        .join(digests, digests.c.id == campaigns.c.digest_id)
        .where(lists.c.public, _SENT)
        .group_by(lists.c.id, lists.c.name, lists.c.title)
        .order_by(lists.c.title, lists.c.id)
    )
    return [ListWithIssues(*row) for row in rows]


def issues_of(
    connection: Connection, shown: ShownList, zone: str, *, page: int = 1
) -> list[IssueLine]:
    """Return one page of the digests sent to a list, the newest first, and one more if any."""
    newest = _newest_of_each(shown).order_by(func.max(campaigns.c.id).desc())
    numbers = connection.execute(newest.limit(PAGE + 1).offset((page - 1) * PAGE)).scalars().all()
    rows = connection.execute(
        select(digests.c.slug, digests.c.title, campaigns.c.created_at)
        .join(campaigns, campaigns.c.digest_id == digests.c.id)
        .where(campaigns.c.id.in_(numbers))
        .order_by(campaigns.c.id.desc())
    )
    return [IssueLine(row.slug, row.title, _day(row.created_at, shown, zone)) for row in rows]


def find_issue(
    connection: Connection, shown: ShownList, slug: str, zone: str, subscribe_url: str
) -> Issue | None:
    """Return the newest that was sent under a slug, without anything personal; None: nothing was.

    Links to leave and to choose lead to the page where anybody can subscribe.
    """
    if not _SLUG.fullmatch(slug):
        return None
    number = connection.execute(_newest_of_each(shown).where(digests.c.slug == slug)).scalar()
    if number is None:
        return None
    row = connection.execute(
        select(digests.c.title, campaigns.c.created_at, campaigns.c.content)
        .join(campaigns, campaigns.c.digest_id == digests.c.id)
        .where(campaigns.c.id == number)
    ).one()
    content = EmailContent.from_json(row.content)
    slots = [slot for slot in content.slots if slot.context is SlotContext.TEXT]
    links = {UNSUBSCRIBE_URL: subscribe_url, PREFERENCES_URL: subscribe_url}
    # Links first, that they become links; words last, that lines are judged as they were broken.
    text = cut(content.text, [slot for slot in slots if slot.field in links]).fill(links)
    words = [replace(slot, context=SlotContext.HTML) for slot in slots if slot.field not in links]
    html = cut(str(readable(text, row.title)), words).fill({})
    return Issue(
        row.title,
        _day(row.created_at, shown, zone),
        content.language,
        content.direction,
        Markup(html),  # noqa: S704 - escaped piece by piece, by `readable` and the slots
    )


def _newest_of_each(shown: ShownList) -> Select[tuple[int]]:
    return (
        select(func.max(campaigns.c.id))
        .join(digests, digests.c.id == campaigns.c.digest_id)
        .where(campaigns.c.list_id == shown.id, _SENT)
        .group_by(digests.c.slug)
    )


def _day(at: datetime, shown: ShownList, zone: str) -> date:
    return at.astimezone(ZoneInfo(shown.timezone or zone)).date()
