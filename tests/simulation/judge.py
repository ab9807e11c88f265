"""What came of it, by the database and by what was handed over, held against the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, select

from newsletter.delivery.alerts import AlertKind
from newsletter.delivery.invariants import verify_invariants
from newsletter.delivery.states import DeliveryState
from newsletter.storage.database import open_database
from newsletter.storage.schedule_tables import editions, schedules
from newsletter.storage.tables import alerts, campaigns, deliveries
from tests.builders import KEYS
from tests.simulation.cast import Part
from tests.simulation.nodes import URL
from tests.simulation.oracle import Expected, Fate
from tests.simulation.workspace import READERS
from tests.simulation.world import World

Key = tuple[str, date]

_FATES = {"waiting": Fate.WAITING, "held": Fate.WAITING, "approved": Fate.WAITING}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: what became of a schedule's editions and of its readers."""

    name: str
    zone: str
    when: str
    fates: Mapping[Fate, int]
    campaigns: int
    messages: int
    unknown: int
    duplicated: int
    lost: int
    oddities: tuple[str, ...]


@dataclass(slots=True)
class Verdict:
    """The table, and everything that is not as it must be; empty when all is well."""

    lines: list[Line] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    stories: Counter[str] = field(default_factory=Counter)

    def add(self, other: Verdict) -> None:
        """Put what came of another world beside it."""
        self.lines += other.lines
        self.faults += other.faults
        self.happened += other.happened
        self.stories += other.stories


@dataclass(slots=True)
class _Found:
    """An edition as the database tells of it."""

    fate: Fate
    due_at: datetime
    reason: str | None
    alerts: int
    """So many tell that it was missed."""
    campaigns: list[int] = field(default_factory=list)
    made_at: datetime | None = None


def judge(world: World) -> Verdict:
    """Return what came of a world that has been lived through."""
    happened = world.happened + Counter({"answers lost": world.post.answers_lost})
    verdict = Verdict(
        faults=[f"seed {world.seed}: {fault}" for fault in world.faults],
        happened=happened,
        stories=Counter({story.value: count for story, count in world.stories.items()}),
    )
    database = open_database(URL, root=world.folder)
    try:
        with database.read() as connection:
            found = _editions(connection)
            states = _states(connection)
        invariants = verify_invariants(database, KEYS, world.end)
    finally:
        database.close()
    handed = Counter((one.delivery.campaign, one.address) for one in world.post.handed)
    for part in world.parts:
        mine = [one for one in world.oracle.all.values() if one.part is part]
        for one in mine:
            verdict.faults += _faults(one, found.get(one.key))
        verdict.lines.append(_line(part, mine, found, states, handed))
    verdict.faults += _strays(world, found, states)
    verdict.faults += [f"{v.name}: {v.says}: {v.examples}" for v in invariants if not v.ok]
    unknown = sum(line.unknown for line in verdict.lines)
    if unknown > world.post.answers_lost:
        verdict.faults.append(f"{unknown} unknown, but {world.post.answers_lost} answers were lost")
    for line in verdict.lines:
        if line.duplicated or line.lost:
            verdict.faults.append(f"{line.name}: {line.duplicated} twice, {line.lost} lost")
    return verdict


def _faults(one: Expected, found: _Found | None) -> Iterator[str]:
    """Hold one edition against what must have become of it."""
    what = f"{one.part.name} {one.due.day}"
    fate = found.fate if found else Fate.WAITING
    if found is None and one.fate is Fate.SKIPPED:
        fate = Fate.SKIPPED
    if fate is not one.fate:
        reason = found.reason if found else "there is no such edition"
        yield f"{what}: {fate} ({reason}), must be {one.fate}; due {one.due.at:%m-%d %H:%M}"
    if found is None:
        return
    if found.due_at != one.due.at:
        yield f"{what}: due at {found.due_at}, truly at {one.due.at} {one.due.oddity}"
    if len(found.campaigns) != (fate is Fate.FIRED):
        yield f"{what}: {fate} with campaigns {found.campaigns}"
    if found.alerts != (fate is Fate.MISSED) and not one.by_hand:
        yield f"{what}: {fate}, and {found.alerts} alerts say missed"


