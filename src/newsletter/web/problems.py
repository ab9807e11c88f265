"""What went wrong, as a page that says what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from newsletter.errors import AudienceError, NewsletterError, TryAgainLater
from newsletter.logs import get_logger
from newsletter.web.site import BadLink, OldLink, ReaderGone, Site
from newsletter.web.throttle import TooManyForms

_TOLD = (400, 404, 405, 408, 413, 429, 500, 503)
_BUSY_SECONDS = 5


class Problems:
    """Turns errors into pages; none of them looks into the database."""

    def __init__(self, site: Site, routes: Sequence[BaseRoute]) -> None:
        self._site = site
        self._routes = routes

    def tell(self, app: FastAPI) -> None:
        """Let the application tell its errors by these pages."""
        app.add_exception_handler(HTTPException, self._http)
        app.add_exception_handler(RequestValidationError, self._invalid)
        app.add_exception_handler(NewsletterError, self._ours)
        app.add_exception_handler(BadLink, self._bad_link)
        app.add_exception_handler(ReaderGone, self._gone)
        app.add_exception_handler(OldLink, self._old_link)

    def page(
        self,
        request: Request,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        minutes: int = 1,
    ) -> Response:
        """Return the page of a status."""
        key = status if status in _TOLD else (500 if status >= 500 else 400)
        words = self._site.pages.words(request)
        return self._site.pages.render(
            "error.html", words, status=status, headers=headers, key=str(key), minutes=minutes
        )

    async def _http(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = {"Allow": self._allowed(request)} if status == 405 else None
        return self.page(request, status, headers=headers)

    async def _invalid(self, request: Request, _error: Exception) -> Response:
        return self.page(request, 400)

    async def _ours(self, request: Request, error: Exception) -> Response:
        if isinstance(error, TooManyForms):
            return self.page(
                request,
                429,
                headers={"Retry-After": str(error.wait)},
                minutes=math.ceil(error.wait / 60),
            )
        if isinstance(error, AudienceError):
            return self.page(request, 400)
        # The kind alone: the words may hold what somebody typed.
        get_logger("web").warning("request_refused", error=type(error).__name__)
        if isinstance(error, TryAgainLater):
            return self.page(request, 503, headers={"Retry-After": str(_BUSY_SECONDS)})
        return self.page(request, 500)

    async def _bad_link(self, request: Request, _error: Exception) -> Response:
        words = self._site.pages.words(request)
        return self._site.pages.render("bad_link.html", words, status=404)

    async def _gone(self, request: Request, _error: Exception) -> Response:
        words = self._site.pages.words(request)
        return self._site.pages.render("gone.html", words, status=410)

    async def _old_link(self, request: Request, _error: Exception) -> Response:
        words = self._site.pages.words(request)
        return self._site.pages.render("old_link.html", words, status=410)

    def _allowed(self, request: Request) -> str:
        """Return the methods of a page, over all its routes (RFC 9110 §15.5.6)."""
        methods: set[str] = set()
        for route in self._routes:
            match, _ = route.matches(request.scope)
            if match is not Match.NONE:
                methods |= getattr(route, "methods", None) or set()
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))
