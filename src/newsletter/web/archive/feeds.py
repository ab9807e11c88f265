"""The newest issues of a list as a feed: what all three formats say, read only.

The feed of a list is made once for each state of its index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup
from sqlalchemy import Connection, select

from newsletter.rendering.feed_entry import write_entry
from newsletter.rendering.page import description_of
from newsletter.storage.tables import digests
from newsletter.web.archive.groups import Archive, digest_of, or_none
from newsletter.web.archive.index import ArchiveIndex, IssueLine
from newsletter.web.archive.issues import find_issue
from newsletter.web.shown_lists import ShownList

NEWEST = 30
"""Issues in a feed."""
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One issue; `url` is its page, and names it for good."""

    url: str
    title: str
    at: datetime
    summary: str
    author: str
    language: str
    html: str


@dataclass(frozen=True, slots=True)
class Feed:
    """The newest issues of a list, the newest first; all addresses are whole."""

    url: str
    home: str
    title: str
    description: str
    author: str
    language: str
    updated: datetime
    entries: Sequence[Entry]


def feed_of(
    connection: Connection,
    archive: Archive,
    shown: ShownList,
    index: ArchiveIndex,
    *,
    file: str,
    author: str,
    description: str,
) -> Feed:
    """Gather the feed of a list that stands under a file's name beside its issues."""
    lines = index.issues[:NEWEST]
    rows = connection.execute(
        select(digests.c.id, digests.c.markdown).where(
            digests.c.id.in_([line.digest for line in lines])
        )
    )
    texts = {row.id: row.markdown for row in rows}
    home = archive.list_url(shown)
    return Feed(
        url=f"{home}/{file}",
        home=home,
        title=clean(shown.title),
        description=clean(description),
        author=clean(author),
        language=archive.language_of(shown),
        updated=lines[0].at if lines else index.seen,
        entries=[
            _entry(connection, archive, shown, line, texts[line.digest], author=author)
            for line in lines
        ],
    )


def clean(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return _NOT_XML.sub("", text)


def _entry(
    connection: Connection,
    archive: Archive,
    shown: ShownList,
    line: IssueLine,
    markdown: str,
    *,
    author: str,
) -> Entry:
    url, language = archive.issue_url(shown, line.slug), archive.language_of(shown)
    digest = digest_of(markdown, line.slug)
    written = None
    if digest is not None:
        written = or_none(line.slug, lambda: write_entry(digest, language, page_url=url))
    if digest is not None and written is not None:
        html, summary = written, description_of(digest)
        author = digest.byline.author or author
    else:
        issue = find_issue(connection, shown, line.slug, archive.zone, hidden=False)
        html = archive.text_of(connection, issue, shown) if issue else Markup("")
        summary = ""
    return Entry(
        url,
        clean(line.title) or line.slug,
        line.at,
        clean(summary),
        clean(author),
        (digest and digest.language) or language,
        clean(html),
    )
