"""What a stranger who opens many connections, or never ends a request, takes from readers."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from tests.waiting import soon

from newsletter.cli.page_connections import (
    Door,
    allow_connections,
    bounded_protocol,
)
from newsletter.cli.page_server import listen


async def page(_scope: Any, _receive: Any, send: Any) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def a_server(
    *, crowded: int = 1500, proxies: Sequence[str] = (), head_seconds: float = 60.0
) -> Iterator[tuple[tuple[str, int], uvicorn.Server]]:
    protocol: Any = bounded_protocol(crowded=crowded, proxies=proxies, head_seconds=head_seconds)
    config = uvicorn.Config(
        page, http=protocol, ws="none", lifespan="off", log_config=None, timeout_keep_alive=60
    )
    server, listening = uvicorn.Server(config), listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        assert soon(lambda: server.started)
        yield listening.getsockname(), server
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def dial(address: tuple[str, int], source: str = "127.0.0.1", said: bytes = b"") -> socket.socket:
    opened = socket.create_connection(address, timeout=30, source_address=(source, 0))
    if said:
        opened.sendall(said)
    return opened


def ask(opened: socket.socket) -> bytes:
    opened.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"\r\n\r\nok") and (more := opened.recv(4096)):
        answer += more
    return answer


def is_ended(opened: socket.socket) -> bool:
    """Return whether the server ended a connection, which it does not tell in words."""
    opened.setblocking(False)
    try:
        return opened.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("dribbled", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_never_ends_is_answered_408_after_its_time(dribbled: bytes) -> None:
    with a_server(head_seconds=0.2) as (address, _), dial(address, said=dribbled) as stranger:
        assert stranger.recv(4096).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert stranger.recv(4096) == b""


def test_more_bytes_do_not_buy_a_head_more_time() -> None:
    with (
        a_server(head_seconds=0.5) as (address, _),
        dial(address, said=b"GET / HTTP/1.1\r\n") as slow,
    ):
        with contextlib.suppress(OSError):
            for _ in range(10_000):
                slow.sendall(b"X: y\r\n")
                slow.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    assert slow.recv(4096).startswith(b"HTTP/1.1 408")
                    return
        pytest.fail("the connection ended without an answer")


def test_a_silent_connection_is_ended_without_a_word() -> None:
    with a_server(head_seconds=0.2) as (address, _), dial(address) as stranger:
        assert soon(lambda: is_ended(stranger))


def test_a_second_head_on_a_kept_connection_has_its_time_too() -> None:
    with a_server(head_seconds=0.3) as (address, _), dial(address) as reader:
        assert ask(reader).startswith(b"HTTP/1.1 200")
        assert ask(reader).startswith(b"HTTP/1.1 200")
        reader.sendall(b"GET / HTTP/1.1\r\nHost")

        assert reader.recv(4096).startswith(b"HTTP/1.1 408")


def test_two_thousand_half_open_connections_leave_room_for_readers() -> None:
    wanted = 2_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + 400
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} open files (ulimit -n {needed})")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    strangers: list[socket.socket] = []
    try:
        with a_server(crowded=1_500) as (address, server):
            for n in range(wanted):
                # From more networks than one would have, so that the crowd itself is the matter.
                source = f"127.0.{n // 100 + 1}.{n % 100 + 1}"
                strangers.append(dial(address, source, b"GET / HTTP/1.1\r\n"))
            assert soon(lambda: len(server.server_state.connections) <= 1_500)

            with dial(address, "127.9.9.9") as reader:
                assert ask(reader).startswith(b"HTTP/1.1 200")
            assert soon(lambda: sum(is_ended(one) for one in strangers[:500]) == 500)
    finally:
        for one in strangers:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_network_that_holds_its_share_gives_way_to_itself_alone() -> None:
    with a_server() as (address, server), contextlib.ExitStack() as opened:
        others = [opened.enter_context(dial(address, f"127.2.{n}.1")) for n in range(10)]
        greedy = [opened.enter_context(dial(address, f"127.1.1.{n % 9 + 1}")) for n in range(230)]

        assert soon(lambda: len(server.server_state.connections) == 210)
        assert soon(lambda: all(is_ended(one) for one in greedy[:30]))
        assert all(ask(one).startswith(b"HTTP/1.1 200") for one in (*others, greedy[-1]))


def test_a_trusted_proxy_may_hold_more_than_a_network() -> None:
    with a_server(proxies=["127.1.1.0/24"]) as (address, server), contextlib.ExitStack() as opened:
        for n in range(230):
            opened.enter_context(dial(address, f"127.1.1.{n % 9 + 1}"))

        assert soon(lambda: len(server.server_state.connections) == 230)


class Busy:
    """A connection of the door's that is never seen to wait."""

    class transport:  # noqa: N801 - as the protocol names it
        @staticmethod
        def abort() -> None:
            pytest.fail("a connection with a request under way gave way")


def test_requests_under_way_never_give_way() -> None:
    door = Door(crowded=3, each_network=2)
    busy: list[Any] = [Busy() for _ in range(5)]

    entered = [door.enter(one, f"10.0.{n // 2}.1") for n, one in enumerate(busy)]
    refused: Any = Busy()

    assert entered == [True] * 5
    assert not door.enter(refused, "10.0.0.9")


def test_a_door_keeps_nothing_of_who_left() -> None:
    door = Door(crowded=2, each_network=1)
    first: Any = Busy()
    for _ in range(3):
        assert door.enter(first, "10.0.0.1")
        door.leave(first)
        door.leave(first)

    assert not door._open
    assert not door._held


def test_the_process_asks_for_the_descriptors_that_its_connections_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1_024, 1_900))
    monkeypatch.setattr(resource, "setrlimit", lambda _what, limits: asked.append(limits))

    assert allow_connections(2_000) == 1_900 - 256
    assert asked == [(1_900, 1_900)]
