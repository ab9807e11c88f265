"""Puts the preview together as one ASGI application: the page, the frame, the news of changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp

from newsletter.clock import Clock, zone_of
from newsletter.web.preview.forcing import framed_html
from newsletter.web.preview.guarding import Guard, frame_policy
from newsletter.web.preview.looks import Look
from newsletter.web.preview.page import HERE, Page
from newsletter.web.preview.showing import Showcase
from newsletter.web.preview.watching import Watch

HEARTBEAT_SECONDS = 10.0
"""How often a page hears that the preview is there, when nothing changes."""

_STATIC = {
    "preview.css": (HERE / "static" / "preview.css", "text/css; charset=utf-8"),
    "preview.js": (HERE / "static" / "preview.js", "text/javascript; charset=utf-8"),
    "icon.svg": (HERE.parent / "static" / "icon.svg", "image/svg+xml"),
}


@dataclass(frozen=True, slots=True)
class Preview:
    """The application, and what lets those go who wait for news when it ends."""

    app: ASGIApp
    end: Callable[[], None]


def create_preview(
    showcase: Showcase, clock: Clock, *, path: str, is_ours: Callable[[str], bool]
) -> Preview:
    """Build the preview below one unguessable first part of every path.

    `is_ours` tells whether the Host of a request is its own. Nothing is watched before it runs.
    """
    watch = Watch(showcase)
    pages = _Pages(showcase, clock, watch)

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncGenerator[None]:
        async with watch.running():
            yield

    app = Starlette(
        routes=[
            Route("/", pages.page),
            Route("/mail", pages.mail),
            Route("/message.eml", pages.message),
            Route("/events", pages.events),
            Route("/revision", pages.revision),
            Route("/static/{name}", _static),
        ],
        exception_handlers={Exception: _fault},
        lifespan=life,
    )
    app.router.redirect_slashes = False
    return Preview(Guard(app, path=path, is_ours=is_ours), watch.end)


class _Pages:
    """The answers to requests that came past the guard."""

    def __init__(self, showcase: Showcase, clock: Clock, watch: Watch) -> None:
        self._showcase = showcase
        self._clock = clock
        self._watch = watch
        self._page = Page()

    async def page(self, request: Request) -> Response:
        """The whole page."""
        look = Look.from_query(request.query_params)
        # Taken before the files are read: what changes from here on is news to the page.
        revision = self._watch.revision
        return HTMLResponse(await run_in_threadpool(self._write, look, revision))

    def _write(self, look: Look, revision: int) -> str:
        shown = self._showcase.show(look, survey=True)
        zone = shown.prepared.identity.timezone if shown.prepared else "UTC"
        now = self._clock.now().astimezone(zone_of(zone))
        root = self._showcase.settings.root
        return self._page.write(shown, revision=revision, now=f"{now:%H:%M}", root=root)

    async def mail(self, request: Request) -> Response:
        """The HTML of the message, for the frame."""
        look = Look.from_query(request.query_params)
        policy = {"Content-Security-Policy": frame_policy(images=look.images)}
        shown = await run_in_threadpool(self._showcase.show, look)
        if shown.message is None:
            told = shown.problem.problem if shown.problem else "there is no message"
            return PlainTextResponse(told, headers=policy)
        html = await run_in_threadpool(framed_html, shown.message.proof.html, look)
        return HTMLResponse(html, headers=policy)

    async def message(self, request: Request) -> Response:
        """The whole message as a file."""
        look = Look.from_query(request.query_params)
        shown = await run_in_threadpool(self._showcase.show, look)
        if shown.message is None:
            raise HTTPException(404, "There is no message.")
        return Response(
            shown.message.proof.message,
            media_type="message/rfc822",
            headers={"Content-Disposition": 'attachment; filename="message.eml"'},
        )

    async def revision(self, _request: Request) -> Response:
        """The number of the last change, for browsers that cannot be told."""
        return JSONResponse({"revision": self._watch.revision})

    async def events(self, _request: Request) -> Response:
        """Tell of each change as it happens (server-sent events)."""
        return StreamingResponse(self._news(), media_type="text/event-stream")

    async def _news(self) -> AsyncIterator[str]:
        told = 0
        while not self._watch.ended:
            kind = "revision" if told != self._watch.revision else "beat"
            told = self._watch.revision
            yield f"event: {kind}\ndata: {told}\n\n"
            await self._watch.changed(told, HEARTBEAT_SECONDS)
        yield "event: end\ndata: 0\n\n"


async def _static(request: Request) -> Response:
    found = _STATIC.get(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    file, media_type = found
    return Response(file.read_bytes(), media_type=media_type)


def _fault(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("The page cannot be shown.\n", 500)
