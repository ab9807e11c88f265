"""A stage for each test, on SQLite and on a real PostgreSQL server, and a way to import a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.builders import KEYS, Stage

from newsletter.audience.imports import ImportPolicy, ImportReport, Refusal, import_subscribers
from newsletter.audience.suppression_files import SuppressionImport, import_suppressions
from newsletter.clock import SettableClock
from newsletter.delivery.bounce_classes import BUILT_IN
from newsletter.delivery.suppression_replies import reply_reader


class Importer:
    """Imports text or bytes into the list of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def take(
        self, data: str | bytes, *, name: str = "people.csv", **given: object
    ) -> tuple[ImportReport, list[Refusal]]:
        """Write a file and import it; returns the report and the refusals."""
        path = self.stage.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        refusals: list[Refusal] = []
        wanted = {"consent": "a form", "policy": ImportPolicy(), **given}
        report = import_subscribers(
            self.stage.database,
            path,
            "daily",
            actor="test",
            keys=KEYS,
            clock=self.stage.clock,
            on_refusal=refusals.append,
            **wanted,  # type: ignore[arg-type]
        )
        return report, refusals

    def take_suppressions(
        self, data: str | bytes, name: str = "stop.csv", **given: object
    ) -> tuple[SuppressionImport, list[Refusal]]:
        """Write a file of suppressions and import it; returns the report and the refusals."""
        path = self.stage.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        refusals: list[Refusal] = []
        report = import_suppressions(
            self.stage.database,
            KEYS,
            path,
            self.stage.clock,
            actor="me",
            reply=reply_reader(BUILT_IN),
            on_refusal=refusals.append,
            **given,  # type: ignore[arg-type]
        )
        return report, refusals

    def rows(self, words: str) -> list[tuple[object, ...]]:
        """Read what the database holds."""
        with self.stage.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(words)]


@pytest.fixture
def importer(tmp_path: Path, clock: SettableClock) -> Iterator[Importer]:
    stage = Stage(tmp_path, clock, readers=0)
    yield Importer(stage)
    stage.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> Iterator[Importer]:
    """An importer on each of the two databases."""
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    stage = Stage(tmp_path, clock, readers=0, url=url)
    yield Importer(stage)
    stage.database.close()
