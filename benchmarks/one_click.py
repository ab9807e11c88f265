"""Ten thousand one-click unsubscribes over eight connections, against a form that writes nothing.

Ours is what `newsletter serve` runs: an SQLite file, every click durable before it is answered
(`synchronous=FULL`). The bare application reads the same form with the same libraries and answers
200. Each server and the client have a process of their own; the client is raw sockets that stay
open, so that it is not what is measured.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from benchmarks.measuring import interleaved, say, server, spread

CLICKS = 10_000
CONNECTIONS = 8
ROUNDS = 5
FORM = b"List-Unsubscribe=One-Click"


@dataclass(frozen=True)
class Clicked:
    """What the client saw: clicks a second, answers that were not 200, milliseconds of waiting."""

    rate: float
    errors: int
    median_ms: float
    p99_ms: float


def client(port: int, paths: list[str]) -> Clicked:
    """Post the form to each path, each connection waiting for one answer at a time."""
    requests = iter([_request(path) for path in paths])
    waits: list[float] = []
    errors = 0
    begun: dict[socket.socket, float] = {}
    answers: dict[socket.socket, bytes] = {}
    with selectors.DefaultSelector() as ready, contextlib.ExitStack() as stack:
        start = time.perf_counter()
        for _ in range(CONNECTIONS):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(line, selectors.EVENT_READ)
            _post(line, requests, begun)
        while begun:
            for key, _ in ready.select():
                line = key.fileobj  # type: ignore[assignment]
                piece = line.recv(65_536)
                answers[line] = answer = answers.get(line, b"") + piece
                if piece and not _is_whole(answer):
                    continue
                waits.append(time.perf_counter() - begun.pop(line))
                errors += not answer.startswith(b"HTTP/1.1 200 ")
                answers[line] = b""
                _post(line, requests, begun)
        spent = time.perf_counter() - start
    waits.sort()
    return Clicked(
        len(waits) / spent,
        errors + len(paths) - len(waits),
        waits[len(waits) // 2] * 1000,
        waits[len(waits) * 99 // 100] * 1000,
    )


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(end) and len(body) >= int(length)


def _request(path: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: news.example\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(FORM)}\r\n\r\n"
    )
    return head.encode("ascii") + FORM


def _post(
    line: socket.socket, requests: Iterator[bytes], begun: dict[socket.socket, float]
) -> None:
    request = next(requests, None)
    if request is not None:
        begun[line] = time.perf_counter()
        line.sendall(request)


def bare_application() -> Any:
    """Return an application that parses the form and answers, and does nothing."""
    app = FastAPI(openapi_url=None)

    @app.post("/u/{token}")
    async def leave(request: Request, token: str) -> PlainTextResponse:
        form = await request.form(max_files=0)
        known = token and form.get("List-Unsubscribe") == "One-Click"
        return PlainTextResponse("ok\n", status_code=200 if known else 400)

    return app


def our_application(folder: Path) -> Any:
    """Return the public pages over the database of a folder, with the keys of the tests."""
    from tests.builders import KEYS

    from newsletter.audience.tokens import TokenSigner
    from newsletter.clock import SystemClock
    from newsletter.settings import Settings
    from newsletter.storage.database import open_database
    from newsletter.web.app import create_app
    from newsletter.web.office import Office

    return create_app(
        Office(
            settings=Settings.model_validate({"newsletter": {"base_url": "https://news.example"}}),
            database=open_database("sqlite:///ledger.db", root=folder),
            keys=KEYS,
            signer=TokenSigner(KEYS),
            clock=SystemClock(),
            erase=lambda _subscriber: None,
        )
    )


def serve(application: Any) -> None:
    """Serve an application as `newsletter serve` does; the port is printed first."""
    # Named as TCP, as `newsletter serve` does: only then does asyncio switch Nagle's wait off.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        print(listening.getsockname()[1], flush=True)
        config = uvicorn.Config(
            application,
            http="h11",
            loop="asyncio",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listening])


def click(port: int, paths: list[str]) -> Clicked:
    """Run the client in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_click", "client", str(port)],
        input="\n".join(paths),
        capture_output=True,
        check=True,
        text=True,
    )
    return Clicked(**json.loads(done.stdout))


def ours(folder: Path, seen: list[Clicked]) -> float:
    """Return clicks a second of the real pages, for readers who are all on the list before."""
    from tests.builders import KEYS

    from benchmarks.stages import Yard
    from newsletter.audience.tokens import Purpose, TokenSigner

    yard = Yard(folder, CLICKS)
    signer = TokenSigner(KEYS)
    paths = [
        f"/u/{signer.sign(Purpose.UNSUBSCRIBE, reader, yard.list_id)}"
        for reader in range(1, CLICKS + 1)
    ]
    with server("benchmarks.one_click", "ours", str(folder)) as port:
        clicked = click(port, paths)
    seen.append(clicked)
    with yard.database.read() as connection:
        left, withdrawn = (
            connection.exec_driver_sql(question).scalar_one()
            for question in (
                "SELECT count(*) FROM memberships WHERE status = 'unsubscribed'",
                "SELECT count(DISTINCT subscriber_id) FROM consents WHERE act = 'withdrawn'",
            )
        )
    yard.database.close()
    assert (left, withdrawn, clicked.errors) == (CLICKS, CLICKS, 0)
    return clicked.rate


def bare(seen: list[Clicked]) -> float:
    """Return clicks a second of the application that writes nothing."""
    with server("benchmarks.one_click", "bare") as port:
        clicked = click(port, list(repeat(f"/u/{'t' * 40}", CLICKS)))
    seen.append(clicked)
    assert clicked.errors == 0
    return clicked.rate


def one_click() -> None:
    """Measure and print."""
    seen: dict[str, list[Clicked]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as name:
        folders = (Path(name) / str(number) for number in range(ROUNDS + 1))
        rates = interleaved(
            ROUNDS,
            {
                "bare": lambda: bare(seen["bare"]),
                "ours": lambda: ours(next(folders), seen["ours"]),
            },
        )
    for who, label in (("ours", "the pages"), ("bare", "a form that writes nothing")):
        counted = seen[who][1:]
        say(
            f"one-click, {CONNECTIONS} connections: {label}",
            f"{spread(rates[who]).middle:8,.0f} posts/s, "
            f"p50 {spread([c.median_ms for c in counted]).middle:.1f} ms, "
            f"p99 {spread([c.p99_ms for c in counted]).middle:.1f} ms, "
            f"errors {sum(c.errors for c in counted)}",
        )
    ratios = [a / b for a, b in zip(rates["ours"], rates["bare"], strict=True)]
    say("one-click: the pages against that form", f"{spread(ratios)} ×")


def main(words: list[str]) -> None:
    """Play one of the parts, or measure."""
    match words:
        case ["ours", folder]:
            serve(our_application(Path(folder)))
        case ["bare"]:
            serve(bare_application())
        case ["client", port]:
            print(json.dumps(client(int(port), sys.stdin.read().split()).__dict__))
        case _:
            one_click()


if __name__ == "__main__":
    main(sys.argv[1:])
