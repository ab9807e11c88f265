"""I8 on a live database: editions and campaigns that are not each other's are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.schedule.keeping_stage import DUE, KeepingStage

from newsletter.clock import SettableClock


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock) -> KeepingStage:
    """An edition that was fired as campaign 1, and campaign 2, which has none."""
    stage = KeepingStage(tmp_path, clock)
    stage.schedule()
    stage.write()
    stage.look(at=DUE)
    stage.freeze(slug="by-hand", content_hash="another")
    return stage


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ("UPDATE campaigns SET edition_id = NULL", ("edition 1",)),
        ("UPDATE editions SET status = 'missed'", ("campaign 1",)),
        ("UPDATE campaigns SET edition_id = 7 WHERE id = 2", ("campaign 2",)),
        ("DELETE FROM editions", ("campaign 1",)),
        (
            "DROP INDEX uq_campaigns_edition_id; UPDATE campaigns SET edition_id = 1",
            ("campaigns (edition_id)", "edition 1"),
        ),
    ],
)
def test_what_does_not_belong_together_is_named(
    stage: KeepingStage, harm: str, named: tuple[str, ...]
) -> None:
    sound = stage.broken()
    with stage.database.write() as connection:
        for statement in harm.split(";"):
            connection.execute(text(statement))

    assert sound == {}
    assert stage.broken() == {"I8": named}
