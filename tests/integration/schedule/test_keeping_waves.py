"""An edition at each reader's own time is due with the first of them, and is one campaign (H6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.integration.schedule.keeping_stage import DUE, KeepingStage

from newsletter.clock import SettableClock
from newsletter.schedule.model import EditionStatus
from newsletter.storage.tables import campaigns, deliveries, subscribers

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ZONES = ("Pacific/Kiritimati", "Asia/Tokyo", "Europe/Paris", "America/New_York", "Pacific/Honolulu")
FIRST = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
"""08:00 on 24 November on Kiritimati, UTC+14."""


@pytest.fixture
def stage(tmp_path: Path) -> KeepingStage:
    """Five readers, in a zone each; the clock stands on the morning before."""
    stage = KeepingStage(tmp_path, SettableClock(datetime(2026, 11, 23, 8, 0, tzinfo=UTC)))
    with stage.database.write() as connection:
        for number, zone in enumerate(ZONES, start=1):
            connection.execute(
                update(subscribers).where(subscribers.c.id == number).values(timezone=zone)
            )
    stage.schedule(by_reader=True)
    return stage


def times(stage: KeepingStage) -> list[datetime | None]:
    """Return when each reader is due, in the order of their zones."""
    with stage.database.read() as connection:
        return list(
            connection.execute(
                select(deliveries.c.not_before).order_by(deliveries.c.subscriber_id)
            ).scalars()
        )


def test_it_is_fired_at_the_first_readers_time(stage: KeepingStage) -> None:
    stage.write()
    before = stage.look(at=FIRST - MINUTE)
    fired = stage.look(at=FIRST)

    assert before is not None
    assert (before.status, before.due_at) == (EditionStatus.WAITING, FIRST)
    assert fired is not None
    assert fired.status is EditionStatus.FIRED
    assert len(stage.sent()) == 1
    with stage.database.read() as connection:
        assert connection.execute(select(campaigns.c.wave_time)).scalar_one() == "08:00"
    assert times(stage) == [None, DUE - 8 * HOUR, DUE, DUE + 6 * HOUR, DUE + 11 * HOUR]
    assert stage.broken() == {}


def test_one_reader_far_in_the_east_does_not_end_the_day_for_all(stage: KeepingStage) -> None:
    waiting = stage.look(at=FIRST)
    later = stage.look(at=FIRST + 10 * HOUR)
    stage.write()
    fired = stage.look(at=DUE + HOUR)

    assert waiting is not None
    assert waiting.deadline_at == DUE + 3 * HOUR
    assert later == waiting
    assert fired is not None
    assert fired.status is EditionStatus.FIRED
    assert times(stage) == [None, None, None, DUE + 6 * HOUR, DUE + 11 * HOUR]


def test_a_first_reader_who_moves_is_followed(stage: KeepingStage) -> None:
    stage.write()
    stage.look(at=FIRST - 2 * HOUR)
    with stage.database.write() as connection:
        connection.execute(
            update(subscribers).where(subscribers.c.id == 1).values(timezone="Asia/Tokyo")
        )
    moved = stage.look(at=FIRST - HOUR)
    early = stage.look(at=FIRST)
    fired = stage.look(at=FIRST + 5 * HOUR)

    assert moved is not None
    assert moved.due_at == DUE - 8 * HOUR == FIRST + 5 * HOUR
    assert early == moved
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_run_now_sends_to_everybody_at_once(stage: KeepingStage) -> None:
    stage.write()
    stage.clock.advance(DUE - stage.clock.now() - HOUR)
    stage.keeper().run_now("morning", None, "test")

    assert times(stage) == [None] * 5
    assert len(stage.sent()) == 1
