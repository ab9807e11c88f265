"""Schedules as people and programs see them: the lines, rows and JSON of `newsletter schedule`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from newsletter.clock import zone_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from newsletter.cli.workspace import Workspace
    from newsletter.schedule.model import Schedule
    from newsletter.schedule.upcoming import Upcoming

LIST_COLUMNS = ("schedule", "list", "segment", "when", "zone", "state", "next")
NEXT_COLUMNS = ("schedule", "day", "date", "local", "zone", "utc", "note")


def show_schedule(workspace: Workspace, name: str, *, as_json: bool) -> None:
    """Print one schedule as it is now."""
    from newsletter.cli.console import answer, answer_json
    from newsletter.schedule.schedules import get_schedule

    with workspace.database.read() as connection:
        found = get_schedule(connection, name)
        document = describe(connection, found, workspace.clock.now())
    if as_json:
        answer_json(document)
        return
    for line in lines(document):
        answer(line)


def describe(connection: Connection, schedule: Schedule, now: datetime) -> dict[str, Any]:
    """Return a schedule as JSON data, with its skips from today on and its next date."""
    from newsletter.schedule.skips import skipped_days, today
    from newsletter.schedule.upcoming import upcoming, why_unplannable
    from newsletter.schedule.wording import DAY_NAMES, when, write_duration

    skips = skipped_days(connection, schedule.id)
    following = upcoming(connection, [schedule], now, 1)
    problem = why_unplannable(schedule)
    return {
        "schedule": schedule.name,
        "list": schedule.list_name,
        "segment": schedule.segment,
        "when": when(schedule),
        "time": f"{schedule.time:%H:%M}" if schedule.time else None,
        "days": [DAY_NAMES[day] for day in schedule.days or range(7)] if schedule.time else None,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "by_reader": schedule.by_reader,
        "approval": schedule.approval,
        "lead": write_duration(schedule.lead),
        "digest": schedule.digest_rule.value,
        "grace": write_duration(schedule.grace),
        "deadline": write_duration(schedule.deadline),
        "listed": schedule.listed,
        "paused": schedule.paused,
        "since": schedule.since,
        "skips": [
            {"date": day.isoformat(), "note": note}
            for day, note in skips.items()
            if problem or day >= today(schedule, now)
        ],
        "next": upcoming_json(following[0]) if following else None,
        "problem": problem,
    }


def upcoming_json(item: Upcoming) -> dict[str, Any]:
    """Return one date to come as JSON data; `local` carries the zone's offset."""
    occurrence = item.occurrence
    return {
        "schedule": item.schedule.name,
        "list": item.schedule.list_name,
        "date": occurrence.day.isoformat(),
        "weekday": f"{occurrence.day:%a}".lower(),
        "timezone": item.schedule.timezone,
        "local": _local(item).isoformat(),
        "utc": occurrence.at,
        "by_reader": item.schedule.by_reader,
        "skipped": item.skipped,
        "note": item.note,
        "oddity": occurrence.oddity,
        "edition": item.edition.value if item.edition else None,
    }


def next_row(item: Upcoming) -> tuple[object, ...]:
    """Return one date to come as a row under `NEXT_COLUMNS`."""
    occurrence, local = item.occurrence, _local(item)
    notes = []
    if item.skipped:
        notes.append(f"skipped: {item.note}" if item.note else "skipped")
    if item.edition is not None:
        notes.append(f"edition is {item.edition.value}")
    if item.schedule.by_reader:
        notes.append("each reader's own time")
    if occurrence.oddity:
        notes.append(occurrence.oddity)
    return (
        item.schedule.name,
        f"{occurrence.day:%a}",
        occurrence.day,
        f"{local:%H:%M %z}" if local.date() == occurrence.day else f"{local:%a %H:%M %z}",
        item.schedule.timezone,
        f"{occurrence.at:%a %Y-%m-%d %H:%M}",
        "; ".join(notes),
    )


def list_row(document: dict[str, Any]) -> tuple[object, ...]:
    """Return a schedule as a row under `LIST_COLUMNS`."""
    return (
        document["schedule"],
        document["list"],
        document["segment"] or "-",
        document["when"],
        document["timezone"],
        "paused" if document["paused"] else "active",
        document["problem"] or _next_words(document["next"]),
    )


def lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield a schedule as lines for people."""
    segment = f", segment '{document['segment']}'" if document["segment"] else ""
    yield f"{document['schedule']}: to '{document['list']}'{segment}"
    moment = "each reader's own zone, else " if document["by_reader"] else ""
    yield f"  {'when':<10}{document['when']} in {moment}{document['timezone']}"
    yield f"  {'digest':<10}" + (
        "that of the date" if document["digest"] == "day" else "the latest, also an older one"
    )
    if document["approval"]:
        yield f"  {'approval':<10}needed, asked for {document['lead']} before"
    yield f"  {'late':<10}fired up to {document['grace']} late, waited for {document['deadline']}"
    if not document["listed"]:
        yield f"  {'archive':<10}does not name its campaigns; their pages are for who has the link"
    for skipped in document["skips"]:
        note = f" ({skipped['note']})" if skipped["note"] else ""
        yield f"  {'skips':<10}{skipped['date']}{note}"
    state = "paused" if document["paused"] else f"active since {document['since']:%Y-%m-%d %H:%M}"
    yield f"  {'state':<10}{state}"
    yield f"  {'next':<10}{document['problem'] or _next_words(document['next'])}"
    if document["problem"]:
        yield f"  {'fix':<10}newsletter schedule update {document['schedule']} --timezone ZONE"
    if document["next"] and document["next"]["oddity"]:
        yield f"  {'':<10}{document['next']['oddity']}"


def _next_words(following: dict[str, Any] | None) -> str:
    if following is None:
        return "-"
    words = f"{datetime.fromisoformat(following['local']):%a %Y-%m-%d %H:%M %z}"
    return f"{words} (skipped)" if following["skipped"] else words


def _local(item: Upcoming) -> datetime:
    return item.occurrence.at.astimezone(zone_of(item.schedule.timezone))
