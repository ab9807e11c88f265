"""The heartbeat: a monitor outside hears it while all is well, and misses it otherwise (H10)."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests import waiting

from newsletter.clock import SettableClock
from newsletter.delivery.heartbeat import Heartbeat
from newsletter.settings.feedback_parts import AlertsPart


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Monitor:
    """A monitor on loopback that counts what is fetched and answers as a test says."""

    def __init__(self, answers: dict[str, tuple[int, str]] | None = None) -> None:
        self.fetched: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.fetched.append(self.path)
                status, location = (answers or {}).get(self.path, (200, ""))
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"OK")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


@contextmanager
def beating(
    clock: SettableClock, healthy: Callable[[], bool], root: Path = Path(), **part: Any
) -> Iterator[Heartbeat]:
    settings = AlertsPart(heartbeat_every="1s", **part)
    heart = Heartbeat(settings, clock, healthy, root=root)
    heart.start()
    try:
        yield heart
    finally:
        heart.stop()


soon = partial(waiting.soon, seconds=60.0)


def test_the_url_is_fetched_and_the_file_touched_again_and_again(
    tmp_path: Path, clock: SettableClock
) -> None:
    file = tmp_path / "beat"
    with (
        Monitor() as monitor,
        beating(
            clock,
            lambda: True,
            root=tmp_path,
            heartbeat_url=f"{monitor.url}/ping/secret",
            heartbeat_file="beat",
        ),
    ):
        assert soon(lambda: len(monitor.fetched) >= 1 and file.exists())
        first = file.read_text()
        clock.advance(timedelta(minutes=1))
        assert soon(lambda: len(monitor.fetched) >= 2 and file.read_text() != first)
        second = file.read_text()

    assert set(monitor.fetched) == {"/ping/secret"}
    assert datetime.fromisoformat(second.strip()) == clock.now()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["beat"]


def test_nothing_is_said_while_something_is_wrong_and_again_once_it_is_over(
    tmp_path: Path, clock: SettableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    well, asked = threading.Event(), []

    def healthy() -> bool:
        asked.append(None)
        if len(asked) == 1:
            raise OSError("the database is away")
        return well.is_set()

    with (
        Monitor() as monitor,
        beating(
            clock,
            healthy,
            heartbeat_url=monitor.url,
            heartbeat_file=tmp_path / "beat",
        ),
    ):
        assert soon(lambda: len(asked) >= 3)
        silent = (list(monitor.fetched), (tmp_path / "beat").exists())
        well.set()
        assert soon(lambda: bool(monitor.fetched) and (tmp_path / "beat").exists())

    assert silent == ([], False)
    assert "heartbeat_left_out" in capsys.readouterr().out


def test_a_monitor_that_is_away_or_refuses_is_only_logged_and_never_named(
    tmp_path: Path, clock: SettableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ""

    def said(words: str) -> bool:
        nonlocal out
        out += capsys.readouterr().out
        return words in out

    with (
        Monitor({"/secret": (500, "")}) as monitor,
        beating(clock, lambda: True, heartbeat_url=f"{monitor.url}/secret"),
    ):
        assert soon(lambda: len(monitor.fetched) >= 2)
        assert soon(lambda: said("it answered 500"))
    with beating(
        clock,
        lambda: True,
        heartbeat_url=f"{monitor.url}/secret",
        heartbeat_file=tmp_path / "gone" / "beat",
    ):
        assert soon(lambda: said("heartbeat_not_written"))
        assert soon(lambda: said("Connection refused"))

    assert not said("secret")


@pytest.mark.parametrize(("where", "followed"), [("/moved", True), ("elsewhere", False)])
def test_a_redirect_is_followed_within_its_host_alone(
    clock: SettableClock, where: str, followed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with Monitor() as other:
        target = where if where.startswith("/") else other.url.replace("127.0.0.1", "localhost")
        with (
            Monitor({"/ping": (302, target)}) as monitor,
            beating(clock, lambda: True, heartbeat_url=f"{monitor.url}/ping"),
        ):
            assert soon(lambda: len(monitor.fetched) >= 2)

    assert ("/moved" in monitor.fetched) is followed
    assert other.fetched == []
    assert ("it answered 302" in capsys.readouterr().out) is not followed


def test_without_a_listener_there_is_nothing_to_do(clock: SettableClock) -> None:
    heart = Heartbeat(AlertsPart(), clock, lambda: True)

    assert not heart.wanted
