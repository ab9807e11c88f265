"""Leaving: the page with one button, one-click by mail programs, and the way back (C1-C8).

A link to unsubscribe does not show or change more than that, for mail is forwarded along with it.
"""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.audience.consent import MembershipStatus, Origin
from newsletter.audience.joining import UNDO_WITHIN, undo_leaving
from newsletter.audience.leaving import Click, leave_together
from newsletter.audience.preferences import pause
from newsletter.audience.subscribers import unsubscribe
from newsletter.audience.tokens import Purpose
from newsletter.web.choices import read_until, tomorrow
from newsletter.web.forms import Form, form_body, one_of, read_any, read_form
from newsletter.web.shown_lists import has_other_lists, last_left, statuses_of
from newsletter.web.site import Site, Visit, find_leaving, find_returning, find_visit

ONE_CLICK = ("List-Unsubscribe", "One-Click")
"""The one field of a one-click request (RFC 8058 §3.1)."""
ANY_BODY = ("/u/",)
"""The pages below which a body that is no form of ours means the same as none."""
_DECISIONS = ("list", "all")
_DONE = ("paused", "link")


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()
    _add_leaving(routes, site)
    _add_options(routes, site)
    _add_undoing(routes, site)
    return routes


def _add_leaving(routes: APIRouter, site: Site) -> None:
    clock = site.office.clock

    def leave_now(connection: Connection, clicks: list[Click]) -> None:
        leave_together(connection, clicks, clock.now())

    @routes.get("/u/{token}")
    async def leave_page(request: Request, token: str) -> Response:
        claims = site.claims(Purpose.UNSUBSCRIBE, token)

        def look(connection: Connection) -> tuple[Visit, bool, bool]:
            visit = find_leaving(connection, claims)
            on_this = _is_on(connection, visit)
            return visit, on_this, has_other_lists(connection, visit.list.id)

        visit, on_this, others = await site.transactions.read(look)
        return site.pages.render(
            "leave.html",
            site.words(request, visit),
            visit=visit,
            # Mail to an earlier address does not tell how its reader stands today.
            on_this=on_this or visit.outdated,
            others=others,
            options=site.pages.url(f"/u/{token}/options"),
        )

    @routes.post(
        "/u/{token}",
        openapi_extra=form_body(leave=one_of(*_DECISIONS), List__Unsubscribe=one_of("One-Click")),
    )
    async def leave(request: Request, token: str) -> Response:
        claims = site.claims(Purpose.UNSUBSCRIBE, token)
        decision = _decision(await read_any(request))
        if decision is None:
            origin = site.origin(request, "one-click", "/u")
            click = Click(claims.subscriber, claims.list_id, origin)
            await site.transactions.write_together(leave_now, click)
            return PlainTextResponse("You are unsubscribed.\n")
        list_id = claims.list_id if decision == "list" else None
        origin = site.origin(request, "page", "/u")

        def leave_by_page(connection: Connection) -> tuple[Visit, datetime | None]:
            visit = find_leaving(connection, claims)
            # The time inside the transaction, as for one-click: a claim may have come before (I3).
            return visit, _leave(connection, visit, list_id, clock.now(), origin)

        visit, left_at = await site.transactions.write(leave_by_page)
        return site.pages.render(
            "left.html",
            site.words(request, visit),
            visit=visit,
            everything=list_id is None,
            undo=_undo_link(site, visit, list_id, left_at, clock.now()),
        )


