"""Lets only the operator's own browser in: own host, own path, looking only (GET).

A page elsewhere that has its name point to this machine is refused by its Host; a program of
another user of this machine does not know the path.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


def frame_policy(*, images: bool) -> str:
    """Return the policy of the frame: it may look like something, and do nothing.

    `allow-same-origin` lets the page around it keep the scroll position; as no script runs in it,
    it gains nothing by it.
    """
    pictures = "img-src https: http: data:; " if images else ""
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; {pictures}form-action 'none'; "
        "base-uri 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
    )


def new_path() -> str:
    """Return an unguessable first part of every path of one run."""
    return secrets.token_urlsafe(24)


def host_check(listening_on: str, machine: str) -> Callable[[str], bool]:
    """Return what tells whether a Host is ours; ports are left out, so that a tunnel may be used.

    `machine` is the name of this machine. Listening everywhere, addresses are ours too: only a name
    can be made to point here.
    """
    everywhere = listening_on in _WILDCARDS
    names = _OWN_NAMES | ({machine.lower()} if everywhere else {listening_on.lower()})

    def is_ours(host: str) -> bool:
        name = _without_port(host.strip().lower())
        return name in names or (everywhere and _is_address(name))

    return is_ours


class Guard:
    """Stands before every page; see the module."""

    def __init__(self, app: ASGIApp, *, path: str, is_ours: Callable[[str], bool]) -> None:
        self._app = app
        self._path = path
        self._is_ours = is_ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        below = scope["path"][len(self._path) + 1 :]
        await self._app({**scope, "path": below}, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        if not self._is_ours(Headers(scope=scope).get("host", "")):
            return PlainTextResponse("This preview has another address.\n", 421)
        given = scope["path"].lstrip("/").partition("/")[0]
        if not secrets.compare_digest(given.encode(), self._path.encode()):
            return PlainTextResponse("Open the whole address that the preview printed.\n", 404)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("This page only shows.\n", 405, headers={"Allow": "GET, HEAD"})
        if scope["path"] == f"/{self._path}":
            # The links of the page count from the slash.
            return RedirectResponse(f"/{self._path}/")
        return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
