"""A real HTTP server on loopback that keeps what is posted to it and answers as a test says.

As chat services do it takes a JSON object in UTF-8 that says what it is and how long it is, and
refuses anything else (RFC 9110 sections 15.5.12 and 15.5.16).
"""

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
                if (refusal := self._refusal()) is not None:
                    self.send_error(refusal)
                    return
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    document = json.loads(body.decode("utf-8"))
                except ValueError:
                    document = None
                if not isinstance(document, dict):
                    self.send_error(400)
                    return
                owner.posts.append(document)
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

            def _refusal(self) -> int | None:
                if not (self.headers.get("Content-Length") or "").isdigit():
                    return 411
                kind = (self.headers.get("Content-Type") or "").partition(";")[0].strip()
                return None if kind == "application/json" else 415

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