def _strays(
    world: World, found: Mapping[Key, _Found], states: Mapping[int, Counter[DeliveryState]]
) -> Iterator[str]:
    """Yield what nobody asked for."""
    for key, row in found.items():
        if key not in world.oracle.all and (row.campaigns or row.fate is not Fate.WAITING):
            yield f"{key[0]} {key[1]}: {row.fate}, and was never due"
    known = {campaign for row in found.values() for campaign in row.campaigns}
    yield from (f"campaign {campaign} is of no edition" for campaign in sorted(set(states) - known))


def _line(
    part: Part,
    mine: Sequence[Expected],
    found: Mapping[Key, _Found],
    states: Mapping[int, Counter[DeliveryState]],
    handed: Counter[tuple[int, str]],
) -> Line:
    ours = [row for key, row in found.items() if key[0] == part.name]
    numbers = [campaign for row in ours for campaign in row.campaigns]
    totals = sum((states[number] for number in numbers), Counter[DeliveryState]())
    took = [times for (campaign, _), times in handed.items() if campaign in set(numbers)]
    settled = totals[DeliveryState.ACCEPTED] + totals[DeliveryState.UNKNOWN]
    times = Counter(row.fate for row in ours)
    expected = Counter(one.fate for one in mine)
    return Line(
        part.name,
        part.zone,
        part.cron or f"{part.at:%H:%M}" + "".join(f" {day}" for day in part.days),
        # A day that was skipped before it came needs no row.
        {**{fate: times[fate] for fate in Fate}, Fate.SKIPPED: expected[Fate.SKIPPED]},
        campaigns=len(numbers),
        messages=sum(took),
        unknown=totals[DeliveryState.UNKNOWN],
        duplicated=sum(1 for one in took if one > 1),
        lost=len(numbers) * READERS - settled,
        oddities=tuple(f"{one.due.day:%d %b} {one.due.oddity}" for one in mine if one.due.oddity),
    )


def _editions(connection: Connection) -> dict[Key, _Found]:
    told = connection.execute(
        select(alerts.c.key, alerts.c.body).where(alerts.c.kind == AlertKind.EDITION_MISSED.value)
    ).all()
    missed = {row.key: row.body for row in told}
    rows = connection.execute(
        select(
            editions.c.id,
            editions.c.schedule_id,
            schedules.c.name,
            editions.c.day,
            editions.c.status,
            editions.c.due_at,
            editions.c.reason,
        ).join(schedules, schedules.c.id == editions.c.schedule_id)
    ).all()
    by_number = {
        row.id: _Found(
            _FATES.get(row.status) or Fate(row.status),
            row.due_at,
            row.reason,
            _told(missed, row.id, row.schedule_id, row.day),
        )
        for row in rows
    }
    made = select(campaigns.c.edition_id, campaigns.c.id).where(campaigns.c.edition_id.is_not(None))
    for edition, campaign in connection.execute(made):
        by_number[edition].campaigns.append(campaign)
    return {(row.name, date.fromisoformat(row.day)): by_number[row.id] for row in rows}


def _told(missed: Mapping[str, str], edition: int, schedule: int, day: str) -> int:
    """Count the alerts that tell of a missed edition, alone or among the days of an absence."""
    alone = f"edition {edition} missed "
    among = f"schedule {schedule} missed "
    return sum(
        f"{key} ".startswith(alone) or (key.startswith(among) and day in body)
        for key, body in missed.items()
    )


def _states(connection: Connection) -> dict[int, Counter[DeliveryState]]:
    found: dict[int, Counter[DeliveryState]] = {}
    for campaign, state in connection.execute(select(deliveries.c.campaign_id, deliveries.c.state)):
        found.setdefault(campaign, Counter())[DeliveryState(state)] += 1
    return found
