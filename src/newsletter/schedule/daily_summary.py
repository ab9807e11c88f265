"""The daily summary for operators: what was sent and what came of it, what is due, what waits.

Here the figures are gathered; the words stand in `summary_text`, and `summary_telling` sees to it
that each day is told once. It names no reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection, case, func, select

from newsletter.audience.consent import Act
from newsletter.clock import zone_of
from newsletter.delivery.states import DeliveryState
from newsletter.feedback.report_figures import CLASSES
from newsletter.schedule.model import EditionStatus, Occurrence
from newsletter.schedule.recurrence import recurrence_of
from newsletter.schedule.schedules import list_schedules
from newsletter.schedule.skips import skipped_days
from newsletter.schedule.summary_waits import Wait, gather_waits
from newsletter.storage.schedule_tables import editions, schedules
from newsletter.storage.tables import attempts, campaigns, consents, deliveries, lists

_S = DeliveryState

DAY = timedelta(hours=24)
WEEK_DAYS = 7
"""What the last day is compared with: the mean of so many days before it."""
PLANNED = "planned"
"""What is said of an occurrence that has no edition yet."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the campaigns that began in a span of time, and who came and left in it.

    `hard` to `other` count who failed, at sending and afterwards. Means are no whole numbers.
    """

    campaigns: float = 0
    recipients: float = 0
    accepted: float = 0
    delivered: float = 0
    hard: float = 0
    soft: float = 0
    blocked: float = 0
    dropped: float = 0
    other: float = 0
    complained: float = 0
    unsettled: float = 0
    """Pending, deferred, claimed or unknown still."""
    left_out: float = 0
    """Skipped at the claim, or expired."""
    left: float = 0
    joined: float = 0

    @property
    def bounced(self) -> float:
        """Return how many failed."""
        return self.hard + self.soft + self.blocked + self.dropped + self.other

    @property
    def handed_over(self) -> float:
        """Return how many the provider took, whatever became of them then."""
        return self.accepted + self.delivered + self.complained

    @property
    def nothing(self) -> bool:
        """Whether nothing happened at all."""
        return not any(getattr(self, field.name) for field in fields(self))

    def mean_of(self, days: int) -> Figures:
        """Return what one of so many days had."""
        return Figures(*(getattr(self, field.name) / days for field in fields(self)))


@dataclass(frozen=True, slots=True)
class ListFigures:
    """One list: its last 24 hours, and the mean of the seven days before."""

    name: str
    title: str
    day: Figures
    mean: Figures


@dataclass(frozen=True, slots=True)
class EditionLine:
    """One edition of today or tomorrow; `state` is an `EditionStatus`, or `PLANNED`."""

    schedule: str
    list: str
    day: date
    due_at: datetime
    state: str
    reason: str | None = None
    campaign: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What operators are told once a day."""

    at: datetime
    zone: str
    lists: tuple[ListFigures, ...]
    editions: tuple[EditionLine, ...]
    waits: tuple[Wait, ...]

    @property
    def all(self) -> Figures:
        """Return the last 24 hours of all lists together."""
        names = [field.name for field in fields(Figures)]
        return Figures(*(sum(getattr(one.day, name) for one in self.lists) for name in names))


def summarise(connection: Connection, now: datetime, zone: str) -> Summary:
    """Gather the summary of a moment; the connection should see one consistent state.

    `zone` is the newsletter's: it says which editions are of today and of tomorrow.
    """
    return Summary(
        at=now,
        zone=zone,
        lists=tuple(_list_figures(connection, now)),
        editions=tuple(_editions(connection, now, zone)),
        waits=tuple(gather_waits(connection, now, now - DAY)),
    )


def _list_figures(connection: Connection, now: datetime) -> Iterator[ListFigures]:
    day = _figures(connection, now - DAY, now)
    week = _figures(connection, now - (WEEK_DAYS + 1) * DAY, now - DAY)
    for row in connection.execute(select(lists).order_by(lists.c.title, lists.c.id)):
        mean = week.get(row.id, Figures()).mean_of(WEEK_DAYS)
        yield ListFigures(row.name, row.title, day.get(row.id, Figures()), mean)


