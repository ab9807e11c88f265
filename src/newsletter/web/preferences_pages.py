"""Choosing: name, zone, language, lists, a pause, another address (C14)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.audience.preferences import (
    Preferences,
    ask_to_change_address,
    change_details,
    choose_lists,
    confirm_new_address,
    end_pause,
    pause,
    preferences_of,
)
from newsletter.audience.tokens import Purpose
from newsletter.web.choices import PreferencesView, read_details, read_until
from newsletter.web.forms import TEXT, TEXTS, Form, form_body, one_of, read_form
from newsletter.web.joining_pages import evenly, read_address
from newsletter.web.shown_lists import letter_address, masked
from newsletter.web.site import ReaderGone, Site, Visit, find_visit

_ACTS = ("save", "pause", "resume", "address")
_DONE = ("saved", "paused", "resumed", "address")


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()

    @routes.get("/p/{token}")
    async def preferences(request: Request, token: str) -> Response:
        visit = await site.visit(Purpose.PREFERENCES, token)
        done = request.query_params.get("done")
        return await _page(site, request, visit, done=done if done in _DONE else None)

    @routes.post(
        "/p/{token}",
        status_code=303,
        openapi_extra=form_body(
            ("act",),
            act=one_of(*_ACTS),
            name=TEXT,
            timezone=TEXT,
            language=TEXT,
            list=TEXTS,
            until={"type": "string", "format": "date"},
            email=TEXT,
        ),
    )
    async def change(request: Request, token: str) -> Response:
        filled = await read_form(request)
        visit = await site.visit(Purpose.PREFERENCES, token)
        act = _ACTIONS.get(filled.text("act"))
        if act is None:
            raise HTTPException(400)
        done, errors = await act(site, request, visit, filled)
        if errors:
            return await _page(site, request, visit, filled=filled, errors=errors)
        return site.redirect(f"/p/{token}?done={done}")

    @routes.get("/n/{token}")
    async def new_address_page(request: Request, token: str) -> Response:
        visit = await site.visit(Purpose.NEW_ADDRESS, token)
        address = await site.transactions.read(
            lambda connection: letter_address(connection, visit.claims)
        )
        words = site.words(request, visit)
        if address is None:
            return site.pages.render("new_address_over.html", words, status=410)
        return site.pages.render("new_address.html", words, address=masked(address))

    @routes.post("/n/{token}", openapi_extra=form_body(("act",), act=one_of("confirm")))
    async def new_address(request: Request, token: str) -> Response:
        filled = await read_form(request)
        claims = site.claims(Purpose.NEW_ADDRESS, token)
        if filled.text("act") != "confirm":
            raise HTTPException(400)
        before = await site.visit(Purpose.NEW_ADDRESS, token)
        now, keys = site.office.clock.now(), site.office.keys
        changed = await site.transactions.write(
            lambda connection: confirm_new_address(connection, claims, keys, now)
        )
        words = site.words(request, before)
        if not changed:
            return site.pages.render("new_address_over.html", words, status=410)
        site.office.wake_letters()
        visit = await site.transactions.read(lambda connection: find_visit(connection, claims))
        preferences = site.link(Purpose.PREFERENCES, visit)
        return site.pages.render(
            "new_address_done.html", words, visit=visit, preferences=preferences
        )

    return routes


async def _page(
    site: Site,
    request: Request,
    visit: Visit,
    *,
    done: str | None = None,
    filled: Form | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    found = await site.transactions.read(lambda connection: _stored(site, connection, visit))
    words = site.words(request, visit)
    view = PreferencesView(
        found,
        site.pages.catalogue,
        default_zone=visit.list.timezone or site.office.settings.newsletter.timezone,
        now=site.office.clock.now(),
        language=words.language,
        filled=filled,
    )
    return site.pages.render(
        "preferences.html",
        words,
        status=400 if errors else 200,
        view=view,
        done=done,
        errors=errors or {},
        here=site.link(Purpose.PREFERENCES, visit),
    )


def _stored(site: Site, connection: Connection, visit: Visit) -> Preferences:
    found = preferences_of(connection, visit.reader.id, site.office.keys)
    if found is None:
        raise ReaderGone
    return found


_Done = tuple[str, dict[str, str]]
_Action = Callable[[Site, Request, Visit, Form], Awaitable[_Done]]


async def _save(site: Site, request: Request, visit: Visit, filled: Form) -> _Done:
    words = site.words(request, visit)
    details, errors = read_details(filled, words)
    if errors:
        return "saved", errors
    wanted = {int(number) for number in filled.all("list") if _is_number(number)}
    origin = site.origin(request, "preferences", "/p", words("preferences.consent"), words.language)

    def save(connection: Connection) -> None:
        # Inside the transaction: who was claimed while this waited left after that (I3).
        now = site.office.clock.now()
        found = _stored(site, connection, visit)
        change_details(connection, visit.reader.id, now, details)
        choose_lists(connection, found, wanted, now, origin=origin)

    await site.transactions.write(save)
    return "saved", {}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


async def _pause(site: Site, request: Request, visit: Visit, filled: Form) -> _Done:
    now = site.office.clock.now()
    zone = visit.reader.timezone or visit.list.timezone or site.office.settings.newsletter.timezone
    until, error = read_until(filled, site.words(request, visit), zone, now)
    if error is not None:
        return "paused", {"until": error}
    await site.transactions.write(
        lambda connection: pause(connection, visit.reader.id, now, until=until)
    )
    return "paused", {}


async def _resume(site: Site, _request: Request, visit: Visit, _filled: Form) -> _Done:
    now = site.office.clock.now()
    await site.transactions.write(lambda connection: end_pause(connection, visit.reader.id, now))
    return "resumed", {}


async def _change_address(site: Site, request: Request, visit: Visit, filled: Form) -> _Done:
    began = time.monotonic()
    site.count_form(request)
    address, problem = read_address(filled.text("email"), site.words(request, visit))
    if address is None:
        return "address", {"email": problem or ""}
    now, keys, limits = site.office.clock.now(), site.office.keys, site.letter_limits
    await site.transactions.write(
        lambda connection: ask_to_change_address(
            connection, visit.reader.id, visit.list.id, address, keys, now=now, limits=limits
        )
    )
    site.office.wake_letters()
    await evenly(began)
    return "address", {}


_ACTIONS: dict[str, _Action] = {
    "save": _save,
    "pause": _pause,
    "resume": _resume,
    "address": _change_address,
}
