"""Choosing: lists and a pause by the link in each mail; all the rest by a fresh one."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.audience.preferences import (
    Preferences,
    address_to_confirm,
    ask_to_change_address,
    change_details,
    choose_lists,
    confirm_new_address,
    end_pause,
    may_manage,
    pause,
    preferences_of,
)
from newsletter.audience.tokens import Purpose
from newsletter.web.choices import PreferencesView, read_details, read_until
from newsletter.web.forms import TEXT, TEXTS, Form, form_body, one_of, read_form
from newsletter.web.joining_pages import read_address
from newsletter.web.shown_lists import masked
from newsletter.web.site import (
    OldLink,
    ReaderGone,
    Site,
    Visit,
    evenly,
    find_leaving,
    find_visit,
)

_DONE = ("saved", "paused", "resumed", "address", "link")
_UNTIL = {"type": "string", "format": "date"}


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()

    @routes.get("/p/{token}")
    async def preferences(request: Request, token: str) -> Response:
        return await _page(site, request, await _by_footer(site, token))

    @routes.post(
        "/p/{token}",
        status_code=303,
        openapi_extra=form_body(("act",), act=one_of(*_OF_FOOTER), list=TEXTS, until=_UNTIL),
    )
    async def change(request: Request, token: str) -> Response:
        filled = await read_form(request)
        return await _act(site, request, await _by_footer(site, token), filled)

    @routes.get("/m/{token}")
    async def manage(request: Request, token: str) -> Response:
        return await _page(site, request, await _by_letter(site, token))

    @routes.post(
        "/m/{token}",
        status_code=303,
        openapi_extra=form_body(
            ("act",),
            act=one_of(*_OF_LETTER),
            name=TEXT,
            timezone=TEXT,
            language=TEXT,
            list=TEXTS,
            until=_UNTIL,
            email=TEXT,
        ),
    )
    async def change_all(request: Request, token: str) -> Response:
        filled = await read_form(request)
        return await _act(site, request, await _by_letter(site, token), filled)

    @routes.get("/n/{token}")
    async def new_address_page(request: Request, token: str) -> Response:
        visit, address = await _moving(site, token)
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
        before, _ = await _moving(site, token)
        now, keys = site.office.clock.now(), site.office.keys
        changed = await site.transactions.write(
            lambda connection: confirm_new_address(connection, claims, keys, now)
        )
        words = site.words(request, before)
        if not changed:
            return site.pages.render("new_address_over.html", words, status=410)
        site.office.wake_letters()
        visit = await site.transactions.read(lambda connection: find_leaving(connection, claims))
        preferences = site.preferences(visit)
        return site.pages.render(
            "new_address_done.html", words, visit=visit, preferences=preferences
        )

    return routes


@dataclass(frozen=True, slots=True)
class _Entry:
    """By which link a reader came: what they may do here, and where the page lives.

    `check` is asked again inside a writing transaction, and raises what the link itself would.
    """

    visit: Visit
    path: str
    acts: Mapping[str, _Action]
    check: Callable[[Connection], object]

    @property
    def whole(self) -> bool:
        """Whether everything is shown and may be changed."""
        return self.acts is _OF_LETTER


async def _by_footer(site: Site, token: str) -> _Entry:
    """Let somebody in by the link at the foot of a mail: whoever it was forwarded to has it too."""
    visit = await site.visit(Purpose.PREFERENCES, token)
    return _Entry(
        visit, f"/p/{token}", _OF_FOOTER, lambda connection: find_visit(connection, visit.claims)
    )


async def _by_letter(site: Site, token: str) -> _Entry:
    """Let somebody in by the fresh link that was sent to their own address."""
    visit = await site.managing(token)

    def check(connection: Connection) -> None:
        if not may_manage(connection, visit.claims, site.office.clock.now(), to_act=True):
            raise OldLink

    return _Entry(visit, f"/m/{token}", _OF_LETTER, check)


async def _moving(site: Site, token: str) -> tuple[Visit, str | None]:
    """Return who came by the letter to a new address, and that address while it can be taken."""
    claims, now = site.claims(Purpose.NEW_ADDRESS, token), site.office.clock.now()

    def look(connection: Connection) -> tuple[Visit, str | None]:
        return find_leaving(connection, claims), address_to_confirm(connection, claims, now)

    return await site.transactions.read(look)


async def _act(site: Site, request: Request, entry: _Entry, filled: Form) -> Response:
    act = entry.acts.get(filled.text("act"))
    if act is None:
        raise HTTPException(400)
    done, errors = await act(site, request, entry, filled)
    if errors:
        return await _page(site, request, entry, filled=filled, errors=errors)
    return site.redirect(f"{entry.path}?done={done}")


async def _page(
    site: Site,
    request: Request,
    entry: _Entry,
    *,
    filled: Form | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    visit, done = entry.visit, request.query_params.get("done")
    found = await site.transactions.read(lambda connection: _stored(site, connection, visit))
    words = site.words(request, visit)
    view = PreferencesView(
        found,
        site.pages.catalogue,
        default_zone=visit.list.timezone or site.office.settings.newsletter.timezone,
        now=site.office.clock.now(),
        language=words.language,
        filled=filled,
        whole=entry.whole,
    )
    return site.pages.render(
        "preferences.html",
        words,
        status=400 if errors else 200,
        view=view,
        done=done if done in _DONE and not errors else None,
        errors=errors or {},
        here=site.pages.url(entry.path),
    )


def _stored(site: Site, connection: Connection, visit: Visit) -> Preferences:
    found = preferences_of(connection, visit.reader.id, site.office.keys)
    if found is None:
        raise ReaderGone
    return found


_Done = tuple[str, dict[str, str]]
_Action = Callable[[Site, Request, _Entry, Form], Awaitable[_Done]]


async def _save(site: Site, request: Request, entry: _Entry, filled: Form) -> _Done:
    visit = entry.visit
    words = site.words(request, visit)
    details, errors = read_details(filled, words) if entry.whole else (None, {})
    if errors:
        return "saved", errors
    wanted = {int(number) for number in filled.all("list") if _is_number(number)}
    origin = site.origin(request, "preferences", "/p", words("preferences.consent"), words.language)

    def save(connection: Connection) -> None:
        # Inside the transaction: who was claimed while this waited left after that (I3).
        now = site.office.clock.now()
        entry.check(connection)
        found = _stored(site, connection, visit)
        if details is not None:
            change_details(connection, visit.reader.id, now, details)
        choose_lists(connection, found, wanted, now, origin=origin)

    await site.transactions.write(save)
    return "saved", {}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


async def _pause(site: Site, request: Request, entry: _Entry, filled: Form) -> _Done:
    now, visit = site.office.clock.now(), entry.visit
    until, error = read_until(filled, site.words(request, visit), site.zone(visit), now)
    if error is not None:
        return "paused", {"until": error}

    def rest(connection: Connection) -> None:
        entry.check(connection)
        pause(connection, visit.reader.id, now, until=until)

    await site.transactions.write(rest)
    return "paused", {}


async def _resume(site: Site, _request: Request, entry: _Entry, _filled: Form) -> _Done:
    now = site.office.clock.now()

    def resume(connection: Connection) -> None:
        entry.check(connection)
        end_pause(connection, entry.visit.reader.id, now)

    await site.transactions.write(resume)
    return "resumed", {}


async def _send_link(site: Site, request: Request, entry: _Entry, _filled: Form) -> _Done:
    await site.send_link(request, entry.visit)
    return "link", {}


async def _change_address(site: Site, request: Request, entry: _Entry, filled: Form) -> _Done:
    began, visit = time.monotonic(), entry.visit
    site.count_form(request)
    address, problem = read_address(filled.text("email"), site.words(request, visit))
    if address is None:
        return "address", {"email": problem or ""}
    now, keys, limits = site.office.clock.now(), site.office.keys, site.letter_limits

    def ask(connection: Connection) -> None:
        entry.check(connection)
        ask_to_change_address(
            connection, visit.reader.id, visit.list.id, address, keys, now=now, limits=limits
        )

    await site.transactions.write(ask)
    site.office.wake_letters()
    await evenly(began)
    return "address", {}


_OF_FOOTER: Mapping[str, _Action] = {
    "save": _save,
    "pause": _pause,
    "resume": _resume,
    "link": _send_link,
}
_OF_LETTER: Mapping[str, _Action] = {
    "save": _save,
    "pause": _pause,
    "resume": _resume,
    "address": _change_address,
}
