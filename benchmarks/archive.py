"""The archive of ten lists with a thousand campaigns each, against a route that holds its answer.

Each page is asked for through the whole ASGI application, in this process. Beside it, in the same
rounds, stands a Starlette application whose one route returns a stored string of the same size:
what is between the two is the guard, the database, the template and the tag. The first look at each
page is measured apart.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.builders import Stage
from tests.fakes.mailings import a_mailing

from benchmarks.measuring import say, spread
from benchmarks.one_click import our_application
from newsletter.audience.lists import create_list
from newsletter.clock import SettableClock
from newsletter.storage.tables import campaigns, digests

LISTS = 10
ISSUES = 1_000
ASKED = 100
ROUNDS = 5
MAIL_BYTES = 60_000
_ROOT = Path(__file__).resolve().parents[1]
_NEWEST = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
_THINGS = (
    *("ferry", "library", "tower", "bakery", "tide", "harbour", "council", "station"),
    *("clock", "radio", "window", "garden", "market", "letter", "winter"),
)


@dataclass(frozen=True)
class Look:
    """One page that is asked for; `count` different ones take turns under `{n}`."""

    name: str
    path: str
    count: int = 1
    known: bool = False
    """Whether who asks has it already, and gets 304."""


LOOKS = (
    Look("issue", "/archive/daily/issue-{n}", 100),
    Look("issue, 304", "/archive/daily/issue-{n}", 100, known=True),
    Look("issues of a list", "/archive/daily"),
    Look("issues of a list, 304", "/archive/daily", known=True),
    Look("issues of a month", "/archive/daily?month=2026-1{n}", 2),
    Look("search: few", "/archive/daily?q=number+12{n}", 9),
    Look("search: all", "/archive/daily?q=boats+timetable"),
    Look("search: none", "/archive/daily?q=zeppelin"),
    Look("RSS", "/archive/daily/feed.xml"),
    Look("RSS, 304", "/archive/daily/feed.xml", known=True),
    Look("lists", "/archive"),
    Look("sitemap", "/sitemap.xml"),
)


def fill(folder: Path) -> None:
    """Write the lists and what was sent to them, an issue a day, with mails of real size."""
    stage = Stage(folder, SettableClock(_NEWEST), readers=1)
    mailing = a_mailing()
    content = {**mailing.content.to_json(), "html": "x" * MAIL_BYTES}
    text = (_ROOT / "digests" / "2026-11-24.md").read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    with stage.database.write() as connection:
        numbers = [stage.list_id] + [
            create_list(
                connection,
                _NEWEST,
                name=f"list-{number}",
                title=f"List {number}",
                base_url="https://news.example",
                actor="bench",
            ).id
            for number in range(1, LISTS)
        ]
        for place in range(ISSUES * LISTS):
            number, list_id = place // LISTS, numbers[place % LISTS]
            at = _NEWEST - timedelta(days=ISSUES - 1 - number)
            thing = _THINGS[number % len(_THINGS)]
            title = f"{first.removeprefix('# ')}: the {thing}, number {number}"
            digest = connection.execute(
                insert(digests)
                .values(
                    slug=f"issue-{number}",
                    content_hash=hashlib.sha256(str(place).encode()).hexdigest(),
                    title=title,
                    markdown=f"# {title}\n{rest}",
                    created_at=at,
                )
                .returning(digests.c.id)
            ).scalar_one()
            connection.execute(
                insert(campaigns).values(
                    key=f"{list_id}/{number}/1",
                    list_id=list_id,
                    digest_id=digest,
                    status="sent",
                    provider="outbox",
                    content=content,
                    identity=mailing.identity.to_json(),
                    message_id_salt="salt",
                    on_unknown="hold",
                    recipients=0,
                    created_at=at,
                    expires_at=at,
                    sending_ms=0,
                )
            )
    stage.database.close()


def bare_application(size: int) -> Starlette:
    """Return an application that holds one answer, and does nothing else."""
    stored = "x" * size

    async def answer(_request: Request) -> Response:
        return Response(stored, media_type="text/html")

    return Starlette(routes=[Route("/{rest:path}", answer)])


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    tag: bytes
    size: int


async def ask(app: Any, path: str, known: bytes = b"") -> Answer:
    """Ask an application for a page as a server does, without the socket."""
    where, _, query = path.partition("?")
    headers = [(b"host", b"news.example"), (b"accept-language", b"en")]
    headers += [(b"if-none-match", known)] if known else []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": where,
        "raw_path": where.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    got: dict[str, Any] = {"size": 0}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            got["status"] = message["status"]
            got["tag"] = dict(message["headers"]).get(b"etag", b"")
        else:
            got["size"] += len(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(got["status"], got["tag"], got["size"])


def paths_of(look: Look) -> list[str]:
    """Return the paths of a look, in turn."""
    return [look.path.format(n=number) for number in range(look.count)]


async def measure(app: Any) -> None:
    """Measure each look in rounds with its peer, and print."""
    for look in LOOKS:
        paths = paths_of(look)
        began = time.perf_counter()
        first = await ask(app, paths[0])
        cold = time.perf_counter() - began
        seen = [await ask(app, path) for path in paths]
        assert first.status == 200, look.name
        tags = [answer.tag if look.known else b"" for answer in seen]
        peer = bare_application(0 if look.known else first.size)
        rates = await rounds(app, peer, paths, tags)
        took = [1000 / rate for rate in rates["ours"]]
        ratios = [bare / ours for ours, bare in zip(rates["ours"], rates["bare"], strict=True)]
        say(
            f"archive: {look.name}",
            f"{spread(took)} ms, first {cold * 1000:.1f} ms, {first.size / 1000:.0f} kB, "
            f"{spread(ratios)} × a held answer",
        )


async def rounds(
    app: Any, peer: Any, paths: Sequence[str], tags: Sequence[bytes]
) -> dict[str, list[float]]:
    """Return requests a second of both, in turn; the first round does not count."""
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    gc.collect()
    for number in range(ROUNDS + 1):
        for name, asked in (("ours", app), ("bare", peer)):
            began = time.perf_counter()
            for turn in range(ASKED):
                await ask(asked, paths[turn % len(paths)], tags[turn % len(tags)])
            if number:
                rates[name].append(ASKED / (time.perf_counter() - began))
    return rates


async def _run(folder: Path) -> None:
    app = our_application(folder)
    async with app.router.lifespan_context(app):
        await measure(app)


def archive() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name))
        asyncio.run(_run(Path(name)))


if __name__ == "__main__":
    archive()
