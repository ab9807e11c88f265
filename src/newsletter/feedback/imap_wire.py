"""The bytes of an IMAP session, bounded: a server can neither fill our memory nor hold us.

It reads for `imapclient`, whose own reading takes any length and waits for each byte anew. What is
asked, and what an answer means, is no matter of this module.
"""

from __future__ import annotations

import imaplib
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any

from imapclient import IMAPClient

from newsletter.errors import ConfigurationError, TryAgainLater

LONGEST_ANSWER = 2 * 1024 * 1024
"""Bytes of an answer to anything but the fetching of mail."""
LONGEST_LINE = 1_000_000
"""Bytes of one line; what it announces to follow it (a literal) counts apart."""
SLICE_SECONDS = 0.5
"""How soon a silent server lets us notice that we were told to stop."""
SLOWEST = 10
"""A whole answer may take so many times the longest silence."""
_PIECE = 64 * 1024


class Stopped(TryAgainLater):
    """We were told to stop while the server was silent."""


class BoundedImap(imaplib.IMAP4):
    """One connection, in clear or in TLS from its first byte.

    Raises `TryAgainLater` where the server is silent for longer than `seconds`, drips, closes or
    sends more for one answer than `begin` allows, and `Stopped` once `stop` is set and nothing
    comes. `news` becomes True when the server tells that the folder grew.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        context: ssl.SSLContext | None,
        seconds: float,
        stop: threading.Event,
    ) -> None:
        self.where = f"{host}:{port}"
        self.news = False
        self._context = context
        self._seconds = seconds
        self._stop = stop
        self._buffer = bytearray()
        self._source: socket.socket | None = None
        self.begin()
        super().__init__(host, port, seconds)

    def begin(self, longest: int = LONGEST_ANSWER) -> None:
        """Give the next answer its own length, in bytes, and time."""
        self._left = longest
        self._until = time.monotonic() + self._seconds * SLOWEST

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout)
        if self._context is None:
            return connection
        try:
            return self._context.wrap_socket(connection, server_hostname=self.host)
        except BaseException:
            connection.close()
            raise

    def send(self, data: Any) -> None:
        """Send a command or a part of one."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from None

    def read(self, size: int) -> bytes:
        """Return a literal of so many bytes."""
        if size - len(self._buffer) > self._left:
            raise self._endless()
        while len(self._buffer) < size:
            self._fill()
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data

    def readline(self) -> bytes:
        """Return a line with its end."""
        self._begin_anew_in_tls()
        seen = 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if seen > LONGEST_LINE:
                raise self._endless()
            self._fill()
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if line.rstrip().upper().endswith(b" EXISTS"):
            self.news = True
        return line

    def wait(self, seconds: float) -> None:
        """Return as soon as the server says anything, after `seconds`, or when told to stop."""
        until = time.monotonic() + seconds
        while not self._buffer and not self._stop.is_set():
            left = until - time.monotonic()
            if left <= 0:
                return
            self._buffer += self._receive(min(left, SLICE_SECONDS))

    def shutdown(self) -> None:
        """Close the connection, whatever state it is in."""
        with suppress(OSError, ValueError):
            super().shutdown()

    def _begin_anew_in_tls(self) -> None:
        """Believe nothing that came in clear before TLS began (RFC 3501 section 6.2.1)."""
        if self.sock is self._source:
            return
        if self._source is not None and self._buffer:
            raise ConfigurationError(
                f"{self.where} sent more than its answer to STARTTLS: somebody may be in between",
                fix='use the server\'s TLS port with feedback.imap.security = "tls"',
            )
        self._source = self.sock

    def _fill(self) -> None:
        silent_until = time.monotonic() + self._seconds
        while not (piece := self._receive(SLICE_SECONDS)):
            if self._stop.is_set():
                raise Stopped(f"reading {self.where} was stopped")
            if time.monotonic() > silent_until:
                raise TryAgainLater(
                    f"{self.where} says nothing for {self._seconds:.0f} s",
                    fix="check 'feedback.imap.host', port and security, or wait until it recovers",
                )
        self._left -= len(piece)
        if self._left < 0:
            raise self._endless()
        if time.monotonic() > self._until:
            raise TryAgainLater(
                f"{self.where} drips: no whole answer in {self._seconds * SLOWEST:.0f} s",
                fix="wait until it recovers, or raise 'feedback.imap.timeout'",
            )
        self._buffer += piece

    def _receive(self, seconds: float) -> bytes:
        """Return what comes within so many seconds; nothing: silence."""
        self.sock.settimeout(seconds)
        try:
            piece = self.sock.recv(_PIECE)
        except TimeoutError:
            return b""
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from None
        finally:
            with suppress(OSError):
                self.sock.settimeout(self._seconds)
        if not piece:
            raise self._lost("the server closed it")
        return piece

    def _lost(self, why: str) -> TryAgainLater:
        return TryAgainLater(
            f"the connection to {self.where} was lost: {why}", fix="wait until it recovers"
        )

    def _endless(self) -> TryAgainLater:
        return TryAgainLater(
            f"{self.where} sends more than was asked for",
            fix="check that 'feedback.imap.host' and port are those of an IMAP server",
        )


class BoundedClient(IMAPClient):  # type: ignore[misc] # the library has no types
    """The library's client over a `BoundedImap`, which is `wire`."""

    def __init__(self, wire: BoundedImap) -> None:
        self.wire = wire
        super().__init__(wire.host, wire.port, ssl=False)
        # The library turns on the trace of the standard one, which shows whole commands.
        wire.debug = 0

    def _create_IMAP4(self) -> BoundedImap:  # noqa: N802 - the library's name for it
        return self.wire

    def _set_read_timeout(self) -> None:
        """Leave the time-out to the wire."""
