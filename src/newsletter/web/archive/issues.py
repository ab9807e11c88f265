"""The campaign behind an address of the archive, and what may be shown of it; read only.

An address in the archive shows what the archive names, and what mails named there when they were
sent. A hidden address shows whatever was sent of that digest to that list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from markupsafe import Markup
from sqlalchemy import Connection, Row, bindparam, select

from newsletter.clock import zone_to_show
from newsletter.delivery.archive_addresses import is_in_archive
from newsletter.delivery.states import CampaignStatus
from newsletter.rendering.content import PREFERENCES_URL, UNSUBSCRIBE_URL, EmailContent, SlotContext
from newsletter.rendering.merge import cut
from newsletter.storage.tables import campaigns, digests
from newsletter.web.archive.index import BEGAN, SENT_AT
from newsletter.web.archive.readable import readable
from newsletter.web.shown_lists import ShownList

LONGEST_SLUG = 200
_CALLED_OFF = (CampaignStatus.CANCELLED, CampaignStatus.FAILED)
_FOUND = (
    select(
        campaigns.c.id,
        campaigns.c.digest_id,
        digests.c.title,
        campaigns.c.status,
        campaigns.c.listed,
        campaigns.c.identity["archive_url"].as_string().label("told"),
        SENT_AT.label("at"),
    )
    .join(digests, digests.c.id == campaigns.c.digest_id)
    .where(campaigns.c.list_id == bindparam("list"), digests.c.slug == bindparam("slug"), BEGAN)
)


@dataclass(frozen=True, slots=True)
class Issue:
    """One sent digest; `named`: the archive names it, and so may search engines."""

    campaign: int
    digest: int
    slug: str
    title: str
    at: datetime
    local: datetime
    named: bool


def find_issue(
    connection: Connection, shown: ShownList, slug: str, zone: str, *, hidden: bool
) -> Issue | None:
    """Return what is shown at an address: the newest of it that was not called off.

    `hidden`: whoever asks has the address that only mails name. None: nothing is to be shown.
    """
    if not 0 < len(slug) <= LONGEST_SLUG or not slug.isprintable():
        return None
    rows = connection.execute(_FOUND, {"list": shown.id, "slug": slug}).all()
    allowed = [row for row in rows if hidden or _may_be_guessed(row, shown, slug)]
    if not allowed:
        return None
    row = max(allowed, key=lambda row: _rank(row, shown))
    return Issue(
        row.id,
        row.digest_id,
        slug,
        row.title,
        row.at,
        row.at.astimezone(zone_to_show(shown.timezone, zone)),
        _is_named(row, shown),
    )


def _is_named(row: Row[*tuple[object, ...]], shown: ShownList) -> bool:
    return bool(row.listed) and shown.public and row.status not in _CALLED_OFF


def _may_be_guessed(row: Row[*tuple[object, ...]], shown: ShownList, slug: str) -> bool:
    return (row.listed and shown.public) or is_in_archive(row.told, shown.name, slug)


def _rank(row: Row[*tuple[object, ...]], shown: ShownList) -> tuple[bool, bool, datetime, int]:
    return _is_named(row, shown), row.status not in _CALLED_OFF, row.at, row.id


def markdown_of(connection: Connection, issue: Issue) -> str:
    """Return the frozen source of an issue."""
    markdown: str = connection.execute(
        select(digests.c.markdown).where(digests.c.id == issue.digest)
    ).scalar_one()
    return markdown


def text_of(connection: Connection, issue: Issue, subscribe_url: str) -> Markup:
    """Return the text part of an issue as safe HTML, for one whose Markdown cannot be read.

    Links to leave and to choose lead to the page where anybody can subscribe.
    """
    content = EmailContent.from_json(
        connection.execute(
            select(campaigns.c.content).where(campaigns.c.id == issue.campaign)
        ).scalar_one()
    )
    slots = [slot for slot in content.slots if slot.context is SlotContext.TEXT]
    links = {UNSUBSCRIBE_URL: subscribe_url, PREFERENCES_URL: subscribe_url}
    # Links first, that they become links; words last, that lines are judged as they were broken.
    text = cut(content.text, [slot for slot in slots if slot.field in links]).fill(links)
    words = [replace(slot, context=SlotContext.HTML) for slot in slots if slot.field not in links]
    html = cut(str(readable(text, issue.title)), words).fill({})
    return Markup(html)  # noqa: S704 - escaped piece by piece, by `readable` and the slots
