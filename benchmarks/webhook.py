"""Signed events of SendGrid's webhook, durable before the answer, against a bare handler.

Ours is what `newsletter serve` runs: an SQLite file, every post proven, read event by event, freed
of what was told before, and on disk (`synchronous=FULL`) before its 204. The bare handler proves
the post with SendGrid's own helper, appends it to a file as it is, and calls `fsync`. Both are
served alike, each in a process of its own; the client has a third.

SendGrid gathers events for up to 30 seconds or some 768 kB: a post of 1,000 (350 kB) is what comes
while a campaign is on its way, one of 100 what comes in the quiet hours after.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from fastapi import FastAPI
from sendgrid.helpers.eventwebhook import EventWebhook
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.measuring import interleaved, say, server, spread
from benchmarks.one_click import serve

EVENTS = 30_000
SIZES = (1_000, 100)
"""Events of a post."""
TOLD_TWICE = 0.05
"""The share of events that were in an earlier post."""
CONNECTIONS = 4
ROUNDS = 5
PATH = "/webhooks/sendgrid"


@dataclass(frozen=True)
class Posted:
    """What the client saw: posts a second, answers that were not 2xx, milliseconds of waiting."""

    rate: float
    errors: int
    median_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Load:
    """Signed posts as a folder of whole requests, and how many different events they tell of."""

    folder: Path
    key: str
    posts: int
    different: int


def make_load(folder: Path, size: int) -> Load:
    """Write the posts: a usual mix of events, some of them told before."""
    from tests.fakes.sendgrid_webhook import Signer, body_of, usual_events

    folder.mkdir()
    signer, random, now = Signer(), Random(size), datetime.now(UTC)
    told = usual_events(EVENTS, seed=size, at=now)
    different = 0
    for number, start in enumerate(range(0, EVENTS, size)):
        events = told[start : start + size]
        again = [place for place in range(size) if start and random.random() < TOLD_TWICE]
        for place in again:
            events[place] = told[random.randrange(start)]
        told[start : start + size] = events
        different += size - len(again)
        body = body_of(events)
        head = f"POST {PATH} HTTP/1.1\r\nHost: news.example\r\nContent-Length: {len(body)}\r\n"
        fields = "".join(f"{name}: {text}\r\n" for name, text in signer.headers(body, now).items())
        (folder / f"{number:05d}").write_bytes(f"{head}{fields}\r\n".encode("ascii") + body)
    return Load(folder, signer.shown, len(range(0, EVENTS, size)), different)


def client(port: int, folder: Path) -> Posted:
    """Send each request, every connection waiting for one answer at a time."""
    requests = [path.read_bytes() for path in sorted(folder.iterdir())]
    start = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        lanes = [requests[lane::CONNECTIONS] for lane in range(CONNECTIONS)]
        seen = [
            answer
            for lane in pool.map(lambda lane: _post_all(port, lane), lanes)
            for answer in lane
        ]
    spent = time.perf_counter() - start
    waits = sorted(wait for wait, _ in seen)
    return Posted(
        len(requests) / spent,
        sum(not well for _, well in seen),
        waits[len(waits) // 2] * 1000,
        waits[len(waits) * 99 // 100] * 1000,
    )


def _post_all(port: int, requests: list[bytes]) -> list[tuple[float, bool]]:
    seen = []
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            began = time.perf_counter()
            line.sendall(request)
            answer = b""
            # Both answer 204: nothing comes behind the head.
            while b"\r\n\r\n" not in answer and (piece := line.recv(65_536)):
                answer += piece
            seen.append((time.perf_counter() - began, answer.startswith(b"HTTP/1.1 204 ")))
    return seen


def bare_application(key: str, file: Path) -> Any:
    """Return an application that proves a post by SendGrid's helper and appends it to a file."""
    app = FastAPI(openapi_url=None)
    helper = EventWebhook(key)
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @app.post(PATH)
    async def take(request: Request) -> Response:
        body = await request.body()
        signature, timestamp = (
            request.headers.get(f"x-twilio-email-event-webhook-{name}", "")
            for name in ("signature", "timestamp")
        )
        if not helper.verify_signature(body.decode(), signature, timestamp):
            return Response(status_code=403)
        os.write(log, body)
        os.fsync(log)
        return Response(status_code=204)

    return app


