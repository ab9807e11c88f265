"""The server of the pages inside `serve`: its socket, its limits, and how signals end it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn

from newsletter.cli.page_connections import allow_connections, bounded_protocol
from newsletter.errors import NewsletterError

GRACE_SECONDS = 5
"""How long requests under way may take once the process is told to stop."""
CONNECTIONS = 2000
LONGEST_HEAD = 16 * 1024
"""Bytes of a request's line and header fields."""


class Ending:
    """Takes SIGTERM and SIGINT: the first one ends everything well, a second one at once.

    What is added is called in the handler of the signal: it may only set events and flags.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._soon: list[Callable[[], None]] = []
        self._now: list[Callable[[], None]] = []

    def add(self, soon: Callable[[], None], now: Callable[[], None]) -> None:
        """Have something ended: `soon` asks it to end well, `now` cuts it off."""
        self._soon.append(soon)
        self._now.append(now)
        if self._asked:
            soon()

    def take(self, _number: int, _frame: FrameType | None) -> None:
        """Take one signal."""
        self._asked += 1
        for call in self._soon if self._asked == 1 else self._now:
            call()

    @contextmanager
    def taking_signals(self) -> Iterator[None]:
        """Take the signals of the process until the block ends."""
        earlier = {
            number: signal.signal(number, self.take) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


class PageServer(uvicorn.Server):
    """Serves the pages until `ending` takes a signal."""

    def __init__(self, app: Any, proxies: list[str], ending: Ending) -> None:
        super().__init__(_config(app, proxies))
        self._ending = ending
        ending.add(self._end_soon, self._end_now)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal while it serves; it is not raised again behind the end."""
        self._ending.take(sig, frame)

    def _end_soon(self) -> None:
        self.should_exit = True

    def _end_now(self) -> None:
        self.force_exit = True


def _config(app: Any, proxies: list[str]) -> uvicorn.Config:
    connections = allow_connections(CONNECTIONS)
    protocol: Any = bounded_protocol(crowded=connections * 3 // 4, proxies=proxies)
    return uvicorn.Config(
        app,
        http=protocol,
        loop="asyncio",
        ws="none",
        lifespan="on",
        # Paths hold tokens: no line for each request, here or anywhere.
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        limit_concurrency=connections,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; raises `NewsletterError` when that fails."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _no_listening(host, port, error) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # Before the URL is said: who reads it may come at once.
        listening.listen(CONNECTIONS)
    except OSError as error:
        listening.close()
        raise _no_listening(host, port, error) from None
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the URL at which a socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _no_listening(host: str, port: int, error: OSError) -> NewsletterError:
    return NewsletterError(
        f"cannot listen on {host} port {port}: {error.strerror or error}",
        fix="end what uses it, or choose another with --host and --port",
    )
