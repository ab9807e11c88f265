"""What monitors ask for: whether the process is alive, whether all of it works, and metrics.

No page leads here, and nothing here names a reader.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter
from sqlalchemy import Connection, select, text
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from newsletter.errors import NewsletterError
from newsletter.storage.schema import HEAD
from newsletter.storage.tables import installation
from newsletter.web.site import Site

ANSWER_SECONDS = 5.0
"""How long the database may take before it counts as away."""
_LATER = {"Retry-After": "5"}


def router(site: Site) -> APIRouter:
    """Return the pages of this group; /metrics only where `web.metrics` says so."""
    routes = APIRouter()
    file = _File(site.office.database.path)

    @routes.get("/healthz")
    async def health() -> Response:
        try:
            await site.transactions.read(
                lambda connection: connection.execute(select(installation.c.epoch)).scalar_one()
            )
        except NewsletterError:
            return PlainTextResponse(
                "the database cannot be read\n", status_code=503, headers=_LATER
            )
        return PlainTextResponse("ok\n")

    @routes.get("/readyz")
    async def readiness() -> Response:
        problems = dict(site.office.vitals().problems)
        problems["database"] = file.problem() or await _database_problem(site)
        wrong = {part: problem for part, problem in sorted(problems.items()) if problem}
        return JSONResponse(
            {"ready": not wrong, "problems": wrong},
            status_code=503 if wrong else 200,
            headers=_LATER if wrong else None,
        )

    if site.office.settings.web.metrics:
        from newsletter.web.metrics import Metrics

        shown = Metrics(site)

        @routes.get("/metrics")
        async def metrics(request: Request) -> Response:
            content, media_type = await shown.page(request.headers.get("accept", ""))
            return Response(content, headers={"Content-Type": media_type})

    return routes


async def _database_problem(site: Site) -> str | None:
    """Return what is wrong with the database, in words that name no place and no person."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            revision = await site.transactions.read(_revision)
    except TimeoutError:
        return f"no answer within {ANSWER_SECONDS:.0f} s"
    except NewsletterError as error:
        return type(error).__name__
    return None if revision == HEAD else f"at schema {revision}, this program needs {HEAD}"


def _revision(connection: Connection) -> str | None:
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


class _File:
    """The file of an embedded database: open connections would go on with one that is gone."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._first = self._identity()

    def problem(self) -> str | None:
        """Say whether it is another file than at the start; None: the same, or a server."""
        if self._path is None:
            return None
        now = self._identity()
        if now is None:
            return "its file is gone"
        return None if now == self._first else "its file was replaced: restart"

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return None if found is None else (found.st_dev, found.st_ino)