def our_application(key: str, folder: Path) -> Any:
    """Return the pages over the database of a folder, with a key for the webhook."""
    from tests.builders import KEYS

    from newsletter.audience.tokens import TokenSigner
    from newsletter.clock import SystemClock
    from newsletter.settings import Settings
    from newsletter.storage.database import open_database
    from newsletter.web.app import create_app
    from newsletter.web.office import Office

    parts = {"delivery": {"sendgrid": {"webhook_public_key": key}}}
    return create_app(
        Office(
            settings=Settings.model_validate(parts),
            database=open_database("sqlite:///ledger.db", root=folder),
            keys=KEYS,
            signer=TokenSigner(KEYS),
            clock=SystemClock(),
            erase=lambda _subscriber: None,
        )
    )


def post(port: int, load: Load) -> Posted:
    """Run the client in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.webhook", "client", str(port), str(load.folder)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return Posted(**json.loads(done.stdout))


def ours(load: Load, seen: list[Posted]) -> float:
    """Return events a second of the real webhook, into a database that is new each time."""
    from benchmarks.stages import Yard

    with tempfile.TemporaryDirectory() as name:
        yard = Yard(Path(name), 1)
        with server("benchmarks.webhook", "ours", load.key, name) as port:
            posted = post(port, load)
        with yard.database.read() as connection:
            stored = connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one()
        yard.database.close()
    assert (stored, posted.errors) == (load.different, 0)
    seen.append(posted)
    return posted.rate * EVENTS / load.posts


def bare(load: Load, seen: list[Posted]) -> float:
    """Return events a second of the handler that only files."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "events"
        with server("benchmarks.webhook", "bare", load.key, str(file)) as port:
            posted = post(port, load)
        assert file.stat().st_size > 0
    assert posted.errors == 0
    seen.append(posted)
    return posted.rate * EVENTS / load.posts


def webhook() -> None:
    """Measure and print."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            _measure(make_load(Path(name) / "posts", size), size)


def _measure(load: Load, size: int) -> None:
    seen: dict[str, list[Posted]] = {"bare": [], "ours": []}
    rates = interleaved(
        ROUNDS,
        {"bare": lambda: bare(load, seen["bare"]), "ours": lambda: ours(load, seen["ours"])},
    )
    what = f"webhook, {size:,} events a post, {CONNECTIONS} connections"
    for who, label in (("ours", "ours"), ("bare", "filed as it is")):
        counted = seen[who][1:]
        say(
            f"{what}: {label}",
            f"{spread(rates[who]).middle:8,.0f} events/s, "
            f"p50 {spread([p.median_ms for p in counted]).middle:.1f} ms, "
            f"p99 {spread([p.p99_ms for p in counted]).middle:.1f} ms, "
            f"errors {sum(p.errors for p in counted)}",
        )
    ratios = [a / b for a, b in zip(rates["ours"], rates["bare"], strict=True)]
    say(
        f"webhook, {size:,} a post: against that handler",
        f"{spread(ratios)} ×; {EVENTS - load.different:,} of {EVENTS:,} told before",
    )


def main(words: list[str]) -> None:
    """Play one of the parts, or measure."""
    match words:
        case ["ours", key, folder]:
            serve(our_application(key, Path(folder)))
        case ["bare", key, file]:
            serve(bare_application(key, Path(file)))
        case ["client", port, folder]:
            print(json.dumps(asdict(client(int(port), Path(folder)))))
        case _:
            webhook()


if __name__ == "__main__":
    main(sys.argv[1:])
