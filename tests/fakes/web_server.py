"""A web server on loopback whose pages a test scripts, and which tells how it was asked."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Page:
    """What a path answers; `head` is another status for HEAD, `drip` sends it a byte at a time."""

    status: int = 200
    location: str = ""
    kind: str = "text/html; charset=utf-8"
    head: int | None = None
    drip: bool = False
    body: bytes = b"x" * 50_000


@dataclass
class WebServer:
    """Its pages by path (others are 404), and every request: method, path, headers."""

    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    slowness: float = 0.0


@contextmanager
def running_web(context: ssl.SSLContext | None = None) -> Generator[WebServer]:
    """Run a server on a free port, over TLS where a context is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._reply()

        def do_GET(self) -> None:
            self._reply()

        def _reply(self) -> None:
            server.asked.append((self.command, self.path, dict(self.headers.items())))
            with lock:
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            time.sleep(server.slowness)
            with lock:
                server.at_once -= 1
            page = server.pages.get(self.path, Page(404))
            head = self.command == "HEAD"
            if page.drip:
                self._drip()
                return
            self.send_response(page.head if head and page.head is not None else page.status)
            if page.location:
                self.send_header("Location", page.location)
            self.send_header("Content-Type", page.kind)
            self.send_header("Set-Cookie", "seen=1")
            self.end_headers()
            if not head:
                self.wfile.write(page.body)

        def _drip(self) -> None:
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 500:
                self.wfile.write(bytes([byte]))
                time.sleep(0.1)

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *words: Any) -> None:
            """Clients that hang up are what is tested."""

    lock = threading.Lock()
    with Quiet(("127.0.0.1", 0), Handler) as listening:
        if context is not None:
            listening.socket = context.wrap_socket(
                listening.socket, server_side=True, do_handshake_on_connect=False
            )
        server = WebServer(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join(timeout=10)
