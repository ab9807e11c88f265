"""Leaving: the page with one button, one-click by mail programs, and the way back (C1-C8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.audience.consent import MembershipStatus, Origin
from newsletter.audience.joining import UNDO_WITHIN, undo_leaving
from newsletter.audience.leaving import Click, leave_together
from newsletter.audience.subscribers import unsubscribe
from newsletter.audience.tokens import Purpose
from newsletter.web.forms import Form, form_body, one_of, read_form
from newsletter.web.shown_lists import last_left, statuses_of
from newsletter.web.site import Site, Visit, find_returning

ONE_CLICK = ("List-Unsubscribe", "One-Click")
"""The one field of a one-click request (RFC 8058 §3.1)."""
_LEAVE = one_of("list", "all")


@dataclass(frozen=True, slots=True)
class _Stand:
    on_this: bool
    on_others: bool


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()
    clock = site.office.clock

    def leave_now(connection: Connection, clicks: list[Click]) -> None:
        leave_together(connection, clicks, clock.now())

    @routes.get("/u/{token}")
    async def leave_page(request: Request, token: str) -> Response:
        visit = await site.visit(Purpose.UNSUBSCRIBE, token)
        stand = await site.transactions.read(lambda connection: _stand(connection, visit))
        return site.pages.render(
            "leave.html",
            site.words(request, visit),
            visit=visit,
            stand=stand,
            preferences=site.link(Purpose.PREFERENCES, visit),
        )

    @routes.post(
        "/u/{token}",
        openapi_extra=form_body(leave=_LEAVE, List__Unsubscribe=one_of("One-Click")),
    )
    async def leave(request: Request, token: str) -> Response:
        filled = await read_form(request)
        claims = site.claims(Purpose.UNSUBSCRIBE, token)
        if _is_one_click(filled):
            origin = site.origin(request, "one-click", "/u")
            click = Click(claims.subscriber, claims.list_id, origin)
            await site.transactions.write_together(leave_now, click)
            return PlainTextResponse("You are unsubscribed.\n")
        if filled.text("leave") not in ("list", "all"):
            raise HTTPException(400)
        list_id = claims.list_id if filled.text("leave") == "list" else None
        visit = await site.visit(Purpose.UNSUBSCRIBE, token)
        origin = site.origin(request, "page", "/u")
        left_at = await site.transactions.write(
            # The time inside the transaction, as for one-click: a claim may have come before (I3).
            lambda connection: _leave(connection, visit, list_id, clock.now(), origin)
        )
        return site.pages.render(
            "left.html",
            site.words(request, visit),
            visit=visit,
            everything=list_id is None,
            undo=_undo_link(site, visit, list_id, left_at, clock.now()),
        )

    @routes.get("/r/{token}")
    async def undo_page(request: Request, token: str) -> Response:
        visit = await _returning(site, token)
        return site.pages.render("undo.html", site.words(request, visit), token=token)

    @routes.post("/r/{token}", openapi_extra=form_body(("act",), act=one_of("undo")))
    async def undo(request: Request, token: str) -> Response:
        filled = await read_form(request)
        claims = site.claims(Purpose.RETURN, token)
        if filled.text("act") != "undo":
            raise HTTPException(400)
        visit = await _returning(site, token)
        words = site.words(request, visit)
        wording = words("undo.consent", newsletter=site.office.settings.newsletter.name)
        origin = site.origin(request, "page", "/r", wording, words.language)
        now, keys = site.office.clock.now(), site.office.keys
        undone = await site.transactions.write(
            lambda connection: undo_leaving(connection, claims, keys, now, origin)
        )
        preferences = site.link(Purpose.PREFERENCES, visit)
        if undone:
            return site.pages.render("undone.html", words, visit=visit, preferences=preferences)
        return site.pages.render("undo_over.html", words, status=410, visit=visit)

    return routes


def _is_one_click(filled: Form) -> bool:
    field, value = ONE_CLICK
    return filled.all(field) == (value,) and not filled.all("leave")


def _stand(connection: Connection, visit: Visit) -> _Stand:
    stands = statuses_of(connection, visit.reader.id)
    on = {number for number, status in stands.items() if status != MembershipStatus.UNSUBSCRIBED}
    return _Stand(visit.list.id in on, bool(on - {visit.list.id}))


def _leave(
    connection: Connection, visit: Visit, list_id: int | None, now: datetime, origin: Origin
) -> datetime | None:
    """Leave; returns when the reader left for good, which may be earlier than now."""
    unsubscribe(connection, visit.reader.id, list_id, now, origin)
    return last_left(connection, visit.reader.id, list_id)


def _undo_link(
    site: Site, visit: Visit, list_id: int | None, left_at: datetime | None, now: datetime
) -> str | None:
    if left_at is None or now - left_at > UNDO_WITHIN:
        return None
    # The token names the second; the leaving is looked for within it.
    second = int(left_at.timestamp())
    token = site.office.signer.sign(
        Purpose.RETURN, visit.reader.id, visit.list.id if list_id else 0, second
    )
    return site.pages.url(f"/r/{token}")


async def _returning(site: Site, token: str) -> Visit:
    claims = site.claims(Purpose.RETURN, token)
    return await site.transactions.read(lambda connection: find_returning(connection, claims))
