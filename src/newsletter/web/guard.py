"""What stands around every page: headers, a bounded body, the path below the public address.

Pure ASGI, so that nothing of a request is read before it is known to be small.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.logs import get_logger, place_of

LARGEST_BODY = 64 * 1024
DRAINED = 1024 * 1024
"""So much more is read of a body that is too large, that its sender may hear the answer."""
BODY_SECONDS = 20.0
LARGE_AT_ONCE = 64 * 1024 * 1024
"""Bytes of large bodies that are held at once, over all requests."""
_BUSY_SECONDS = 5

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000"
ErrorPage = Callable[[Request, int], Response]


class Guard:
    """Wraps the pages; `error_page` makes the page of a status that is told from here.

    `large`: the paths that take more than `LARGEST_BODY`, and how many bytes. `any_body`: the
    paths below which a body that came whole and is too large is taken for an empty one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        prefix: str,
        secure: bool,
        error_page: ErrorPage,
        large: Mapping[str, int] = MappingProxyType({}),
        any_body: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._prefix = prefix
        self._error_page = error_page
        self._large = large
        self._any_body = any_body
        self._room = _Room(LARGE_AT_ONCE)
        self._headers = SECURITY_HEADERS | ({"Strict-Transport-Security": HSTS} if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                # What is not said to be kept is not: most pages are one reader's own.
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Robots-Tag", "noindex")
            await send(message)

        scope = self._as_page(scope)
        body = _Body(receive, self._large.get(scope["path"], LARGEST_BODY), self._room)
        try:
            whole = await _bounded(scope, body)
            if whole == 413 and body.ended and scope["path"].startswith(self._any_body):
                whole = _again(b"", receive)
            if isinstance(whole, int):
                await self._refuse(whole, scope, receive, send_guarded)
                return
            await self._app(scope, whole, send_guarded)
        except _Gone:
            return
        except Exception as error:  # noqa: BLE001 - the last resort: a page, and a line in the log
            _log(scope, error)
            if not started:
                await self._refuse(500, scope, receive, send_guarded)
        finally:
            body.forget()

    def _as_page(self, scope: Scope) -> Scope:
        """Return the request as the pages know it.

        The path of `base_url` is taken away: a proxy may pass it on or not. HEAD is a GET whose
        body the server keeps back (RFC 9110 §9.3.2).
        """
        path: str = scope["path"]
        if self._prefix and path.startswith(self._prefix + "/"):
            path = path[len(self._prefix) :]
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return {**scope, "path": path, "method": method}

    async def _refuse(self, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        page = self._error_page(Request(scope), status)
        if status in (408, 413, 503):
            page.headers["Connection"] = "close"
        if status == 503:
            page.headers["Retry-After"] = str(_BUSY_SECONDS)
        await page(scope, receive, send)


class _Gone(Exception):  # noqa: N818 - says what became of the client
    """The client went away while it was sending."""


class _Room:
    """What is left for large bodies: many at once must not fill the memory of the process."""

    def __init__(self, size: int) -> None:
        self.left = size


class _Body:
    """The body of one request while it comes in."""

    def __init__(self, receive: Receive, largest: int, room: _Room) -> None:
        self.receive = receive
        self.patience = max(DRAINED, largest + LARGEST_BODY)
        self._largest = largest
        self._room = room
        self._taken = 0
        self.ended = False

    async def read(self) -> bytes | int:
        """Return the body, or the status of a refusal.

        Of a body that is too large no more than `patience` is read.
        """
        parts: list[bytes] = []
        size, more = 0, True
        while more and size <= self.patience:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > self._largest:
                parts.clear()
            elif self._fits(size):
                parts.append(part)
            else:
                return 503
            more = message.get("more_body", False)
        self.ended = not more
        return b"".join(parts) if size <= self._largest else 413

    def forget(self) -> None:
        """Give back the room that the body took."""
        self._room.left += self._taken
        self._taken = 0

    def _fits(self, size: int) -> bool:
        if size <= LARGEST_BODY:
            return True
        self._room.left -= size - self._taken
        self._taken = size
        return self._room.left >= 0


async def _bounded(scope: Scope, body: _Body) -> Receive | int:
    """Read the whole body; returns a channel that gives it again, or the status of a refusal.

    Counts what comes, whatever `Content-Length` says.
    """
    headers = Headers(scope=scope)
    declared = headers.get("content-length", "")
    if not declared and "transfer-encoding" not in headers:
        return body.receive
    if len(declared) > 18 or (declared.isdigit() and int(declared) > body.patience):
        return 413
    try:
        async with asyncio.timeout(BODY_SECONDS):
            read = await body.read()
    except TimeoutError:
        return 408
    return read if isinstance(read, int) else _again(read, body.receive)


def _again(body: bytes, receive: Receive) -> Receive:
    told = False

    async def give() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


def _log(scope: Scope, error: Exception) -> None:
    """Tell where it happened; never the words of the error or the path: they may name a person."""
    page = scope["path"].strip("/").partition("/")[0]
    get_logger("web").error(
        "request_failed",
        method=scope["method"],
        page=f"/{page}" if page in _PAGES else "other",
        error=type(error).__name__,
        at=place_of(error, steps=4),
    )


_PAGES = (
    *("", "archive", "c", "e", "healthz", "issue", "m", "metrics", "n", "p", "r", "readyz"),
    *("robots.txt", "sitemap", "sitemap.xml", "static", "subscribe", "u", "webhooks"),
)
