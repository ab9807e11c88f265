"""The sitemap: each page that search engines may show, in parts where they are many (sitemaps.org).

What is unlisted, or belongs to a list that is not public, is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.web.archive.groups import Archive
from newsletter.web.archive.index import ArchiveIndex
from newsletter.web.archive.kept_pages import KeptPage
from newsletter.web.shown_lists import ShownList, public_lists
from newsletter.web.site import Site

MOST_URLS = 50_000
"""In one part (sitemaps.org)."""
_PART = re.compile(r"([1-9][0-9]{0,4})\.xml")
_SPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_HEADERS = {"Cache-Control": "public, max-age=300", "X-Robots-Tag": "noindex"}


@dataclass(frozen=True, slots=True)
class SitemapPage:
    """One page; `changed` is when its content was sent, None where that says little."""

    url: str
    changed: datetime | None = None


def router(site: Site, archive: Archive, *, most: int = MOST_URLS) -> APIRouter:
    """Return the sitemap and its parts; `most`: pages in one part."""
    routes = APIRouter()

    def find(connection: Connection, part: int) -> KeptPage | None:
        """Return a part; 0: what stands at the one address that everybody knows."""
        shown = public_lists(connection)
        indexes = [archive.indexes.of(connection, one) for one in shown]
        pages = 2 + sum(1 + len(index.issues) for index in indexes)
        if part and (pages <= most or (part - 1) * most >= pages):
            return None
        return archive.pages.get_or_make(
            ("sitemap", part), indexes, lambda: _document(archive, shown, indexes, (part, most))
        )

    async def answer(request: Request, part: int) -> Response:
        page = await site.transactions.read(lambda connection: find(connection, part))
        if page is None:
            raise HTTPException(404)
        return page.answer(request)

    @routes.get("/sitemap.xml")
    async def sitemap(request: Request) -> Response:
        return await answer(request, 0)

    @routes.get("/sitemap/{part}")
    async def one_part(request: Request, part: str) -> Response:
        named = _PART.fullmatch(part)
        if named is None:
            raise HTTPException(404)
        return await answer(request, int(named[1]))

    return routes


def _document(
    archive: Archive,
    shown: Sequence[ShownList],
    indexes: Sequence[ArchiveIndex],
    wanted: tuple[int, int],
) -> Response:
    part, most = wanted
    pages = _pages(archive, shown, indexes)
    if part:
        return _urls(pages[(part - 1) * most : part * most])
    if len(pages) <= most:
        return _urls(pages)
    count = -(-len(pages) // most)
    locations = [f"{archive.base_url}/sitemap/{number}.xml" for number in range(1, count + 1)]
    lines = [f"<sitemap><loc>{escape(location)}</loc></sitemap>" for location in locations]
    return _xml("sitemapindex", lines)


def _pages(
    archive: Archive, shown: Sequence[ShownList], indexes: Sequence[ArchiveIndex]
) -> list[SitemapPage]:
    """Return the pages to be found: the first ones, each public list, each issue it names."""
    pages = [SitemapPage(f"{archive.base_url}/"), SitemapPage(f"{archive.base_url}/archive")]
    for one, index in zip(shown, indexes, strict=True):
        newest = index.issues[0].at if index.issues else None
        pages.append(SitemapPage(archive.list_url(one), newest))
        pages += [SitemapPage(archive.issue_url(one, line.slug), line.at) for line in index.issues]
    return pages


def _urls(pages: Sequence[SitemapPage]) -> Response:
    return _xml("urlset", [_url(page) for page in pages])


def _url(page: SitemapPage) -> str:
    changed = ""
    if page.changed is not None:
        changed = f"<lastmod>{page.changed.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</lastmod>"
    return f"<url><loc>{escape(page.url)}</loc>{changed}</url>"


def _xml(kind: str, lines: Sequence[str]) -> Response:
    inside = "\n".join(lines)
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{kind} xmlns="{_SPACE}">\n{inside}\n</{kind}>\n'
    )
    return Response(body, media_type="application/xml", headers=_HEADERS)
