"""The rights of a reader: all that is known of them, and being forgotten.

Both take the fresh link that a letter brings, for mail is forwarded along with its links.
"""

from __future__ import annotations

import json

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.delivery.personal_data import whole_record
from newsletter.errors import AudienceError
from newsletter.web.forms import form_body, one_of, read_form
from newsletter.web.site import ReaderGone, Site, Visit


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()

    @routes.get("/m/{token}/data")
    async def data(token: str) -> Response:
        visit = await site.managing(token)
        document = await site.transactions.read(
            lambda connection: whole_record(connection, visit.reader.id, site.office.keys)
        )
        text = json.dumps(document, ensure_ascii=False, indent=2)
        return Response(
            text + "\n",
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="my-data.json"'},
        )

    @routes.get("/m/{token}/delete")
    async def delete_page(request: Request, token: str) -> Response:
        visit = await site.managing(token)
        return _delete_page(site, request, visit, site.pages.url(f"/m/{token}"))

    @routes.post(
        "/m/{token}/delete",
        openapi_extra=form_body(("act",), act=one_of("delete"), sure=one_of("yes")),
    )
    async def delete(request: Request, token: str) -> Response:
        filled = await read_form(request)
        visit = await site.managing(token)
        if filled.text("act") != "delete":
            raise HTTPException(400)
        if filled.text("sure") != "yes":
            here = site.pages.url(f"/m/{token}")
            return _delete_page(site, request, visit, here, unsure=True)
        words = site.words(request, visit)
        try:
            await site.transactions.run(lambda: site.office.erase(visit.reader.id))
        except AudienceError:
            # Pressed twice: the other request was first.
            raise ReaderGone from None
        return site.pages.render("deleted.html", words)

    return routes


def _delete_page(
    site: Site, request: Request, visit: Visit, here: str, *, unsure: bool = False
) -> Response:
    return site.pages.render(
        "delete.html",
        site.words(request, visit),
        status=400 if unsure else 200,
        visit=visit,
        unsure=unsure,
        here=here,
    )
