"""A stage with schedules and a folder of digests, and keepers that look at them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from tests.builders import KEYS, Stage

from newsletter.clock import SettableClock
from newsletter.delivery.invariants import verify_invariants
from newsletter.schedule.editions import find_edition, list_editions
from newsletter.schedule.keeping import EditionKeeper, decide
from newsletter.schedule.model import Edition, EditionStatus, Schedule
from newsletter.schedule.schedules import add_schedule, get_schedule
from newsletter.settings import Settings
from newsletter.storage.tables import alerts, campaigns

DAY = date(2026, 11, 24)
DUE = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
"""08:00 in Paris."""


def a_digest(day: date | None = DAY, *, story: str = "Four towns agreed") -> str:
    """Return a digest without errors, dated inside unless `day` is None."""
    byline = f"\nBy The Editor, {day:%d %B %Y}\n" if day else ""
    return f"""\
# Night Ferries Are Shared
{byline}
Good morning, {{{{ first_name | default("reader") }}}}.

## Harbours

### One timetable for all

{story} [^1].

**Why it matters:** Nobody is stranded.

## Sources

[^1]: The council's minutes
"""


BROKEN = a_digest().replace("[^1].", "[^9].")
"""Cites a source that it does not have."""


class KeepingStage(Stage):
    """A workspace whose schedule `morning` is due at 08:00 in Paris; the clock stands at 06:00."""

    def __init__(self, folder: Path, clock: SettableClock, **options: Any) -> None:
        super().__init__(folder, clock, **options)
        self.asked: list[Edition] = []
        (folder / "digests").mkdir(exist_ok=True)

    @property
    def settings(self) -> Settings:
        given: dict[str, Any] = {
            "newsletter": {
                "name": "The Example",
                "base_url": "https://news.example.org",
                "postal_address": "1 Sample Street",
            },
            "sender": {"from_email": "daily@news.example.org"},
            "root": self.folder,
        }
        return Settings(**given)

    def schedule(self, name: str = "morning", **words: Any) -> Schedule:
        """Add a schedule."""
        given: dict[str, Any] = {"timezone": "Europe/Paris", **words}
        if "cron" not in given:
            given.setdefault("time", "08:00")
        with self.database.write() as connection:
            return add_schedule(
                connection, self.clock.now(), name=name, list_name="daily", actor="test", **given
            )

    def change(self, act: Callable[..., object], *words: Any, **named: Any) -> None:
        """Do what an operator does to the schedule: `act(connection, now, "morning", …)`."""
        with self.database.write() as connection:
            act(connection, self.clock.now(), "morning", *words, actor="test", **named)

    def write(self, text: str | None = None, name: str = f"{DAY}.md") -> Path:
        """Put a digest into the folder."""
        path = self.folder / "digests" / name
        path.write_text(a_digest() if text is None else text, encoding="utf-8")
        return path

    def keeper(self, **options: Any) -> EditionKeeper:
        """Build what a process keeps its editions with."""
        options.setdefault("on_asked", self.asked.append)
        return EditionKeeper(self.database, self.settings, self.clock, **options)

    def look(self, *, at: datetime | None = None, after: timedelta | None = None) -> Edition | None:
        """Set the clock, look twice, and return today's edition of `morning`.

        Twice, for a look must be as good as many.
        """
        if at is not None:
            self.clock.advance(at - self.clock.now())
        if after is not None:
            self.clock.advance(after)
        keeper = self.keeper()
        for _ in range(2):
            looked = keeper.look()
            assert looked.troubles == []
        return self.edition()

    def edition(self, day: date = DAY, schedule: str = "morning") -> Edition | None:
        with self.database.read() as connection:
            return find_edition(connection, get_schedule(connection, schedule).id, day)

    def of(self, day: date = DAY, schedule: str = "morning") -> Edition:
        found = self.edition(day, schedule)
        assert found is not None
        return found

    def statuses(self, schedule: str = "morning") -> dict[str, EditionStatus]:
        with self.database.read() as connection:
            found = list_editions(connection, schedule_id=get_schedule(connection, schedule).id)
        return {edition.day.isoformat(): edition.status for edition in found}

    def decide(self, *, yes: bool, day: date = DAY) -> Edition:
        return decide(self.database, self.of(day).id, yes, self.clock.now(), "test")

    def sent(self) -> list[tuple[int, int | None]]:
        """Return the campaigns there are, with the editions they are of."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(campaigns.c.id, campaigns.c.edition_id).order_by(campaigns.c.id)
            )
            return [(row[0], row[1]) for row in rows]

    def alerts(self) -> list[str]:
        """Return the subjects of the alerts, in order."""
        with self.database.read() as connection:
            return list(
                connection.execute(select(alerts.c.subject).order_by(alerts.c.id)).scalars()
            )

    def alert_text(self) -> str:
        """Return the text of the last alert."""
        with self.database.read() as connection:
            query = select(alerts.c.body).order_by(alerts.c.id.desc()).limit(1)
            return connection.execute(query).scalar_one()

    def broken(self) -> dict[str, tuple[str, ...]]:
        """Return the invariants that do not hold."""
        found = verify_invariants(self.database, KEYS, self.clock.now())
        return {one.name: one.examples for one in found if not one.ok}


def at_once(*acts: Callable[[], object]) -> list[BaseException]:
    """Do things in threads that start at the same moment; returns what they raised."""
    start = threading.Barrier(len(acts))
    raised: list[BaseException] = []

    def run(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - told to the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised
