"""The addresses of the feeds of each public list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.web.archive.feed_formats import FORMATS
from newsletter.web.archive.feeds import feed_of
from newsletter.web.archive.groups import Archive
from newsletter.web.archive.kept_pages import KeptPage
from newsletter.web.shown_lists import ShownList, public_list
from newsletter.web.site import Site

# Search engines are to show the issues, not what programs read.
_HEADERS = {"Cache-Control": "public, max-age=300", "X-Robots-Tag": "noindex"}


def router(site: Site, archive: Archive) -> APIRouter:
    """Return the feeds, one address for each format."""
    routes = APIRouter()
    for file in FORMATS:
        routes.get(f"/archive/{{list_name}}/{file}", name=file)(_endpoint(site, archive, file))
    return routes


def _endpoint(
    site: Site, archive: Archive, file: str
) -> Callable[[Request, str], Awaitable[Response]]:
    def find(connection: Connection, list_name: str) -> KeptPage | None:
        shown = public_list(connection, list_name)
        if shown is None:
            return None
        index = archive.indexes.of(connection, shown)
        return archive.pages.get_or_make(
            (file, shown.id),
            index,
            lambda: Response(
                FORMATS[file].write(
                    feed_of(
                        connection,
                        archive,
                        shown,
                        index,
                        file=file,
                        author=site.office.settings.newsletter.name,
                        description=_description(site, shown),
                    )
                ),
                media_type=FORMATS[file].media_type,
                headers=_HEADERS,
            ),
            changed=index.seen,
        )

    async def feed(request: Request, list_name: str) -> Response:
        page = await site.transactions.read(lambda connection: find(connection, list_name))
        if page is None:
            raise HTTPException(404)
        return page.answer(request)

    return feed


def _description(site: Site, shown: ShownList) -> str:
    general = site.office.settings.newsletter
    words = site.pages.catalogue.words([shown.language, general.language])
    return words("archive.feed_of", list=shown.title, newsletter=general.name)
