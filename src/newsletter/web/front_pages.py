"""The first page, the static files, and robots.txt; what monitors ask for is in `health_pages`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.web.shown_lists import public_lists
from newsletter.web.site import Site

PUBLIC_HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Vary": "Accept-Language",
    "X-Robots-Tag": "all",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_ROBOTS = """\
User-agent: *
Disallow: {prefix}/u/
Disallow: {prefix}/p/
Disallow: {prefix}/m/
Disallow: {prefix}/c/
Disallow: {prefix}/n/
Disallow: {prefix}/r/
Disallow: {prefix}/e/

Sitemap: {base_url}/sitemap.xml
"""


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()

    @routes.get("/")
    async def first_page(request: Request) -> Response:
        shown = await site.transactions.read(public_lists)
        words = site.pages.words(request)
        return site.pages.render("front.html", words, headers=PUBLIC_HEADERS, lists=shown)

    @routes.get("/static/{name}")
    async def static_file(name: str) -> Response:
        asset = site.pages.assets.get(name)
        if asset is None:
            raise HTTPException(404)
        headers = {"Cache-Control": _FOR_EVER, "X-Robots-Tag": "all"}
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    @routes.get("/robots.txt")
    async def robots() -> Response:
        told = _ROBOTS.format(
            prefix=site.pages.prefix, base_url=site.office.settings.newsletter.base_url
        )
        return PlainTextResponse(told, headers=PUBLIC_HEADERS)

    return routes
