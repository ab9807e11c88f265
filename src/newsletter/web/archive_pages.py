"""Past issues of public lists: what was sent, as readable pages without anybody's name in it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.web.front_pages import PUBLIC_HEADERS
from newsletter.web.issues import PAGE, find_issue, issues_of, lists_with_issues
from newsletter.web.shown_lists import public_list
from newsletter.web.site import Site

_LAST_PAGE = 10_000


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()
    zone = site.office.settings.newsletter.timezone

    @routes.get("/archive")
    async def all_lists(request: Request) -> Response:
        shown = await site.transactions.read(lists_with_issues)
        words = site.pages.words(request)
        return site.pages.render("archive.html", words, headers=PUBLIC_HEADERS, lists=shown)

    @routes.get("/archive/{list_name}")
    async def one_list(request: Request, list_name: str) -> Response:
        page = _page_number(request.query_params.get("page", "1"))
        shown = await site.transactions.read(lambda connection: public_list(connection, list_name))
        if shown is None:
            raise HTTPException(404)
        issues = await site.transactions.read(
            lambda connection: issues_of(connection, shown, zone, page=page)
        )
        return site.pages.render(
            "archive_list.html",
            site.pages.words(request, shown.language),
            headers=PUBLIC_HEADERS,
            list=shown,
            issues=issues[:PAGE],
            page=page,
            more=len(issues) > PAGE,
        )

    @routes.get("/archive/{list_name}/{slug}")
    async def one_issue(request: Request, list_name: str, slug: str) -> Response:
        shown = await site.transactions.read(lambda connection: public_list(connection, list_name))
        if shown is None:
            raise HTTPException(404)
        subscribe = f"{site.office.settings.newsletter.base_url}/subscribe/{shown.name}"
        issue = await site.transactions.read(
            lambda connection: find_issue(connection, shown, slug, zone, subscribe)
        )
        if issue is None:
            raise HTTPException(404)
        words = site.pages.words(request, shown.language)
        return site.pages.render(
            "issue.html", words, headers=PUBLIC_HEADERS, list=shown, issue=issue
        )

    return routes


def _page_number(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= _LAST_PAGE:
        return int(text)
    raise HTTPException(404)
