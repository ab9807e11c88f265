"""Several keepers, operators and crashes at the same moment: one edition, one campaign (H9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from tests.integration.schedule.keeping_stage import DAY, DUE, KeepingStage, a_digest, at_once

from newsletter.clock import SettableClock
from newsletter.delivery.holding import announce_copy
from newsletter.errors import DeliveryError, TryAgainLater
from newsletter.schedule.keeping import EditionKeeper
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import EditionStatus
from newsletter.schedule.schedules import pause_schedule, resume_schedule
from newsletter.schedule.skips import skip_day
from newsletter.storage.database import open_database

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:///ledger.db"
    found: str = request.getfixturevalue("server_url")
    return found


@pytest.fixture
def stage(tmp_path: Path, clock: SettableClock, url: str) -> KeepingStage:
    return KeepingStage(tmp_path, clock, url=url)


def look(keeper: EditionKeeper) -> Callable[[], None]:
    """Look as a process does: again when the database was busy."""

    def run() -> None:
        for _ in range(20):
            try:
                looked = keeper.look()
            except TryAgainLater:
                continue
            assert all(isinstance(one, TryAgainLater) for one in looked.troubles)
            if not looked.troubles:
                return

    return run


def processes(stage: KeepingStage, url: str, count: int) -> list[EditionKeeper]:
    """Build keepers that share nothing but the database."""
    return [
        EditionKeeper(open_database(url, root=stage.folder), stage.settings, stage.clock)
        for _ in range(count)
    ]


@pytest.mark.slow
def test_keepers_at_the_same_moment_make_one_campaign(stage: KeepingStage, url: str) -> None:
    stage.schedule()
    stage.write()
    keepers = processes(stage, url, 4)
    for day in range(3):
        stage.clock.advance(DUE + timedelta(days=day) - stage.clock.now())
        stage.write(a_digest(DAY + timedelta(days=day)), f"{DAY + timedelta(days=day)}.md")
        assert at_once(*map(look, keepers)) == []

    assert len(stage.sent()) == 3
    assert set(stage.statuses().values()) == {EditionStatus.FIRED}
    assert stage.alerts() == []
    assert stage.broken() == {}


@pytest.mark.slow
def test_an_operator_and_the_clock_at_the_same_moment_send_once(
    stage: KeepingStage, url: str
) -> None:
    stage.schedule()
    one, two, three = processes(stage, url, 3)
    for day in range(3):
        date = DAY + timedelta(days=day)
        stage.write(a_digest(date), f"{date}.md")
        stage.clock.advance(DUE + timedelta(days=day) - stage.clock.now())
        raised = at_once(
            look(one),
            lambda: two.run_now("morning", None, "test"),
            lambda: three.run_now("morning", None, "test"),
        )
        assert all(isinstance(error, ScheduleError) for error in raised), raised

    assert len(stage.sent()) == 3
    assert set(stage.statuses().values()) == {EditionStatus.FIRED}
    assert stage.broken() == {}


@pytest.mark.slow
def test_a_digest_that_changes_while_two_keepers_read_it_is_sent_once(
    stage: KeepingStage, url: str
) -> None:
    stage.schedule()
    stage.write()
    one, two = processes(stage, url, 2)
    stage.clock.advance(DUE - stage.clock.now())

    def change() -> None:
        for number in range(20):
            stage.write(a_digest(story=f"{number} towns agreed"))

    assert at_once(look(one), look(two), change) == []
    stage.look(after=MINUTE)

    assert len(stage.sent()) == 1
    assert stage.broken() == {}


@pytest.mark.slow
def test_a_pause_and_the_clock_at_the_same_moment_leave_one_of_two_ends(
    stage: KeepingStage, url: str
) -> None:
    stage.schedule()
    stage.write()
    (keeper,) = processes(stage, url, 1)
    stage.clock.advance(DUE - stage.clock.now())

    assert at_once(look(keeper), lambda: stage.change(pause_schedule)) == []
    stage.look(after=MINUTE)

    fired = stage.sent() != []
    assert stage.statuses() in ({}, {str(DAY): "fired" if fired else "skipped"})


def test_a_process_that_dies_in_the_freeze_leaves_the_edition_to_the_next(
    stage: KeepingStage,
) -> None:
    stage.schedule()
    stage.write()
    stage.clock.advance(DUE - stage.clock.now())
    statements: list[str] = []

    @event.listens_for(stage.database.engine, "before_cursor_execute")
    def die(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)
        if statement.startswith("UPDATE editions SET status"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.keeper().look()
    event.remove(stage.database.engine, "before_cursor_execute", die)
    before = stage.sent()
    stage.look(after=MINUTE)

    assert any(statement.startswith("INSERT INTO campaigns") for statement in statements)
    assert before == []
    assert len(stage.sent()) == 1
    assert stage.broken() == {}


# ---------------------------------------------------------------- run-now


def test_run_now_fires_todays_edition_before_its_time_and_the_clock_leaves_it(
    stage: KeepingStage,
) -> None:
    stage.schedule()
    stage.write()
    campaign = stage.keeper().run_now("morning", None, "test")
    edition = stage.look(at=DUE)

    assert edition is not None
    assert (edition.status, edition.campaign) == ("fired", campaign)
    assert (edition.due_at, edition.decided_by) == (DUE, "test")
    assert len(stage.sent()) == 1


def test_run_now_fires_what_was_missed_skipped_or_cancelled(stage: KeepingStage) -> None:
    stage.schedule(approval=True, lead=30 * MINUTE)
    stage.write()
    stage.look(at=DUE)
    stage.decide(yes=False)
    campaign = stage.keeper().run_now("morning", DAY, "test")

    assert (stage.of().status, stage.of().campaign) == ("fired", campaign)
    with pytest.raises(ScheduleError, match=f"fired already, as campaign {campaign}"):
        stage.keeper().run_now("morning", DAY, "test")


def test_run_now_on_a_day_without_occurrence_makes_its_edition(stage: KeepingStage) -> None:
    stage.schedule(days="mon")
    stage.write()
    campaign = stage.keeper().run_now("morning", None, "test")

    assert (stage.of().status, stage.of().campaign) == ("fired", campaign)
    assert stage.broken() == {}


def test_run_now_for_a_day_to_come_leaves_the_days_before_it_alone(stage: KeepingStage) -> None:
    stage.schedule(days="tue")
    stage.write()
    stage.write(a_digest(DAY + timedelta(days=3)), "2026-11-27.md")
    stage.keeper().run_now("morning", DAY + timedelta(days=3), "test")
    stage.look(at=DUE)

    assert stage.statuses() == {"2026-11-24": "fired", "2026-11-27": "fired"}


def test_run_now_without_a_digest_leaves_the_day_to_the_clock(stage: KeepingStage) -> None:
    stage.schedule()
    with pytest.raises(ScheduleError, match="there is no digest for 2026-11-24 yet"):
        stage.keeper().run_now("morning", None, "test")
    stage.write()
    before = stage.edition()
    fired = stage.look(at=DUE)

    assert before is None
    assert fired is not None
    assert fired.status is EditionStatus.FIRED


def test_run_now_does_not_send_what_was_sent_by_hand(stage: KeepingStage) -> None:
    stage.schedule()
    stage.schedule("evening", time="18:00")
    stage.write()
    stage.keeper().run_now("evening", None, "test")

    with pytest.raises(ScheduleError, match="already, as campaign 1"):
        stage.keeper().run_now("morning", None, "test")
    assert len(stage.sent()) == 1


def test_run_now_sends_a_skipped_day(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write()
    stage.change(skip_day, DAY)
    stage.look(at=DUE)
    stage.keeper().run_now("morning", None, "test")

    assert stage.of().status is EditionStatus.FIRED


# ---------------------------------------------------------------- a copy (G19)


def test_a_copy_of_the_database_fires_nothing_until_its_schedule_is_resumed(
    stage: KeepingStage,
) -> None:
    stage.schedule()
    stage.write()
    announce_copy(stage.database, stage.clock.now(), "test")
    waiting = stage.look(at=DUE)
    stage.change(pause_schedule)
    stage.look(after=MINUTE)
    stage.change(resume_schedule)
    stage.write(a_digest(DAY + timedelta(days=1)), "2026-11-25.md")
    stage.look(at=DUE + timedelta(days=1))

    assert waiting is not None
    assert waiting.status is EditionStatus.WAITING
    assert waiting.reason is not None
    assert "counts as a copy" in waiting.reason
    assert stage.statuses() == {"2026-11-24": "skipped", "2026-11-25": "fired"}
    assert stage.alerts() == ["Not ready: morning of 2026-11-24 to daily"]


def test_an_operators_run_now_is_a_word_for_an_edition_of_a_copy(stage: KeepingStage) -> None:
    stage.schedule()
    stage.write()
    announce_copy(stage.database, stage.clock.now(), "test")
    stage.look(at=DUE)
    stage.keeper().run_now("morning", None, "test")

    assert stage.of().status is EditionStatus.FIRED


def test_a_copy_that_nobody_announced_is_found_out_before_anything_is_fired(
    tmp_path: Path, clock: SettableClock
) -> None:
    stage = KeepingStage(tmp_path, clock)
    stage.schedule()
    stage.write()
    stage.freeze(slug="earlier", content_hash="another")
    (tmp_path / "ledger.db.mark").unlink()

    with pytest.raises(DeliveryError, match="copied or moved here"):
        stage.keeper().run_now("morning", None, "test")
    (tmp_path / "ledger.db.mark").unlink()
    edition = stage.look(at=DUE)

    assert edition is not None
    assert edition.status is EditionStatus.WAITING
    assert len(stage.sent()) == 1
