"""A real HTTP server on loopback that keeps what is posted to it and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WebhookServer:
    """Runs in a thread as a context manager; `posts` holds the documents, `heads` their headers.

    `statuses`: the answers, one after the other, then always 204. `location`: of a redirect.
    `silent`: take the request and never answer.
    """

    def __init__(
        self, statuses: Iterable[int] = (), *, location: str = "", silent: bool = False
    ) -> None:
        self.posts: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._answers = iter(statuses)
        self._location = location
        self._silent = silent
        self._ended = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.posts.append(json.loads(body))
                owner.heads.append(dict(self.headers))
                owner.paths.append(self.path)
                if owner._silent:
                    owner._ended.wait(30)
                    return
                self.send_response(next(owner._answers, 204))
                if owner._location:
                    self.send_header("Location", owner._location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook-fake")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self) -> WebhookServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
