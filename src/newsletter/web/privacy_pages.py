"""The rights of a reader: all that is known of them, and being forgotten (C15)."""

from __future__ import annotations

import json

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.audience.tokens import Purpose
from newsletter.delivery.personal_data import whole_record
from newsletter.errors import AudienceError
from newsletter.web.forms import form_body, one_of, read_form
from newsletter.web.site import ReaderGone, Site, Visit


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()

    @routes.get("/p/{token}/data")
    async def data(token: str) -> Response:
        visit = await site.visit(Purpose.PREFERENCES, token)
        document = await site.transactions.read(
            lambda connection: whole_record(connection, visit.reader.id, site.office.keys)
        )
        text = json.dumps(document, ensure_ascii=False, indent=2)
        return Response(
            text + "\n",
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="my-data.json"'},
        )

    @routes.get("/p/{token}/delete")
    async def delete_page(request: Request, token: str) -> Response:
        visit = await site.visit(Purpose.PREFERENCES, token)
        return _delete_page(site, request, visit)

    @routes.post(
        "/p/{token}/delete",
        openapi_extra=form_body(("act",), act=one_of("delete"), sure=one_of("yes")),
    )
    async def delete(request: Request, token: str) -> Response:
        filled = await read_form(request)
        visit = await site.visit(Purpose.PREFERENCES, token)
        if filled.text("act") != "delete":
            raise HTTPException(400)
        if filled.text("sure") != "yes":
            return _delete_page(site, request, visit, unsure=True)
        words = site.words(request, visit)
        try:
            await site.transactions.run(lambda: site.office.erase(visit.reader.id))
        except AudienceError:
            # Pressed twice: the other request was first.
            raise ReaderGone from None
        return site.pages.render("deleted.html", words)

    return routes


def _delete_page(site: Site, request: Request, visit: Visit, *, unsure: bool = False) -> Response:
    return site.pages.render(
        "delete.html",
        site.words(request, visit),
        status=400 if unsure else 200,
        visit=visit,
        unsure=unsure,
        preferences=site.link(Purpose.PREFERENCES, visit),
    )
