"""What the page of one issue shows: its parts, its address, and the issues before and after."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from markupsafe import Markup
from sqlalchemy import Connection, bindparam, select

from newsletter.rendering.page import Page
from newsletter.storage.tables import lists
from newsletter.web.archive.groups import Archive
from newsletter.web.archive.index import ArchiveIndex, IssueLine
from newsletter.web.archive.issues import Issue, find_issue
from newsletter.web.shown_lists import ShownList, list_by_id

_LIST = select(*(lists.c[field.name] for field in fields(ShownList))).where(
    lists.c.name == bindparam("name")
)


@dataclass(frozen=True, slots=True)
class IssueView:
    """`page` is None for a mail whose Markdown says nothing; `text` is what is shown then.

    `canonical` is None where search engines are to keep away.
    """

    list: ShownList
    issue: Issue
    page: Page | None
    text: Markup | None
    language: str
    canonical: str | None
    older: IssueLine | None
    newer: IssueLine | None


@dataclass(frozen=True, slots=True)
class FoundIssue:
    """What stands at an address, before its page is written."""

    list: ShownList
    issue: Issue
    index: ArchiveIndex

    @property
    def changed(self) -> datetime | None:
        """Since when its page is as it is; None where nobody knows."""
        return max(self.index.seen, self.issue.at) if self.issue.named else None


def find_named(
    connection: Connection, archive: Archive, list_name: str, slug: str
) -> FoundIssue | None:
    """Return what stands at an address in the archive; None: nothing."""
    shown = _list_of(connection, list_name)
    return _find(connection, archive, shown, slug, hidden=False) if shown else None


def find_hidden(
    connection: Connection, archive: Archive, list_id: int, slug: str
) -> FoundIssue | None:
    """Return what stands at an address that only mails name; None: nothing."""
    shown = list_by_id(connection, list_id)
    return _find(connection, archive, shown, slug, hidden=True) if shown else None


def _list_of(connection: Connection, name: str) -> ShownList | None:
    """Return any list by its name: mails of one that was public once name the archive still."""
    if not name.isascii() or not name.isprintable():
        return None
    row = connection.execute(_LIST, {"name": name}).first()
    return ShownList(**row._mapping) if row is not None else None


def _find(
    connection: Connection, archive: Archive, shown: ShownList, slug: str, *, hidden: bool
) -> FoundIssue | None:
    issue = find_issue(connection, shown, slug, archive.zone, hidden=hidden)
    if issue is None:
        return None
    return FoundIssue(shown, issue, archive.indexes.of(connection, shown))


def view_of(connection: Connection, archive: Archive, found: FoundIssue) -> IssueView:
    """Return all that the page of an issue shows."""
    shown, issue = found.list, found.issue
    page = archive.page_of(connection, issue, shown)
    older, newer = found.index.beside(issue.slug) if issue.named else (None, None)
    return IssueView(
        list=shown,
        issue=issue,
        page=page,
        text=None if page else archive.text_of(connection, issue, shown),
        language=page.language if page else archive.language_of(shown),
        canonical=archive.issue_url(shown, issue.slug) if issue.named else None,
        older=older,
        newer=newer,
    )
