"""`newsletter schedule editions|approve|cancel|run-now`, as an operator types them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.command import Desk, a_desk
from tests.integration.schedule.keeping_stage import a_digest

from newsletter.clock import SystemClock
from newsletter.schedule.keeping import EditionKeeper
from newsletter.schedule.schedules import add_schedule
from newsletter.settings import load_settings
from newsletter.storage.database import open_database

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose schedule `morning` asks for a yes, one hour before it is due."""
    desk = a_desk(tmp_path, readers=3)
    settings = load_settings(tmp_path / "newsletter.toml")
    database = open_database(settings.database.url, root=tmp_path)
    due = datetime.now(UTC) + timedelta(minutes=30)
    with database.write() as connection:
        add_schedule(
            connection,
            datetime.now(UTC),
            name="morning",
            list_name="daily",
            actor="test",
            time=f"{due:%H:%M}",
            timezone="UTC",
            approval=True,
            lead=timedelta(hours=1),
        )
    database.close()
    (tmp_path / "digests" / f"{due.date()}.md").write_text(a_digest(due.date()), encoding="utf-8")
    return desk


@pytest.fixture
def day(desk: Desk) -> date:
    return (datetime.now(UTC) + timedelta(minutes=30)).date()


def look(desk: Desk) -> None:
    """Look after the editions, as `serve` does."""
    settings = load_settings(desk.folder / "newsletter.toml")
    database = open_database(settings.database.url, root=desk.folder)
    EditionKeeper(database, settings, SystemClock(), settle=timedelta(0)).look()
    database.close()


def test_an_edition_is_listed_and_approved(desk: Desk, day: date) -> None:
    desk.run("schedule", "approve", "morning", code=1)
    look(desk)
    (listed,) = desk.json("schedule", "editions", "morning")
    approved = desk.json("schedule", "approve", "morning")
    again = desk.run("schedule", "approve", "morning", str(day))

    assert (listed["status"], listed["day"]) == ("held", str(day))
    assert listed["digest"] == str(day)
    assert (approved["status"], approved["edition"]) == ("approved", listed["edition"])
    assert approved["decided_by"].startswith("cli")
    assert f"the edition of {day} of 'morning', digest '{day}': approved" in again.stdout


def test_an_edition_is_cancelled_and_sent_by_hand_all_the_same(desk: Desk, day: date) -> None:
    look(desk)
    cancelled = desk.json("schedule", "cancel", "morning")
    refused = desk.run("schedule", "run-now", "morning", str(day), code=2)
    sent = desk.json("schedule", "run-now", "morning", str(day), "--yes")
    twice = desk.run("schedule", "run-now", "morning", str(day), "--yes", code=1)
    (listed,) = desk.json("schedule", "editions")

    assert cancelled["status"] == "cancelled"
    assert "add --yes" in refused.stderr
    assert (sent["status"], sent["accepted"]) == ("sent", 3)
    assert f"fired already, as campaign {sent['campaign']}" in twice.stderr
    assert (listed["status"], listed["campaign"]) == ("fired", sent["campaign"])
    assert all(one["ok"] for one in desk.json("verify")["invariants"])


def test_wrong_words_are_told(desk: Desk) -> None:
    nothing = desk.run("schedule", "editions")
    no_date = desk.run("schedule", "run-now", "morning", "today", "--yes", code=2)
    no_edition = desk.run("schedule", "cancel", "morning", "2031-01-01", code=1)
    unknown = desk.run("schedule", "editions", "mornin", code=1)

    assert "no editions yet" in nothing.stderr
    assert "'today' is no date" in no_date.stderr
    assert "newsletter schedule skip morning 2031-01-01" in no_edition.stderr
    assert "there is no schedule 'mornin'" in unknown.stderr
