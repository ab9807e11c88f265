"""Takes what SendGrid tells of events: proves it, stores it durably, answers; no more (E1, E2).

What the events mean is read in `feedback`, and what follows from them is done there later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from itertools import chain

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from newsletter.feedback.events import Arrival, store_events
from newsletter.feedback.sendgrid_events import BadBody, Classify, read_events
from newsletter.feedback.sendgrid_signature import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    EventVerifier,
    Refusal,
    read_verifier,
)
from newsletter.logs import get_logger
from newsletter.settings import Settings
from newsletter.web.site import Site

PATH = "/webhooks/sendgrid"
LARGEST_POST = 5 * 1024 * 1024
AT_ONCE = 4
"""Posts that are read and stored at once: what one becomes in memory is several times its size."""

Post = list[Arrival]


def large_bodies(settings: Settings) -> Mapping[str, int]:
    """Return the largest bodies by path; every other path takes what a form needs."""
    return {} if settings.delivery.sendgrid.webhook_public_key is None else {PATH: LARGEST_POST}


def router(site: Site) -> APIRouter:
    """Return the webhook, or nothing where no key is set: it is then off, not open (E1).

    Raises `ConfigurationError` for a key that is none.
    """
    routes = APIRouter()
    settings, clock = site.office.settings, site.office.clock
    key = settings.delivery.sendgrid.webhook_public_key
    if key is None:
        return routes
    verifier = read_verifier(key, file=settings.file)
    turns = asyncio.Semaphore(AT_ONCE)

    def store(connection: Connection, posts: list[Post]) -> None:
        store_events(connection, chain.from_iterable(posts), clock.now())

    @routes.post(
        PATH,
        status_code=204,
        responses={403: {"description": "The signature is missing, wrong or out of its time."}},
    )
    async def take_events(request: Request) -> Response:
        signature = request.headers.get(SIGNATURE_HEADER)
        timestamp = request.headers.get(TIMESTAMP_HEADER)
        body = await request.body()
        async with turns:
            try:
                post = await asyncio.to_thread(
                    _read, verifier, (signature, timestamp, body), clock.now(), site.office.classify
                )
            except BadBody as error:
                return _refused(400, str(error))
            if isinstance(post, Refusal):
                return _refused(403, post.value)
            if post:
                await site.transactions.write_together(store, post)
        site.office.wake_feedback()
        return Response(status_code=204)

    return routes


def _read(
    verifier: EventVerifier,
    signed: tuple[str | None, str | None, bytes],
    now: datetime,
    classify: Classify,
) -> Post | Refusal:
    """Prove a post, and only then read it; takes long for a large one."""
    refusal = verifier.refusal(*signed, now)
    return refusal or read_events(signed[2], now, classify)


_WORDS = {
    400: "The body is no list of events.\n",
    403: "The signature is missing or wrong.\n",
}


def _refused(status: int, reason: str) -> Response:
    get_logger("web").warning("webhook_refused", status=status, reason=reason)
    return PlainTextResponse(_WORDS[status], status_code=status)
