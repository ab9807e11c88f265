"""The connections of the page server: how long a head may take, and how many a client may hold.

A connection is *waiting* until the head of its next request is whole. Waiting ones cost nothing to
open and could fill the server; they are ended after a time, and give way to newcomers when it gets
crowded, so that who does ask for a page finds room.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
from collections.abc import Callable, Sequence
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from newsletter.web.network import shorten_ip

HEAD_SECONDS = 10.0
"""How long a request's line and header fields may take, from the first byte or the connection."""
EACH_NETWORK = 200
"""Connections of one network (IPv4 /24, IPv6 /48); a trusted proxy may hold any number."""
OTHER_FILES = 256
"""Descriptors left to databases, mail and logs."""

_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Door:
    """Knows the connections of one server and makes room for newcomers; for one event loop.

    `crowded`: with more connections than this, the one that waits longest gives way.
    """

    def __init__(
        self, *, crowded: int, each_network: int = EACH_NETWORK, proxies: Sequence[str] = ()
    ) -> None:
        self._crowded = crowded
        self._each_network = each_network
        self._proxies = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._open: dict[BoundedProtocol, str | None] = {}
        self._held: dict[str | None, int] = {}
        self._waiting: dict[BoundedProtocol, None] = {}

    def enter(self, newcomer: BoundedProtocol, ip: str | None) -> bool:
        """Take a connection in, others giving way where they must; false: it is to be refused."""
        network = self._network(ip)
        if network is not None and self._held.get(network, 0) >= self._each_network:
            of_it = (one for one in self._waiting if self._open[one] == network)
            if (oldest := next(of_it, None)) is None:
                return False
            self._end(oldest)
        if len(self._open) >= self._crowded and self._waiting:
            self._end(next(iter(self._waiting)))
        self._open[newcomer] = network
        self._held[network] = self._held.get(network, 0) + 1
        return True

    def leave(self, gone: BoundedProtocol) -> None:
        """Forget a connection, once or more often."""
        self._waiting.pop(gone, None)
        if gone not in self._open:
            return
        network = self._open.pop(gone)
        self._held[network] -= 1
        if not self._held[network]:
            del self._held[network]

    def waits(self, connection: BoundedProtocol) -> None:
        """Note that a connection begins to wait; it is the last one to give way."""
        if connection in self._open:
            self._waiting[connection] = None

    def asks(self, connection: BoundedProtocol) -> None:
        """Note that the head of a connection's request is whole."""
        self._waiting.pop(connection, None)

    def _end(self, connection: BoundedProtocol) -> None:
        # Forgotten at once: the loop tells of its end only later, and newcomers come in between.
        self.leave(connection)
        connection.transport.abort()

    def _network(self, ip: str | None) -> str | None:
        """Return what a connection counts with; None for proxies, which speak for many."""
        try:
            address = ipaddress.ip_address(ip or "")
        except ValueError:
            return None
        return None if any(address in proxy for proxy in self._proxies) else shorten_ip(ip)


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a time for heads and a `Door`; h11 itself knows no clock."""

    def __init__(
        self, *args: Any, door: Door, head_seconds: float = HEAD_SECONDS, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._door = door
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._heard = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or end it where its network holds too many."""
        super().connection_made(transport)
        if not self._door.enter(self, self.client[0] if self.client else None):
            transport.abort()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that they begin has its time from now, one they end is whole."""
        self._heard = True
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE:
            self._wait_for_head()
        else:
            self._head_is_whole()

    def on_response_complete(self) -> None:
        """Wait for the next request, which keep-alive gives its time to begin."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE:
            self._heard = False
            self._door.waits(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        self._door.leave(self)
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._door.waits(self)
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_seconds, self._head_is_late)

    def _head_is_whole(self) -> None:
        self._stop_timer()
        self._door.asks(self)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._heard:
            self.transport.write(_TOO_LATE)
            self.transport.close()
        else:
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def bounded_protocol(
    *, crowded: int, proxies: Sequence[str], head_seconds: float = HEAD_SECONDS
) -> Callable[..., BoundedProtocol]:
    """Return what makes the protocols of one server, all at the same door."""
    door = Door(crowded=crowded, proxies=proxies)

    def make(*args: Any, **options: Any) -> BoundedProtocol:
        return BoundedProtocol(*args, door=door, head_seconds=head_seconds, **options)

    return make


def allow_connections(wanted: int) -> int:
    """Let this process hold so many connections beside its other files; returns how many it may.

    Systems give a process 1,024 descriptors unless it asks for more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        granted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
        soft = granted
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - OTHER_FILES))