def _figures(connection: Connection, since: datetime, until: datetime) -> dict[int, Figures]:
    """Count by list what began after `since`, up to `until`."""
    counts: dict[int, dict[str, float]] = {}

    def add(list_id: int, name: str, count: int) -> None:
        of_list = counts.setdefault(list_id, {})
        of_list[name] = of_list.get(name, 0) + count

    began = (
        select(attempts.c.campaign_id, func.min(attempts.c.claimed_at).label("at"))
        .group_by(attempts.c.campaign_id)
        .subquery()
    )
    mine = (
        select(campaigns.c.id, campaigns.c.list_id, campaigns.c.recipients)
        .join(began, began.c.campaign_id == campaigns.c.id)
        .where(began.c.at > since, began.c.at <= until)
    ).cte("mine")
    for row in connection.execute(select(mine)):
        add(row.list_id, "campaigns", 1)
        add(row.list_id, "recipients", row.recipients)
    failed = deliveries.c.state.in_((_S.REJECTED, _S.BOUNCED))
    why = case((failed, deliveries.c.reason), else_=None).label("why")
    states = (
        select(mine.c.list_id, deliveries.c.state, why, func.count().label("n"))
        .join(deliveries, deliveries.c.campaign_id == mine.c.id)
        .group_by(mine.c.list_id, deliveries.c.state, "why")
    )
    for row in connection.execute(states):
        add(row.list_id, _name_of(DeliveryState(row.state), row.why), row.n)
    acts = (
        select(consents.c.list_id, consents.c.act, func.count().label("n"))
        .where(consents.c.at > since, consents.c.at <= until, consents.c.act.in_(_ACTS))
        .group_by(consents.c.list_id, consents.c.act)
    )
    for row in connection.execute(acts):
        add(row.list_id, _ACTS[row.act], row.n)
    return {list_id: Figures(**of_list) for list_id, of_list in counts.items()}


_ACTS = {Act.GRANTED.value: "joined", Act.WITHDRAWN.value: "left"}
_NAMES = {
    _S.ACCEPTED: "accepted",
    _S.DELIVERED: "delivered",
    _S.COMPLAINED: "complained",
    _S.SKIPPED: "left_out",
    _S.EXPIRED: "left_out",
}


def _name_of(state: DeliveryState, reason: str | None) -> str:
    if state in (_S.REJECTED, _S.BOUNCED):
        return reason if reason in CLASSES else "other"
    return _NAMES.get(state, "unsettled")


def _editions(connection: Connection, now: datetime, zone: str) -> Iterator[EditionLine]:
    """Return what is due today and tomorrow, also what no edition was made for yet."""
    today = now.astimezone(zone_of(zone)).date()
    begin, end = (
        datetime.combine(today + timedelta(days=days), time(), zone_of(zone)) for days in (0, 2)
    )
    names = {
        row.id: (row.name, row.title)
        for row in connection.execute(
            select(schedules.c.id, schedules.c.name, lists.c.title).join(
                lists, lists.c.id == schedules.c.list_id
            )
        )
    }
    rows = connection.execute(
        select(editions, campaigns.c.id.label("campaign"))
        .outerjoin(campaigns, campaigns.c.edition_id == editions.c.id)
        .where(editions.c.due_at >= begin, editions.c.due_at < end)
    )
    found = {
        (row.schedule_id, row.day): EditionLine(
            *names[row.schedule_id],
            day=date.fromisoformat(row.day),
            due_at=row.due_at,
            state=row.status,
            reason=row.reason,
            campaign=row.campaign,
        )
        for row in rows
    }
    for number, occurrence, state in _occurrences(connection, max(begin, now), end):
        if number in names:
            line = EditionLine(*names[number], occurrence.day, occurrence.at, state)
            found.setdefault((number, occurrence.day.isoformat()), line)
    yield from sorted(found.values(), key=lambda line: (line.due_at, line.schedule))


def _occurrences(
    connection: Connection, after: datetime, until: datetime
) -> Iterator[tuple[int, Occurrence, str]]:
    """Return what schedules have before them, with what will come of it as things stand."""
    moment = timedelta(microseconds=1)
    for schedule in list_schedules(connection):
        skipped = skipped_days(connection, schedule.id)
        for occurrence in recurrence_of(schedule).occurrences(after - moment, until - moment):
            left_out = schedule.paused or occurrence.day in skipped
            state = EditionStatus.SKIPPED.value if left_out else PLANNED
            yield schedule.id, occurrence, state
