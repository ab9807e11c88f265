"""The transport below SendGrid's official client: connections kept for all threads, phases known.

The client opens a new connection for each call and hides whether the body left, which decides
between "surely not sent" and "unknown" (F6, F7). Its seam for this is `_make_request`.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from python_http_client import Client
from python_http_client.client import Response

IDLE_SECONDS = 4.0
"""A connection idle for longer is not used again: servers close theirs from about 5 s on, and a
body that crosses such a close is lost from sight."""
MOST_ANSWER = 1_000_000
"""Bytes of an answer that are read; a longer one costs its connection."""
PIECE = 256 * 1024
"""Bytes of a body that have to leave within one time-out."""
EARLY_SECONDS = 1.0


class NotSent(Exception):  # noqa: N818 - a fact about the call
    """The call failed before its whole body went out: the API cannot have taken it."""


class AnswerLost(Exception):  # noqa: N818
    """The whole body went out and no answer came back: the API may have taken it."""


class NotTrusted(Exception):  # noqa: N818
    """Who answers cannot prove to be the host; nothing was said to it."""


class _Answer:
    """What python-http-client's Response reads."""

    def __init__(self, status: int, body: bytes, headers: Message) -> None:
        self.status, self._body, self._headers = status, body, headers

    def getcode(self) -> int:
        return self.status

    def read(self) -> bytes:
        return self._body

    def info(self) -> Message:
        return self._headers


