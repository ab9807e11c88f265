"""A connected socket as the sender needs it: writes that are counted, replies with a deadline.

It knows no commands. A thread that owns a `Wire` may be stopped by another through its `Breaker`.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time

from newsletter.providers.smtp_replies import EndlessReply, Reply, ReplyBuffer

_BLOCK = 64 * 1024
"""Bytes that must be taken within the time-out: a reader of a byte a second cannot hold us."""
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
# Where the system knows it: a short packet waits for what follows at once.
_MORE: int = getattr(socket, "MSG_MORE", 0)
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class LostConnection(ConnectionError):  # noqa: N818 - a state, not a crash
    """The connection is of no use any more; `taken` bytes of the last write left before."""

    def __init__(self, problem: str, *, taken: int = 0) -> None:
        super().__init__(problem)
        self.taken = taken


class Breaker:
    """Cuts a connection from any thread, also while it is being opened or TLS begins.

    It holds a handle of its own: TLS takes the first one out of the socket it wraps.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._cut = False

    def watch(self, connection: socket.socket) -> None:
        """Be responsible for this socket from now on."""
        with self._lock:
            self._forget()
            self._handle = connection.dup()
            if self._cut:
                self._shut(self._handle)

    def cut(self) -> None:
        """End the connection; whoever waits on it wakes."""
        with self._lock:
            self._cut = True
            if self._handle is not None:
                self._shut(self._handle)

    def close(self) -> None:
        """Give the handle back: the connection ends once its socket is closed as well."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    @staticmethod
    def _shut(handle: socket.socket) -> None:
        with contextlib.suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)


class Wire:
    """One connection, used by one thread at a time.

    `replies` may hold what was received already. `seconds`: the longest wait for a reply, or for
    a block of bytes to be taken.
    """

    def __init__(
        self, connection: socket.socket, replies: ReplyBuffer, breaker: Breaker, seconds: float
    ) -> None:
        connection.settimeout(0)
        self._socket = connection
        self._replies = replies
        self._breaker = breaker
        self.seconds = seconds
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(connection, select.POLLIN)
        self._writable.register(connection, select.POLLOUT)
        self._protected = connection if isinstance(connection, ssl.SSLSocket) else None
        self._half_answered = False
        self.open = True

    @property
    def babbles(self) -> bool:
        """Whether something came that nobody read yet."""
        return bool(self._replies)

    def takes_envelope(self) -> bool:
        """Whether three good replies to an envelope were here already; then they are read."""
        return self._replies.take_envelope()

    def write(self, data: bytes | memoryview, *, more: bool = False) -> None:
        """Hand all of it to the system; raises `LostConnection` with what was taken of it.

        `more`: another write follows at once, so a last short packet may wait for it.
        """
        size = len(data)
        self._half_answered = False
        try:
            if more and self._protected is None:
                taken = self._socket.send(data, _MORE)
            else:
                taken = self._socket.send(data)
        except _WOULD_BLOCK:
            taken = 0
        except OSError as error:
            raise LostConnection(str(error)) from None
        if taken < size:
            self._write_rest(memoryview(data), taken)

    def _write_rest(self, data: memoryview, taken: int) -> None:
        block, deadline = taken, time.monotonic() + self.seconds
        while taken < len(data):
            if taken - block >= _BLOCK:
                block, deadline = taken, time.monotonic() + self.seconds
            try:
                # TLS may have to read before it can write: a short wait looks at both.
                self._wait(self._writable, deadline)
                taken += self._socket.send(data[taken:])
            except ssl.SSLWantReadError:
                self._wait(self._readable, deadline, taken)
            except (BlockingIOError, ssl.SSLWantWriteError):
                continue
            except LostConnection as lost:
                raise LostConnection(str(lost), taken=taken) from None
            except OSError as error:
                raise LostConnection(str(error), taken=taken) from None

    def reply(self, seconds: float | None = None) -> Reply:
        """Read one reply, whole within the wire's `seconds` or these; raises `LostConnection`."""
        deadline: float | None = None
        seconds = self.seconds if seconds is None else seconds
        try:
            while (found := self._replies.take()) is None:
                deadline = deadline or time.monotonic() + seconds
                self._replies.feed(self._receive(deadline))
        except EndlessReply as problem:
            raise LostConnection(str(problem)) from None
        code, lines = found
        text = lines[0] if len(lines) == 1 else b" ".join(lines)
        return Reply(code, text.decode("utf-8", "replace"))

    def _receive(self, deadline: float) -> bytes:
        # A server that sends its replies one by one may hold each back until we acknowledge the
        # one before, which the system puts off by 40 ms.
        if self._half_answered and _QUICKACK is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        self._half_answered = True
        while True:
            if self._protected is None or not self._protected.pending():
                self._wait(self._readable, deadline)
            try:
                data = self._socket.recv(_BLOCK)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except ssl.SSLWantWriteError:
                self._wait(self._writable, deadline)
                continue
            except OSError as error:
                raise LostConnection(f"no reply: {error}") from None
            if not data:
                raise LostConnection("the server closed the connection")
            return data

    @staticmethod
    def _wait(poller: select.poll, deadline: float, taken: int = 0) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not poller.poll(remaining * 1000):
            raise LostConnection("the server did not go on in time", taken=taken)

    def close(self) -> None:
        """End the connection at once."""
        self.open = False
        self._breaker.close()
        self._socket.close()
