"""Puts the pages together as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from newsletter import __version__
from newsletter.web import (
    edition_pages,
    front_pages,
    health_pages,
    joining_pages,
    leaving_pages,
    preferences_pages,
    privacy_pages,
    webhooks,
)
from newsletter.web.archive import feed_pages, sitemap_pages
from newsletter.web.archive import pages as archive_pages
from newsletter.web.archive.groups import Archive
from newsletter.web.guard import Guard
from newsletter.web.office import Office
from newsletter.web.pages import Pages
from newsletter.web.problems import Problems
from newsletter.web.site import Site
from newsletter.web.throttle import Throttle
from newsletter.web.transactions import Transactions

# The first is found soonest: leaving comes in waves.
_GROUPS = (
    leaving_pages,
    front_pages,
    joining_pages,
    preferences_pages,
    privacy_pages,
    edition_pages,
    webhooks,
    health_pages,
)
# Feeds come first: their names are no issue's.
_ARCHIVE_GROUPS = (feed_pages, archive_pages, sitemap_pages)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The form is wrong; nothing was changed."},
    404: {"description": "There is no such page, or the link is forged or cut."},
    408: {"description": "The body did not arrive in time."},
    409: {"description": "The address must not be written to."},
    405: {"description": "The page does not take this method."},
    410: {"description": "The link is used up, or its reader was erased."},
    413: {"description": "The body is too large."},
    429: {"description": "Too many forms; Retry-After says when."},
    503: {"description": "Busy; Retry-After says when."},
}


def create_app(office: Office) -> FastAPI:
    """Build the pages over an office; nothing runs before the first request.

    Raises `ConfigurationError` for a webhook key that is none.
    """
    site = Site(
        office,
        Pages(office.settings),
        Transactions(office.database),
        Throttle(office.settings.web.limits, office.clock),
    )

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        site.transactions.close()

    app = FastAPI(
        title=office.settings.newsletter.name,
        version=__version__,
        # No machine-readable description is served: the pages are for people.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A redirect would name the host that the request named (E6).
        redirect_slashes=False,
        default_response_class=HTMLResponse,
        responses=_ANSWERS,
        lifespan=life,
    )
    archive = Archive(office, site.pages.catalogue)
    routers = [
        *(group.router(site) for group in _GROUPS),
        *(group.router(site, archive) for group in _ARCHIVE_GROUPS),
    ]
    for router in routers:
        app.include_router(router)
    problems = Problems(site, [route for router in routers for route in router.routes])
    problems.tell(app)
    app.add_middleware(
        Guard,
        prefix=site.pages.prefix,
        secure=office.settings.newsletter.base_url.startswith("https:"),
        error_page=problems.page,
        large=webhooks.large_bodies(office.settings),
        any_body=leaving_pages.ANY_BODY,
    )
    return app