class Transport:
    """Connections to one host, kept open between calls and lent to one thread at a time.

    `timeout`, in seconds, bounds the way to the host, each piece of a body, and the whole answer.
    """

    def __init__(self, host: str, timeout: float) -> None:
        parts = urlsplit(host)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        netloc = parts.netloc.rpartition("@")[2]
        self._netloc = netloc if netloc.isascii() else netloc.encode("idna").decode("ascii")
        self._timeout = timeout
        self._context = ssl.create_default_context() if self._secure else None
        self._lock = threading.Lock()
        self._idle: list[tuple[socket.socket, float]] = []
        self._busy: set[socket.socket] = set()
        self._interrupted = False

    def call(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes | None,
        before_body: Callable[[], None] | None = None,
    ) -> _Answer:
        """Make one call; `before_body` runs when nothing but the bytes themselves is left to do.

        Raises `NotSent`, `AnswerLost` or `NotTrusted`.
        """
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        connection, kept = self._borrow(), False
        try:
            if before_body is not None:
                before_body()
            try:
                self._write(connection, head, body or b"")
            except OSError as error:
                # With a Content-Length, a server never acts on a body that did not arrive whole.
                refusal = _early_refusal(connection, method)
                if refusal is None:
                    raise NotSent(_said(error)) from None
                return refusal
            answer, kept = _read(connection, method, time.monotonic() + self._timeout)
            return answer
        finally:
            self._give_back(connection, kept=kept)

    def interrupt(self) -> None:
        """Break off every call, from another thread; no call can be made afterwards."""
        with self._lock:
            self._interrupted = True
            for connection in self._busy:
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own, which would go on in clear text for an instant.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _borrow(self) -> socket.socket:
        while True:
            with self._lock:
                if self._interrupted:
                    raise NotSent("the sending was interrupted")
                if not self._idle:
                    break
                connection, since = self._idle.pop()
                fresh = time.monotonic() - since <= IDLE_SECONDS
                if fresh and not _readable(connection):
                    self._busy.add(connection)
                    return connection
            connection.close()
        return self._connect()

    def _give_back(self, connection: socket.socket, *, kept: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if kept and not self._interrupted:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _connect(self) -> socket.socket:
        """Open a connection, trying each address of the host; `interrupt` reaches it all along."""
        failure: Exception = OSError("it has no address")
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NotSent(_said(error)) from None
        for family, kind, protocol, _, address in found:
            connection = socket.socket(family, kind, protocol)
            try:
                self._lend(connection)
                connection.settimeout(self._timeout / len(found))
                connection.connect(address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = self._protect(connection)
            except ssl.SSLCertVerificationError as error:
                self._give_back(connection, kept=False)
                raise NotTrusted(error.verify_message) from None
            except OSError as error:
                self._give_back(connection, kept=False)
                failure = error
            except BaseException:
                self._give_back(connection, kept=False)
                raise
            else:
                return connection
        raise NotSent(_said(failure))

    def _protect(self, plain: socket.socket) -> socket.socket:
        if self._context is None:
            return plain
        plain.settimeout(self._timeout)
        # Wrapping takes the socket over, so that the new one is the one to interrupt.
        secure = self._context.wrap_socket(
            plain, server_hostname=self._host, do_handshake_on_connect=False
        )
        try:
            self._lend(secure, instead_of=plain)
            secure.do_handshake()
        except BaseException:
            self._give_back(secure, kept=False)
            raise
        return secure

    def _lend(self, connection: socket.socket, instead_of: socket.socket | None = None) -> None:
        with self._lock:
            if instead_of is not None:
                self._busy.discard(instead_of)
            if self._interrupted:
                raise NotSent("the sending was interrupted")
            self._busy.add(connection)

    def _write(self, connection: socket.socket, head: bytes, body: bytes) -> None:
        """Send a request, each piece within the time-out, however slowly it is taken."""
        whole = memoryview(head + body)
        for start in range(0, len(whole), PIECE):
            piece = whole[start : start + PIECE]
            deadline = time.monotonic() + self._timeout
            while piece:
                connection.settimeout(_left(deadline))
                piece = piece[connection.send(piece) :]


class PhasedClient(Client):  # type: ignore[misc]
    """SendGrid's client over our transport: any status is an answer, errors tell their phase."""

    def __init__(self, transport: Transport, **given: Any) -> None:
        super().__init__(**given)
        self.transport = transport

    def post_bytes(self, body: bytes, before_body: Callable[[], None]) -> Response:
        """Post JSON that is serialised already: the client's own `post` would do it anew."""
        url = urlsplit(self._build_url(None))
        headers = {**self.request_headers, "Content-Type": "application/json"}
        return Response(self.transport.call("POST", url.path, headers, body, before_body))

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


class _Deadlined(io.RawIOBase):
    """What comes in on a connection until a deadline, not only between one byte and the next."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_left(self._deadline))
        return self._connection.recv_into(buffer)

    def makefile(self, *_: Any) -> io.BufferedReader:
        """Stand in for the socket that `HTTPResponse` wants to read from."""
        return io.BufferedReader(self, 65536)


def _read(connection: socket.socket, method: str, deadline: float) -> tuple[_Answer, bool]:
    """Return an answer, and whether its connection can be used again; raises `AnswerLost`."""
    response = http.client.HTTPResponse(_Deadlined(connection, deadline), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
    except (OSError, http.client.HTTPException, ValueError) as error:
        response.close()
        raise AnswerLost(_said(error)) from None
    try:
        body = response.read(MOST_ANSWER)
        whole = response.isclosed()
    except (OSError, http.client.HTTPException, ValueError):
        # The status decides; it was read.
        body, whole = b"", False
    response.close()
    # Behind an interim status (1xx) the answer proper is still to come, for whoever calls next.
    kept = whole and not response.will_close and response.status >= 200
    return _Answer(response.status, body, response.headers), kept


def _early_refusal(connection: socket.socket, method: str) -> _Answer | None:
    """Return a refusal that came before the body was wanted whole, such as 413; else None."""
    try:
        answer, _ = _read(connection, method, time.monotonic() + EARLY_SECONDS)
    except AnswerLost:
        return None
    return answer if 400 <= answer.status < 500 else None


def _readable(connection: socket.socket) -> bool:
    """Tell whether something waits on an idle connection: its end, or nonsense."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
