"""Joining: the form, "check your inbox", and the page behind the link in the letter (C11)."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.audience.address import Address, AddressRefused, parse_address
from newsletter.audience.consent import Origin
from newsletter.audience.joining import (
    Joined,
    JoinRequest,
    ask_to_join,
    confirm_joining,
    may_confirm,
)
from newsletter.audience.preferences import LONGEST_NAME
from newsletter.audience.tokens import Purpose, TokenClaims
from newsletter.one_line import has_controls
from newsletter.web.catalogue import Words
from newsletter.web.forms import TEXT, TRAP, Form, form_body, one_of, read_form
from newsletter.web.shown_lists import ShownList, list_by_id, public_list
from newsletter.web.site import BadLink, Site, Visit, evenly, find_leaving


def router(site: Site) -> APIRouter:
    """Return the pages of this group."""
    routes = APIRouter()
    _add_form(routes, site)
    _add_confirming(routes, site)
    return routes


def _add_form(routes: APIRouter, site: Site) -> None:
    @routes.get("/subscribe/{list_name}")
    async def form(request: Request, list_name: str) -> Response:
        shown = await _find(site, list_name)
        return _form_page(site, site.pages.words(request, shown.language), shown)

    @routes.post(
        "/subscribe/{list_name}",
        status_code=303,
        openapi_extra=form_body(("email",), email=TEXT, name=TEXT, **{TRAP: TEXT}),
    )
    async def ask(request: Request, list_name: str) -> Response:
        began = time.monotonic()
        filled = await read_form(request)
        shown = await _find(site, list_name)
        words = site.pages.words(request, shown.language)
        site.count_form(request)
        address, errors = _read(filled, words)
        if errors or address is None:
            typed = {"email": filled.text("email"), "name": filled.text("name")}
            return _form_page(site, words, shown, typed=typed, errors=errors)
        # A program that filled in the trap sees what people see, and causes nothing.
        if not filled.text(TRAP):
            asked = JoinRequest(
                address,
                shown.id,
                _origin(site, request, shown, words),
                name=filled.text("name") or None,
            )
            await _write_down(site, asked)
        await evenly(began)
        return site.redirect(f"/subscribe/{shown.name}/sent")

    @routes.get("/subscribe/{list_name}/sent")
    async def sent(request: Request, list_name: str) -> Response:
        shown = await _find(site, list_name)
        words = site.pages.words(request, shown.language)
        return site.pages.render("sent.html", words, list=shown)


def _add_confirming(routes: APIRouter, site: Site) -> None:
    @routes.get("/c/{token}")
    async def confirm_page(request: Request, token: str) -> Response:
        claims = site.claims(Purpose.CONFIRM, token)
        visit = await _confirming(site, claims)
        if visit is None:
            return await _over(site, request, claims)
        return site.pages.render("confirm.html", site.words(request, visit), visit=visit)

    @routes.post("/c/{token}", openapi_extra=form_body(("act",), act=one_of("confirm")))
    async def confirm(request: Request, token: str) -> Response:
        filled = await read_form(request)
        claims = site.claims(Purpose.CONFIRM, token)
        if filled.text("act") != "confirm":
            raise HTTPException(400)
        visit = await _confirming(site, claims)
        if visit is None:
            return await _over(site, request, claims)
        words = site.words(request, visit)
        wording = words("confirm.consent", list=visit.list.title, newsletter=_newsletter(site))
        origin = site.origin(request, "page", "/c", wording, words.language)
        now, keys = site.office.clock.now(), site.office.keys
        joined = await site.transactions.write(
            lambda connection: confirm_joining(connection, claims, keys, now, origin)
        )
        if joined is Joined.OVER:
            return await _over(site, request, claims)
        if joined is Joined.REFUSED:
            return site.pages.render("confirm_refused.html", words, status=409, visit=visit)
        preferences = site.preferences(visit)
        return site.pages.render("confirmed.html", words, visit=visit, preferences=preferences)


async def _confirming(site: Site, claims: TokenClaims) -> Visit | None:
    """Return who may press the button in a letter; None once there is nothing left to confirm."""
    now = site.office.clock.now()

    def find(connection: Connection) -> Visit | None:
        if not may_confirm(connection, claims, now):
            return None
        return find_leaving(connection, claims)

    return await site.transactions.read(find)


async def _over(site: Site, request: Request, claims: TokenClaims) -> Response:
    """Say that a link is used up: the same of who joined, left or was erased since."""
    shown = await site.transactions.read(lambda connection: list_by_id(connection, claims.list_id))
    if shown is None:
        raise BadLink
    words = site.pages.words(request, shown.language)
    return site.pages.render("confirm_over.html", words, status=410, list=shown)


def _newsletter(site: Site) -> str:
    return site.office.settings.newsletter.name


async def _find(site: Site, name: str) -> ShownList:
    found = await site.transactions.read(lambda connection: public_list(connection, name))
    if found is None:
        raise HTTPException(404)
    return found


def consent_wording(site: Site, words: Words, shown: ShownList) -> str:
    """Return the sentence above the button: what is stored is what was read (C12)."""
    return words("subscribe.consent", list=shown.title, newsletter=_newsletter(site))


def _form_page(
    site: Site,
    words: Words,
    shown: ShownList,
    *,
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    page: dict[str, Any] = {
        "list": shown,
        "consent": consent_wording(site, words, shown),
        "typed": typed or {"email": "", "name": ""},
        "errors": errors or {},
    }
    return site.pages.render("subscribe.html", words, status=400 if errors else 200, **page)


def _read(filled: Form, words: Words) -> tuple[Address | None, dict[str, str]]:
    errors: dict[str, str] = {}
    address, problem = read_address(filled.text("email"), words)
    if problem:
        errors["email"] = problem
    name = filled.text("name")
    if len(name) > LONGEST_NAME or has_controls(name):
        errors["name"] = words("field.name_wrong")
    return address, errors


def read_address(typed: str, words: Words) -> tuple[Address | None, str | None]:
    """Return an address that was typed, or what to say beside the field."""
    try:
        return parse_address(typed), None
    except AddressRefused as refused:
        key = "field.email_" + refused.code.replace("-", "_")
        return None, words(key if words.has(key) else "field.email_invalid")


def _origin(site: Site, request: Request, shown: ShownList, words: Words) -> Origin:
    wording = consent_wording(site, words, shown)
    return site.origin(request, "form", f"/subscribe/{shown.name}", wording, words.language)


async def _write_down(site: Site, asked: JoinRequest) -> None:
    now, keys, limits = site.office.clock.now(), site.office.keys, site.letter_limits
    await site.transactions.write(
        lambda connection: ask_to_join(connection, asked, keys, now, limits)
    )
    site.office.wake_letters()
