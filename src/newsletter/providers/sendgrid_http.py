"""The transport below SendGrid's official client: one kept connection a thread, phases known.

The client opens a new connection for each call and hides whether the body left, which decides
between "surely not sent" and "unknown" (F6, F7). Its seam for this is `_make_request`.
"""

from __future__ import annotations

import http.client
import select
import ssl
import threading
from collections.abc import Callable
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from python_http_client import Client


class NotSent(Exception):  # noqa: N818 - a fact about the call
    """The call failed before its whole body went out: the API cannot have taken it."""


class AnswerLost(Exception):  # noqa: N818
    """The whole body went out and no answer came back: the API may have taken it."""


class _Answer:
    """What python-http-client's Response reads."""

    def __init__(self, status: int, body: bytes, headers: Message) -> None:
        self._status, self._body, self._headers = status, body, headers

    def getcode(self) -> int:
        return self._status

    def read(self) -> bytes:
        return self._body

    def info(self) -> Message:
        return self._headers


class Transport:
    """Connections to one host, one for each thread, kept open between calls."""

    def __init__(self, host: str, timeout: float) -> None:
        parts = urlsplit(host)
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._timeout = timeout
        self._context = ssl.create_default_context() if self._secure else None
        self._local = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def call(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> _Answer:
        """Make one call; raises `NotSent` or `AnswerLost`."""
        launch: Callable[[], None] | None = getattr(self._local, "launch", None)
        try:
            connection = self._connection()
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise NotSent(str(error)) from None
        if launch is not None:
            launch()
        try:
            connection.endheaders(body)
        except (OSError, http.client.HTTPException) as error:
            # With a Content-Length, a server never acts on a body that did not arrive whole.
            self._drop()
            raise NotSent(str(error)) from None
        try:
            response = connection.getresponse()
            data = response.read(1_000_000)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise AnswerLost(str(error) or type(error).__name__) from None
        if response.will_close or not response.isclosed():
            self._drop()
        return _Answer(response.status, data, response.headers)

    def before_body(self, launch: Callable[[], None] | None) -> None:
        """Set what this thread's next call does right before its body leaves."""
        self._local.launch = launch

    def close(self) -> None:
        """Close every connection."""
        for connection in self._open:
            connection.close()
        self._open.clear()

    def _connection(self) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None and kept.sock is not None:
            # Readable while idle means closed by the server (or nonsense): never reuse that.
            if not select.select([kept.sock], [], [], 0)[0]:
                return kept
            self._drop()
        connection = (
            http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._context
            )
            if self._secure
            else http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        )
        connection.connect()
        self._local.connection = connection
        self._open.append(connection)
        return connection

    def _drop(self) -> None:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            if connection in self._open:
                self._open.remove(connection)
            self._local.connection = None


class PhasedClient(Client):  # type: ignore[misc]
    """SendGrid's client over our transport: any status is an answer, errors tell their phase."""

    def __init__(self, transport: Transport, **given: Any) -> None:
        super().__init__(**given)
        self.transport = transport

    def _build_client(self, name: str | None = None) -> PhasedClient:
        return PhasedClient(
            self.transport,
            host=self.host,
            version=self._version,
            request_headers=self.request_headers,
            url_path=[*self._url_path, name] if name else self._url_path,
            append_slash=self.append_slash,
            timeout=self.timeout,
        )

    def _make_request(self, opener: Any, request: Any, timeout: float | None = None) -> _Answer:
        del opener, timeout
        return self.transport.call(
            request.get_method(), request.selector, dict(request.headers), request.data
        )
