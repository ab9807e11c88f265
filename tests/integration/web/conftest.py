"""A stage with readers, and its pages being served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.builders import Stage
from tests.integration.web.running import RunningApp, running_app

from newsletter.clock import SettableClock


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    """A stage with five readers."""
    made = Stage(tmp_path, clock)
    yield made
    made.database.close()


@pytest.fixture
def app(stage: Stage) -> Iterator[RunningApp]:
    """The pages of the stage, being served."""
    with running_app(stage) as running:
        yield running