def _add_options(routes: APIRouter, site: Site) -> None:
    @routes.get("/u/{token}/options")
    async def options_page(request: Request, token: str) -> Response:
        visit = await site.visit(Purpose.UNSUBSCRIBE, token)
        done = request.query_params.get("done")
        return await _options(site, request, visit, done=done if done in _DONE else None)

    @routes.post(
        "/u/{token}/options",
        status_code=303,
        openapi_extra=form_body(
            ("act",),
            act=one_of("pause", "link"),
            until={"type": "string", "format": "date"},
        ),
    )
    async def options(request: Request, token: str) -> Response:
        filled = await read_form(request)
        visit = await site.visit(Purpose.UNSUBSCRIBE, token)
        act = filled.text("act")
        if act not in ("pause", "link"):
            raise HTTPException(400)
        if act == "pause":
            wrong = await _pause(site, request, visit, filled)
            if wrong is not None:
                return await _options(site, request, visit, filled=filled, wrong=wrong)
            return site.redirect(f"/u/{token}/options?done=paused")
        await site.send_link(request, visit)
        return site.redirect(f"/u/{token}/options?done=link")


def _add_undoing(routes: APIRouter, site: Site) -> None:
    @routes.get("/r/{token}")
    async def undo_page(request: Request, token: str) -> Response:
        visit = await _returning(site, token)
        words = site.words(request, visit)
        if visit.outdated:
            return site.pages.render("undo_over.html", words, status=410, visit=visit)
        return site.pages.render("undo.html", words, token=token)

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
        if undone:
            return site.pages.render("undone.html", words, visit=visit)
        return site.pages.render("undo_over.html", words, status=410, visit=visit)


def _decision(filled: Form) -> str | None:
    """Return what was pressed on our own page.

    None for all other bodies: a POST to a signed address is the wish to leave, and mail programs
    that leave out the one field or its type mean just that.
    """
    pressed = filled.all("leave")
    ours = len(pressed) == 1 and pressed[0] in _DECISIONS and not filled.all(ONE_CLICK[0])
    return pressed[0] if ours else None


def _is_on(connection: Connection, visit: Visit) -> bool:
    stands = statuses_of(connection, visit.reader.id)
    gone = MembershipStatus.UNSUBSCRIBED
    return stands.get(visit.list.id, gone) is not gone


async def _pause(site: Site, request: Request, visit: Visit, filled: Form) -> str | None:
    """Pause the one list; returns what is wrong with the day that was named."""
    now = site.office.clock.now()
    until, wrong = read_until(filled, site.words(request, visit), site.zone(visit), now)
    if wrong is not None:
        return wrong

    def rest(connection: Connection) -> None:
        reader = find_visit(connection, visit.claims).reader
        pause(connection, reader.id, now, until=until, list_id=visit.list.id)

    await site.transactions.write(rest)
    return None


async def _options(
    site: Site,
    request: Request,
    visit: Visit,
    *,
    done: str | None = None,
    filled: Form | None = None,
    wrong: str | None = None,
) -> Response:
    on_this = await site.transactions.read(lambda connection: _is_on(connection, visit))
    return site.pages.render(
        "options.html",
        site.words(request, visit),
        status=400 if wrong else 200,
        visit=visit,
        on_this=on_this,
        done=done,
        until=filled.text("until") if filled else "",
        wrong=wrong,
        tomorrow=tomorrow(site.zone(visit), site.office.clock.now()),
    )


def _leave(
    connection: Connection, visit: Visit, list_id: int | None, now: datetime, origin: Origin
) -> datetime | None:
    """Leave; returns when the reader left for good, which may be earlier than now."""
    unsubscribe(connection, visit.reader.id, list_id, now, origin)
    return last_left(connection, visit.reader.id, list_id)


def _undo_link(
    site: Site, visit: Visit, list_id: int | None, left_at: datetime | None, now: datetime
) -> str | None:
    if visit.outdated or left_at is None or now - left_at > UNDO_WITHIN:
        return None
    # The token names the second; the leaving is looked for within it.
    second = int(left_at.timestamp())
    token = site.office.signer.sign(
        Purpose.RETURN,
        visit.reader.id,
        visit.list.id if list_id else 0,
        second,
        visit.reader.epoch,
    )
    return site.pages.url(f"/r/{token}")


async def _returning(site: Site, token: str) -> Visit:
    claims = site.claims(Purpose.RETURN, token)
    return await site.transactions.read(lambda connection: find_returning(connection, claims))
