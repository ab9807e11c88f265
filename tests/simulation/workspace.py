"""What there is before the first morning: settings, lists with their readers, schedules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection

from newsletter.audience.address import parse_address
from newsletter.audience.keys import check_suppression_key
from newsletter.audience.lists import create_list
from newsletter.audience.subscribers import add_subscriber
from newsletter.clock import Clock
from newsletter.schedule.schedules import add_schedule
from newsletter.schedule.terms import ScheduleWords
from newsletter.schedule.wording import write_days
from newsletter.settings import Settings
from newsletter.storage.database import open_database
from newsletter.storage.schema import ensure_schema
from tests.builders import KEYS
from tests.simulation.cast import Part
from tests.simulation.nodes import URL

READERS = 3
BASE_URL = "https://news.example.org"


def lay_out(folder: Path, parts: Iterable[Part], clock: Clock) -> Settings:
    """Make a workspace in which each part has a list of its own; returns its settings."""
    (folder / "digests").mkdir(parents=True)
    database = open_database(URL, root=folder)
    ensure_schema(database, clock)
    check_suppression_key(database, KEYS)
    with database.write() as connection:
        for part in parts:
            _add_list(connection, part, clock)
            _add_schedule(connection, part, clock)
    database.close()
    return Settings(
        newsletter={"base_url": BASE_URL, "postal_address": "1 Main Street"},  # type: ignore[arg-type]
        sender={"from_email": "daily@news.example.org"},  # type: ignore[arg-type]
        root=folder,
    )


def _add_list(connection: Connection, part: Part, clock: Clock) -> None:
    made = create_list(
        connection,
        clock.now(),
        name=part.name,
        title=part.name.title(),
        base_url=BASE_URL,
        actor="simulation",
        timezone=part.zone,
    )
    for number in range(READERS):
        add_subscriber(
            connection,
            parse_address(f"reader{number}@{part.name}.example.org"),
            made.id,
            KEYS,
            clock.now(),
            actor="simulation",
            name=None,
            consent="a simulation",
        )


def _add_schedule(connection: Connection, part: Part, clock: Clock) -> None:
    when: ScheduleWords = (
        {"cron": part.cron}
        if part.cron
        else {"time": f"{part.at:%H:%M}", "days": write_days(part.days) or "daily"}
    )
    if part.approval:
        when |= {"approval": True, "lead": part.lead}
    add_schedule(
        connection,
        clock.now(),
        name=part.name,
        list_name=part.name,
        actor="simulation",
        timezone=part.zone,
        grace=part.grace,
        deadline=part.deadline,
        **when,
    )
